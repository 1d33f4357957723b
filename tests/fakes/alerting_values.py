"""Transitions, lifts and an in-memory book of alarms for the tests of alerting."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from alerting import lifecycle
from alerting.alarm import Alarm, Elevator, Event, Message
from alerting.changes import Changes
from alerting.history import Context
from telemetry.findings import Change, ClearReason, Confidence, FindingKind
from telemetry.transitions import Transition

S = 1_000_000
T0 = 1_795_334_400 * S  # 2026-11-22T08:00:00Z
BETWEEN = FindingKind.ENTRAPMENT_BETWEEN_LANDINGS
AT = FindingKind.ENTRAPMENT_AT_LANDING
BUTTON = FindingKind.ALARM_BUTTON
RAISED, UPDATED, CLEARED = Change.RAISED, Change.UPDATED, Change.CLEARED
LIFT = Elevator(
    id=7,
    code="31103301102014075069",
    sticker="123456",
    building="江汉路 1 号楼",
    address="武汉市江汉区江汉路 1 号",
    confirmed=True,
)
BARE = Elevator(id=8, code="NEW-1")
LIFTS = {7: LIFT, 8: BARE}
HOLDING = {7: Context(holding=True, lag_us=600 * S)}


def transition(
    change: Change = RAISED,
    at_s: float = 30,
    *,
    onset_s: float = 0,
    kind: FindingKind = BETWEEN,
    kind_now: FindingKind | None = None,
    lift: int = 7,
    reason: ClearReason | None = None,
    confidence: Confidence = Confidence.CERTAIN,
    people: int | None = None,
    doors_opened: bool = False,
) -> Transition:
    """Return a transition at ``T0 + at_s`` with its onset at ``T0 + onset_s``."""
    if reason is None:
        cleared = ClearReason.CONDITION_ENDED if kind is BUTTON else ClearReason.DOORS_OPENED
        reason = cleared if change is CLEARED else ClearReason.NONE
    at_us = T0 + round(at_s * S)
    return Transition(
        elevator_id=lift,
        t_us=at_us,
        onset_us=T0 + round(onset_s * S),
        kind=kind,
        kind_now=kind_now or kind,
        change=change,
        reason=reason,
        confidence=confidence,
        last_seen_us=at_us,
        rule="alarm_button" if kind is BUTTON else "entrapment",
        version="1",
        criteria={"doors_opened_in_zone": True} if doors_opened else {"stopped": True},
        values={"people": people},
        thresholds={"window_s": 30.0},
    )


def press(at_s: float, lift: int = 7) -> Transition:
    """Return a press of the alarm button."""
    return transition(RAISED, at_s, onset_s=at_s, kind=BUTTON, lift=lift)


def drill(at_s: float, lift: int = 7) -> Transition:
    """Return a press that is the periodic test of the alarm."""
    return replace(press(at_s, lift), criteria={"button_pressed": True, "test": True})


def let_go(at_s: float, lift: int = 7) -> Transition:
    """Return the letting go of the alarm button."""
    return transition(CLEARED, at_s, onset_s=at_s, kind=BUTTON, lift=lift)


def doors_opened(at_s: float, lift: int = 7) -> Transition:
    """Return what the button's rule says when the doors open after a press."""
    return transition(UPDATED, at_s, onset_s=at_s, kind=BUTTON, lift=lift, doors_opened=True)


@dataclass
class Book:
    """Keeps what the changes say, as the store does, and checks the invariants at each step."""

    alarms: dict[UUID, Alarm] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)

    def fold(
        self,
        transitions: Sequence[Transition],
        contexts: dict[int, Context] | None = None,
        now_us: int | None = None,
    ) -> Changes:
        """Fold and keep."""
        if now_us is None:
            now_us = max((t.t_us for t in transitions), default=T0)
        current = [a for a in self.alarms.values() if a.open or a.finding_active]
        changes = lifecycle.fold(
            current, transitions, LIFTS, contexts or {}, now_us, set(self.alarms)
        )
        self.keep(changes)
        return changes

    def keep(self, changes: Changes) -> None:
        """Write what was decided, as the database would take it."""
        for alarm in changes.alarms.values():
            before = self.alarms.get(alarm.id)
            assert (alarm.id in changes.known) == (before is not None)
            if before is not None:
                frozen = ("id", "kind", "onset_us", "detected_us", "family", "elevator_id")
                assert [getattr(before, f) for f in frozen] == [getattr(alarm, f) for f in frozen]
            self.alarms[alarm.id] = alarm
        self.events += changes.events
        self.messages += changes.messages
        self.check()

    def check(self) -> None:
        """Check what holds always."""
        open_keys = [(a.elevator_id, a.family) for a in self.alarms.values() if a.open]
        assert len(open_keys) == len(set(open_keys)), "one open alarm per lift and family"
        for alarm in self.alarms.values():
            numbers = [e.n for e in self.events if e.alarm_id == alarm.id]
            assert numbers == list(range(1, alarm.events + 1))
            sequences = [m.alarm.sequence for m in self.messages if m.alarm.id == alarm.id]
            assert sequences == list(range(1, alarm.sequence + 1))
            assert alarm.dispatched == (alarm.sequence > 0)
            assert not (alarm.held and (alarm.dispatched or not alarm.open))

    def only(self) -> Alarm:
        """Return the only alarm."""
        (alarm,) = self.alarms.values()
        return alarm

    def types(self) -> list[str]:
        """Return the last words of the messages' types."""
        return [m.type.value.rpartition(".")[2] for m in self.messages]

    def story(self) -> list[str]:
        """Return the timeline's types."""
        return [e.type.value for e in self.events]
