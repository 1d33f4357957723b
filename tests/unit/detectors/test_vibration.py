"""Cars that shake on their rides, and single bumps."""

import pytest

from telemetry.findings import FindingKind
from tests.unit.detectors.story import Lift

SHAKES = FindingKind.EXCESSIVE_VIBRATION
RIDES = {"car": 1, "speed_mps": 1.5, "zone": 0, "door": 2}
CALM = {**RIDES, "vibration_mps2": 0.2, "vibration_horizontal_mps2": 0.12}
STANDS = {"car": 0, "speed_mps": 0.0, "zone": 1, "door": 2}


@pytest.mark.parametrize("high", [{"vibration_mps2": 0.31}, {"vibration_horizontal_mps2": 0.21}])
def test_a_ride_that_shakes_is_found_and_a_calm_one_ends_it(high):
    lift = Lift()
    lift.every(1, 0, 5, CALM)
    lift.every(1, 5, 10, CALM, **high)
    lift.every(30, 10, 300, STANDS)
    lift.every(1, 300, 305, CALM)
    assert lift.said(SHAKES) == [("raised", SHAKES, 7.0), ("cleared", SHAKES, 302.0)]


def test_the_limits_themselves_are_allowed():
    lift = Lift()
    lift.every(1, 0, 60, RIDES, vibration_mps2=0.30, vibration_horizontal_mps2=0.20)
    assert lift.raised(SHAKES) == []


def test_a_bump_is_none_whatever_comes_after():
    lift = Lift()
    for start in range(0, 1000, 100):
        lift.every(1, start, start + 10, CALM)
        lift.every(1, start + 10, start + 12, CALM, vibration_mps2=0.9)
        lift.every(30, start + 12, start + 100, STANDS)
    lift.wait_until(2000)
    assert lift.raised(SHAKES) == []


def test_a_silence_after_a_bump_proves_nothing():
    lift = Lift()
    lift.at(0, CALM)
    lift.at(1, CALM, vibration_mps2=0.9)
    lift.wait_until(500)
    lift.at(501, CALM)
    assert lift.raised(SHAKES) == []


def test_what_a_standing_car_tells_does_not_count():
    lift = Lift()
    lift.every(1, 0, 60, STANDS, vibration_mps2=0.9)
    assert lift.raised(SHAKES) == []


def test_one_calm_sample_does_not_end_it():
    lift = Lift()
    lift.every(1, 0, 5, CALM, vibration_mps2=0.5)
    lift.at(5, CALM)
    lift.every(1, 6, 9, CALM, vibration_mps2=0.5)
    assert lift.said(SHAKES) == [("raised", SHAKES, 2.0)]


def test_a_lift_may_have_its_own_limit():
    lift = Lift(vibration_vertical_mps2=0.6)
    lift.every(1, 0, 30, CALM, vibration_mps2=0.5)
    assert lift.raised(SHAKES) == []
