"""Where errors come from.

False alarms: a look-alike, a true fault of another kind, or nothing special. Missed events: a
sensor or terminal that failed at the same time, or nothing special.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from simulator.scoring.alarms import SeenAlarm
from simulator.truth import LookAlike, TruthEvent
from telemetry.findings import FindingKind

AFTER_US: Final = 120_000_000
"""An alarm whose onset is so long after something's end may still come from it: after a reboot the
first heartbeats of an idle lift come 30 s and 60 s later [µs]."""
BEFORE_US: Final = 3_000_000
"""As in ``matching.match``: onsets are sampled."""


OF_SENSORS: Final = frozenset(kind for kind in FindingKind if 30 <= kind < 50)
"""Kinds of terminals and sensors, by their numbers."""


class Blame(StrEnum):
    """What a false alarm comes from."""

    LOOK_ALIKE = "look_alike"
    """During or shortly after something that is no event and may be taken for one."""
    CONSEQUENCE = "consequence"
    """During or shortly after a true event of another family."""
    BACKGROUND = "background"
    """Ordinary life."""


@dataclass(frozen=True, slots=True)
class FalseAlarm:
    """A false alarm with what it is blamed on; ``cause`` is empty for the background.

    ``beside``: causes of what else was going on meanwhile.
    """

    alarm: SeenAlarm
    blame: Blame
    cause: str = ""
    beside: frozenset[str] = frozenset()


def lying_sensors(truth: Sequence[TruthEvent]) -> dict[TruthEvent, str]:
    """Return the events during which a sensor or terminal of their lift failed, and its cause.

    Two faults that coincide are as rare as the product of their rates, so what such an event shows
    counts that much less at the field's rates.
    """
    failures: dict[str, list[TruthEvent]] = defaultdict(list)
    for event in truth:
        if event.kind in OF_SENSORS:
            failures[event.code].append(event)
    lied: dict[TruthEvent, str] = {}
    for event in truth:
        if event.kind not in OF_SENSORS:
            cause = _failed_in(event, failures.get(event.code, ()))
            if cause:
                lied[event] = cause
    return lied


def _failed_in(event: TruthEvent, failures: Sequence[TruthEvent]) -> str:
    for failure in failures:
        begun = event.end_us is None or failure.onset_us < event.end_us
        if begun and (failure.end_us is None or failure.end_us > event.onset_us):
            return failure.cause
    return ""


class _Span(NamedTuple):
    from_us: int
    to_us: int | None
    family: str
    blame: Blame
    cause: str


def attribute(
    false: Iterable[SeenAlarm], truth: Sequence[TruthEvent], look_alikes: Sequence[LookAlike]
) -> list[FalseAlarm]:
    """Blame each false alarm on what was going on at its lift from its onset to its detection.

    A look-alike goes before a true event; of several, the one that began last is taken.
    """
    spans: dict[str, list[_Span]] = defaultdict(list)
    for event in truth:
        span = _Span(event.onset_us, event.end_us, event.family, Blame.CONSEQUENCE, event.cause)
        spans[event.code].append(span)
    for like in look_alikes:
        spans[like.code].append(
            _Span(like.from_us, like.to_us, "", Blame.LOOK_ALIKE, like.cause)
        )  # a look-alike has no family: it may be taken for anything
    return [_attributed(alarm, spans.get(alarm.code, [])) for alarm in false]


def _attributed(alarm: SeenAlarm, spans: Sequence[_Span]) -> FalseAlarm:
    blamed = [s for s in spans if s.family != alarm.family and _overlaps(alarm, s)]
    if not blamed:
        return FalseAlarm(alarm, Blame.BACKGROUND)
    chosen = max(blamed, key=lambda s: (s.blame is Blame.LOOK_ALIKE, s.from_us))
    beside = frozenset(s.cause for s in blamed) - {chosen.cause}
    return FalseAlarm(alarm, chosen.blame, chosen.cause, beside)


def _overlaps(alarm: SeenAlarm, span: _Span) -> bool:
    detected_us = alarm.true_detected_us or alarm.true_onset_us
    begun = detected_us >= span.from_us - BEFORE_US
    return begun and (span.to_us is None or alarm.true_onset_us <= span.to_us + AFTER_US)
