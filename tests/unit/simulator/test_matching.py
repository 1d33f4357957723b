"""Alarms against the truth: missed, false, double, wrong class, onset error, optional."""

from simulator.scoring import SeenAlarm, match
from simulator.truth import TruthEvent, TruthLog
from telemetry.findings import FindingKind

BETWEEN = FindingKind.ENTRAPMENT_BETWEEN_LANDINGS
LANDING = FindingKind.ENTRAPMENT_AT_LANDING
BUTTON = FindingKind.ALARM_BUTTON
S = 1_000_000


def event(kind=BETWEEN, onset_s=100, end_s: int | None = 200, code="A", **more) -> TruthEvent:
    end_us = None if end_s is None else end_s * S
    return TruthEvent(0, code, kind, "controller_stop", onset_s * S, 1, end_us, **more)


def alarm(kind=BETWEEN, onset_s=100.0, code="A", alarm_id="1") -> SeenAlarm:
    return SeenAlarm(alarm_id, code, kind, round(onset_s * S))


def test_an_alarm_at_the_onset_is_a_hit():
    found = match([alarm(onset_s=100.4)], [event()])
    assert found.is_perfect
    assert found.hits[0].onset_error_us == 400_000
    assert found.hits[0].right_class


def test_a_missing_alarm_is_missed_and_a_strange_one_false():
    found = match([alarm(code="B")], [event()])
    assert [e.code for e in found.missed] == ["A"]
    assert [a.code for a in found.false] == ["B"]
    assert not found.is_perfect


def test_an_alarm_before_the_onset_or_after_the_end_is_false():
    assert match([alarm(onset_s=96)], [event()]).false
    assert match([alarm(onset_s=204)], [event()]).false
    assert not match([alarm(onset_s=98)], [event()]).false
    assert not match([alarm(onset_s=900)], [event(end_s=None)]).false


def test_a_second_alarm_for_one_event_is_a_double():
    found = match([alarm(), alarm(onset_s=130, alarm_id="2")], [event()])
    assert [a.alarm_id for a in found.double] == ["2"]
    assert not found.missed


def test_the_other_class_is_found_but_wrong():
    found = match([alarm(LANDING)], [event()])
    assert found.wrong_class
    assert not found.missed
    assert not found.is_perfect


def test_the_button_is_another_family():
    truth = [event(), event(BUTTON, onset_s=105, end_s=107)]
    assert match([alarm(), alarm(BUTTON, 105, alarm_id="2")], truth).is_perfect
    assert match([alarm()], truth).missed == (truth[1],)


def test_each_alarm_goes_to_the_nearest_event():
    truth = [event(onset_s=100, end_s=150), event(onset_s=152, end_s=190)]
    found = match([alarm(onset_s=152), alarm(onset_s=100, alarm_id="2")], truth)
    assert found.is_perfect
    assert [hit.alarm.alarm_id for hit in found.hits] == ["2", "1"]


def test_events_shorter_than_the_window_are_optional():
    short = [event(end_s=108)]
    assert match([], short, needed_us=12 * S).is_perfect
    assert match([], short, needed_us=12 * S).optional == tuple(short)
    assert match([], short, needed_us=5 * S).missed
    assert match([], [event(end_s=None)], needed_us=12 * S, until_us=110 * S).optional
    assert match([], [event(end_s=None)], needed_us=12 * S).missed


def test_a_trap_that_no_sensor_can_show_is_optional():
    blind = event(LANDING, presence_known=False)
    assert match([], [blind]).optional
    assert match([], [event(BETWEEN, presence_known=False)]).missed


def test_what_counts_is_how_long_nothing_moved():
    # doors begin to open 3 s before they are open: no window of 60 s is complete
    opening = event(LANDING, end_s=162, freeing_us=159 * S)
    assert match([], [opening], needed_us=60 * S).optional
    assert match([], [opening], needed_us=58 * S).missed


def test_the_log_ends_events_and_counts_presses():
    log = TruthLog()
    number = log.begin(event(BUTTON, end_s=None))
    log.pressed(number, 100 * S)
    log.pressed(number, 140 * S)
    log.end(number, 142 * S, self_released=True)
    [done] = log.events()
    assert done.presses == (100 * S, 140 * S)
    assert done.end_us == 142 * S
    assert done.self_released
    assert done.lasted_us(0) == 42 * S
    assert event(end_s=None).lasted_us(130 * S) == 30 * S
