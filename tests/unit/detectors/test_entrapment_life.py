"""Windows, hysteresis, updates and evidence of the entrapment finding; per-lift parameters."""

import numpy as np
import pytest

from detectors.bank import Bank
from detectors.contract import NO_DUE_US
from detectors.lift.entrapment import EntrapmentDetector
from detectors.lift.entrapment_params import EntrapmentParams
from detectors.parameters import ParamError, ParamTable, thresholds
from telemetry.columns import Door
from telemetry.findings import Change
from tests.unit.detectors.story import (
    BETWEEN,
    LANDING,
    OPEN_AT_LANDING,
    RUNNING,
    TRAPPED_AT_LANDING,
    TRAPPED_BETWEEN,
    Lift,
    RescueLift,
    joined,
    us,
)


def test_the_defaults_are_those_of_the_domain():
    p = EntrapmentParams()
    assert (p.between_landings_window_us, p.at_landing_window_us, p.urgent_window_us) == (
        30_000_000,
        60_000_000,
        10_000_000,
    )
    assert (p.doubtful_stop_windows, p.moving_speed_mps) == (3, 0.05)


def test_per_lift_parameters_shorten_the_windows():
    lift = RescueLift(between_landings_window_s=3, at_landing_window_s=5.5, urgent_window_s=1)
    lift.at(0, TRAPPED_BETWEEN)
    (raised,) = lift.wait_until(100)
    assert lift.raised() == [3]
    assert raised.thresholds["window_us"] == 3_000_000
    at_landing = RescueLift(at_landing_window_s=5.5)
    at_landing.at(0, TRAPPED_AT_LANDING)
    at_landing.wait_until(100)
    assert at_landing.raised() == [5.5]


def test_an_urgent_window_longer_than_the_class_window_does_not_lengthen_it():
    lift = RescueLift(between_landings_window_s=3)
    lift.at(0, TRAPPED_BETWEEN, button=1)
    lift.wait_until(100)
    assert lift.raised() == [3]


def test_motion_ends_the_stop_and_the_window_starts_anew():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN)
    lift.at(29, RUNNING)
    lift.at(29.5, TRAPPED_BETWEEN)
    lift.wait_until(1000)
    assert lift.raised() == [59.5]
    assert lift.found[0].onset_us == us(29.5)


@pytest.mark.parametrize(("pause_s", "expected_s"), [(10, 60), (10.5, 90.5)])
def test_a_time_without_a_class_is_bridged_up_to_the_interruption_limit(pause_s, expected_s):
    lift = RescueLift()
    lift.at(0, TRAPPED_AT_LANDING)
    lift.every(1, 20, 20 + pause_s, TRAPPED_AT_LANDING, door=Door.OPENING)
    lift.at(20 + pause_s, TRAPPED_AT_LANDING)
    lift.wait_until(1000)
    assert lift.raised() == [expected_s]


def test_a_window_is_completed_only_while_a_class_holds():
    lift = RescueLift()
    lift.at(0, TRAPPED_AT_LANDING)
    lift.at(58, TRAPPED_AT_LANDING, door=Door.OPENING)
    lift.wait_until(63)
    assert lift.said() == []
    lift.at(64, TRAPPED_AT_LANDING)
    assert lift.said() == [("raised", LANDING, 64)]
    assert lift.found[0].onset_us == us(0)


def test_both_classes_share_one_onset():
    lift = RescueLift()
    lift.at(0, TRAPPED_AT_LANDING)
    lift.at(40, TRAPPED_BETWEEN)
    assert lift.said() == [("raised", BETWEEN, 40)]
    assert lift.found[0].onset_us == us(0)


def test_a_change_of_class_shorter_than_its_hold_is_not_told():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN)
    lift.at(40, TRAPPED_AT_LANDING)
    lift.at(49, TRAPPED_BETWEEN)
    lift.at(60, TRAPPED_AT_LANDING)
    lift.at(75, TRAPPED_BETWEEN)
    lift.wait_until(1000)
    assert lift.said() == [
        ("raised", BETWEEN, 30),
        ("updated", LANDING, 70),
        ("updated", BETWEEN, 85),
    ]


def test_a_tick_completes_at_its_very_time_and_not_before():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN)
    assert lift.wait_until(29.999999) == []
    assert len(lift.wait_until(30)) == 1
    assert lift.wait_until(31) == []


def test_a_frame_that_tells_nothing_moves_the_time_all_the_same():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN)
    (raised,) = lift.at(100)
    assert (raised.t_us, raised.last_seen_us) == (us(30), us(0))


def test_evidence_names_criteria_values_and_what_is_unknown():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, height_m=12.5, floor=7, power=0, passenger=3)
    (raised,) = lift.wait_until(30)
    assert raised.criteria == {
        "stopped": True,
        "in_zone": False,
        "door_not_opening": True,
        "doors_open_in_zone": False,
        "inside": True,
        "inside_latched": True,
        "presence_trusted": True,
        "scale_says_somebody": None,
        "seen_since_silence": True,
        "explained": None,
        "fault_code": None,
        "safety_circuit_open": None,
        "doors_tried": False,
        "mains_off": False,
        "button_pressed": None,
        "mode_allows": True,
    }
    values = dict(raised.values)
    assert values.pop("button") is values.pop("load_pct") is None
    assert values == {
        "speed_mps": 0.0,
        "height_m": 12.5,
        "floor": 7,
        "car": 0,
        "door": 2,
        "mode": 1,
        "power": 0,
        "passenger": 3,
        "stop_mode": 1,
        "people": 3,
        "held_us": 30_000_000,
        "unheard_us": 30_000_000,
    }
    assert {"button", "load_pct"} <= set(raised.evidence()["unknown"])
    assert raised.thresholds["window_us"] == 30_000_000
    assert raised.thresholds["moving_speed_mps"] == 0.05


@pytest.mark.parametrize(
    ("told", "criterion", "expected"),
    [
        ({"car": None}, "stopped", True),
        ({"speed_mps": None}, "stopped", True),
        ({"power": 0}, "mains_off", False),
        ({"codes": ()}, "mains_off", False),
        ({"power": 1}, "mains_off", True),
        ({"power": 0, "codes": (41,)}, "mains_off", True),
        ({}, "mains_off", None),
        ({"button": 0}, "button_pressed", False),
        ({"codes": ()}, "button_pressed", False),
        ({"codes": (90,)}, "button_pressed", True),
        ({"button": 1}, "button_pressed", True),
        ({}, "button_pressed", None),
        ({"passenger": None}, "presence_trusted", None),
        ({"passenger": None}, "inside_latched", False),
        ({"door": 3}, "door_not_opening", False),
        ({"door": 4}, "doors_open_in_zone", False),
        ({"mode": 0}, "mode_allows", True),
    ],
)
def test_a_criterion_is_true_false_or_unknown(told, criterion, expected):
    lift = RescueLift()
    if "door" in told:
        lift.at(0, passenger=1, door=2)  # latched before
    lift.at(10, joined(TRAPPED_BETWEEN, told))
    (raised,) = [t for t in lift.wait_until(1000) if t.kind is BETWEEN]
    assert raised.criteria[criterion] is expected


def test_a_door_that_was_never_told_is_unknown_in_the_evidence():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, door=None)
    (raised,) = lift.wait_until(1000)
    assert raised.criteria["door_not_opening"] is None
    assert raised.criteria["doors_open_in_zone"] is None


def test_a_cleared_transition_shows_the_open_doors():
    lift = RescueLift()
    lift.at(0, TRAPPED_AT_LANDING)
    lift.alive_until(69)
    lift.at(70, OPEN_AT_LANDING)
    lift.wait_until(72)
    cleared = lift.found[-1]
    assert cleared.change is Change.CLEARED
    assert cleared.criteria["doors_open_in_zone"] is True
    assert cleared.criteria["inside_latched"] is False


def test_due_times_are_those_of_the_next_thing_to_tell():
    bank = Bank(2)
    assert bank.next_due_us() == NO_DUE_US
    lift = Lift(EntrapmentDetector())
    assert lift.bank.due_rows(np.array([us(10**6)])).tolist() == []
    lift.at(0, TRAPPED_BETWEEN)
    assert lift.bank.next_due_us() == us(30)
    assert lift.bank.due_rows(np.array([us(29)])).tolist() == []
    assert lift.bank.due_rows(np.array([us(30)])).tolist() == [0]
    lift.at(1, power=1)
    assert lift.bank.next_due_us() == us(10)
    lift.wait_until(10)
    assert lift.bank.next_due_us() == NO_DUE_US
    lift.at(20, TRAPPED_AT_LANDING)
    assert lift.bank.next_due_us() == us(30)
    lift.at(21, OPEN_AT_LANDING)
    assert lift.bank.next_due_us() == us(22)


# ------------------------------------------------------------------ parameters


def test_overrides_of_one_lift_leave_the_others_their_defaults():
    table = ParamTable({"entrapment": EntrapmentParams})
    table.grow(2)
    table.put(1, {"between_landings_window_s": 2.5}, version=4)
    p = table.of("entrapment", np.array([0, 1]))
    assert p.between_landings_window_us.tolist() == [30_000_000, 2_500_000]
    assert p.at_landing_window_us == 60_000_000
    assert table.of("entrapment", np.array([1])).between_landings_window_us == 2_500_000
    assert table.version.tolist() == [0, 4]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("between_landings_window_s", 0),
        ("between_landings_window_s", "30"),
        ("at_landing_window_s", -1),
        ("urgent_window_s", float("nan")),
        ("doubtful_stop_windows", 2.5),
        ("moving_speed_mps", 100),
        ("presence_stuck_openings", True),
        ("betwen_landings_window_s", 3),
    ],
)
def test_an_override_that_cannot_be_used_names_its_key(key, value):
    bank = Bank(1)
    with pytest.raises(ParamError, match=key):
        bank.set_overrides(0, {"urgent_window_s": 2, key: value})
    assert bank._params.of("entrapment", np.array([0])).urgent_window_us == 10_000_000


def test_setting_overrides_again_starts_from_the_defaults():
    bank = Bank(2)
    bank.set_overrides(1, {"urgent_window_s": 2})
    bank.set_overrides(1, {"at_landing_window_s": 9})
    params = bank._params.of("entrapment", np.array([0, 1]))
    assert params.urgent_window_us.tolist() == [10_000_000, 10_000_000]
    assert params.at_landing_window_us.tolist() == [60_000_000, 9_000_000]


def test_every_threshold_names_its_source():
    assert all(spec.source for _, spec in thresholds(EntrapmentParams).values())
