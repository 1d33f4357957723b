"""Cars that stop beside their landings or run back again and again; and what is none."""

from random import Random

import pytest

from telemetry.findings import FindingKind
from tests.unit.detectors.story import Lift

OFF, BACK = FindingKind.LEVELLING_INACCURACY, FindingKind.FREQUENT_RELEVELLING
STANDS = {"car": 0, "speed_mps": 0.0, "zone": 1, "door": 2, "floor": 4, "mode": 1}
RUNS = {**STANDS, "car": 1, "speed_mps": 1.5, "zone": 0, "height_m": 5.0}
TRIP_S = 100


def stops_at(lift, start_s, height_m, **known):
    """One trip and a stop with doors that open after a second."""
    lift.at(start_s, RUNS)
    lift.at(start_s + 10, STANDS, height_m=height_m, **known)
    lift.at(start_s + 11.5, STANDS, height_m=height_m, door=3, **known)
    lift.at(start_s + 20, STANDS, height_m=height_m, door=4, **known)


def learned(heights_m=(12.0, 12.003, 11.998, 12.001, 12.0, 11.999)):
    """A lift that knows its landing at 12 m, and when its next trip begins."""
    lift = Lift()
    for i, height_m in enumerate(heights_m):
        stops_at(lift, i * TRIP_S, height_m)
    return lift, len(heights_m) * TRIP_S


@pytest.mark.parametrize("height_m", [12.035, 11.965, 12.016])
def test_a_stop_beside_a_known_landing_is_found(height_m):
    lift, at_s = learned()
    stops_at(lift, at_s, height_m)
    lift.at(at_s + 60, RUNS)
    assert lift.said(OFF) == [("raised", OFF, at_s + 11.0), ("cleared", OFF, at_s + 60.0)]
    first = next(t for t in lift.found if t.kind == OFF)
    assert first.values["error_m"] == pytest.approx(height_m - 12.0, abs=0.002)


@pytest.mark.parametrize("height_m", [12.005, 11.992, 12.010, 12.012])
def test_an_ordinary_stop_is_none(height_m):
    lift, at_s = learned()
    stops_at(lift, at_s, height_m)
    assert lift.raised(OFF) == []


def test_a_landing_that_is_not_known_yet_judges_nothing():
    lift, at_s = learned((12.0, 12.001, 12.0, 12.002))
    stops_at(lift, at_s, 12.035)
    assert lift.raised(OFF) == []


def test_a_car_that_sags_and_levels_again_is_none():
    lift, at_s = learned()
    stops_at(lift, at_s, 12.004)
    lift.at(at_s + 22, STANDS, height_m=12.022, door=4)
    lift.at(at_s + 26, STANDS, height_m=12.001, door=4)
    lift.wait_until(at_s + 60)
    assert lift.raised(OFF) == []


def test_a_car_that_sags_and_stays_so_is_found():
    lift, at_s = learned()
    stops_at(lift, at_s, 12.004)
    lift.at(at_s + 22, STANDS, height_m=12.03, door=4)
    lift.wait_until(at_s + 60)
    assert lift.raised(OFF) == [at_s + 32.0]


def test_a_car_that_levels_at_once_is_none():
    lift, at_s = learned()
    lift.at(at_s, RUNS)
    lift.at(at_s + 10, STANDS, height_m=12.02)
    lift.at(at_s + 10.5, STANDS, height_m=12.002)
    lift.wait_until(at_s + 60)
    assert lift.raised(OFF) == []


def test_one_bad_first_stop_does_not_make_the_good_ones_bad():
    lift, at_s = learned((12.035, *[12.0] * 8))
    assert lift.raised(OFF) == []
    stops_at(lift, at_s, 12.035)
    assert len(lift.raised(OFF)) == 1


def test_an_encoder_with_a_new_reference_is_learned_anew():
    lift, _ = learned((*[12.0] * 20, *[12.1] * 20))
    assert 1 <= len(lift.raised(OFF)) <= 8
    assert lift.raised(OFF)[-1] < 28 * TRIP_S


def test_a_barometer_never_knows_a_landing():
    rng = Random(5)
    lift, _ = learned([12.0 + rng.gauss(0, 0.83) for _ in range(400)])
    assert lift.raised(OFF) == []


def test_landings_that_share_a_slot_judge_nothing():
    lift = Lift()
    for i in range(40):
        stops_at(lift, i * TRIP_S, (12.0, 120.0)[i % 2], floor=(4, 36)[i % 2])
    assert lift.raised(OFF) == []


def test_a_height_from_before_the_stop_is_not_judged():
    lift, at_s = learned()
    lift.at(at_s, RUNS)
    lift.at(at_s + 10, STANDS)
    lift.wait_until(at_s + 60)
    assert lift.raised(OFF) == []


def test_a_zone_switch_that_sticks_makes_no_landing_of_the_whole_shaft():
    """It is stuck at true from the stop on: the car goes to other floors and back, in the zone."""
    lift, at_s = learned()
    for i, (floor, height_m) in enumerate(((5, 15.0), (4, 12.035), (6, 18.0))):
        lift.at(at_s + 60 * i, {**STANDS, "car": 1, "speed_mps": 1.5}, height_m=height_m - 1)
        lift.at(at_s + 60 * i + 10, STANDS, floor=floor, height_m=height_m)
        lift.at(at_s + 60 * i + 20, STANDS, floor=floor, height_m=height_m, door=4)
    lift.wait_until(at_s + 300)
    assert lift.raised(OFF) == []


def test_a_trip_that_was_not_heard_ends_at_another_landing():
    lift, at_s = learned()
    lift.at(at_s + 600, STANDS, floor=7, height_m=21.0)
    lift.wait_until(at_s + 700)
    assert lift.raised(OFF) == []


def test_a_frozen_floor_does_not_put_a_car_beside_a_landing_it_is_not_near():
    lift, at_s = learned()
    stops_at(lift, at_s, 15.0)
    stops_at(lift, at_s + TRIP_S, 11.6)
    assert lift.raised(OFF) == []


def test_a_stop_far_off_and_still_in_the_zone_is_found():
    lift, at_s = learned()
    stops_at(lift, at_s, 12.3)
    assert lift.raised(OFF) == [at_s + 11.0]


# ------------------------------------------------------------------ back to the landing


def comes_back(lift, start_s, **known):
    lift.at(start_s, STANDS, car=1, speed_mps=0.03, **known)
    lift.at(start_s + 1, STANDS, **known)


def test_the_fifth_run_back_is_too_many_and_further_ones_update():
    lift = Lift()
    lift.at(0, STANDS)
    for i in range(6):
        comes_back(lift, 30 * (i + 1))
    lift.at(300, RUNS)
    assert lift.said(BACK) == [
        ("raised", BACK, 151.0), ("updated", BACK, 181.0), ("cleared", BACK, 300.0),
    ]  # fmt: skip


def test_corrections_with_open_doors_count_by_their_speed():
    lift = Lift()
    lift.at(0, STANDS, door=4)
    for i in range(5):
        lift.at(30 * i + 10, STANDS, door=4, speed_mps=0.03)
        lift.at(30 * i + 11, STANDS, door=4)
    assert lift.raised(BACK) == [131.0]


def test_trips_are_no_runs_back():
    lift = Lift()
    for i in range(12):
        lift.at(60 * i, STANDS, car=1, speed_mps=0.1)
        lift.at(60 * i + 2, RUNS)
        lift.at(60 * i + 20, STANDS, car=1, speed_mps=0.1)
        lift.at(60 * i + 22, STANDS)
        comes_back(lift, 60 * i + 30)
    assert lift.raised(BACK) == []


def test_runs_back_that_are_far_apart_are_none():
    lift = Lift()
    lift.at(0, STANDS)
    for i in range(12):
        comes_back(lift, 400 * (i + 1))
    assert lift.raised(BACK) == []


def test_another_floor_begins_anew():
    lift = Lift()
    for i in range(8):
        comes_back(lift, 30 * (i + 1), floor=i // 4)
    assert lift.raised(BACK) == []
