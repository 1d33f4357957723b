"""Alarms as a service keeps them, reduced to what is compared.

The reduction says what ``alerting`` says, without its desk: a finding is one alarm from its raise
to its clear. Where a person must end the alarm (the alarm button), each raise is kept as one, since
nobody is there to end it: ``matching`` takes further ones within a true event for updates.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from telemetry.findings import FINDINGS, Change, ClearReason, Confidence, FindingKind
from telemetry.transitions import Transition

_WINDOW: Final = "window_us"


class Seen(NamedTuple):
    """A transition with what is known beside it.

    ``known_us`` is the arrival time at which it became known, ``clock_off_us`` by how much event
    times of that lift are too late.
    """

    transition: Transition
    known_us: int | None = None
    clock_off_us: int = 0


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
        For how long the condition had to hold, from the thresholds among its evidence; 0 without
        one. A window in which events are counted is none: such a rule is satisfied at its onset.
    ended_us
        When the finding was cleared; ``None`` = it was not.
    clock_off_us
        Event time minus true time at that lift: its terminal's clock is wrong by so much. Onset
        and detection are told by that clock.
    refuted
        It was cleared because frames that came late showed that it never was so.
    evidence
        As in the transition that raised it, JSON types only.
    confidence
        When it was raised; ``None`` = not known.
    rule
        Name and version of the rule that raised it.
    thresholds
        That the rule applied.
    parameters
        Version of the parameters that judged it; 0 = defaults, or not known.
    """

    alarm_id: str
    code: str
    kind: FindingKind
    onset_us: int
    detected_us: int | None = None
    known_us: int | None = None
    window_us: int = 0
    ended_us: int | None = None
    clock_off_us: int = 0
    refuted: bool = False
    evidence: Mapping[str, Any] = field(default_factory=dict)
    confidence: Confidence | None = None
    rule: str = ""
    thresholds: Mapping[str, Any] = field(default_factory=dict)
    parameters: int = 0

    @property
    def family(self) -> str:
        """Return the family: one alarm of it at a time and lift."""
        return FINDINGS[self.kind].family

    @property
    def true_onset_us(self) -> int:
        """Return the onset by a clock that is right."""
        return self.onset_us - self.clock_off_us

    @property
    def true_detected_us(self) -> int | None:
        """Return when the rule was satisfied, by a clock that is right."""
        return None if self.detected_us is None else self.detected_us - self.clock_off_us

    @property
    def true_ended_us(self) -> int | None:
        """Return when the finding was cleared, by a clock that is right."""
        return None if self.ended_us is None else self.ended_us - self.clock_off_us

    def says(self, criterion: str) -> bool:
        """Tell whether a named criterion of its evidence held."""
        return self.evidence.get("criteria", {}).get(criterion) is True


def alarms_of(found: Iterable[Seen], codes: Mapping[int, str]) -> list[SeenAlarm]:
    """Reduce transitions to alarms, in the order in which they were raised.

    Parameters
    ----------
    found
        Transitions, those of one lift and rule in the order in which they happened.
    codes
        Registration code by ``elevator_id``.
    """
    alarms: list[SeenAlarm] = []
    last: dict[tuple[int, str], int] = {}
    for seen in found:
        t = seen.transition
        key = t.elevator_id, FINDINGS[t.kind].family
        open_at = last.get(key)
        if t.change is Change.RAISED:
            last[key] = len(alarms)
            alarms.append(_raised(seen, codes[t.elevator_id]))
        elif t.change is Change.CLEARED and open_at is not None:
            alarms[open_at] = replace(
                alarms[open_at],
                ended_us=t.t_us,
                refuted=t.reason is ClearReason.LATE_EVIDENCE,
            )
    return alarms


def _raised(seen: Seen, code: str) -> SeenAlarm:
    t = seen.transition
    return SeenAlarm(
        alarm_id=f"{code}/{t.kind.slug}/{t.onset_us}",
        code=code,
        kind=t.kind,
        onset_us=t.onset_us,
        detected_us=t.t_us,
        known_us=seen.known_us,
        window_us=min(int(t.thresholds.get(_WINDOW) or 0), t.t_us - t.onset_us),
        clock_off_us=seen.clock_off_us,
        evidence=t.evidence(),
        confidence=t.confidence,
        rule=f"{t.rule} {t.version}",
        thresholds=t.thresholds,
        parameters=t.parameters,
    )
