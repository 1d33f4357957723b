"""Any order of findings, persons and timers keeps the invariants of ``lifecycle``.

``Book.check`` runs after each step: gapless sequences and timelines, one open alarm per family,
frozen identity. Here besides: no raise is lost, and no message about a waiting alarm.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from alerting import decisions
from alerting.alarm import ENDED_STATES, Alarm, Source
from alerting.history import Context
from telemetry.findings import ClearReason
from tests.fakes.alerting_values import (
    AT,
    BETWEEN,
    BUTTON,
    CLEARED,
    LIFTS,
    RAISED,
    T0,
    UPDATED,
    Book,
    S,
    transition,
)

lifts = st.sampled_from(sorted(LIFTS))
entrapments = st.sampled_from([BETWEEN, AT])


class Life(RuleBasedStateMachine):
    """Two lifts with an entrapment rule and a button each, a person, and the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Book()
        self.now_s = 0.0
        self.active: dict[tuple[int, str], tuple[object, float]] = {}
        self.holding: set[int] = set()
        self.raises = 0

    def contexts(self) -> dict[int, Context]:
        return {i: Context(holding=i in self.holding, lag_us=300 * S) for i in LIFTS}

    def step(self, *args: object, **kwargs: object) -> None:
        t = transition(*args, **kwargs)  # type: ignore[arg-type]
        before = len(self.book.alarms), len(self.book.messages)
        presses = sum(a.presses for a in self.book.alarms.values())
        changes = self.book.fold([t], self.contexts(), T0 + round(self.now_s * S))
        assert changes.outcomes.total() >= 1
        if t.change is RAISED:
            self.raises += 1
            new = len(self.book.alarms) > before[0]
            counted = sum(a.presses for a in self.book.alarms.values()) > presses
            told = len(self.book.messages) > before[1]
            assert new or counted, "a raise is an alarm or a further press"
            assert told or t.elevator_id in self.holding, "and is told unless its lift holds"

    @rule(seconds=st.sampled_from([0, 0.001, 1, 30, 200, 5_000]))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds
        now_us = T0 + round(self.now_s * S)
        self.book.keep(decisions.escalate(list(self.book.alarms.values()), now_us))

    @rule(lift=lifts, kind=entrapments)
    def entrapment_is_raised(self, lift: int, kind: object) -> None:
        if (lift, "entrapment") not in self.active:
            self.active[lift, "entrapment"] = (kind, self.now_s)
            self.step(RAISED, self.now_s, onset_s=self.now_s, kind=kind, lift=lift)

    @rule(lift=lifts, now=entrapments)
    def entrapment_changes_class(self, lift: int, now: object) -> None:
        if (lift, "entrapment") in self.active:
            kind, onset_s = self.active[lift, "entrapment"]
            self.step(UPDATED, self.now_s, onset_s=onset_s, kind=kind, kind_now=now, lift=lift)

    @rule(lift=lifts, late=st.booleans())
    def entrapment_clears(self, lift: int, late: bool) -> None:
        if (lift, "entrapment") in self.active:
            kind, onset_s = self.active.pop((lift, "entrapment"))
            reason = ClearReason.LATE_EVIDENCE if late else ClearReason.DOORS_OPENED
            self.step(CLEARED, self.now_s, onset_s=onset_s, kind=kind, lift=lift, reason=reason)
            keys = [(a.elevator_id, a.family) for a in self.book.alarms.values() if a.open]
            assert (lift, "entrapment") not in keys

    @rule(lift=lifts)
    def button_is_pressed(self, lift: int) -> None:
        if (lift, "alarm_button") not in self.active:
            self.active[lift, "alarm_button"] = (BUTTON, self.now_s)
            self.step(RAISED, self.now_s, onset_s=self.now_s, kind=BUTTON, lift=lift)

    @rule(lift=lifts)
    def button_is_let_go(self, lift: int) -> None:
        if self.active.pop((lift, "alarm_button"), None):
            open_before = {a.id for a in self.book.alarms.values() if a.open}
            self.step(CLEARED, self.now_s, onset_s=self.now_s, kind=BUTTON, lift=lift)
            assert {a.id for a in self.book.alarms.values() if a.open} == open_before

    @rule(lift=lifts)
    def doors_open_after_the_press(self, lift: int) -> None:
        self.step(
            UPDATED, self.now_s, onset_s=self.now_s, kind=BUTTON, lift=lift, doors_opened=True
        )

    @rule(lift=lifts)
    def lift_starts_to_hold(self, lift: int) -> None:
        self.holding.add(lift)

    @rule(lift=lifts)
    def lift_is_live_again(self, lift: int) -> None:
        self.holding.discard(lift)
        held = [a for a in self.book.alarms.values() if a.held]
        now_us = T0 + round(self.now_s * S)
        self.book.keep(decisions.release_held(held, self.contexts(), now_us))

    def open_alarms(self) -> list[Alarm]:
        return [a for a in self.book.alarms.values() if a.open]

    @precondition(lambda self: self.open_alarms())
    @rule(data=st.data(), act=st.sampled_from(["accept", "release", "cancel"]))
    def person_acts(self, data: st.DataObject, act: str) -> None:
        alarm = data.draw(st.sampled_from(self.open_alarms()))
        now_us = T0 + round(self.now_s * S)
        self.book.keep(getattr(decisions, act)(alarm, "wang", Source.API, now_us))

    @invariant()
    def nothing_waits_on_a_live_lift(self) -> None:
        for alarm in self.book.alarms.values():
            if alarm.held:
                assert alarm.open
                assert not [m for m in self.book.messages if m.alarm.id == alarm.id]

    @invariant()
    def every_ended_dispatched_alarm_said_so(self) -> None:
        for alarm in self.book.alarms.values():
            if not alarm.open and alarm.dispatched:
                last = [m for m in self.book.messages if m.alarm.id == alarm.id][-1]
                assert last.type.value.rpartition(".")[2] in {"released", "cancelled", "ended"}

    @invariant()
    def what_is_over_is_in_a_state_of_being_over(self) -> None:
        for alarm in self.book.alarms.values():
            assert alarm.open == (alarm.state not in ENDED_STATES)


Life.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestLife = Life.TestCase
