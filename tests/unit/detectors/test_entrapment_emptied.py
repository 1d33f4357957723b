"""A zone switch that sticks at false, and cars whose doors let people out all the same: stories."""

import pytest

from telemetry.columns import Door
from tests.unit.detectors.story import (
    OPEN_AT_LANDING,
    RUNNING,
    TRAPPED_BETWEEN,
    RescueLift,
)

IN_ORDER = {"codes": (), "safety_circuit": 1, "power": 0, "load_pct": 10.0}


# ------------------------------------------------------------------ a zone switch that sticks

ARRIVES = {**TRAPPED_BETWEEN, **IN_ORDER}
EMPTY = {"passenger": 0, "load_pct": 0.0}


def stop_with_open_doors(lift, *leaves, opened_s=(3, 4)):
    """Let a car stop with its zone switch stuck at false, open, and shut its doors again."""
    lift.at(0, ARRIVES, RUNNING)
    lift.at(1, ARRIVES)
    lift.at(2, ARRIVES, door=Door.OPENING)
    for time_s in opened_s:
        lift.at(time_s, ARRIVES, *leaves, door=Door.OPEN)
    lift.at(6, ARRIVES, *leaves, door=Door.CLOSING)
    lift.at(8, ARRIVES, *leaves)
    lift.alive_until(300)
    return lift.raised()


def test_who_left_by_open_doors_is_not_trapped_whatever_the_zone_switch_says():
    assert stop_with_open_doors(RescueLift(), EMPTY) == []


@pytest.mark.parametrize(
    ("leaves", "opened_s"),
    [
        ({"passenger": 1, "load_pct": 0.0}, (3, 4)),
        ({"passenger": 0, "load_pct": 8.0}, (3, 4)),
        ({"passenger": 0, "load_pct": None}, (3, 4)),
        ({"passenger": None, "load_pct": 0.0}, (3, 4)),
        (EMPTY, (3,)),
    ],
    ids=["seen", "felt", "no word of the scale", "no word of the sensor", "a bounce"],
)
def test_who_may_still_be_inside_is_trapped(leaves, opened_s):
    assert stop_with_open_doors(RescueLift(), leaves, opened_s=opened_s) == [31]


def test_doors_that_stand_open_between_landings_end_no_entrapment():
    lift = RescueLift()
    lift.at(0, ARRIVES)
    lift.alive_until(40)
    lift.at(41, ARRIVES, EMPTY, door=Door.OPEN)
    lift.at(42, ARRIVES, EMPTY, door=Door.OPEN)
    lift.alive_until(600)
    assert [what for what, *_ in lift.said()] == ["raised"]


def test_a_scale_that_is_known_to_be_stuck_empties_no_car():
    lift = RescueLift(presence_stuck_openings=1)
    lift.at(0, OPEN_AT_LANDING, IN_ORDER, EMPTY)
    lift.at(5, OPEN_AT_LANDING, IN_ORDER, EMPTY)  # an opening at which the scale did not change
    lift.at(8, ARRIVES, RUNNING, load_pct=0.0)
    lift.at(9, ARRIVES, EMPTY, door=Door.OPEN)
    lift.at(10, ARRIVES, EMPTY, door=Door.OPEN)
    lift.at(11, ARRIVES, EMPTY)
    lift.alive_until(100)
    assert lift.raised() == [39]
