"""Over-travel and how landings are learned, told as stories."""

import pytest

from telemetry.findings import Confidence, FindingKind
from tests.unit.detectors.story import Lift

TOP, BOTTOM = FindingKind.OVER_TRAVEL_TOP, FindingKind.OVER_TRAVEL_BOTTOM
STANDS = {"car": 0, "speed_mps": 0.0, "zone": 1, "door": 2, "mode": 1}
BEYOND = {**STANDS, "zone": 0}
RIDE = {**STANDS, "car": 1, "speed_mps": 1.0, "zone": 0}


def visits(lift, time_s, *heights_m):
    """The car stops at landings and opens there; half a minute each. Return the time after."""
    for height_m in heights_m:
        lift.at(time_s, RIDE, height_m=height_m - 1)
        lift.every(1, time_s + 5, time_s + 9, STANDS, door=4, height_m=height_m)
        lift.at(time_s + 10, STANDS, height_m=height_m)
        time_s += 30
    return time_s


@pytest.fixture
def lift():
    """It has been twice at 0 m and at 30 m."""
    lift = Lift()
    visits(lift, 0, 0.0, 30.0, 0.0, 30.0)
    return lift


@pytest.mark.parametrize(
    ("height_m", "kind"), [(30.25, TOP), (-0.25, BOTTOM), (31.4, TOP), (-1.4, BOTTOM)]
)
def test_beyond_a_learned_landing(lift, height_m, kind):
    lift.at(200, BEYOND, height_m=height_m)
    (raised,) = lift.wait_until(202)
    assert (raised.kind, raised.confidence) == (kind, Confidence.PROBABLE)
    assert raised.values["landing_visits"] == 2
    assert raised.values["beyond_m"] == pytest.approx(abs(height_m - 15) - 15, abs=1e-5)
    lift.at(300, STANDS, door=4, height_m=30.0)
    lift.wait_until(320)
    assert lift.said(kind)[-1] == ("cleared", kind, 300)


@pytest.mark.parametrize("height_m", [30.05, -0.05, 15.0, 31.6, -1.6])
def test_levelling_stops_between_and_landings_not_learned_are_none(lift, height_m):
    lift.at(200, BEYOND, height_m=height_m)
    lift.wait_until(400)
    assert not lift.said(TOP, BOTTOM)


def test_passing_by_is_none(lift):
    lift.at(200, RIDE, height_m=30.5)
    lift.wait_until(210)
    assert not lift.found


def test_a_landing_in_the_zone_is_no_over_travel_and_is_learned(lift):
    visits(lift, 200, 31.0, 31.0)
    lift.at(300, BEYOND, height_m=30.25)
    lift.wait_until(310)
    assert not lift.said(TOP)
    lift.at(320, BEYOND, height_m=31.2)
    lift.wait_until(330)
    assert lift.raised(TOP) == [322]


def test_one_landing_alone_says_nothing_of_the_shaft():
    lift = Lift()
    visits(lift, 0, 0.0, 0.0, 0.0)
    lift.at(200, BEYOND, height_m=0.5)
    lift.wait_until(300)
    assert not lift.said(TOP, BOTTOM)


def test_a_single_reading_of_nonsense_teaches_nothing(lift):
    lift.every(1, 200, 203, STANDS, door=4, height_m=30.0)
    lift.at(203, STANDS, door=4, height_m=1999.0)
    lift.at(203, STANDS, door=4, height_m=1999.0)
    lift.at(204, STANDS, door=4, height_m=30.0)
    lift.at(300, BEYOND, height_m=30.3)
    lift.wait_until(310)
    assert lift.raised(TOP) == [302]


def test_ten_openings_are_certain():
    lift = Lift()
    end_s = visits(lift, 0, 0.0, *[30.0] * 10)
    lift.at(end_s, BEYOND, height_m=30.3)
    (raised,) = lift.wait_until(end_s + 5)
    assert raised.confidence is Confidence.CERTAIN


def test_a_registered_height_needs_no_learning():
    lift = Lift(top_height_m=30.0, bottom_height_m=0.0)
    lift.at(0, BEYOND, height_m=30.3)
    (raised,) = lift.wait_until(5)
    assert (raised.kind, raised.confidence) == (TOP, Confidence.CERTAIN)


def test_a_mechanic_rides_where_he_wants(lift):
    lift.at(200, BEYOND, height_m=30.3, mode=2)
    lift.wait_until(300)
    assert not lift.said(TOP)


def test_a_barometer_without_doors_learns_nothing():
    lift = Lift()
    for time_s in range(0, 900, 30):
        lift.at(time_s, STANDS, door=None, height_m=float(time_s % 60))
    lift.at(1000, BEYOND, door=None, height_m=30.3)
    lift.wait_until(1100)
    assert not lift.said(TOP, BOTTOM)
