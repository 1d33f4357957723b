"""Two sets of alarms about the same frames: what only one has, and what both tell differently."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from simulator.scoring.alarms import SeenAlarm

NEAR_US: Final = 120_000_000
"""Alarms of one lift and family are about the same thing if their onsets are no further apart, or
one was raised while the other lasted [µs]."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An alarm of the current rules and what the candidate says instead."""

    current: SeenAlarm
    candidate: SeenAlarm


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
    equal
        Number of alarms that both have with equal class, onset and time.
    """

    only_current: tuple[SeenAlarm, ...] = ()
    only_candidate: tuple[SeenAlarm, ...] = ()
    other_class: tuple[Pair, ...] = ()
    other_onset: tuple[Pair, ...] = ()
    other_time: tuple[Pair, ...] = ()
    equal: int = 0

    def __len__(self) -> int:
        """Return the number of cases in which they differ."""
        pairs = len(self.other_class) + len(self.other_onset) + len(self.other_time)
        return len(self.only_current) + len(self.only_candidate) + pairs


def differences(current: Iterable[SeenAlarm], candidate: Iterable[SeenAlarm]) -> Differences:
    """Pair the alarms of both; equal onsets first, then the nearest ones."""
    mine, theirs = _by_lift(current), _by_lift(candidate)
    only_current: list[SeenAlarm] = []
    only_candidate: list[SeenAlarm] = []
    pairs: list[Pair] = []
    for key in sorted({*mine, *theirs}):
        paired, left, right = _paired(mine.get(key, []), theirs.get(key, []))
        pairs += paired
        only_current += left
        only_candidate += right
    other_class = [p for p in pairs if p.current.kind is not p.candidate.kind]
    same_class = [p for p in pairs if p.current.kind is p.candidate.kind]
    other_onset = [p for p in same_class if p.current.onset_us != p.candidate.onset_us]
    same_onset = [p for p in same_class if p.current.onset_us == p.candidate.onset_us]
    other_time = [p for p in same_onset if p.current.detected_us != p.candidate.detected_us]
    return Differences(
        tuple(only_current), tuple(only_candidate), tuple(other_class), tuple(other_onset),
        tuple(other_time), len(same_onset) - len(other_time),
    )  # fmt: skip


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
