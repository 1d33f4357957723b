"""Doors that fail, stand open, open again; and what looks like it and is none."""

import pytest

from detectors.lift.door_faults import DoorFaultsDetector
from telemetry.findings import Change, Confidence, FindingKind
from tests.unit.detectors.story import Lift, us

NOT_OPEN, NOT_CLOSED = FindingKind.DOOR_FAILS_TO_OPEN, FindingKind.DOOR_FAILS_TO_CLOSE
HELD, AGAIN = FindingKind.DOOR_HELD_OPEN, FindingKind.REPEATED_REOPENING
MINE = DoorFaultsDetector.kinds

AT_LANDING = {"car": 0, "speed_mps": 0.0, "zone": 1, "mode": 1, "power": 0, "passenger": 0}
RUNS = {**AT_LANDING, "car": 1, "speed_mps": 1.5, "zone": 0, "door": 2}
CLOSING, CLOSED, OPENING, OPEN, LOCKED, HALF = ({**AT_LANDING, "door": d} for d in range(1, 7))


def a_lift(**overrides):
    """A lift whose terminal tells all door states."""
    lift = Lift(**overrides)
    lift.at(0, OPEN)
    lift.at(1, CLOSING)
    lift.at(3, CLOSED)
    return lift


def arrives(lift, **known):
    lift.at(5, RUNS, **known)
    lift.at(20, CLOSED, **known)
    return lift


def confidence_of(lift, kind):
    return [t.confidence for t in lift.found if t.kind == kind and t.change is Change.RAISED]


# ------------------------------------------------------------------ do not open


def test_doors_that_stay_shut_before_somebody_inside_fail_to_open():
    lift = arrives(a_lift(), passenger=1)
    lift.alive_until(60)
    assert lift.said(NOT_OPEN) == [("raised", NOT_OPEN, 50.0)]
    assert confidence_of(lift, NOT_OPEN) == [Confidence.CERTAIN]
    lift.at(70, OPENING, passenger=1)
    lift.alive_until(80)
    assert lift.said(NOT_OPEN)[1:] == [("cleared", NOT_OPEN, 70.0)]


def test_a_load_shows_that_somebody_is_inside():
    lift = arrives(a_lift(), passenger=None, load_pct=6.0)
    lift.alive_until(60)
    assert lift.raised(NOT_OPEN) == [50.0]


def test_whoever_was_seen_on_the_way_is_still_inside():
    lift = a_lift()
    lift.at(5, RUNS, passenger=1)
    lift.at(20, CLOSED, passenger=0)
    lift.alive_until(60)
    assert lift.raised(NOT_OPEN) == [50.0]


@pytest.mark.parametrize(
    "why",
    [
        {"passenger": 0},  # a car that parks with closed doors
        {"passenger": None},  # nobody can tell
        {"passenger": 1, "mode": 2},  # a mechanic
        {"passenger": 1, "power": 1},  # without mains no door opens
        {"passenger": 1, "load_pct": 3.0, "zone": 0},  # not at a landing
    ],
)
def test_these_closed_doors_are_no_failure(why):
    lift = Lift()
    lift.at(0, {k: v for k, v in OPEN.items() if k != "passenger"})
    lift.at(3, {k: v for k, v in CLOSED.items() if k != "passenger"})
    arrives(lift, **why)
    lift.alive_until(200)
    assert lift.raised(*MINE) == []


def test_a_rider_who_boards_and_stands_in_a_closed_car_is_no_failure():
    lift = a_lift()
    lift.every(1, 4, 200, CLOSED, passenger=1)
    assert lift.raised(*MINE) == []


def trips(lift, times, start_s=100):
    """Send the car from landing to landing, each time with a minute's stop and doors told shut."""
    for begin_s in range(start_s, start_s + 100 * times, 100):
        lift.every(1, begin_s, begin_s + 20, RUNS, passenger=1)
        lift.every(1, begin_s + 20, begin_s + 100, CLOSED, passenger=1)


def test_doors_that_fail_at_the_second_landing_too_are_found():
    lift = a_lift()
    trips(lift, 2)
    assert lift.raised(NOT_OPEN) == [150.0, 250.0]


def test_a_switch_that_sticks_at_closed_is_no_door_that_fails_at_every_landing():
    lift = a_lift()
    trips(lift, 10)
    assert lift.raised(NOT_OPEN) == [150.0, 250.0]
    lift.at(1200, OPEN)
    lift.at(1205, CLOSED)
    trips(lift, 1, start_s=1300)
    assert lift.raised(NOT_OPEN)[2:] == [1350.0]


def test_landings_that_are_passed_are_no_trips():
    lift = a_lift()
    for second in range(100, 200, 10):
        lift.at(second, RUNS, passenger=1)
        lift.at(second + 5, RUNS, passenger=1, zone=1)
    lift.every(1, 200, 240, CLOSED, passenger=1)
    assert lift.raised(NOT_OPEN) == [230.0]


def test_the_controller_is_believed_whatever_the_switch_says():
    lift = a_lift()
    trips(lift, 5)
    lift.every(1, 600, 640, CLOSED, passenger=1, codes=(3,))
    assert lift.raised(NOT_OPEN)[2:] == [630.0]


def test_a_car_that_levels_again_has_not_arrived():
    lift = a_lift()
    lift.at(4, CLOSED, passenger=1)
    lift.at(5, CLOSED, passenger=1, car=1, speed_mps=0.06)
    lift.at(6, CLOSED, passenger=1)
    lift.alive_until(200)
    assert lift.raised(NOT_OPEN) == []


def test_the_controller_alone_can_tell_of_an_empty_car():
    lift = a_lift()
    lift.at(5, RUNS, codes=())
    lift.at(20, CLOSED, codes=(3,))
    lift.alive_until(60)
    assert lift.raised(NOT_OPEN) == [50.0]
    assert confidence_of(lift, NOT_OPEN) == [Confidence.PROBABLE]


def test_a_code_that_open_doors_deny_is_possible():
    lift = a_lift()
    lift.at(5, OPEN, codes=(3,))
    lift.alive_until(40)
    assert confidence_of(lift, NOT_OPEN) == [Confidence.POSSIBLE]


# ------------------------------------------------------------------ do not close


@pytest.mark.parametrize("stuck", [CLOSING, HALF])
def test_doors_that_do_not_get_closed_fail_to_close(stuck):
    lift = a_lift()
    lift.at(10, stuck)
    lift.alive_until(60)
    assert lift.said(NOT_CLOSED) == [("raised", NOT_CLOSED, 40.0)]


def test_a_slow_closing_is_none():
    lift = a_lift()
    lift.every(1, 10, 38, CLOSING)
    lift.at(39, CLOSED)
    lift.alive_until(100)
    assert lift.raised(*MINE) == []


def test_open_doors_fail_to_close_only_by_the_controller():
    lift = a_lift()
    lift.at(10, OPEN)
    lift.at(15, OPEN, codes=(2,))
    lift.alive_until(50)
    assert lift.raised(NOT_CLOSED) == [45.0]
    assert confidence_of(lift, NOT_CLOSED) == [Confidence.PROBABLE]
    assert lift.raised(HELD) == []


# ------------------------------------------------------------------ held open


def test_doors_that_stand_open_for_a_minute_are_held_open():
    lift = a_lift()
    lift.at(10, OPENING)
    lift.at(12, OPEN)
    lift.alive_until(80)
    assert lift.said(HELD) == [("raised", HELD, 72.0)]
    lift.at(90, CLOSING)
    lift.at(93, CLOSED)
    assert lift.said(HELD)[1:] == [("cleared", HELD, 90.0)]


def test_a_terminal_that_tells_no_closing_gets_longer():
    lift = Lift()
    lift.at(0, CLOSED)
    lift.every(5, 10, 75, OPEN)
    assert lift.raised(HELD) == []
    lift.at(75, OPEN)
    assert lift.raised(HELD) == [75.0]


@pytest.mark.parametrize("why", [{"mode": 2}, {"mode": 3}, {"mode": 6}, {"power": 1}, {"zone": 0}])
def test_these_open_doors_are_not_held_open(why):
    lift = a_lift()
    lift.at(10, OPEN, **why)
    lift.alive_until(600)
    assert lift.raised(HELD) == []


def test_a_dwell_after_each_reopening_is_not_one_long_hold():
    lift = a_lift()
    for start in range(10, 110, 20):
        lift.at(start, OPEN)
        lift.at(start + 17, CLOSING)
        lift.at(start + 19, OPENING)
    assert lift.raised(HELD) == []


def test_a_contact_that_bounces_does_not_begin_it_anew():
    lift = a_lift()
    lift.at(10, OPEN)
    lift.at(40, CLOSED)
    lift.at(40.5, OPEN)
    lift.alive_until(80)
    assert lift.raised(HELD) == [70.5]


def test_a_switch_that_flaps_holds_no_door_open():
    lift = a_lift()
    lift.at(10, OPEN)
    for second in range(11, 200):
        lift.at(second - 0.5, CLOSED)
        lift.at(second, OPEN)
    assert lift.raised(*MINE) == []
    lift.every(1, 200, 300, OPEN)
    assert lift.raised(HELD) == [259.0]


# ------------------------------------------------------------------ silences


@pytest.mark.parametrize("state", [OPEN, CLOSING, HALF])
def test_a_silence_is_no_time_in_which_doors_stood_so(state):
    lift = a_lift()
    lift.at(10, state)
    lift.wait_until(200)
    lift.at(300, state)
    lift.at(301, OPENING)
    lift.wait_until(400)
    assert lift.raised(*MINE) == []


def test_what_stands_open_after_a_silence_is_held_from_then_on():
    lift = a_lift()
    lift.at(10, OPEN)
    lift.at(300, OPEN)
    lift.alive_until(400)
    assert lift.raised(HELD) == [360.0]
    assert [t.onset_us for t in lift.found if t.kind == HELD] == [us(300)]


def test_a_silence_does_not_end_what_was_found_before():
    lift = a_lift()
    lift.at(10, OPEN)
    lift.alive_until(100)
    lift.at(600, OPEN)
    lift.at(700, CLOSED)
    lift.wait_until(710)
    assert lift.said(HELD) == [("raised", HELD, 70.0), ("cleared", HELD, 700.0)]
    assert {t.onset_us for t in lift.found if t.kind == HELD} == {us(10)}


def test_people_of_whom_nobody_heard_for_a_while_may_have_left():
    lift = arrives(a_lift(), passenger=1)
    lift.at(100, CLOSED)
    lift.alive_until(200)
    assert lift.raised(*MINE) == []


def test_a_rider_heard_of_again_on_the_way_is_inside():
    lift = a_lift()
    lift.at(5, RUNS, passenger=1)
    lift.at(100, RUNS, passenger=1)
    lift.at(110, CLOSED)
    lift.alive_until(150)
    assert lift.raised(NOT_OPEN) == [140.0]


# ------------------------------------------------------------------ open again


def turns(lift, times, start_s=10):
    lift.at(start_s, OPEN)
    for i in range(times):
        lift.at(start_s + 1 + 6 * i, CLOSING)
        lift.at(start_s + 2 + 6 * i, OPENING)
        lift.at(start_s + 3 + 6 * i, OPEN)
    return start_s + 1 + 6 * times


def test_the_fifth_opening_again_is_too_many_and_further_ones_update():
    lift = a_lift()
    end_s = turns(lift, 6)
    lift.at(end_s, CLOSING)
    lift.at(end_s + 2, CLOSED)
    assert lift.said(AGAIN) == [
        ("raised", AGAIN, 36.0), ("updated", AGAIN, 42.0), ("cleared", AGAIN, end_s + 2.0),
    ]  # fmt: skip
    assert [t.values["reopened"] for t in lift.found if t.kind == AGAIN][:2] == [5, 6]


def test_four_are_not_and_closed_doors_begin_anew():
    lift = a_lift()
    end_s = turns(lift, 4)
    lift.at(end_s, CLOSING)
    lift.at(end_s + 2, CLOSED)
    turns(lift, 4, end_s + 10)
    assert lift.raised(AGAIN) == []


def test_a_hall_call_that_opens_closed_doors_is_no_reopening():
    lift = a_lift()
    for start in range(10, 100, 10):
        lift.at(start, OPENING)
        lift.at(start + 2, OPEN)
        lift.at(start + 5, CLOSING)
        lift.at(start + 8, CLOSED)
    assert lift.raised(*MINE) == []
