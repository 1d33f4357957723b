"""What a decision about alarms comes to: values to write and send, and the names of outcomes.

``Changes`` is what every function of ``lifecycle`` and ``decisions`` returns; ``store`` writes it
in the caller's transaction. Invariants: a line of the timeline gets the alarm's next ``n``, a
message its next ``sequence``, both without gaps; ``alarms`` holds the newest version of each
alarm touched.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from alerting.alarm import Alarm, Event, EventType, Message, MessageType, Source
from alerting.history import DAY_US
from telemetry.findings import FINDINGS, FindingClass


class Outcome(StrEnum):
    """What was decided about a transition, a person's act or a timer."""

    RAISED = "raised"
    RECORDED = "recorded"
    """Of a class that is not sent: stored and shown, told to nobody."""
    HELD = "held"
    PAST_TOO_OLD = "past_too_old"
    PAST_DOORS_OPENED = "past_doors_opened"
    PAST_ENDED = "past_ended"
    DISPATCHED_LATE = "dispatched_late"
    UPDATED = "updated"
    PRESSED = "pressed"
    UPDATED_WHILE_HELD = "updated_while_held"
    SELF_RELEASED = "self_released"
    RELEASED = "released"
    LATE_EVIDENCE = "late_evidence"
    FINDING_CLEARED = "finding_cleared"
    RECORDED_AFTER_END = "recorded_after_end"
    NO_ALARM = "no_alarm"
    ACCEPTED = "accepted"
    ALREADY_ACCEPTED = "already_accepted"
    RELEASED_BY_PERSON = "released_by_person"
    CANCELLED = "cancelled"
    ALREADY_SO = "already_so"
    ESCALATED = "escalated"


@dataclass(frozen=True, slots=True)
class LifecycleParams:
    """Limits of the lifecycle, settings of the service.

    ``accept_us``: without acceptance for so long the level rises (DOMAIN section 4: 3 min).
    ``max_age_us``: onsets older than this are never dispatched (DESIGN section 5: 24 h).
    ``sent_too``: classes of findings that are sent besides rescue, which no value leaves out.
    """

    accept_us: int = 180 * 1_000_000
    max_age_us: int = DAY_US
    sent_too: frozenset[FindingClass] = frozenset({FindingClass.SAFETY})

    def sends(self, alarm: Alarm) -> bool:
        """Tell whether an alarm goes to the dispatch endpoints, by its kinds then and now."""
        findings = (FINDINGS[alarm.kind], FINDINGS[alarm.kind_now])
        return any(f.life_safety or f.finding_class in self.sent_too for f in findings)


DEFAULTS: Final = LifecycleParams()


@dataclass(slots=True)
class Changes:
    """What a decision asks to be written and sent, in order. Built by this module only.

    ``alarms``: newest version by id, in order of first change. ``known``: ids stored already.
    """

    alarms: dict[UUID, Alarm] = field(default_factory=dict)
    known: set[UUID] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    outcomes: Counter[Outcome] = field(default_factory=Counter)

    @property
    def new_alarms(self) -> list[Alarm]:
        """Alarms that are not stored yet."""
        return [a for a in self.alarms.values() if a.id not in self.known]

    @property
    def updated_alarms(self) -> list[Alarm]:
        """Alarms that are stored already."""
        return [a for a in self.alarms.values() if a.id in self.known]

    def add(self, other: "Changes") -> None:
        """Take over what was decided about other alarms."""
        self.alarms.update(other.alarms)
        self.known.update(other.known)
        self.events.extend(other.events)
        self.messages.extend(other.messages)
        self.outcomes.update(other.outcomes)

    def put(self, alarm: Alarm, outcome: Outcome | None = None) -> Alarm:
        """Take ``alarm`` as its newest version."""
        self.alarms[alarm.id] = alarm
        if outcome is not None:
            self.outcomes[outcome] += 1
        return alarm

    def note(
        self,
        alarm: Alarm,
        at_us: int,
        kind: EventType,
        source: Source,
        actor: str = "",
        data: Mapping[str, Any] | None = None,
    ) -> Alarm:
        """Append a line to the alarm's timeline."""
        alarm = replace(alarm, events=alarm.events + 1)
        actor = actor or source.value
        self.events.append(Event(alarm.id, alarm.events, at_us, kind, actor, source, data or {}))
        return self.put(alarm)

    def tell(self, alarm: Alarm, kind: MessageType, at_us: int, *, to_all: bool = False) -> Alarm:
        """Enqueue a message about the alarm as it is now."""
        alarm = replace(alarm, sequence=alarm.sequence + 1)
        self.messages.append(Message(kind, alarm, at_us, to_all))
        return self.put(alarm)
