"""Two sets of alarms about the same frames: what only one has, and what both tell differently.

A case that differs in several ways stands under the first that applies: class, onset, time of
raising, end, confidence. ``by_kind`` counts the same cases per kind.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from simulator.scoring.alarms import SeenAlarm
from telemetry.findings import FindingKind

NEAR_US: Final = 120_000_000
"""Alarms of one lift and family are about the same thing if their onsets are no further apart, or
one was raised while the other lasted [µs]."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An alarm of the current rules and what the candidate says instead."""

    current: SeenAlarm
    candidate: SeenAlarm

    @property
    def delay_us(self) -> int | None:
        """Return how much later the candidate raised it [µs]; ``None`` = not known."""
        if self.current.detected_us is None or self.candidate.detected_us is None:
            return None
        return self.candidate.detected_us - self.current.detected_us


@dataclass(frozen=True, slots=True)
class Differences:
    """How the alarms of a candidate differ from the current ones.

    Parameters
    ----------
    only_current, only_candidate
        Alarms that the other does not have.
    other_class, other_onset
        The same case under another class, or with another onset.
    other_time
        Raised earlier or later, else equal.
    other_end
        Cleared earlier, later, or by one of them alone; else equal.
    other_confidence
        Raised with another confidence, else equal.
    same
        Cases that both tell alike.
    """

    only_current: tuple[SeenAlarm, ...] = ()
    only_candidate: tuple[SeenAlarm, ...] = ()
    other_class: tuple[Pair, ...] = ()
    other_onset: tuple[Pair, ...] = ()
    other_time: tuple[Pair, ...] = ()
    other_end: tuple[Pair, ...] = ()
    other_confidence: tuple[Pair, ...] = ()
    same: tuple[Pair, ...] = ()

    def __len__(self) -> int:
        """Return the number of cases in which they differ."""
        return len(self.only_current) + len(self.only_candidate) + len(self.changed)

    @property
    def equal(self) -> int:
        """Return the number of cases that both tell alike."""
        return len(self.same)

    @property
    def changed(self) -> tuple[Pair, ...]:
        """Return the cases that both have and tell differently."""
        return (
            *self.other_class, *self.other_onset, *self.other_time, *self.other_end,
            *self.other_confidence,
        )  # fmt: skip


@dataclass(slots=True)
class KindDifferences:
    """The differences of one kind, counted; a case of two kinds counts under the current one.

    Parameters
    ----------
    current, candidate
        Alarms of each side.
    delays_us
        Of the cases that both have, how much later the candidate raised them [µs].
    """

    current: int = 0
    candidate: int = 0
    only_current: int = 0
    only_candidate: int = 0
    changed: int = 0
    equal: int = 0
    delays_us: list[int] = field(default_factory=list)


def differences(current: Iterable[SeenAlarm], candidate: Iterable[SeenAlarm]) -> Differences:
    """Pair the alarms of both; equal onsets first, then the nearest ones."""
    mine, theirs = _by_lift(current), _by_lift(candidate)
    only_current: list[SeenAlarm] = []
    only_candidate: list[SeenAlarm] = []
    cases: dict[str, list[Pair]] = {name: [] for name in (*_DIFFERS, _SAME)}
    for key in sorted({*mine, *theirs}):
        paired, left, right = _paired(mine.get(key, []), theirs.get(key, []))
        for pair in paired:
            cases[_how(pair)].append(pair)
        only_current += left
        only_candidate += right
    return Differences(
        tuple(only_current), tuple(only_candidate),
        **{name: tuple(pairs) for name, pairs in cases.items()},
    )  # fmt: skip


def by_kind(found: Differences) -> dict[FindingKind, KindDifferences]:
    """Count the cases of each kind that either side has."""
    counts: dict[FindingKind, KindDifferences] = defaultdict(KindDifferences)
    for alarm in found.only_current:
        counts[alarm.kind].current += 1
        counts[alarm.kind].only_current += 1
    for alarm in found.only_candidate:
        counts[alarm.kind].candidate += 1
        counts[alarm.kind].only_candidate += 1
    for pairs, equal in ((found.changed, False), (found.same, True)):
        for pair in pairs:
            of_kind = counts[pair.current.kind]
            of_kind.current += 1
            counts[pair.candidate.kind].candidate += 1
            of_kind.equal += equal
            of_kind.changed += not equal
            delay_us = pair.delay_us
            if delay_us is not None:
                of_kind.delays_us.append(delay_us)
    return dict(sorted(counts.items()))


_DIFFERS: Final[Mapping[str, Callable[[SeenAlarm], object]]] = {
    "other_class": lambda alarm: alarm.kind,
    "other_onset": lambda alarm: alarm.onset_us,
    "other_time": lambda alarm: alarm.detected_us,
    "other_end": lambda alarm: alarm.ended_us,
    "other_confidence": lambda alarm: alarm.confidence,
}
_SAME: Final = "same"


def _how(pair: Pair) -> str:
    """Return the first way in which the two differ, by the name of its field."""
    for name, tells in _DIFFERS.items():
        if tells(pair.current) != tells(pair.candidate):
            return name
    return _SAME


def _by_lift(alarms: Iterable[SeenAlarm]) -> dict[tuple[str, str], list[SeenAlarm]]:
    found: dict[tuple[str, str], list[SeenAlarm]] = defaultdict(list)
    for alarm in alarms:
        found[alarm.code, alarm.family].append(alarm)
    return found


def _paired(
    mine: Sequence[SeenAlarm], theirs: Sequence[SeenAlarm]
) -> tuple[list[Pair], list[SeenAlarm], list[SeenAlarm]]:
    choices = sorted(
        (abs(a.onset_us - b.onset_us), i, j)
        for i, a in enumerate(mine)
        for j, b in enumerate(theirs)
        if _same_case(a, b)
    )
    left, right = dict(enumerate(mine)), dict(enumerate(theirs))
    pairs: list[Pair] = []
    for _, i, j in choices:
        if i in left and j in right:
            pairs.append(Pair(left.pop(i), right.pop(j)))
    return pairs, list(left.values()), list(right.values())


def _same_case(a: SeenAlarm, b: SeenAlarm) -> bool:
    if abs(a.onset_us - b.onset_us) <= NEAR_US:
        return True
    first, second = sorted((a, b), key=lambda alarm: alarm.onset_us)
    return first.ended_us is None or second.onset_us <= first.ended_us
