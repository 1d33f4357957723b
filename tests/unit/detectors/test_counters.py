"""Counters that cannot be: jumps, steps back, wraps, new beginnings."""

import pytest

from telemetry.findings import FindingKind
from tests.unit.detectors.story import Lift

KIND = FindingKind.COUNTER_IMPLAUSIBLE


def found_after(before, now, apart_s=10):
    """Tell one value, then the other; return what the second one brought about."""
    lift = Lift()
    lift.at(0, before)
    return [t for t in lift.at(apart_s, now) if t.kind is KIND]


@pytest.mark.parametrize(
    ("name", "before", "most"),
    [
        ("runs", 500, 500 + 11 * 12 / 60 + 20),
        ("door_cycles", 500, 500 + 11 * 12 / 60 + 20),
        ("rope_bends", 500, 500 + (11 * 12 / 60 + 20) * 20),
        ("distance_m", 500, 500 + 11 * 20 + 20),
        ("running_hours", 500, 501),
    ],
)
def test_a_counter_may_come_as_far_as_a_lift_can_go_and_no_further(name, before, most):
    assert found_after({name: before}, {name: int(most)}) == []
    [found] = found_after({name: before}, {name: int(most) + 1})
    assert found.criteria["jumped"] is True
    assert found.criteria[f"{name}_wrong"] is True
    assert (found.values["before"], found.values["now"]) == (before, int(most) + 1)


def test_after_a_long_silence_it_may_have_come_far():
    assert found_after({"runs": 500}, {"runs": 1500}, apart_s=2 * 3600) == []
    assert len(found_after({"runs": 500}, {"runs": 3500}, apart_s=2 * 3600)) == 1


@pytest.mark.parametrize(
    ("before", "now", "what"),
    [
        (65_530, 3, "wrapped"),
        (99_999, 1, "wrapped"),
        (2**32 - 2, 5, "wrapped"),
        (40_000, 0, "from_zero"),
        (40_000, 12, "from_zero"),
        (40_000, 35_000, "backwards"),
        (40_000, 900_000, "jumped"),
    ],
)
def test_the_evidence_tells_a_wrap_from_a_new_beginning_and_a_step_back(before, now, what):
    [found] = found_after({"runs": before}, {"runs": now})
    said = {name for name in ("wrapped", "from_zero") if found.criteria[name]}
    assert said == {what} & {"wrapped", "from_zero"}
    assert found.criteria["jumped"] is (what == "jumped")
    assert found.criteria["backwards"] is (what != "jumped")


def test_it_ends_with_the_first_value_that_can_be():
    lift = Lift()
    lift.at(0, runs=500)
    lift.at(10, runs=90_000)
    lift.at(10, runs=90_000)  # a copy
    lift.at(20, runs=90_001)
    assert lift.said(KIND) == [("raised", KIND, 10), ("cleared", KIND, 20)]


def test_a_wrong_value_and_the_way_back_are_two_updates_of_one_finding():
    lift = Lift()
    lift.at(0, runs=500, door_cycles=700)
    lift.at(10, runs=90_000, door_cycles=701)
    lift.at(20, runs=501, door_cycles=702)
    lift.at(30, runs=501, door_cycles=702)
    assert [c for c, _, _ in lift.said(KIND)] == ["raised", "updated", "cleared"]


def test_another_counter_keeps_it_up():
    lift = Lift()
    lift.at(0, runs=500, distance_m=1000)
    lift.at(10, runs=90_000, distance_m=1001)
    lift.at(20, distance_m=1002)
    assert lift.said(KIND) == [("raised", KIND, 10)]
    lift.at(30, runs=90_000)
    assert lift.said(KIND)[-1] == ("cleared", KIND, 30)


def test_first_values_escalators_and_untold_counters_say_nothing():
    lift = Lift()
    lift.at(0, runs=70_000)
    lift.at(10, car=1)
    lift.at(20, runs=1, unit=1)
    lift.at(30, runs=70_001, distance_m=5)
    assert lift.said(KIND) == []
