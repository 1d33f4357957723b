"""Alarms as a service keeps them, reduced to what is compared.

The reduction says what ``alerting`` says, without its desk: a finding that ends by itself is one
alarm from its raise to its clear. A press of the alarm button opens a case, further presses belong
to it until the doors have let people out: then, as one assumes, the desk closes it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from telemetry.findings import FINDINGS, Change, ClearReason, FindingKind
from telemetry.transitions import Transition

_PRESSES: Final = "presses"
_WINDOW: Final = "window_us"


@dataclass(frozen=True, slots=True)
class SeenAlarm:
    """An alarm, reduced to what is compared.

    Parameters
    ----------
    alarm_id
        Any text, equal for equal alarms.
    code
        Registration code of the lift.
    kind
        Class under which it was raised.
    onset_us
        Since when, by the finding.
    detected_us
        Event time at which the rule was satisfied; ``None`` = not known.
    known_us
        Arrival time at which whoever watches knew it; ``None`` = not known.
    window_us
        Window that the rule applied, from the thresholds among its evidence; 0 without one.
    ended_us
        When the finding was cleared; ``None`` = it was not.
    refuted
        It was cleared because frames that came late showed that it never was so.
    evidence
        As in the transition that raised it, JSON types only.
    """

    alarm_id: str
    code: str
    kind: FindingKind
    onset_us: int
    detected_us: int | None = None
    known_us: int | None = None
    window_us: int = 0
    ended_us: int | None = None
    refuted: bool = False
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def family(self) -> str:
        """Return the family: one alarm of it at a time and lift."""
        return FINDINGS[self.kind].family


def alarms_of(
    found: Iterable[tuple[Transition, int | None]], codes: Mapping[int, str]
) -> list[SeenAlarm]:
    """Reduce transitions to alarms, in the order in which they were raised.

    Parameters
    ----------
    found
        Transitions, those of one lift and rule in the order in which they happened, each with the
        arrival time at which it became known.
    codes
        Registration code by ``elevator_id``.
    """
    alarms: list[SeenAlarm] = []
    last: dict[tuple[int, str], int] = {}
    for t, known_us in found:
        key = t.elevator_id, FINDINGS[t.kind].family
        open_at = last.get(key)
        if t.change is Change.RAISED and (open_at is None or not _continues(t)):
            last[key] = len(alarms)
            alarms.append(_raised(t, known_us, codes[t.elevator_id]))
        elif t.change is Change.CLEARED and open_at is not None:
            alarms[open_at] = replace(
                alarms[open_at],
                ended_us=t.t_us,
                refuted=t.reason is ClearReason.LATE_EVIDENCE,
            )
    return alarms


def _continues(t: Transition) -> bool:
    """Tell whether a raise belongs to the case before: a further press of the same one."""
    return int(t.values.get(_PRESSES) or 1) > 1


def _raised(t: Transition, known_us: int | None, code: str) -> SeenAlarm:
    return SeenAlarm(
        alarm_id=f"{code}/{t.kind.slug}/{t.onset_us}",
        code=code,
        kind=t.kind,
        onset_us=t.onset_us,
        detected_us=t.t_us,
        known_us=known_us,
        window_us=int(t.thresholds.get(_WINDOW) or 0),
        evidence=t.evidence(),
    )
