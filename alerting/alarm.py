"""What an alarm is: its identity, states and the values that it carries.

An alarm belongs to one lift and one family of findings. Its id is a UUIDv5 of (elevator code, kind,
onset in µs): whoever derives it again, after a crash or in a replay, derives the same one. Kind and
onset are frozen when it is raised; what may change (class now, people, presses) has its own fields.

What happens to an alarm is decided in ``lifecycle``, whether it waits in ``history``; this module
decides nothing.

An alarm of a class that is not sent has neither message nor timer: ``raised_us`` stays None.

Invariants: ``ended_us`` is set exactly in the states of ``ENDED_STATES``; a held alarm has never
been dispatched (``raised_us`` is None and ``sequence`` 0); ``sequence`` counts the messages made.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid5

from telemetry.findings import FINDINGS, Confidence, Finding, FindingKind

ALARM_NAMESPACE: Final = UUID("6f0c2f5e-5f0e-5c53-9d0e-6a1b0a6f7c11")
"""Namespace of alarm and message ids. Changing it changes the identity of every alarm."""

MAX_LEVEL: Final = 3
"""Levels of rescue: 1 maintainer, 2 grid rescue station, 3 fire service (DOMAIN section 4)."""


LAST_PRIORITY: Final = 2
"""Priority of messages about anything but rescue; the claim in ``store/queries.sql`` knows it."""


class AlarmState(StrEnum):
    """Where a case stands; the text is what the database and messages hold."""

    RAISED = "raised"
    ACCEPTED = "accepted"
    RELEASED = "released"
    SELF_RELEASED = "self_released"
    CANCELLED = "cancelled"
    ENDED = "ended"


ENDED_STATES: Final = frozenset(
    {AlarmState.RELEASED, AlarmState.SELF_RELEASED, AlarmState.CANCELLED, AlarmState.ENDED}
)


class EndReason(StrEnum):
    """Why an alarm ended."""

    DOORS_OPENED = "doors_opened"
    CONDITION_ENDED = "condition_ended"
    LATE_EVIDENCE = "late_evidence"
    """A newer frame showed that a raise made by the passing of time was not so."""
    PERSON = "person"
    """A person reported the release."""
    FALSE_ALARM = "false_alarm"
    """A person's verdict."""
    DOORS_OPENED_BEFORE_DISPATCH = "doors_opened_before_dispatch"
    """A button press out of a backlog after which the doors had opened in the zone."""
    REAL_PRESS = "real_press"
    """A test of the alarm, over because somebody pressed in earnest."""
    TOO_OLD = "too_old"
    """The onset was more than 24 h ago when it became known."""


class MessageType(StrEnum):
    """What a message says; the text is the CloudEvents type."""

    RAISED = "hoistway.alarm.raised"
    UPDATED = "hoistway.alarm.updated"
    ACCEPTED = "hoistway.alarm.accepted"
    ESCALATED = "hoistway.alarm.escalated"
    RELEASED = "hoistway.alarm.released"
    CANCELLED = "hoistway.alarm.cancelled"
    ENDED = "hoistway.alarm.ended"


class EventType(StrEnum):
    """What a line of an alarm's timeline says."""

    RAISED = "raised"
    HELD = "held"
    DISPATCHED_LATE = "dispatched_late"
    UPDATED = "updated"
    PRESSED = "pressed"
    DOORS_OPENED = "doors_opened"
    FINDING_CLEARED = "finding_cleared"
    ACCEPTED = "accepted"
    ESCALATED = "escalated"
    RELEASED = "released"
    SELF_RELEASED = "self_released"
    CANCELLED = "cancelled"
    ENDED = "ended"
    PAST = "past"
    HANDED_ON = "handed_on"
    GIVEN_UP = "given_up"


class Source(StrEnum):
    """Where a line of the timeline comes from."""

    SENSOR = "sensor"
    TIMER = "timer"
    API = "api"
    REPLY = "reply"
    """The answer of a dispatch endpoint."""
    DISPATCHER = "dispatcher"


@dataclass(frozen=True, slots=True, kw_only=True)
class Elevator:
    """What a message says about the lift; None = not registered."""

    id: int
    code: str
    sticker: str | None = None
    building: str | None = None
    address: str | None = None
    confirmed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One alarm as it stands. All ``_us`` are µs since epoch, UTC; None = not (yet) so."""

    id: UUID
    elevator_id: int
    family: str
    kind: FindingKind
    kind_now: FindingKind
    onset_us: int
    detected_us: int
    """Event time at which the finding was complete."""
    raised_us: int | None = None
    """When it was dispatched (its first message was made)."""
    state: AlarmState = AlarmState.RAISED
    level: int = 1
    finding_active: bool = True
    held: bool = False
    past: bool = False
    confidence: Confidence = Confidence.CERTAIN
    people: int | None = None
    presses: int = 0
    last_press_us: int | None = None
    doors_opened_us: int | None = None
    """First opening in the zone after the last press."""
    evidence: Mapping[str, Any]
    rule: Mapping[str, Any]
    sequence: int = 0
    events: int = 0
    accepted_us: int | None = None
    accepted_by: str | None = None
    ended_us: int | None = None
    ended_by: str | None = None
    end_reason: EndReason | None = None
    next_escalation_us: int | None = None
    last_seen_us: int | None = None
    lag_us: int | None = None
    floor: str | None = None
    drill: bool = False

    @property
    def open(self) -> bool:
        """Whether nobody and nothing has ended it."""
        return self.ended_us is None

    @property
    def dispatched(self) -> bool:
        """Whether its first message has been made."""
        return self.raised_us is not None

    @property
    def finding(self) -> Finding:
        """What is fixed about its kind."""
        return FINDINGS[self.kind]

    @property
    def duration_us(self) -> int | None:
        """From onset to end, None while it is open."""
        return None if self.ended_us is None else max(0, self.ended_us - self.onset_us)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of an alarm's timeline; ``n`` counts from 1 without gaps."""

    alarm_id: UUID
    n: int
    at_us: int
    type: EventType
    actor: str
    source: Source
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """Something to tell the dispatch endpoints.

    ``alarm`` is the alarm as it stood then, with ``alarm.sequence`` the number of this message.
    ``to_all``: every endpoint; otherwise the primary and whoever was told of this alarm before.
    """

    type: MessageType
    alarm: Alarm
    at_us: int
    to_all: bool = False

    @property
    def id(self) -> UUID:
        """The ``webhook-id``: the same over retries, restarts and endpoints."""
        return message_id(self.alarm.id, self.alarm.sequence)

    @property
    def priority(self) -> int:
        """Rescue goes first, occupied lifts before others: 0 before 1 (DOMAIN section 3, trap 9).

        What is no rescue has 2, so that a flood of it never stands before somebody shut in.
        """
        kinds = (self.alarm.kind, self.alarm.kind_now)
        if not any(FINDINGS[kind].life_safety for kind in kinds):
            return LAST_PRIORITY
        return int(self.alarm.confidence == Confidence.POSSIBLE)


def alarm_id(code: str, kind: FindingKind, onset_us: int) -> UUID:
    """Return the identity of the alarm of ``kind`` on the lift ``code`` since ``onset_us``."""
    return uuid5(ALARM_NAMESPACE, f"{code}/{kind.slug}/{onset_us}")


def message_id(alarm: UUID, sequence: int) -> UUID:
    """Return the identity of the ``sequence``-th message about ``alarm``."""
    return uuid5(ALARM_NAMESPACE, f"{alarm}/{sequence}")
