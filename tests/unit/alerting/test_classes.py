"""What goes to the rescue desk: rescue always, the rest by choice of class, and nothing is lost."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting import decisions, lifecycle
from alerting.alarm import LAST_PRIORITY, Alarm, AlarmState, Elevator, Message, MessageType, Source
from alerting.changes import LifecycleParams, Outcome
from alerting.history import Context
from telemetry.findings import FINDINGS, Confidence, FindingClass, FindingKind
from tests.fakes.alerting_values import CLEARED, RAISED, T0, UPDATED, S, transition

LIFTS = {7: Elevator(id=7, code="L")}
CHOICES = st.frozensets(st.sampled_from(FindingClass))
KINDS = st.sampled_from(FindingKind)
DAY_S = 86_400
OTHERS = [f.kind for f in FINDINGS.values() if not f.life_safety]


def folded(t, params: LifecycleParams, current=(), context: Context | None = None):
    now_us = t.t_us
    contexts = {7: context} if context else {}
    return lifecycle.fold(current, [t], LIFTS, contexts, now_us, params=params)


@given(kind=KINDS, chosen=CHOICES, confidence=st.sampled_from(Confidence))
def test_a_raise_is_told_if_and_only_if_its_class_is_sent(kind, chosen, confidence) -> None:
    t = transition(RAISED, 30, kind=kind, confidence=confidence)
    changes = folded(t, LifecycleParams(sent_too=chosen))
    finding_class = FINDINGS[kind].finding_class
    sent = finding_class is FindingClass.RESCUE or finding_class in chosen
    assert [m.type for m in changes.messages] == [MessageType.RAISED] * sent
    (alarm,) = changes.alarms.values()
    assert alarm.open
    assert alarm.state is AlarmState.RAISED
    assert alarm.dispatched == sent
    assert (alarm.next_escalation_us is not None) == sent
    assert [e.type.value for e in changes.events] == ["raised"]
    assert changes.outcomes == {Outcome.RAISED if sent else Outcome.RECORDED: 1}


@given(kind=st.sampled_from(OTHERS), act=st.sampled_from(["accept", "release", "cancel", "clear"]))
def test_what_is_not_sent_is_told_to_nobody_all_its_life(kind, act) -> None:
    params = LifecycleParams(sent_too=frozenset())
    first = folded(transition(RAISED, 30, kind=kind), params)
    (alarm,) = first.alarms.values()
    updated = folded(transition(UPDATED, 40, kind=kind), params, [alarm])
    (alarm,) = updated.alarms.values()
    assert updated.outcomes == {Outcome.RECORDED: 1}
    assert not decisions.escalate([alarm], T0 + DAY_S * S, params).alarms
    acts = {
        "accept": lambda: decisions.accept(alarm, "me", Source.API, T0 + 50 * S, params),
        "release": lambda: decisions.release(alarm, "me", Source.API, T0 + 50 * S),
        "cancel": lambda: decisions.cancel(alarm, "me", Source.API, T0 + 50 * S),
        "clear": lambda: folded(transition(CLEARED, 50, kind=kind), params, [alarm]),
    }
    done = acts[act]()
    assert not [*first.messages, *updated.messages, *done.messages]
    (alarm,) = done.alarms.values()
    assert alarm.sequence == 0
    assert not alarm.past
    assert alarm.open == (act == "accept")
    assert len(done.events) == 1


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_not_sent_neither_waits_nor_is_too_old(kind: FindingKind) -> None:
    params = LifecycleParams(sent_too=frozenset())
    t = transition(RAISED, 3 * DAY_S, onset_s=0, kind=kind)
    changes = folded(t, params, context=Context(holding=True, lag_us=600 * S))
    (alarm,) = changes.alarms.values()
    assert alarm.open
    assert not alarm.held


def test_a_trend_is_news_when_it_is_noticed_however_long_ago_it_began() -> None:
    params = LifecycleParams(sent_too=frozenset({FindingClass.WARNING, FindingClass.SAFETY}))
    trend = transition(RAISED, 30 * DAY_S, onset_s=0, kind=FindingKind.DEGRADING)
    assert folded(trend, params).outcomes == {Outcome.RAISED: 1}
    speed = transition(RAISED, 30 * DAY_S, onset_s=0, kind=FindingKind.OVERSPEED)
    assert folded(speed, params).outcomes == {Outcome.PAST_TOO_OLD: 1}


@pytest.mark.parametrize("holding", [False, True])
def test_what_becomes_a_rescue_is_sent_then(holding: bool) -> None:
    params = LifecycleParams(sent_too=frozenset())
    t = transition(RAISED, 30, kind=FindingKind.STOPPED_OUTSIDE_ZONE)
    (alarm,) = folded(t, params).alarms.values()
    assert not alarm.dispatched
    upgrade = transition(
        UPDATED, 60, kind=FindingKind.STOPPED_OUTSIDE_ZONE,
        kind_now=FindingKind.ENTRAPMENT_BETWEEN_LANDINGS,
    )  # fmt: skip
    changes = folded(upgrade, params, [alarm], Context(holding=holding, lag_us=600 * S))
    if holding:
        (alarm,) = changes.alarms.values()
        assert alarm.held
        changes = decisions.release_held([alarm], {}, T0 + 70 * S, params)
    (message,) = changes.messages
    assert message.type is MessageType.RAISED
    assert message.priority < LAST_PRIORITY
    assert message.alarm.next_escalation_us is not None


def test_held_under_other_settings_it_is_let_go_and_told_to_nobody() -> None:
    t = transition(RAISED, 30, kind=FindingKind.OVERSPEED)
    holding = Context(holding=True, lag_us=600 * S)
    (alarm,) = folded(t, LifecycleParams(), context=holding).alarms.values()
    assert alarm.held
    changes = decisions.release_held([alarm], {}, T0 + S, LifecycleParams(sent_too=frozenset()))
    assert not changes.messages
    (alarm,) = changes.alarms.values()
    assert alarm.open
    assert not alarm.held


@given(kind=KINDS, kind_now=KINDS, confidence=st.sampled_from(Confidence))
def test_rescue_goes_before_all_else(kind, kind_now, confidence) -> None:
    (alarm,) = folded(transition(RAISED, 30, kind=kind), LifecycleParams()).alarms.values()
    alarm = replace(alarm, kind_now=kind_now, confidence=confidence)
    message = Message(MessageType.UPDATED, alarm, T0)
    rescue = FINDINGS[kind].life_safety or FINDINGS[kind_now].life_safety
    assert (message.priority < LAST_PRIORITY) == rescue


def test_no_value_of_the_limits_leaves_rescue_out() -> None:
    (alarm,) = folded(transition(RAISED, 30), LifecycleParams()).alarms.values()
    for kind in FindingKind:
        of_kind: Alarm = replace(alarm, kind=kind, kind_now=kind)
        assert LifecycleParams(sent_too=frozenset()).sends(of_kind) == FINDINGS[kind].life_safety
