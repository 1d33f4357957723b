"""Tests of the alarm: drills that travel as alarms do and never hide a press in earnest."""

from alerting import decisions
from alerting.alarm import EndReason, MessageType, Source
from telemetry.findings import Confidence
from tests.fakes.alerting_values import HOLDING, T0, Book, S, drill, let_go, press


def test_a_test_of_the_alarm_is_a_drill_and_travels_the_same_way() -> None:
    book = Book()
    book.fold([drill(0), let_go(2)], now_us=T0)
    alarm = book.only()
    assert alarm.drill
    assert book.types() == ["raised"]
    assert alarm.next_escalation_us == T0 + 180 * S
    assert book.messages[0].priority == int(Confidence.CERTAIN)
    book.keep(decisions.accept(alarm, "desk", Source.API, T0 + 5 * S))
    assert book.types() == ["raised", "accepted"]


def test_a_second_test_updates_the_drill() -> None:
    book = Book()
    book.fold([drill(0), let_go(2), drill(10)])
    assert book.only().drill
    assert book.types() == ["raised", "updated"]


def test_a_press_in_earnest_ends_the_drill_and_is_a_case_of_its_own() -> None:
    book = Book()
    book.fold([drill(0), let_go(2)])
    book.keep(decisions.accept(book.only(), "desk", Source.API, T0 + 5 * S))
    book.fold([press(60)])
    test, real = book.alarms.values()
    assert (test.drill, test.end_reason) == (True, EndReason.REAL_PRESS)
    assert (real.drill, real.open, real.accepted_us) == (False, True, None)
    assert book.types() == ["raised", "accepted", "ended", "raised"]
    assert book.messages[-1].type is MessageType.RAISED


def test_so_it_does_in_one_fold_and_while_the_drill_waits_for_a_backlog() -> None:
    together = Book()
    together.fold([drill(0), press(3)])
    assert together.types() == ["raised", "ended", "raised"]
    held = Book()
    held.fold([drill(0)], HOLDING, now_us=T0 + 600 * S)
    held.fold([press(3)], now_us=T0 + 601 * S)
    test, real = held.alarms.values()
    assert (test.past, test.open) == (True, False)
    assert real.open
    assert held.types() == ["raised"]


def test_a_test_during_a_real_case_is_one_more_press_of_it() -> None:
    book = Book()
    book.fold([press(0), let_go(2), drill(10)])
    assert not book.only().drill
    assert book.only().presses == 2
