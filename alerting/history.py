"""History is not news, but the present is never held back: whether an alarm waits, and what then.

While a lift is catching up *and* lags more than 120 s (``ingest.assemble`` says so: ``holding``)
what it raises waits, because what ends it may be in the same backlog. When that is over, an alarm
is either still so, and is dispatched with its true onset; or it ended meanwhile, and is recorded
as past. Onsets older than 24 h are recorded and never dispatched. An alarm once dispatched never
waits.

Alarms of classes that are not sent (``changes.LifecycleParams.sent_too``; never rescue) are
recorded at once. Nothing else delays an alarm: there is no grouping, throttle, mute or shelf to
pass through.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from alerting.alarm import Alarm, EndReason
from telemetry.findings import FindingClass

DAY_US: Final = 24 * 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class Context:
    """What is known about a lift at the moment of a decision.

    ``holding``: catching up and lagging more than 120 s. ``lag_us``: arrival minus event time.
    ``last_seen_us``: event time of its newest frame. ``floor``: displayed floor, None = unknown.
    ``floors``: what is displayed for each floor key in the values of its transitions.
    """

    holding: bool = False
    lag_us: int | None = None
    last_seen_us: int | None = None
    floor: str | None = None
    floors: Mapping[int, str | None] = field(default_factory=dict)


LIVE: Final = Context()
"""For a lift of which nothing more is known: nothing waits."""

Contexts = Mapping[int, Context]
"""By elevator id; a lift that is missing counts as ``LIVE``."""


class Disposition(StrEnum):
    """What becomes of an alarm that has not been dispatched."""

    DISPATCH = "dispatch"
    WAIT = "wait"
    PAST_TOO_OLD = "past_too_old"
    PAST_DOORS_OPENED = "past_doors_opened"
    RECORD = "record"
    """Of a class that is not sent."""


PAST_REASON: Final = {
    Disposition.PAST_TOO_OLD: EndReason.TOO_OLD,
    Disposition.PAST_DOORS_OPENED: EndReason.DOORS_OPENED_BEFORE_DISPATCH,
}


def disposition(
    alarm: Alarm, context: Context, now_us: int, max_age_us: int, *, sent: bool = True
) -> Disposition:
    """Decide about an open, undispatched alarm whose finding or case is not over.

    ``sent``: whether alarms of its class are sent; others neither wait nor are ever too old.
    A press of the alarm button is past only if the doors opened in the zone after it.
    """
    if not sent:
        return Disposition.RECORD
    if now_us - _since_us(alarm) > max_age_us:
        return Disposition.PAST_TOO_OLD
    if context.holding:
        return Disposition.WAIT
    if alarm.held and not alarm.finding.ends_with_finding and alarm.doors_opened_us is not None:
        return Disposition.PAST_DOORS_OPENED
    return Disposition.DISPATCH


def _since_us(alarm: Alarm) -> int:
    """Return from when its age counts: a trend or an overdue test is news when it is noticed."""
    urgent = alarm.finding.finding_class in (FindingClass.RESCUE, FindingClass.SAFETY)
    return alarm.onset_us if urgent else alarm.detected_us
