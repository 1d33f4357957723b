"""Frequent resets: what counts, what does not, and how long it lasts."""

import pytest

from detectors.trend.frequent_resets import FrequentResetsDetector
from telemetry.findings import Confidence, FindingKind
from tests.unit.detectors.story import Lift

KIND = FindingKind.FREQUENT_RESETS
HOUR_S = 3600
IN_SERVICE = {"mode": 1, "codes": ()}
DOWN = {"mode": 0, "codes": (42,)}
BACK = {"mode": 1, "codes": (40,)}


def reset(lift, at_s, *, down=DOWN, back=BACK):
    """Restart within 20 s, and go on as before."""
    found = lift.at(at_s, down)
    return found + lift.at(at_s + 15, back) + lift.at(at_s + 60, IN_SERVICE)


def test_the_fifth_within_a_day_is_the_onset():
    lift = Lift(FrequentResetsDetector())
    for n in range(4):
        assert reset(lift, 1000 + n * HOUR_S) == []
    [found] = reset(lift, 1000 + 4 * HOUR_S)
    assert lift.raised(KIND) == [1015 + 4 * HOUR_S]
    assert found.onset_us == found.t_us
    assert found.values["five_resets_in_us"] == 4 * HOUR_S * 1_000_000
    assert found.confidence is Confidence.CERTAIN


def test_further_ones_update_and_it_ends_when_fewer_than_five_lie_in_a_day():
    lift = Lift()
    for n in range(6):
        reset(lift, 1000 + n * HOUR_S)
    lift.wait_until(40 * HOUR_S)
    assert lift.said(KIND) == [
        ("raised", KIND, 1015 + 4 * HOUR_S),
        ("updated", KIND, 1015 + 5 * HOUR_S),
        ("cleared", KIND, 1015 + 25 * HOUR_S),
    ]
    lie_in = [t.values["five_resets_in_us"] for t in lift.found if t.kind is KIND]
    assert lie_in == [4 * HOUR_S * 1_000_000] * 2 + [None]


def test_five_in_more_than_a_day_are_ordinary():
    lift = Lift()
    for n in range(12):
        reset(lift, 1000 + n * 6.5 * HOUR_S)
    assert lift.said(KIND) == []


@pytest.mark.parametrize(
    ("down", "back"),
    [
        ({"mode": 0, "codes": None}, {"mode": 1, "codes": None}),
        ({"mode": None, "codes": (42,)}, {"mode": None, "codes": ()}),
        ({"mode": None, "codes": ()}, {"mode": None, "codes": (40,)}),
    ],
    ids=["mode", "code 42", "code 40"],
)
def test_either_end_told_by_either_means_is_a_reset(down, back):
    lift = Lift()
    for n in range(5):
        lift.at(1000 + n * HOUR_S, down)
        lift.at(1015 + n * HOUR_S, back)
        lift.at(1060 + n * HOUR_S, {**back, "codes": None if back["codes"] is None else ()})
    assert len(lift.raised(KIND)) == 1


def test_one_told_by_mode_and_by_codes_counts_once():
    lift = Lift()
    for n in range(4):
        reset(lift, 1000 + n * HOUR_S)
    assert lift.said(KIND) == []


def test_the_mechanic_may_reset_as_often_as_he_likes():
    lift = Lift()
    lift.at(0, {"mode": 2, "codes": (43,)})
    for n in range(8):
        lift.at(100 + 20 * n, DOWN)
        lift.at(110 + 20 * n, {"mode": 2, "codes": (43,)})
    lift.at(300, IN_SERVICE)
    for n in range(3):
        lift.at(310 + 15 * n, DOWN)
        lift.at(315 + 15 * n, BACK)
    for n in range(4):
        reset(lift, 400 + 100 * n)
    assert lift.said(KIND) == []
    reset(lift, 900)
    assert lift.raised(KIND) == [915]


def test_out_of_service_for_hours_is_one_and_silence_changes_nothing():
    lift = Lift()
    lift.at(0, IN_SERVICE)
    lift.every(30, 100, 8 * HOUR_S, DOWN)
    lift.at(8 * HOUR_S, IN_SERVICE)
    lift.wait_until(30 * HOUR_S)
    assert lift.said(KIND) == []


def test_a_lift_that_is_switched_off_is_no_reset():
    lift = Lift()
    for n in range(4):
        reset(lift, 1000 + n * HOUR_S)
    lift.at(5 * HOUR_S, DOWN)
    lift.at(5 * HOUR_S + 181, IN_SERVICE)
    lift.at(5 * HOUR_S + 182, BACK)
    assert lift.said(KIND) == []
    lift.at(6 * HOUR_S, DOWN)
    lift.at(6 * HOUR_S + 180, IN_SERVICE)
    assert lift.raised(KIND) == [6 * HOUR_S + 180]


def test_only_one_of_the_two_is_probable():
    lift = Lift()
    for n in range(5):
        reset(lift, 1000 + n * HOUR_S, down={"mode": 0, "codes": ()}, back=IN_SERVICE)
    assert [t.confidence for t in lift.found if t.kind is KIND] == [Confidence.PROBABLE]
