"""An empty car outside the zone, told as stories."""

import pytest

from telemetry.findings import Confidence, FindingKind
from tests.unit.detectors.story import Lift

OUTSIDE = FindingKind.STOPPED_OUTSIDE_ZONE
BETWEEN = FindingKind.ENTRAPMENT_BETWEEN_LANDINGS
RIDE = {"car": 1, "speed_mps": 1.6, "zone": 0, "door": 2, "passenger": 0, "mode": 1}
EMPTY = {**RIDE, "car": 0, "speed_mps": 0.0}


@pytest.fixture
def lift():
    lift = Lift()
    lift.at(0, RIDE)
    return lift


def test_an_empty_car_stands_between_landings(lift):
    lift.at(10, EMPTY)
    (raised,) = lift.wait_until(55)
    assert (raised.kind, raised.confidence) == (OUTSIDE, Confidence.CERTAIN)
    assert raised.criteria["inside"] is False
    lift.at(600, RIDE)
    lift.wait_until(610)
    assert lift.said(OUTSIDE) == [("raised", OUTSIDE, 55), ("cleared", OUTSIDE, 600)]


def test_less_than_the_window_is_none(lift):
    lift.at(10, EMPTY)
    lift.at(54, RIDE)
    lift.wait_until(100)
    assert not lift.found


def test_when_somebody_turns_up_the_entrapment_takes_over(lift):
    lift.at(10, EMPTY)
    lift.wait_until(60)
    lift.at(70, EMPTY, passenger=1)
    lift.wait_until(150)
    assert lift.said(OUTSIDE) == [("raised", OUTSIDE, 55), ("cleared", OUTSIDE, 70)]
    assert lift.raised(BETWEEN) == [100]


def test_somebody_who_stood_still_is_still_inside(lift):
    lift.at(5, RIDE, passenger=1)
    lift.at(10, EMPTY)
    lift.wait_until(120)
    assert not lift.said(OUTSIDE)
    assert lift.said(BETWEEN)


def test_without_a_presence_sensor_it_is_a_possible_entrapment():
    lift = Lift()
    lift.at(0, RIDE, passenger=None)
    lift.at(10, EMPTY, passenger=None, codes=(4,))
    lift.wait_until(120)
    assert not lift.said(OUTSIDE)
    assert [t.confidence for t in lift.found if t.kind is BETWEEN] == [Confidence.POSSIBLE]


@pytest.mark.parametrize(
    ("codes", "confidence"), [((4,), Confidence.CERTAIN), ((), Confidence.PROBABLE)]
)
def test_the_controller_confirms_or_denies_it(lift, codes, confidence):
    lift.at(10, EMPTY, codes=codes)
    (raised,) = lift.wait_until(55)
    assert raised.confidence is confidence


def test_the_code_says_nothing_of_who_is_inside(lift):
    lift.at(10, EMPTY, zone=None, codes=(4,))
    assert lift.raised(OUTSIDE) == []
    lift.wait_until(60)
    assert lift.raised(OUTSIDE) == [55]
    other = Lift()
    other.at(0, RIDE, passenger=1, codes=(4,))
    other.at(10, EMPTY, passenger=1, codes=(4,))
    other.wait_until(120)
    assert not other.said(OUTSIDE)


def test_a_zone_switch_that_sticks_or_chatters_at_a_landing_is_none(lift):
    lift.at(10, EMPTY)
    lift.at(11, EMPTY, door=3)
    lift.at(13, EMPTY, door=4)
    lift.at(20, EMPTY)
    lift.wait_until(500)
    lift.at(501, RIDE)
    lift.all_at_once([(t, {**EMPTY, "zone": t % 2}) for t in range(511, 600)])
    lift.at(600, EMPTY)
    lift.wait_until(900)
    assert not lift.said(OUTSIDE)


def test_a_mechanic_may_stop_where_he_wants(lift):
    lift.at(10, EMPTY, mode=2)
    lift.wait_until(500)
    assert not lift.said(OUTSIDE)


def test_where_doors_are_never_told_people_leave_at_landings():
    lift = Lift()
    lift.at(0, RIDE, door=None, passenger=1)
    lift.at(10, EMPTY, door=None, zone=1)
    lift.at(60, RIDE, door=None)
    lift.at(70, EMPTY, door=None)
    lift.wait_until(120)
    assert lift.raised(OUTSIDE) == [115]
