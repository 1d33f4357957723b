"""Overspeed, told as stories."""

import pytest

from telemetry.findings import Change, Confidence, FindingKind
from tests.unit.detectors.story import Lift

OVERSPEED = FindingKind.OVERSPEED
RIDE = {"car": 1, "direction": 1, "zone": 0, "door": 2}
DRIFTS = {"car": 1, "direction": 1, "zone": 0, "height_m": 7.0}
"""Of a terminal whose height drifts, which says nothing against a speed nor for it."""


@pytest.fixture
def lift():
    return Lift(rated_speed_mps=2.0)


def test_the_second_reading_raises_it_and_a_slower_one_ends_it(lift):
    lift.at(0, DRIFTS, speed_mps=2.0)
    assert not lift.at(1, DRIFTS, speed_mps=2.5)
    (raised,) = lift.at(2, DRIFTS, speed_mps=2.6)
    lift.at(3, DRIFTS, speed_mps=1.9)
    lift.wait_until(20)
    assert lift.said(OVERSPEED) == [("raised", OVERSPEED, 2), ("cleared", OVERSPEED, 3)]
    assert raised.confidence is Confidence.PROBABLE
    assert raised.values["speed_mps"] == pytest.approx(2.6)
    assert raised.values["fast_for_us"] == 1_000_000
    assert raised.thresholds["limit_mps"] == pytest.approx(2.3)


def test_a_spike_is_none_however_long_nothing_denies_it(lift):
    lift.at(0, RIDE, speed_mps=2.0)
    lift.at(1, RIDE, speed_mps=9.0)
    lift.at(2, RIDE)
    lift.wait_until(100)
    lift.at(101, RIDE, speed_mps=2.0)
    assert not lift.found


def test_a_spike_that_is_told_twice_at_one_instant_is_one_reading(lift):
    lift.all_at_once([(1, {**RIDE, "speed_mps": 9.0})] * 2)
    lift.at(2, RIDE, speed_mps=2.0)
    assert not lift.found


@pytest.mark.parametrize(("speed_mps", "raised"), [(2.3, 0), (2.31, 1), (-2.31, 1)])
def test_the_limit_is_115_percent_either_way(lift, speed_mps, raised):
    lift.every(1, 0, 3, DRIFTS, speed_mps=speed_mps)
    assert len(lift.found) == raised


@pytest.mark.parametrize(
    ("climbs_m", "raised"), [(2.5, [1]), (1.73, [])], ids=["agrees", "contradicts"]
)
def test_the_height_agrees_or_contradicts(lift, climbs_m, raised):
    for second in range(5):
        lift.at(second, RIDE, speed_mps=2.5, height_m=10 + second * climbs_m)
    assert lift.raised(OVERSPEED) == raised
    assert all(t.confidence is Confidence.CERTAIN for t in lift.found)


def test_a_height_that_drifts_tells_nothing(lift):
    for second in range(5):
        lift.at(second, RIDE, door=None, speed_mps=2.5, height_m=10 + second * 1.0)
    (raised,) = lift.found
    assert raised.confidence is Confidence.PROBABLE
    assert raised.criteria["height_agrees"] is None


def test_without_a_height_readings_alone_must_go_on_for_ten_seconds(lift):
    for trip in range(30):
        lift.every(1, trip * 60, trip * 60 + 9, RIDE, speed_mps=2.6)
        lift.at(trip * 60 + 10, RIDE, car=0, zone=1)
    assert not lift.said(OVERSPEED)
    lift = Lift(rated_speed_mps=2.0)
    lift.every(1, 0, 20, RIDE, speed_mps=2.6)
    assert lift.raised(OVERSPEED) == [10]


@pytest.mark.parametrize(
    ("climbs_m", "mode", "raised"), [(1.7, 1, []), (None, 2, []), (None, 1, [4])]
)
def test_a_mechanic_or_a_scale_that_the_height_denies_is_no_governor(lift, climbs_m, mode, raised):
    for second in range(3):
        height_m = None if climbs_m is None else 10 + second * climbs_m
        lift.at(second, RIDE, speed_mps=2.9, height_m=height_m)
    lift.at(4, RIDE, car=0, speed_mps=0.0, mode=mode)
    assert lift.raised(OVERSPEED) == raised


def test_one_reading_and_a_stop_by_the_governor(lift):
    lift.at(0, RIDE, speed_mps=2.5)
    (raised,) = lift.at(3, RIDE, car=0)
    assert (raised.kind, raised.confidence) == (OVERSPEED, Confidence.PROBABLE)
    assert raised.criteria["stopped_outside_zone"]
    lift.at(600, RIDE, speed_mps=0.3)
    lift.wait_until(700)
    assert lift.said(OVERSPEED)[-1] == ("cleared", OVERSPEED, 600)


@pytest.mark.parametrize(("after_s", "zone"), [(3, 1), (6, 0)])
def test_one_reading_and_another_stop_are_none(lift, after_s, zone):
    lift.at(0, RIDE, speed_mps=2.5)
    lift.at(after_s, RIDE, car=0, zone=zone)
    assert not lift.said(OVERSPEED)


def test_a_wrong_scale_is_believed_once(lift):
    for trip in range(30):
        lift.every(1, trip * 60, trip * 60 + 5, DRIFTS, speed_mps=2.6)
        lift.at(trip * 60 + 10, DRIFTS, car=0, zone=1)
    assert lift.raised(OVERSPEED) == [1]
    for trip in range(30, 51):
        lift.every(1, trip * 60, trip * 60 + 5, DRIFTS, speed_mps=1.9)
        lift.at(trip * 60 + 10, DRIFTS, car=0, zone=1)
    lift.every(1, 4000, 4003, DRIFTS, speed_mps=2.6)
    assert lift.raised(OVERSPEED) == [1, 4001]


def test_a_car_beyond_its_governor_that_runs_on_has_a_wrong_scale(lift):
    lift.every(1, 0, 20, RIDE, speed_mps=2.9)
    lift.at(30, RIDE, car=0, zone=1)
    assert not lift.said(OVERSPEED)


def test_a_car_beyond_its_governor_that_is_stopped_by_it_is_overspeed(lift):
    lift.every(1, 0, 3, RIDE, speed_mps=2.9)
    lift.at(4, RIDE, car=0)
    assert lift.raised(OVERSPEED) == [4]


def test_a_mechanic_who_stops_a_car_of_a_wrong_scale_is_no_governor(lift):
    lift.every(1, 0, 5, RIDE, speed_mps=2.9)
    lift.at(10, RIDE, car=0, zone=1)
    lift.every(1, 60, 65, RIDE, speed_mps=2.9)
    lift.at(66, RIDE, car=0)
    assert not lift.said(OVERSPEED)


def test_a_retrofit_box_is_given_its_own_factor_and_one_reading():
    lift = Lift(rated_speed_mps=2.0, overspeed_factor=1.2, overspeed_apart_s=0, overspeed_alone_s=0)
    lift.at(0, RIDE, speed_mps=2.35)
    assert not lift.found
    lift.at(1, RIDE, speed_mps=2.5)
    assert lift.raised(OVERSPEED) == [1]


def test_without_a_rated_speed_nobody_can_tell():
    lift = Lift()
    lift.every(1, 0, 5, RIDE, speed_mps=20.0)
    assert not lift.found


def test_one_run_is_one_finding(lift):
    for second in range(0, 12, 3):
        lift.every(1, second, second + 2, DRIFTS, speed_mps=2.5)
        lift.at(second + 2, DRIFTS, speed_mps=2.2)
    lift.wait_until(60)
    assert [t.change for t in lift.found] == [Change.RAISED, Change.CLEARED]


def test_a_stop_without_a_speed_ends_it(lift):
    lift.every(1, 0, 3, DRIFTS, speed_mps=2.5)
    lift.at(3, DRIFTS, car=0, zone=1)
    lift.wait_until(20)
    assert lift.said(OVERSPEED)[-1] == ("cleared", OVERSPEED, 3)
