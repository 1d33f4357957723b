"""What a finding says of why: each named criterion as true, false, and unknown where untold.

The oracles judge what is found and when; this is about the words that go with it.
"""

import pytest

from detectors.bank import BANK
from telemetry.findings import Change, FindingKind
from tests.unit.detectors.story import RUNNING, TRAPPED_AT_LANDING, TRAPPED_BETWEEN, Lift

IN_ORDER = {"load_pct": 30.0, "codes": (), "safety_circuit": 1, "power": 0, "button": 0}


def heard_by(name, **overrides):
    return Lift(*(d for d in BANK if d.name == name), **overrides)


def why(lift, kind):
    """The evidence of the only finding of a kind."""
    [found] = [t for t in lift.found if t.kind == kind and t.change is Change.RAISED]
    return found.evidence()


# ------------------------------------------------------------------ entrapment

IN_A_SOUND_LIFT = {
    "stopped": True,
    "in_zone": False,
    "door_not_opening": True,
    "doors_open_in_zone": False,
    "inside": True,
    "inside_latched": True,
    "presence_trusted": True,
    "scale_says_somebody": True,
    "seen_since_silence": True,
    "explained": False,
    "fault_code": False,
    "safety_circuit_open": False,
    "doors_tried": False,
    "mains_off": False,
    "button_pressed": False,
    "mode_allows": True,
}
UNTOLD = {
    **dict.fromkeys(IN_A_SOUND_LIFT),
    "stopped": True,
    "in_zone": False,
    "inside_latched": False,
    "mode_allows": True,
}


def entrapment_of(*frames, until_s=100):
    lift = heard_by("entrapment")
    for time_s, frame in enumerate(frames):
        lift.at(time_s, frame)
    lift.wait_until(until_s)
    [found] = [t for t in lift.found if t.change is Change.RAISED]
    return found.evidence()


def test_an_entrapment_in_a_lift_that_tells_everything_and_has_no_fault():
    told = entrapment_of({**RUNNING, **IN_ORDER}, {**TRAPPED_BETWEEN, **IN_ORDER})
    assert told["criteria"] == IN_A_SOUND_LIFT


def test_an_entrapment_in_a_lift_that_tells_next_to_nothing():
    assert entrapment_of({"car": 1, "zone": 1}, {"car": 0, "zone": 0})["criteria"] == UNTOLD


@pytest.mark.parametrize(
    ("tells", "so_is_known"),
    [
        ({"codes": ()}, ("explained", "fault_code", "mains_off", "button_pressed")),
        ({"power": 0, "button": 0}, ("mains_off", "button_pressed")),
        ({"door": 2}, ("door_not_opening", "doors_open_in_zone", "doors_tried")),
        ({"safety_circuit": 1}, ("safety_circuit_open",)),
    ],
)
def test_what_is_told_is_no_more_unknown(tells, so_is_known):
    told = entrapment_of({"car": 1, "zone": 1, **tells}, {"car": 0, "zone": 0, **tells})
    assert told["criteria"] == {
        **UNTOLD,
        **{name: name == "door_not_opening" for name in so_is_known},
    }


def test_an_entrapment_with_everything_wrong():
    wrong = {"load_pct": 120.0, "codes": (4,), "safety_circuit": 0, "power": 1, "button": 1}
    shut_in = {**TRAPPED_AT_LANDING, **wrong}
    told = entrapment_of({**RUNNING, **IN_ORDER}, shut_in, {**shut_in, "door": 3}, shut_in)
    so = ("in_zone", "explained", "fault_code", "safety_circuit_open")
    so += ("doors_tried", "mains_off", "button_pressed")
    assert told["criteria"] == {**IN_A_SOUND_LIFT, **dict.fromkeys(so, True)}


def test_a_car_that_says_it_runs_at_no_speed_may_stand():
    doubtful = {**TRAPPED_BETWEEN, "car": 1, "speed_mps": 0.0}
    assert entrapment_of(RUNNING, doubtful)["criteria"]["stopped"] is None
    assert entrapment_of(RUNNING, {**doubtful, "car": None})["criteria"]["stopped"] is None
    by_speed = [{k: v for k, v in f.items() if k != "car"} for f in (RUNNING, TRAPPED_BETWEEN)]
    assert entrapment_of(*by_speed)["criteria"]["stopped"] is True


@pytest.mark.parametrize(("passenger", "people"), [(1, None), (2, 2), (3, 3)])
def test_how_many_are_inside_is_told_where_they_are_counted(passenger, people):
    told = entrapment_of(RUNNING, {**TRAPPED_BETWEEN, "passenger": passenger})
    assert told["values"]["people"] == people


# ------------------------------------------------------------------ doors

STANDS = {"car": 0, "speed_mps": 0.0, "zone": 1, "mode": 1, "power": 0}
RUNS = {**STANDS, "car": 1, "speed_mps": 1.5, "zone": 0, "door": 2}


def doors_of(*frames, **overrides):
    """A lift whose doors did a whole cycle, then ran, then told these frames, each a minute."""
    lift = heard_by("door_faults", **overrides)
    for time_s, door in enumerate((4, 1, 2)):
        lift.at(time_s, STANDS, door=door)
    start_s = 10
    for frame in frames:
        lift.every(1, start_s, start_s + 80, frame)
        start_s += 80
    return lift


def test_why_doors_fail_to_open():
    lift = doors_of({**RUNS, "passenger": 1}, {**STANDS, "door": 2, "passenger": 1})
    assert why(lift, FindingKind.DOOR_FAILS_TO_OPEN)["criteria"] == {
        "sensed": True,
        "code_03": None,
        "arrived": True,
        "mains_off": False,
        "occupied": True,
        "door_switch_trusted": True,
        "stopped": True,
    }
    empty = doors_of({**RUNS, "passenger": 0}, {**STANDS, "door": 2, "passenger": 0, "codes": (3,)})
    told = why(empty, FindingKind.DOOR_FAILS_TO_OPEN)["criteria"]
    assert (told["sensed"], told["code_03"], told["occupied"]) == (None, True, False)


def test_why_doors_fail_to_close_stand_open_and_open_again():
    closing = doors_of({**STANDS, "door": 1})
    assert why(closing, FindingKind.DOOR_FAILS_TO_CLOSE)["criteria"] == {
        "sensed": True,
        "code_02": None,
        "tells_closing": True,
    }
    held = doors_of({**STANDS, "door": 4})
    told = why(held, FindingKind.DOOR_HELD_OPEN)
    assert told["criteria"]["in_zone"] is True
    assert told["criteria"]["mains_off"] is False
    assert told["criteria"]["tells_closing"] is True
    again = heard_by("door_faults", reopenings=2)
    for time_s, door in enumerate((4, 1, 4, 1, 4)):
        again.at(time_s, STANDS, door=door)
    told = why(again, FindingKind.REPEATED_REOPENING)
    assert (told["criteria"], told["values"]["reopened"]) == ({"too_many": True}, 2)


# ------------------------------------------------------------------ motion


def test_why_a_drive_turns_in_vain():
    lift = heard_by("motor_run_time")
    turns = {**STANDS, "car": 1, "brake": 1, "codes": ()}
    lift.every(1, 0, 60, turns)
    assert why(lift, FindingKind.MOTOR_RUN_TIME)["criteria"] == {
        "sensed": True,
        "code_06": False,
        "running": True,
        "brake_lifted": True,
        "moving": False,
    }


def test_why_an_empty_car_is_outside_its_zone():
    lift = heard_by("stopped_outside_zone")
    lift.at(0, RUNS, passenger=0)
    lift.every(1, 1, 60, STANDS, zone=0, door=2, passenger=0)
    told = why(lift, FindingKind.STOPPED_OUTSIDE_ZONE)["criteria"]
    assert told["stopped"] is True
    assert told["in_zone"] is False


@pytest.mark.parametrize(
    ("vertical", "horizontal", "told"),
    [
        (0.4, 0.1, (True, False)),
        (0.2, 0.3, (False, True)),
        (0.4, None, (True, None)),
        (None, 0.3, (None, True)),
    ],
)
def test_which_way_a_car_shakes(vertical, horizontal, told):
    lift = heard_by("vibration")
    shakes = {"vibration_mps2": vertical, "vibration_horizontal_mps2": horizontal}
    lift.every(1, 0, 5, RUNS, {k: v for k, v in shakes.items() if v is not None})
    criteria = why(lift, FindingKind.EXCESSIVE_VIBRATION)["criteria"]
    assert (criteria["vertical"], criteria["horizontal"]) == told
