"""History is not news, but the present is never held back (DESIGN section 5, promises 6 and 9)."""

import pytest

from alerting import decisions
from alerting.alarm import AlarmState, EndReason, Source
from alerting.changes import Outcome
from alerting.history import DAY_US, Context
from tests.fakes.alerting_values import (
    AT,
    CLEARED,
    HOLDING,
    RAISED,
    T0,
    UPDATED,
    Book,
    S,
    doors_opened,
    let_go,
    press,
    transition,
)

NOW = T0 + 700 * S


def released(book: Book, now_us: int = NOW, context: Context | None = None) -> dict[Outcome, int]:
    contexts = {7: context or Context(lag_us=650 * S, last_seen_us=T0 + 50 * S, floor="12")}
    held = [a for a in book.alarms.values() if a.held]
    changes = decisions.release_held(held, contexts, now_us)
    book.keep(changes)
    return dict(changes.outcomes)


def test_raise_while_holding_waits_and_tells_nobody() -> None:
    book = Book()
    changes = book.fold([transition()], HOLDING, NOW)
    assert book.only().held
    assert not book.messages
    assert book.only().next_escalation_us is None
    assert changes.outcomes == {Outcome.HELD: 1}


def test_still_active_when_holding_ends_is_dispatched_with_true_onset_lag_and_last_seen() -> None:
    book = Book()
    book.fold([transition()], HOLDING, NOW)
    assert released(book) == {Outcome.DISPATCHED_LATE: 1}
    alarm = book.only()
    assert (alarm.onset_us, alarm.raised_us) == (T0, NOW)
    assert (alarm.lag_us, alarm.last_seen_us, alarm.floor) == (650 * S, T0 + 50 * S, "12")
    assert alarm.next_escalation_us == NOW + 180 * S
    assert book.types() == ["raised"]
    assert book.story() == ["held", "dispatched_late"]


def test_ended_meanwhile_is_recorded_as_past_and_never_told() -> None:
    book = Book()
    book.fold([transition(), transition(CLEARED, 95)], HOLDING, NOW)
    assert released(book) == {}
    alarm = book.only()
    assert alarm.past
    assert (alarm.state, alarm.duration_us) == (AlarmState.SELF_RELEASED, 95 * S)
    assert not book.messages


def test_holding_that_ends_in_the_same_batch_is_settled_in_that_fold() -> None:
    book = Book()
    book.fold([transition()], HOLDING, NOW)
    book.fold([transition(UPDATED, 60, kind_now=AT)], {}, NOW)
    assert book.types() == ["raised"]
    assert book.only().kind_now is AT


def test_clear_in_the_batch_in_which_holding_ends_is_past() -> None:
    book = Book()
    book.fold([transition()], HOLDING, NOW)
    book.fold([transition(CLEARED, 95)], {}, NOW)
    assert book.only().past
    assert not book.messages


def test_still_holding_stays_waiting() -> None:
    book = Book()
    book.fold([transition()], HOLDING, NOW)
    assert released(book, context=Context(holding=True)) == {}
    assert book.only().held


@pytest.mark.parametrize("holding", [False, True])
def test_onset_older_than_a_day_is_never_dispatched(holding: bool) -> None:
    book = Book()
    now_us = T0 + DAY_US + 1
    book.fold([transition()], HOLDING if holding else {}, now_us)
    alarm = book.only()
    assert alarm.past
    assert (alarm.state, alarm.end_reason) == (AlarmState.ENDED, EndReason.TOO_OLD)
    assert not book.messages
    book.fold([transition(CLEARED, 95)], {}, now_us)
    assert book.only().duration_us == 95 * S
    book.fold([transition(RAISED, DAY_US / S, onset_s=DAY_US / S - 30)], {}, now_us)
    assert book.types() == ["raised"]


def test_onset_of_exactly_a_day_is_dispatched() -> None:
    book = Book()
    book.fold([transition()], {}, T0 + DAY_US)
    assert book.types() == ["raised"]


def test_messages_about_a_dispatched_alarm_are_sent_while_holding() -> None:
    book = Book()
    book.fold([transition()], {}, T0 + 31 * S)
    book.fold([transition(UPDATED, 60, kind_now=AT), transition(CLEARED, 95)], HOLDING, NOW)
    assert book.types() == ["raised", "updated", "released"]


def test_press_out_of_a_backlog_is_past_only_if_the_doors_opened_afterwards() -> None:
    book = Book()
    book.fold([press(0), let_go(1), doors_opened(20)], HOLDING, NOW)
    assert released(book) == {Outcome.PAST_DOORS_OPENED: 1}
    alarm = book.only()
    assert alarm.past
    assert alarm.end_reason is EndReason.DOORS_OPENED_BEFORE_DISPATCH
    assert alarm.ended_us == T0 + 20 * S
    assert not book.messages


def test_press_out_of_a_backlog_without_doors_opening_is_dispatched_though_let_go() -> None:
    book = Book()
    book.fold([press(0), let_go(1)], HOLDING, NOW)
    assert released(book) == {Outcome.DISPATCHED_LATE: 1}
    assert book.types() == ["raised"]


def test_press_after_the_doors_opened_is_a_case_of_its_own() -> None:
    book = Book()
    book.fold([press(0), let_go(1), doors_opened(20), press(30), let_go(31)], HOLDING, NOW)
    assert released(book) == {Outcome.DISPATCHED_LATE: 1}
    first, second = book.alarms.values()
    assert first.past
    assert second.onset_us == T0 + 30 * S
    assert book.types() == ["raised"]


def test_fresh_press_is_dispatched_though_the_one_before_is_too_old() -> None:
    book = Book()
    now_us = T0 + DAY_US + 60 * S
    book.fold([press(0), let_go(1), press(DAY_US / S)], HOLDING, now_us)
    released(book, now_us)
    assert [m.alarm.onset_us for m in book.messages] == [T0 + DAY_US]


def test_presses_of_a_backlog_count_in_the_message() -> None:
    book = Book()
    book.fold([press(0), let_go(1), press(2), let_go(3), press(4)], HOLDING, NOW)
    released(book)
    assert book.messages[0].alarm.presses == 3
    assert book.messages[0].alarm.last_press_us == T0 + 4 * S


def test_accepting_a_waiting_alarm_dispatches_it() -> None:
    book = Book()
    book.fold([transition()], HOLDING, NOW)
    book.keep(decisions.accept(book.only(), "li", Source.API, NOW))
    assert book.types() == ["raised", "accepted"]
    assert not book.only().held


def test_person_ends_a_waiting_alarm_without_a_message() -> None:
    book = Book()
    book.fold([transition()], HOLDING, NOW)
    book.keep(decisions.cancel(book.only(), "li", Source.API, NOW))
    assert book.only().past
    assert not book.messages
