"""Motor run time, safety circuit, supply, floor, restart and mode, told as stories."""

import pytest

from telemetry.findings import Change, Confidence, FindingKind
from tests.unit.detectors.story import Lift

MOTOR = FindingKind.MOTOR_RUN_TIME
CIRCUIT = FindingKind.SAFETY_CIRCUIT_OPEN
MAINS, FLOOR = FindingKind.MAINS_OFF, FindingKind.FLOOR_POSITION_LOST
RESTART, MODE = FindingKind.RESTART_PREVENTED, FindingKind.SPECIAL_MODE
STANDS = {"car": 0, "speed_mps": 0.0, "zone": 1, "door": 2, "mode": 1}
RIDE = {**STANDS, "car": 1, "speed_mps": 1.6, "zone": 0}
SLIPS = {**STANDS, "car": 1, "brake": 1}


@pytest.fixture
def lift():
    return Lift()


# ------------------------------------------------------------------ motor run time


def test_a_drive_that_turns_in_vain(lift):
    lift.at(0, STANDS)
    lift.every(1, 10, 60, SLIPS)
    lift.at(60, STANDS, brake=0)
    lift.wait_until(70)
    assert lift.said(MOTOR) == [("raised", MOTOR, 55), ("cleared", MOTOR, 60)]


def test_the_controller_says_that_its_limiter_acted(lift):
    lift.every(1, 10, 31, SLIPS, codes=())
    (raised,) = lift.at(31, STANDS, brake=0, codes=(6,))
    assert (raised.kind, raised.confidence) == (MOTOR, Confidence.POSSIBLE)
    assert lift.said(MOTOR) == [("raised", MOTOR, 31)]
    assert raised.t_us - raised.onset_us == 21_000_000


def test_full_travel_shortens_the_limit_but_not_below_20_s():
    cases = ((1.0, 20.0, 30), (2.0, 40.0, 30), (1.0, 5.0, 20), (1.0, 200.0, 45))
    for rated_mps, top_m, limit_s in cases:
        lift = Lift(rated_speed_mps=rated_mps, top_height_m=top_m, bottom_height_m=0.0)
        lift.every(1, 0, 60, SLIPS)
        assert lift.raised(MOTOR) == [limit_s]


def test_a_car_that_began_to_run_before_a_silence_is_none(lift):
    lift.at(0, STANDS)
    lift.at(10, SLIPS)
    lift.wait_until(100)
    lift.at(110, SLIPS)
    lift.at(112, STANDS)
    assert not lift.said(MOTOR)


@pytest.mark.parametrize("told", [{"speed_mps": None}, {"brake": 0}, {"speed_mps": 0.3}])
def test_a_ride_a_held_brake_and_an_unknown_speed_are_none(lift, told):
    lift.every(1, 0, 100, SLIPS, told)
    assert not lift.said(MOTOR)


# ------------------------------------------------------------------ safety circuit


def test_a_circuit_that_opens_on_a_run_until_it_is_closed(lift):
    lift.at(0, RIDE, safety_circuit=1)
    lift.at(10, RIDE, safety_circuit=0)
    lift.at(11, STANDS, zone=0, safety_circuit=0)
    lift.at(600, STANDS, safety_circuit=1)
    lift.wait_until(700)
    assert lift.said(CIRCUIT) == [("raised", CIRCUIT, 11), ("cleared", CIRCUIT, 600)]


def test_it_is_seen_when_the_run_is_over_by_the_next_frame(lift):
    lift.at(0, RIDE, safety_circuit=1)
    lift.at(5, STANDS, zone=0, safety_circuit=0)
    lift.wait_until(10)
    assert lift.raised(CIRCUIT) == [6]


@pytest.mark.parametrize("told", [{"door": 3}, {"mode": 2}])
def test_doors_in_the_zone_and_a_mechanic_open_it_too(lift, told):
    lift.at(0, RIDE, told, door=2, safety_circuit=1)
    lift.at(9, RIDE, told, zone=1, speed_mps=0.3, safety_circuit=0)
    lift.at(10, STANDS, told, safety_circuit=0)
    lift.wait_until(60)
    assert not lift.said(CIRCUIT)


def test_a_circuit_that_opens_at_a_standstill_is_another_fault(lift):
    lift.at(0, STANDS, safety_circuit=1)
    lift.at(10, STANDS, safety_circuit=0)
    lift.wait_until(60)
    assert not lift.said(CIRCUIT)


def test_code_01_without_a_circuit_is_probable(lift):
    lift.at(0, STANDS, codes=(1,))
    (raised,) = lift.wait_until(2)
    assert (raised.kind, raised.confidence) == (CIRCUIT, Confidence.PROBABLE)


# ------------------------------------------------------------------ plain states


@pytest.mark.parametrize(
    ("told", "confidence"),
    [
        ({"power": 1}, Confidence.CERTAIN),
        ({"power": 1, "codes": (41,)}, Confidence.CERTAIN),
        ({"power": 1, "codes": ()}, Confidence.PROBABLE),
        ({"codes": (41,)}, Confidence.PROBABLE),
        ({"power": 0, "codes": (41,)}, Confidence.POSSIBLE),
    ],
)
def test_mains_is_off_by_supply_or_by_code(lift, told, confidence):
    lift.at(0, told, mode=1)
    (raised,) = lift.wait_until(3)
    assert (raised.kind, raised.confidence) == (MAINS, confidence)


def test_a_dip_of_the_mains_is_none_and_the_terminals_own_supply_neither(lift):
    lift.at(0, power=1, terminal_power=1)
    lift.at(2, power=0, terminal_power=1)
    lift.wait_until(100)
    assert not lift.said(MAINS)


def test_flickering_mains_are_one_finding(lift):
    lift.all_at_once([(t, {"power": int(t % 4 != 3)}) for t in range(40)])
    lift.at(41, power=0)
    lift.wait_until(100)
    assert [t.change for t in lift.found] == [Change.RAISED, Change.CLEARED]


@pytest.mark.parametrize(("code", "kind"), [(7, FLOOR), (8, RESTART)])
def test_what_only_the_controller_knows(lift, code, kind):
    lift.at(0, codes=(code,))
    (raised,) = lift.wait_until(1)
    assert (raised.kind, raised.confidence) == (kind, Confidence.PROBABLE)
    assert raised.criteria == {"sensed": None, f"code_{code:02d}": True}
    lift.at(30, codes=())
    lift.wait_until(40)
    assert lift.said(kind) == [("raised", kind, 1), ("cleared", kind, 30)]


# ------------------------------------------------------------------ modes


@pytest.mark.parametrize("mode", [0, 2, 3, 4, 5, 6])
def test_special_modes_and_the_way_back(lift, mode):
    lift.at(0, mode=mode)
    (raised,) = lift.wait_until(5)
    assert raised.values["mode"] == mode
    lift.at(60, mode=1)
    lift.wait_until(70)
    assert lift.said(MODE) == [("raised", MODE, 5), ("cleared", MODE, 60)]


@pytest.mark.parametrize("mode", [1, 7])
def test_normal_and_unknown_are_none(lift, mode):
    lift.at(0, mode=mode)
    lift.wait_until(100)
    assert not lift.found


@pytest.mark.parametrize(("code", "mode"), [(42, 0), (43, 2), (44, 3), (45, 4), (46, 5), (47, 6)])
def test_event_codes_say_it_too_and_code_40_ends_it(lift, code, mode):
    lift.at(0, codes=(code,))
    (raised,) = lift.wait_until(5)
    assert (raised.confidence, raised.values["mode_by_code"]) == (Confidence.PROBABLE, mode)
    lift.at(60, codes=(code, 40))
    lift.wait_until(70)
    assert lift.said(MODE)[-1] == ("cleared", MODE, 60)


def test_code_40_ends_a_mode_that_is_still_told(lift):
    lift.at(0, mode=0, codes=(42,))
    lift.wait_until(10)
    lift.at(20, mode=0, codes=(40,))
    lift.wait_until(30)
    assert lift.said(MODE)[-1] == ("cleared", MODE, 20)


def test_a_change_of_mode_is_an_update(lift):
    lift.at(0, mode=0)
    lift.wait_until(10)
    (updated,) = lift.at(20, mode=2)
    assert (updated.change, updated.values["mode"]) == (Change.UPDATED, 2)
    lift.at(21, mode=2)
    assert lift.said(MODE) == [("raised", MODE, 5), ("updated", MODE, 20)]
