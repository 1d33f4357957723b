"""Escalators and walks that stand for a reason: stories."""

import pytest

from telemetry.findings import Confidence, FindingKind
from tests.unit.detectors.stairs_story import RUNS, STANDS, last, stairs

OVERSPEED = FindingKind.ESCALATOR_OVERSPEED
STOP = FindingKind.ESCALATOR_EMERGENCY_STOP
COVER = FindingKind.ESCALATOR_COVER_OPEN
CIRCUIT = FindingKind.ESCALATOR_SAFETY_CIRCUIT
RESTART = FindingKind.ESCALATOR_RESTART_PREVENTED
MAINS = FindingKind.MAINS_OFF


def test_an_emergency_stop_is_told_at_once_unless_a_mechanic_pressed_it():
    unit = stairs()
    unit.at(0, STANDS, emergency_stop=1, mode=2)
    assert unit.said(STOP) == []
    unit.at(10, STANDS, emergency_stop=1)
    assert unit.said(STOP) == [("raised", STOP, 10)]
    assert last(unit, STOP).thresholds == {"window_us": 0}
    unit.at(20, STANDS)
    unit.at(20.4, STANDS, emergency_stop=1)
    unit.wait_until(40)
    assert len(unit.said(STOP)) == 1
    unit.at(50, STANDS)
    unit.at(51, STANDS, emergency_stop=1)
    assert unit.said(STOP)[1:] == [("cleared", STOP, 50), ("raised", STOP, 51)]


def test_what_a_bouncing_contact_and_a_flickering_speed_do():
    unit = stairs()
    for k in range(10):
        unit.at(2 * k, RUNS, speed_mps=0.56, codes=None)
        unit.at(2 * k + 1, RUNS, codes=None)
    assert unit.said(OVERSPEED) == [("raised", OVERSPEED, 2)]


@pytest.mark.parametrize(("gap_s", "raised"), [(0.4, [0]), (0.5, [0]), (0.6, [0, 1.6])])
def test_a_cover_that_falls_shut_for_half_a_second_is_one_finding(gap_s, raised):
    unit = stairs()
    unit.at(0, RUNS, cover_open=1)
    unit.at(1, RUNS)
    unit.at(1 + gap_s, RUNS, cover_open=1)
    assert unit.raised(COVER) == raised


def test_an_open_cover_is_told_at_once_while_running_and_late_while_standing():
    unit = stairs()
    unit.at(0, STANDS, cover_open=1)
    unit.wait_until(299)
    assert unit.said(COVER) == []
    unit.wait_until(300)
    assert unit.said(COVER) == [("raised", COVER, 300)]
    moving = stairs()
    moving.at(0, STANDS, cover_open=1)
    moving.at(5, RUNS, cover_open=1)
    assert moving.said(COVER) == [("raised", COVER, 5)]
    inspected = stairs()
    inspected.every(1, 0, 400, RUNS, cover_open=1, mode=2)
    assert inspected.said(COVER) == []


@pytest.mark.parametrize(("speed_mps", "raised"), [(0.05, [0]), (-0.05, [0]), (0.049, [])])
def test_where_nothing_else_tells_steps_run_from_five_centimetres_a_second(speed_mps, raised):
    unit = stairs()
    unit.at(0, RUNS, car=None, speed_mps=speed_mps, cover_open=1)
    unit.wait_until(1)
    assert unit.said(COVER) == [("raised", COVER, at) for at in raised]


@pytest.mark.parametrize(
    ("state", "raised", "confidence"),
    [
        ({"safety_circuit": 0}, [1], Confidence.PROBABLE),
        ({"safety_circuit": 0, "codes": None}, [1], Confidence.CERTAIN),
        ({"safety_circuit": 0, "codes": (61,)}, [0], Confidence.CERTAIN),
        ({"safety_circuit": 1, "codes": (61,)}, [0], Confidence.POSSIBLE),
        ({"safety_circuit": None, "codes": (61,)}, [0], Confidence.PROBABLE),
        ({"safety_circuit": 0, "mode": 2}, [], None),
        ({"safety_circuit": 0, "power": 1}, [], None),
        ({"safety_circuit": 0, "power": None}, [1], Confidence.PROBABLE),
        ({"safety_circuit": None}, [], None),
    ],
)
def test_an_open_circuit(state, raised, confidence):
    unit = stairs()
    unit.every(0.5, 0, 3, STANDS, state)
    assert unit.raised(CIRCUIT) == raised
    if raised:
        assert last(unit, CIRCUIT).confidence is confidence


def test_a_restart_is_prevented_by_code_and_running_steps_deny_it():
    unit = stairs()
    unit.at(0, STANDS, codes=(65,))
    assert last(unit, RESTART).confidence is Confidence.PROBABLE
    assert last(unit, RESTART).thresholds == {"window_us": 0}
    moving = stairs()
    moving.at(0, RUNS, codes=(65,))
    assert last(moving, RESTART).confidence is Confidence.POSSIBLE


@pytest.mark.parametrize(
    ("state", "raised"),
    [
        ({"power": 1}, [0]),
        ({"power": None, "codes": (41,)}, [0]),
        ({"power": 0, "codes": None}, []),
        ({"power": None, "codes": None}, []),
    ],
)
def test_mains_of_an_escalator(state, raised):
    unit = stairs()
    unit.every(1, 0, 3, STANDS, state)
    assert unit.raised(MAINS) == raised
