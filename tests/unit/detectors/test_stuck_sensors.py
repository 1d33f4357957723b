"""What makes a sensor stuck or flapping, and what does not."""

import pytest

from telemetry.findings import Confidence, FindingKind
from tests.unit.detectors.story import Lift

PRESENCE = FindingKind.PRESENCE_SENSOR_STUCK
DOOR = FindingKind.DOOR_SWITCH_FAULT
ZONE = FindingKind.ZONE_SWITCH_FAULT
FLOOR = FindingKind.FLOOR_FROZEN
ALL = (PRESENCE, DOOR, ZONE, FLOOR)
TRIP_S = 30


def rides(lift, n, start_s=0, **frozen):
    """Ride to another floor ``n`` times with everything working but what is ``frozen``."""
    for i in range(n):
        at_s, floor = start_s + i * TRIP_S, 1 + i % 5

        def tell(after_s, at_s=at_s, **told):
            lift.at(at_s + after_s, {"mode": 1, **told, **frozen})

        tell(0, car=0, zone=1, floor=floor, door=4, passenger=1)
        tell(5, car=0, zone=1, floor=floor, door=2, passenger=1)
        tell(6, car=1, zone=1, floor=floor, door=2, passenger=1)
        tell(8, car=1, zone=0, floor=floor, door=2, passenger=1)
        tell(12, car=1, zone=1, floor=floor % 5 + 1, door=2, passenger=1)
        tell(13, car=0, zone=1, floor=floor % 5 + 1, door=2, passenger=1)
        tell(15, car=0, zone=1, floor=floor % 5 + 1, door=4, passenger=0)


def test_a_lift_that_serves_has_no_fault():
    lift = Lift()
    rides(lift, 60)
    assert lift.said(*ALL) == []


@pytest.mark.parametrize(
    ("kind", "frozen", "runs"),
    [
        (PRESENCE, {"passenger": 1}, 20),
        (PRESENCE, {"passenger": 0}, 20),
        (DOOR, {"door": 2}, 8),
        (DOOR, {"door": 4}, 8),
        (ZONE, {"zone": 1}, 4),
        (ZONE, {"zone": 0}, 4),
        (FLOOR, {"floor": 3}, 4),
    ],
)
def test_a_sensor_that_never_changes_is_stuck_after_so_many_runs(kind, frozen, runs):
    lift = Lift()
    rides(lift, runs - 1, **frozen)
    assert lift.said(*ALL) == []
    rides(lift, 1, (runs - 1) * TRIP_S, **frozen)
    onset_s = (runs - 1) * TRIP_S + 13
    rides(lift, 31 if kind is PRESENCE else 0, runs * TRIP_S, **frozen)
    assert lift.said(*ALL) == [("raised", kind, onset_s + (900 if kind is PRESENCE else 0))]
    assert lift.found[-1].confidence is Confidence.PROBABLE


@pytest.mark.parametrize("column", ["passenger", "door", "zone", "floor"])
def test_a_terminal_without_the_sensor_is_not_found_fault_with(column):
    lift = Lift()
    rides(lift, 40, **{column: None})
    assert lift.said(*ALL) == []


def test_people_who_are_counted_are_no_stuck_sensor():
    lift = Lift()
    for i in range(40):
        rides(lift, 1, i * TRIP_S, passenger=1 + i % 3)
    assert lift.said(*ALL) == []


def test_a_mechanic_who_rides_with_closed_doors_is_no_stuck_door():
    lift = Lift()
    rides(lift, 20, door=2, mode=2)
    assert lift.said(*ALL) == []


def test_it_is_over_when_the_sensor_has_worked_for_a_while():
    lift = Lift()
    rides(lift, 5, zone=1)
    assert lift.raised(ZONE) == [3 * TRIP_S + 13]
    rides(lift, 6, 5 * TRIP_S)
    assert lift.said(ZONE)[1:] == [("cleared", ZONE, 5 * TRIP_S + 8)]


def test_a_door_that_closes_more_often_than_it_can_is_flapping():
    lift = Lift()
    for i in range(60):
        lift.at(i + 3, car=0, zone=1, door=2 if i % 2 else 4)
    assert lift.raised(DOOR) == [32]
    assert lift.found[-1].confidence is Confidence.CERTAIN


def test_a_door_that_opens_again_and_again_is_not():
    lift = Lift()
    for i in range(100):
        lift.at(i * 1.5, car=0, zone=1, door=(3, 4, 1, 2)[i % 4])
    assert lift.said(*ALL) == []


def test_landings_that_pass_by_are_no_flapping_zone():
    lift = Lift()
    for i in range(120):
        lift.at(i * 0.5, car=1, zone=i % 2, floor=1 + i // 2)
    assert lift.said(*ALL) == []


def test_landings_that_pass_by_a_car_called_still_are_no_flapping_zone():
    """A dead accelerometer says that the car stands, on every ride."""
    lift = Lift()
    for i in range(120):
        lift.at(i * 0.5, car=0, zone=i % 2, floor=1 + i // 2)
    assert lift.raised(ZONE) == []


def test_a_zone_that_changes_while_the_car_stands_is_flapping():
    lift = Lift()
    for i in range(20):
        lift.at(i * 2, car=0, zone=i % 2)
    assert lift.raised(ZONE) == [20]


def test_releveling_runs_are_no_frozen_floor():
    lift = Lift()
    for i in range(20):
        lift.at(i * 10, car=0, zone=1, floor=2)
        lift.at(i * 10 + 2, car=1, zone=1, floor=2)
    assert lift.said(*ALL) == []
