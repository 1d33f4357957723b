"""Cars that leave a landing, or run, with open doors, told as stories."""

import pytest

from telemetry.columns import QUALITY_BIT
from telemetry.findings import Confidence, FindingKind
from tests.unit.detectors.story import Lift

AWAY = FindingKind.UNINTENDED_MOVEMENT
RUNS = FindingKind.DOORS_OPEN_WHILE_RUNNING
OPEN = {"car": 0, "speed_mps": 0.0, "zone": 1, "door": 4, "mode": 1}
CREEPS = {**OPEN, "car": 1, "speed_mps": 0.3}
HANGS = {**OPEN, "zone": 0}
SHUT = {**OPEN, "door": 2}
RIDE = {**SHUT, "car": 1, "speed_mps": 1.6, "zone": 0}


@pytest.fixture
def lift():
    return Lift()


def creeps_away(lift, **told):
    lift.at(0, OPEN, told)
    lift.at(1, CREEPS, told)
    lift.at(2, CREEPS, told, zone=0)
    lift.at(3, CREEPS, told, zone=0)
    lift.at(4, HANGS, told)
    lift.wait_until(6)


def test_a_car_that_creeps_away_with_open_doors(lift):
    creeps_away(lift)
    assert lift.said(AWAY) == [("raised", AWAY, 4)]
    (raised,) = [t for t in lift.found if t.kind is AWAY]
    assert raised.confidence is Confidence.CERTAIN
    assert raised.criteria["doors_stood_open_at_landing"]
    assert raised.criteria["moved_since"]
    lift.at(60, SHUT, zone=0)
    lift.wait_until(70)
    assert lift.said(AWAY)[-1] == ("cleared", AWAY, 60)


def test_it_is_seen_without_a_speed_once_the_car_hangs(lift):
    creeps_away(lift, speed_mps=None)
    assert lift.raised(AWAY) == [6]
    assert not lift.raised(RUNS)


@pytest.mark.parametrize(
    ("codes", "confidence"),
    [((5,), Confidence.CERTAIN), ((), Confidence.PROBABLE)],
)
def test_the_controller_confirms_or_denies_it(lift, codes, confidence):
    creeps_away(lift, codes=codes)
    (raised,) = [t for t in lift.found if t.kind is AWAY]
    assert raised.confidence is confidence
    assert raised.criteria["code_05"] == bool(codes)


def test_the_code_alone_suffices_and_says_that_the_sensors_deny_it(lift):
    lift.at(0, SHUT, codes=(5,))
    (raised,) = lift.wait_until(2)
    assert (raised.kind, raised.confidence) == (AWAY, Confidence.POSSIBLE)
    assert raised.criteria["sensed"] is False


def test_relevelling_and_opening_in_advance_stay_in_the_zone(lift):
    lift.at(0, OPEN)
    lift.at(1, OPEN, car=1, speed_mps=0.25)
    lift.at(5, OPEN)
    lift.at(6, SHUT)
    lift.at(7, RIDE)
    lift.at(17, RIDE, zone=1, speed_mps=0.3, door=3)
    lift.at(20, OPEN)
    lift.wait_until(60)
    assert not lift.found


def test_a_zone_switch_that_chatters_over_open_doors_is_no_movement(lift):
    lift.all_at_once([(t, {**OPEN, "zone": t % 2}) for t in range(60)])
    lift.at(60, HANGS)
    lift.wait_until(90)
    assert not lift.raised(AWAY)


def test_a_door_switch_that_sticks_at_open_makes_nothing_of_its_rides(lift):
    lift.at(0, OPEN)
    for start in (10, 40):
        lift.at(start, OPEN, car=1, speed_mps=0.2)
        lift.at(start + 1, RIDE, door=4, speed_mps=0.9)
        lift.every(1, start + 2, start + 15, RIDE, door=4)
        lift.at(start + 15, RIDE, door=4, speed_mps=0.2)
        lift.at(start + 16, OPEN)
    assert not lift.found


def test_a_door_switch_that_chatters_makes_nothing_of_a_ride(lift):
    lift.at(0, SHUT)
    lift.all_at_once([(t, {**RIDE, "door": 2 + 2 * (t % 2)}) for t in range(1, 40)])
    assert not [t for t in lift.found if t.kind in (AWAY, RUNS)]


def test_doors_that_part_on_a_ride(lift):
    lift.at(0, SHUT)
    lift.at(1, RIDE)
    lift.every(1, 10, 15, RIDE, door=4)
    lift.at(15, RIDE)
    lift.wait_until(30)
    assert lift.said(RUNS) == [("raised", RUNS, 12), ("cleared", RUNS, 15)]
    assert not lift.said(AWAY)


def test_a_frame_whose_speed_cannot_be_parts_no_doors(lift):
    lift.at(0, SHUT)
    lift.at(1, RIDE)
    nonsense = {**RIDE, "door": 4, "speed_mps": None, "quality": 1 << QUALITY_BIT["speed"]}
    lift.every(1, 10, 40, nonsense)
    assert not lift.said(AWAY, RUNS)


def test_a_car_that_crept_before_its_speed_became_nonsense_is_not_seen_to_creep(lift):
    lift.at(0, SHUT)
    lift.at(1, RIDE, speed_mps=0.38)
    refused = {"speed_mps": None, "quality": 1 << QUALITY_BIT["speed"]}
    lift.all_at_once(
        [(t, {**RIDE, "door": 4, **refused, "zone": t // 5 % 2}) for t in range(2, 90)]
    )
    assert not lift.said(AWAY, RUNS)


def test_a_terminal_that_seldom_tells_a_speed_is_not_believed_between_two_that_cannot_be(lift):
    lift.at(0, SHUT)
    lift.at(1, RIDE)
    refused = {"speed_mps": None, "quality": 1 << QUALITY_BIT["speed"]}
    untold = {**RIDE, "door": 4, "speed_mps": None}
    lift.all_at_once([(t, {**untold, **(refused if t % 7 == 2 else {})}) for t in range(2, 300)])
    assert not lift.said(AWAY, RUNS)
    lift.at(300, OPEN)
    lift.at(310, SHUT)
    lift.at(311, RIDE)
    lift.every(1, 320, 325, untold)
    assert lift.raised(RUNS) == [322]


def test_one_frame_that_cannot_be_does_not_hide_doors_that_part(lift):
    lift.at(0, SHUT)
    lift.at(1, RIDE)
    lift.at(10, RIDE, door=4)
    lift.at(10.2, RIDE, door=4, speed_mps=None, quality=1 << QUALITY_BIT["speed"])
    lift.every(0.2, 10.4, 14, RIDE, door=4)
    assert lift.raised(RUNS) == [12.4]


def test_passing_a_landing_with_parted_doors_is_the_same_run(lift):
    lift.at(0, SHUT)
    lift.at(1, RIDE)
    lift.all_at_once([(t, {**RIDE, "door": 4, "zone": int(t == 14)}) for t in range(10, 20)])
    lift.at(20, OPEN)
    assert lift.said(RUNS) == [("raised", RUNS, 12), ("cleared", RUNS, 20)]


def test_a_mechanic_may_bridge_the_doors(lift):
    lift.at(0, SHUT, mode=2)
    lift.every(1, 1, 20, RIDE, mode=2, door=4)
    lift.at(20, SHUT, mode=2)
    creeps_later = Lift()
    creeps_away(creeps_later, mode=2)
    assert not lift.said(AWAY, RUNS)
    assert not creeps_later.said(AWAY, RUNS)


def test_without_a_zone_nobody_can_tell(lift):
    known = {**CREEPS, "zone": None}
    lift.at(0, OPEN, zone=None)
    lift.every(1, 1, 30, known)
    assert not lift.found
