"""The life of an alarm, case by case (DESIGN section 3, promises 4 and 9)."""

from uuid import UUID

import pytest

from alerting import decisions
from alerting.alarm import ALARM_NAMESPACE, AlarmState, EndReason, MessageType, Source, alarm_id
from alerting.changes import Outcome
from telemetry.findings import ClearReason, Confidence
from tests.fakes.alerting_values import (
    AT,
    BETWEEN,
    BUTTON,
    CLEARED,
    LIFT,
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


def test_raise_is_told_in_the_same_fold_with_level_one_and_a_running_acceptance_timer() -> None:
    book = Book()
    changes = book.fold([transition(people=2)], now_us=T0 + 31 * S)
    alarm = book.only()
    assert book.types() == ["raised"]
    assert changes.outcomes == {Outcome.RAISED: 1}
    assert (alarm.state, alarm.level, alarm.people) == (AlarmState.RAISED, 1, 2)
    assert (alarm.onset_us, alarm.detected_us, alarm.raised_us) == (T0, T0 + 30 * S, T0 + 31 * S)
    assert alarm.next_escalation_us == T0 + 31 * S + 180 * S
    assert book.story() == ["raised"]


def test_identity_is_uuid5_of_code_kind_and_onset() -> None:
    book = Book()
    book.fold([transition()])
    assert book.only().id == alarm_id(LIFT.code, BETWEEN, T0)
    assert book.only().id.version == 5
    assert UUID("6f0c2f5e-5f0e-5c53-9d0e-6a1b0a6f7c11") == ALARM_NAMESPACE


def test_other_class_of_the_family_updates_the_open_alarm() -> None:
    book = Book()
    book.fold([transition()])
    book.fold([transition(UPDATED, 45, kind_now=AT, confidence=Confidence.PROBABLE)])
    alarm = book.only()
    assert (alarm.kind, alarm.kind_now, alarm.confidence) == (BETWEEN, AT, Confidence.PROBABLE)
    assert book.types() == ["raised", "updated"]


def test_button_and_entrapment_of_one_lift_are_two_alarms() -> None:
    book = Book()
    book.fold([press(5), transition()])
    assert {a.kind for a in book.alarms.values()} == {BETWEEN, BUTTON}
    assert book.types() == ["raised", "raised"]


def test_doors_opening_before_acceptance_is_self_released_with_its_duration() -> None:
    book = Book()
    book.fold([transition()])
    changes = book.fold([transition(CLEARED, 95)])
    alarm = book.only()
    assert (alarm.state, alarm.end_reason) == (AlarmState.SELF_RELEASED, EndReason.DOORS_OPENED)
    assert alarm.duration_us == 95 * S
    assert alarm.ended_by == "sensor"
    assert alarm.next_escalation_us is None
    assert book.types() == ["raised", "released"]
    assert book.events[-1].data["duration_s"] == 95
    assert changes.outcomes == {Outcome.SELF_RELEASED: 1}


def test_doors_opening_after_acceptance_is_released_by_the_sensor() -> None:
    book = Book()
    book.fold([transition()])
    book.keep(decisions.accept(book.only(), "li", Source.API, T0 + 60 * S))
    book.fold([transition(CLEARED, 95)])
    assert (book.only().state, book.only().ended_by) == (AlarmState.RELEASED, "sensor")
    assert book.types() == ["raised", "accepted", "released"]
    assert book.events[-1].source is Source.SENSOR


@pytest.mark.parametrize("accepted", [False, True])
def test_late_evidence_ends_the_alarm(accepted: bool) -> None:
    book = Book()
    book.fold([transition()])
    if accepted:
        book.keep(decisions.accept(book.only(), "li", Source.API, T0 + 40 * S))
    book.fold([transition(CLEARED, 29, reason=ClearReason.LATE_EVIDENCE)])
    assert book.only().state is AlarmState.ENDED
    assert book.only().end_reason is EndReason.LATE_EVIDENCE
    assert book.messages[-1].type is MessageType.ENDED


def test_letting_go_of_the_button_ends_the_finding_never_the_alarm() -> None:
    book = Book()
    book.fold([press(0)])
    changes = book.fold([let_go(1)])
    alarm = book.only()
    assert alarm.open
    assert not alarm.finding_active
    assert book.types() == ["raised"]
    assert changes.outcomes == {Outcome.FINDING_CLEARED: 1}


def test_presses_while_open_are_updates_also_after_acceptance() -> None:
    book = Book()
    book.fold([press(0), let_go(1), press(3), let_go(4)])
    book.keep(decisions.accept(book.only(), "li", Source.API, T0 + 5 * S))
    book.fold([press(6)])
    alarm = book.only()
    assert (alarm.presses, alarm.last_press_us) == (3, T0 + 6 * S)
    assert alarm.state is AlarmState.ACCEPTED
    assert book.types() == ["raised", "updated", "accepted", "updated"]
    assert alarm.onset_us == T0


def test_doors_opening_after_a_press_is_told_and_forgotten_at_the_next_press() -> None:
    book = Book()
    book.fold([press(0), let_go(1), doors_opened(5)])
    assert book.only().doors_opened_us == T0 + 5 * S
    assert book.only().open
    book.fold([press(9)])
    assert book.only().doors_opened_us is None
    assert book.types() == ["raised", "updated", "updated"]


def test_release_by_a_person_while_the_finding_goes_on_is_final_until_it_is_raised_anew() -> None:
    book = Book()
    book.fold([transition()])
    book.keep(decisions.release(book.only(), "wang", Source.API, T0 + 60 * S))
    first = book.only()
    assert (first.state, first.end_reason) == (AlarmState.RELEASED, EndReason.PERSON)
    book.fold([transition(UPDATED, 70, kind_now=AT)])
    changes = book.fold([transition(CLEARED, 80)])
    assert changes.outcomes == {Outcome.RECORDED_AFTER_END: 1}
    assert book.types() == ["raised", "released"]
    assert book.only().ended_us == T0 + 60 * S
    assert not book.only().finding_active
    book.fold([transition(RAISED, 200, onset_s=170)])
    assert len(book.alarms) == 2
    assert book.types() == ["raised", "released", "raised"]


def test_false_alarm_verdict_cancels_and_a_later_clear_is_only_recorded() -> None:
    book = Book()
    book.fold([transition()])
    book.keep(decisions.cancel(book.only(), "wang", Source.API, T0 + 60 * S, "rubbish in the door"))
    book.fold([transition(CLEARED, 80)])
    assert book.only().state is AlarmState.CANCELLED
    assert book.only().end_reason is EndReason.FALSE_ALARM
    assert book.types() == ["raised", "cancelled"]
    assert book.story() == ["raised", "cancelled", "finding_cleared"]
    assert book.events[1].data["note"] == "rubbish in the door"


def test_new_press_after_a_persons_release_is_a_new_alarm() -> None:
    book = Book()
    book.fold([press(0), let_go(1)])
    book.keep(decisions.release(book.only(), "wang", Source.API, T0 + 2 * S))
    book.fold([press(3)])
    assert book.types() == ["raised", "released", "raised"]


def test_raise_without_a_clear_after_the_end_is_not_lost() -> None:
    book = Book()
    book.fold([press(0)])
    book.keep(decisions.release(book.only(), "wang", Source.API, T0 + 2 * S))
    book.fold([press(3)])
    assert book.types()[-1] == "raised"


def test_raise_at_an_onset_in_use_moves_on_by_a_microsecond() -> None:
    book = Book()
    for _ in range(3):  # a terminal whose clock stands still
        book.fold([press(0), let_go(0)])
        (alarm,) = (a for a in book.alarms.values() if a.open)
        book.keep(decisions.release(alarm, "wang", Source.API, T0 + S))
    assert sorted(a.onset_us - T0 for a in book.alarms.values()) == [0, 1, 2]


def test_raise_and_clear_in_one_batch_tell_both() -> None:
    book = Book()
    book.fold([transition(), transition(CLEARED, 40)])
    assert book.types() == ["raised", "released"]


def test_accepting_twice_changes_nothing() -> None:
    book = Book()
    book.fold([transition()])
    book.keep(decisions.accept(book.only(), "li", Source.API, T0 + 40 * S))
    before = book.only()
    changes = decisions.accept(before, "wang", Source.REPLY, T0 + 50 * S)
    assert changes.outcomes == {Outcome.ALREADY_ACCEPTED: 1}
    assert not changes.messages
    assert book.only().accepted_by == "li"


def test_unaccepted_alarm_climbs_a_level_every_three_minutes_up_to_three() -> None:
    book = Book()
    book.fold([transition()], now_us=T0 + 30 * S)
    levels = []
    for minute in range(15):
        now_us = T0 + 30 * S + minute * 60 * S
        book.keep(decisions.escalate([book.only()], now_us))
        levels.append(book.only().level)
    assert levels == [1, 1, 1, 2, 2, 2] + [3] * 9
    assert book.types() == ["raised", "escalated", "escalated"]
    assert all(m.to_all for m in book.messages[1:])


def test_accepted_or_ended_alarms_do_not_climb() -> None:
    book = Book()
    book.fold([transition(), press(0, lift=8)])
    first, second = book.alarms.values()
    book.keep(decisions.accept(first, "li", Source.API, T0 + 40 * S))
    book.keep(decisions.release(second, "li", Source.API, T0 + 40 * S))
    changes = decisions.escalate(book.alarms.values(), T0 + 3600 * S)
    assert not changes.messages


@pytest.mark.parametrize("change", [UPDATED, CLEARED])
def test_update_or_clear_without_an_alarm_is_counted_and_changes_nothing(change: object) -> None:
    book = Book()
    changes = book.fold([transition(change)])  # type: ignore[arg-type]
    assert changes.outcomes == {Outcome.NO_ALARM: 1}
    assert not book.alarms
