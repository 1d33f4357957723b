"""Escalators told in seconds: the truth table of each finding, and what fools it or must not."""

import pytest

from telemetry.findings import Confidence, FindingKind
from tests.contract.detector_streams import (
    START_US,
    S,
)
from tests.unit.detectors.stairs_story import RUNS, STANDS, last, stairs
from tests.unit.detectors.story import Lift

OVERSPEED = FindingKind.ESCALATOR_OVERSPEED
REVERSAL = FindingKind.ESCALATOR_REVERSAL
HANDRAIL = FindingKind.HANDRAIL_DEVIATION
STEP = FindingKind.STEP_MISSING
RESTART = FindingKind.ESCALATOR_RESTART_PREVENTED

CREEPS = {
    **RUNS, "speed_mps": 0.2, "handrail_left_pct": 40.0, "handrail_right_pct": 40.0,
    "step_frequency_hz": 0.5,
}  # fmt: skip


def test_ordinary_life_raises_nothing():
    unit = stairs()
    for start, state in ((0, STANDS), (30, RUNS), (150, CREEPS), (270, RUNS), (390, STANDS)):
        unit.every(1, start, start + 120 if start else 30, state)
    unit.wait_until(5_000)
    assert unit.found == []


# ------------------------------------------------------------------ overspeed


def test_overspeed_is_more_than_ten_percent_for_a_second():
    unit = stairs()
    unit.at(0, RUNS, speed_mps=0.549)
    unit.at(1, RUNS, speed_mps=0.56)
    unit.at(1.5, RUNS, speed_mps=0.5)
    unit.wait_until(10)
    assert unit.said(OVERSPEED) == []
    unit.every(1, 20, 23, RUNS, speed_mps=-0.56)
    assert unit.said(OVERSPEED) == [("raised", OVERSPEED, 21)]
    told = last(unit, OVERSPEED)
    assert (told.confidence, told.criteria) == (
        Confidence.PROBABLE,
        {"sensed": True, "code_62": False},
    )
    assert told.thresholds == {
        "window_us": S, "escalator_overspeed_pct": 110.0, "rated_speed_mps": 0.5,
    }  # fmt: skip
    assert told.values["steps_pct"] == pytest.approx(112, abs=0.1)
    unit.every(1, 23, 30, RUNS)
    assert unit.said(OVERSPEED)[1:] == [("cleared", OVERSPEED, 23)]


def test_a_governor_that_stops_at_once_is_found_by_its_code():
    unit = stairs()
    unit.at(0, RUNS)
    unit.at(1, RUNS, speed_mps=0.62)
    unit.at(1.5, STANDS, codes=(62, 65))
    assert unit.said(OVERSPEED) == [("raised", OVERSPEED, 1.5)]
    told = last(unit, OVERSPEED)
    assert told.confidence is Confidence.POSSIBLE
    assert (told.onset_us, told.criteria["sensed"]) == (START_US + S, False)
    assert unit.said(RESTART) == [("raised", RESTART, 1.5)]


def test_two_fast_handrails_stand_for_an_unknown_speed():
    fast = {"handrail_left_pct": 115.0, "handrail_right_pct": 112.0, "speed_mps": None}
    unit = stairs()
    unit.every(1, 0, 3, RUNS, fast, codes=None)
    assert unit.raised(OVERSPEED) == [1]
    assert last(unit, OVERSPEED).confidence is Confidence.PROBABLE
    plateless = Lift()
    plateless.every(1, 0, 3, RUNS, fast, speed_mps=0.9)
    assert plateless.raised(OVERSPEED) == [1]
    one = stairs()
    one.every(1, 0, 3, RUNS, fast, handrail_right_pct=100.0)
    one.every(1, 3, 6, RUNS, fast, handrail_right_pct=None)
    assert one.raised(OVERSPEED) == []
    sensed = stairs()
    sensed.every(1, 0, 3, RUNS, speed_mps=0.6, codes=None)
    assert last(sensed, OVERSPEED).confidence is Confidence.CERTAIN


# ------------------------------------------------------------------ reversal


def test_steps_that_turn_back_without_a_stop_are_a_reversal():
    unit = stairs()
    unit.every(1, 0, 10, RUNS)
    unit.every(1, 10, 13, RUNS, direction=2, speed_mps=0.3)
    assert unit.said(REVERSAL) == [("raised", REVERSAL, 11)]
    assert last(unit, REVERSAL).values["direction_before"] == 1
    unit.every(1, 13, 40, STANDS, codes=(63, 65))
    unit.every(1, 40, 50, RUNS)
    assert unit.said(REVERSAL) == [("raised", REVERSAL, 11), ("cleared", REVERSAL, 40)]


@pytest.mark.parametrize(
    "between",
    [
        STANDS,
        {**RUNS, "direction": 0},
        {**RUNS, "speed_mps": 0.0},
        {**RUNS, "car": 0},
        {**RUNS, "mode": 2},
    ],
)
def test_a_sign_of_standing_between_makes_it_a_new_run(between):
    unit = stairs()
    unit.every(1, 0, 10, RUNS)
    unit.at(10, between)
    unit.every(1, 11, 30, RUNS, direction=2)
    assert unit.said(REVERSAL) == []


def test_a_direction_that_flickers_for_a_frame_is_no_reversal():
    unit = stairs()
    unit.every(1, 0, 10, RUNS)
    unit.at(10, RUNS, direction=2)
    unit.every(1, 11, 30, RUNS)
    assert unit.said(REVERSAL) == []


@pytest.mark.parametrize(("gap_s", "raised"), [(6, [10 + 6]), (6.5, [])])
def test_a_silence_may_hide_a_stop(gap_s, raised):
    unit = stairs()
    unit.every(1, 0, 10, RUNS)
    unit.every(1, 9 + gap_s, 30, RUNS, direction=2)
    assert unit.raised(REVERSAL) == raised


def test_a_mechanic_may_move_the_steps_to_and_fro():
    unit = stairs()
    for start, way in ((0, 1), (10, 2), (20, 1)):
        unit.every(1, start, start + 10, RUNS, mode=2, direction=way, speed_mps=0.15)
    unit.every(1, 30, 40, RUNS)
    assert unit.said(REVERSAL) == []


def test_a_reversal_by_code_alone_is_probable():
    unit = stairs()
    unit.at(0, STANDS, codes=(63,))
    assert unit.said(REVERSAL) == [("raised", REVERSAL, 0)]
    assert last(unit, REVERSAL).confidence is Confidence.PROBABLE


# ------------------------------------------------------------------ handrails


def test_a_handrail_deviates_from_the_steps_for_fifteen_seconds():
    unit = stairs()
    unit.every(1, 0, 14.5, RUNS, handrail_left_pct=84.0)
    unit.every(1, 15, 30, RUNS)
    assert unit.said(HANDRAIL) == []
    unit.every(1, 30, 60, RUNS, handrail_left_pct=84.0)
    assert unit.said(HANDRAIL) == [("raised", HANDRAIL, 45)]
    told = last(unit, HANDRAIL)
    assert told.criteria == {
        "running": True, "left_deviates": True, "right_deviates": False, "steps_known": True,
    }  # fmt: skip
    assert told.values["deviation_pct"] == pytest.approx(16, abs=0.01)
    assert told.confidence is Confidence.CERTAIN
    unit.every(1, 60, 65, RUNS)
    assert unit.said(HANDRAIL)[1:] == [("cleared", HANDRAIL, 60)]


@pytest.mark.parametrize("rail", ["handrail_left_pct", "handrail_right_pct"])
@pytest.mark.parametrize(("pct", "found"), [(86.0, False), (84.0, True), (116.0, True)])
def test_either_handrail_either_way(rail, pct, found):
    unit = stairs()
    unit.every(1, 0, 20, RUNS, {rail: pct})
    assert bool(unit.raised(HANDRAIL)) is found


def test_creeping_handrails_go_with_creeping_steps():
    unit = stairs()
    unit.every(1, 0, 60, CREEPS)
    assert unit.said(HANDRAIL) == []
    unit.every(1, 60, 80, CREEPS, handrail_right_pct=100.0)
    assert unit.raised(HANDRAIL) == [75]


def test_slow_or_standing_steps_are_not_judged():
    unit = stairs()
    unit.every(1, 0, 60, STANDS, handrail_left_pct=50.0)
    unit.every(1, 60, 120, RUNS, speed_mps=0.09, handrail_left_pct=5.0)
    assert unit.said(HANDRAIL) == []
    unit.every(1, 120, 150, RUNS, speed_mps=0.11, handrail_left_pct=5.0)
    assert unit.raised(HANDRAIL) == [135]


def test_a_loose_handrail_is_not_told_anew_at_every_start():
    unit = stairs()
    unit.every(1, 0, 30, RUNS, handrail_left_pct=80.0)
    unit.every(30, 30, 300, STANDS)
    unit.every(1, 300, 330, RUNS, handrail_left_pct=80.0)
    assert unit.said(HANDRAIL) == [("raised", HANDRAIL, 15)]
    unit.every(30, 330, 1_200, STANDS)
    assert unit.said(HANDRAIL)[1:] == [("cleared", HANDRAIL, 330)]


def test_handrails_are_compared_with_each_other_where_the_steps_are_unknown():
    unit = Lift()
    unit.every(1, 0, 20, RUNS, handrail_left_pct=80.0)
    assert unit.raised(HANDRAIL) == [15]
    told = last(unit, HANDRAIL)
    assert told.confidence is Confidence.PROBABLE
    assert (told.criteria["left_deviates"], told.criteria["right_deviates"]) == (True, False)
    alone = Lift()
    alone.every(1, 0, 20, RUNS, handrail_left_pct=80.0, handrail_right_pct=None)
    assert alone.raised(HANDRAIL) == []


# ------------------------------------------------------------------ a missing step


def rounds(unit, n, start_s=0, round_s=64, **known):
    for k in range(n):
        at_s = start_s + k * round_s
        unit.at(at_s, RUNS, step_frequency_hz=0.625, **known)
        unit.every(1, at_s + 1, at_s + round_s, RUNS, **known)


def test_a_gap_that_comes_round_is_a_missing_step():
    unit = stairs()
    unit.every(1, 0, 10, RUNS)
    rounds(unit, 1, 10)
    assert unit.said(STEP) == []
    rounds(unit, 3, 74)
    assert unit.said(STEP) == [("raised", STEP, 74)]
    unit.wait_until(202 + 1 + 599)
    assert len(unit.said(STEP)) == 1
    unit.every(1, 202 + 64, 202 + 605, RUNS)
    assert unit.said(STEP)[1:] == [("cleared", STEP, 203)]


@pytest.mark.parametrize(("apart_s", "raised"), [(9, []), (10, [20]), (600, [610]), (601, [])])
def test_gaps_come_round_neither_too_soon_nor_too_late(apart_s, raised):
    unit = stairs()
    unit.every(1, 0, 10, RUNS)
    rounds(unit, 2, 10, apart_s)
    assert unit.raised(STEP) == raised


def test_starting_stopping_and_creeping_are_no_gaps():
    unit = stairs()
    for k in range(6):
        at_s = 40 * k
        unit.every(1, at_s, at_s + 10, STANDS)
        unit.every(1, at_s + 10, at_s + 20, RUNS)
        unit.every(1, at_s + 20, at_s + 30, CREEPS)
        unit.at(at_s + 30, RUNS)
        unit.at(at_s + 31, RUNS, step_frequency_hz=0.6)
        unit.every(1, at_s + 32, at_s + 40, RUNS)
    assert unit.said(STEP) == []


def test_a_gap_needs_a_frequency_well_below_the_one_before_and_a_speed():
    unit = stairs()
    unit.every(1, 0, 10, RUNS)
    for k in range(4):
        unit.at(10 + 20 * k, RUNS, step_frequency_hz=0.95)
        unit.every(1, 11 + 20 * k, 30 + 20 * k, RUNS)
    assert unit.said(STEP) == []
    rounds(unit, 4, 100, 20, speed_mps=None)
    assert unit.said(STEP) == []


def test_the_code_of_a_missing_step_is_enough():
    unit = stairs()
    unit.at(0, STANDS, codes=(64, 65), step_frequency_hz=None)
    assert unit.said(STEP) == [("raised", STEP, 0)]
    assert last(unit, STEP).confidence is Confidence.PROBABLE
