"""Clock, supply, accelerometer, speed and contradictions: what is found, and what fools nobody."""

import pytest

from telemetry.findings import Confidence, FindingKind
from tests.unit.detectors.story import START_US, Lift, S

CLOCK = FindingKind.CLOCK_WRONG
BATTERY = FindingKind.TERMINAL_ON_BATTERY
DEAD = FindingKind.ACCELEROMETER_DEAD
SPEED = FindingKind.SPEED_IMPLAUSIBLE
NONSENSE = FindingKind.IMPLAUSIBLE_FRAMES


def timed(at_s, lag_s, clock=0):
    """Header of a frame that arrived ``lag_s`` after its device's time."""
    device_us = START_US + at_s * S
    return {"device_time_us": device_us, "received_us": device_us + lag_s * S, "clock": clock}


def test_a_time_that_is_not_believed_is_a_wrong_clock_after_its_window():
    lift = Lift()
    for at_s in range(0, 60, 5):
        lift.at(at_s, timed(at_s, 0, clock=1), car=0)
    assert lift.said(CLOCK) == [("raised", CLOCK, 10)]
    for at_s in range(60, 300, 5):
        lift.at(at_s, timed(at_s, 0), car=0)
    assert lift.said(CLOCK)[1:] == [("cleared", CLOCK, 60)]


def test_a_clock_that_is_hours_behind_is_wrong():
    lift = Lift()
    for at_s in range(0, 900, 10):
        lift.at(at_s, timed(at_s, 3 * 3600 + at_s % 3), car=0)
    assert len(lift.raised(CLOCK)) == 1
    assert lift.raised(CLOCK)[0] < 480


def test_buffered_history_is_no_wrong_clock():
    lift = Lift()
    for at_s in range(0, 3600, 10):
        made_behind_s = max(3600 - at_s, 0) * 199 // 200  # all of it comes within 18 s
        lift.at(at_s, timed(at_s, made_behind_s), car=0)
    assert lift.said(CLOCK) == []


@pytest.mark.parametrize(("behind_s", "times"), [(60, 0), (120, 0), (121, 1)])
def test_a_clock_is_wrong_from_more_than_two_minutes_behind(behind_s, times):
    lift = Lift()
    for at_s in range(0, 900, 10):
        lift.at(at_s, timed(at_s, behind_s), car=0)
    assert len(lift.raised(CLOCK)) == times


def test_a_terminal_on_battery_is_told_after_ten_seconds():
    lift = Lift()
    lift.at(0, car=0, terminal_power=1, power=0)
    lift.wait_until(9)
    assert lift.said(BATTERY) == []
    lift.wait_until(20)
    assert lift.said(BATTERY) == [("raised", BATTERY, 10)]


def test_the_lift_without_mains_is_no_terminal_on_battery():
    lift = Lift()
    lift.at(0, car=0, terminal_power=0, power=1)
    lift.wait_until(100)
    assert lift.said(BATTERY) == []


def climbing(lift, n, value, start_s=0):
    for i in range(n):
        at_s = start_s + i * 20
        lift.at(at_s, car=0, floor=1 + i % 7, acceleration_mps2=value(i))


def test_an_accelerometer_that_tells_one_value_floor_after_floor_is_dead():
    lift = Lift()
    climbing(lift, 20, lambda i: 0.0)
    assert lift.raised(DEAD) == [3 * 20 + 120]


def test_one_that_trembles_is_alive():
    lift = Lift()
    climbing(lift, 50, lambda i: 0.01 * (i % 3))
    assert lift.said(DEAD) == []


def test_one_that_is_not_told_any_more_is_not_judged():
    lift = Lift()
    lift.at(0, car=0, floor=1, acceleration_mps2=0.0)
    climbing(lift, 50, lambda i: None, 10)
    assert lift.said(DEAD) == []


def trips(lift, n, factor, climb_m=20.0, start_s=0):
    """Ride up ``climb_m`` at 2 m/s, told with a factor."""
    for i in range(n):
        at_s, low_m = start_s + i * 30, i * climb_m
        lift.at(at_s, car=0, speed_mps=0.0, height_m=low_m)
        for k in range(int(climb_m / 2) + 1):
            lift.at(at_s + 1 + k, car=1, speed_mps=2.0 * factor, height_m=low_m + 2 * k)
        lift.at(at_s + 2 + climb_m / 2, car=0, speed_mps=0.0, height_m=low_m + climb_m)


@pytest.mark.parametrize(("climb_m", "ends"), [(8.0, False), (10.0, True)])
def test_only_a_run_that_could_have_shown_it_ends_what_three_in_a_row_have_shown(climb_m, ends):
    """30 % of 8 m are less than the 3 m that a speed may always be off."""
    lift = Lift()
    trips(lift, 3, 1.5)
    trips(lift, 1, 1.0, climb_m=climb_m, start_s=200)
    assert [change for change, *_ in lift.said(SPEED)] == ["raised", *["cleared"] * ends]


def test_a_speed_that_is_half_too_high_does_not_fit_the_way():
    lift = Lift()
    trips(lift, 4, 1.5)
    assert len(lift.raised(SPEED)) == 1
    trips(lift, 1, 1.0, start_s=200)
    assert lift.said(SPEED)[-1][0] == "cleared"


@pytest.mark.parametrize(("apart_us", "is_judged"), [(3_000_000, True), (3_000_001, False)])
def test_a_run_is_judged_if_its_frames_are_three_seconds_apart_and_no_more(apart_us, is_judged):
    lift, apart_s = Lift(), apart_us / 1e6
    for run in range(3):
        at_s, low_m = 100 * run, 30.0 * run
        lift.at(at_s, car=0, speed_mps=0.0, height_m=low_m)
        for k in range(5):
            lift.at(at_s + 1 + k * apart_s, car=1, speed_mps=3.0, height_m=low_m + 6 * k)
        lift.at(at_s + 2 + 4 * apart_s, car=0, speed_mps=0.0, height_m=low_m + 24)
    assert bool(lift.raised(SPEED)) is is_judged


def test_the_right_speed_fits():
    lift = Lift()
    trips(lift, 10, 1.0)
    assert lift.said(SPEED) == []


def test_frames_that_are_stepped_at_three_quarters_of_their_pace_are_no_wrong_speed():
    """As after a clock was set back (ingest.assemble.stream)."""
    lift = Lift()
    trips(lift, 10, 0.7495)
    assert lift.said(SPEED) == []


def test_short_runs_decide_nothing():
    lift = Lift()
    trips(lift, 20, 1.5, climb_m=2.0)
    assert lift.said(SPEED) == []


def test_a_barometer_that_is_out_now_and_then_in_a_low_building_is_no_wrong_speed():
    """No run of six metres is long enough to be right, so errors of days would add up."""
    lift = Lift()
    for hour in range(0, 60, 3):
        trips(lift, 1, 2.0 if hour % 2 else 0.2, start_s=3600 * hour, climb_m=6.0)
    assert lift.said(SPEED) == []
    for hour in range(60, 90, 3):
        trips(lift, 1, 2.0, start_s=3600 * hour, climb_m=6.0)
    assert lift.said(SPEED) == []
    trips(lift, 3, 2.0, start_s=7200 * 50, climb_m=6.0)
    assert len(lift.raised(SPEED)) == 1


def test_runs_that_are_off_to_both_sides_are_no_wrong_speed():
    lift = Lift()
    for k in range(10):
        trips(lift, 1, (2.0, 0.2)[k % 2], start_s=50 * k, climb_m=6.0)
    assert lift.said(SPEED) == []


def test_a_wrong_speed_goes_on_when_its_runs_are_counted_anew():
    lift = Lift()
    trips(lift, 3, 1.5)
    trips(lift, 1, 1.5, start_s=3600 * 5)
    assert [what for what, *_ in lift.said(SPEED)] == ["raised"]
    trips(lift, 1, 1.0, start_s=3600 * 6)
    assert lift.said(SPEED)[-1][0] == "cleared"


def rides_past_landings(lift, n, speed_mps, start_s=0, **told):
    """Ride as a retrofitted terminal tells it: a speed once, with the landing passed; no height."""
    for at_s in range(start_s, start_s + 60 * n, 60):
        lift.at(at_s, car=1, zone=0)
        lift.at(at_s + 4, car=1, zone=0, speed_mps=speed_mps)
        lift.at(at_s + 8, {"car": 0, "zone": 1, **told})


def test_three_rides_that_no_governor_lets_pass_and_that_end_at_a_landing_are_a_wrong_scale():
    lift = Lift(rated_speed_mps=1.75)
    rides_past_landings(lift, 3, 2.62)
    assert lift.raised(SPEED) == [128]
    (raised,) = [t for t in lift.found if t.kind is SPEED]
    assert raised.confidence is Confidence.PROBABLE
    assert raised.criteria["governor_unheeded"]
    rides_past_landings(lift, 19, 1.75, start_s=200)
    assert len(lift.said(SPEED)) == 1
    rides_past_landings(lift, 1, 1.75, start_s=2000)
    assert lift.said(SPEED)[-1] == ("cleared", SPEED, 2008)


@pytest.mark.parametrize(
    ("rated_mps", "speed_mps", "ends"),
    [
        pytest.param(1.75, 2.33, {}, id="a governor may let it pass"),
        pytest.param(1.75, 2.62, {"zone": 0}, id="it was stopped"),
        pytest.param(None, 9.0, {}, id="nobody knows the rated speed"),
    ],
)
def test_these_rides_say_nothing_of_the_scale(rated_mps, speed_mps, ends):
    lift = Lift(**({} if rated_mps is None else {"rated_speed_mps": rated_mps}))
    rides_past_landings(lift, 5, speed_mps, **ends)
    assert not lift.said(SPEED)


def test_refused_values_are_a_finding_only_when_there_are_many():
    lift = Lift()
    for i in range(4):
        lift.at(i * 700, car=0, quality=1 << 12)
    assert lift.said(NONSENSE) == []
    for i in range(5):
        lift.at(10_000 + i, car=0, quality=1 << 12)
    assert len(lift.raised(NONSENSE)) == 1
    assert lift.found[-1].criteria["values_refused"] is True


def test_running_with_open_doors_for_ten_minutes_contradicts_itself():
    lift = Lift()
    lift.every(10, 0, 590, car=1, door=4)
    assert lift.said(NONSENSE) == []
    lift.every(10, 590, 700, car=1, door=4)
    assert lift.raised(NONSENSE) == [600]


def test_floors_that_change_while_the_car_stands_contradict_themselves():
    lift = Lift()
    for i in range(8):
        lift.at(i * 10, car=0, floor=i)
    assert len(lift.raised(NONSENSE)) == 1
    assert lift.found[-1].criteria["floor_jumped"] is True


def test_a_speed_beyond_any_lift_contradicts_itself():
    lift = Lift(rated_speed_mps=1.75)
    for i in range(6):
        lift.at(i, car=1, speed_mps=9.0)
    assert lift.found[-1].criteria["too_fast"] is True
