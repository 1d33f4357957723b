"""Parameters of lifts: equal sets are held once, and every lift keeps its own."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
import pytest

from detectors.bank import Bank
from detectors.parameters import (
    LiftParams,
    ParamError,
    ParamTable,
    chosen,
    in_seconds,
    plain,
    spread_all,
    thresholds,
)
from telemetry.batch import FrameBatch
from tests.contract.detector_streams import START_US, batch_of


@dataclass(frozen=True, slots=True)
class Door(LiftParams):
    hold_us: Any = field(default=2_000_000, metadata=in_seconds("hold_s", 0, 60, "made up"))
    count: Any = field(default=5, metadata=plain("count", 1, 100, "i8", "made up"))
    rated_mps: Any = field(default=float("nan"), metadata=plain("rated", 0.1, 20, "f8", "made up"))


def table(n=4):
    made = ParamTable({"door": Door})
    made.grow(n)
    return made


def test_lifts_without_their_own_have_the_defaults_as_scalars():
    p = table().of("door", np.arange(4))
    assert (p.hold_us, p.count) == (2_000_000, 5)
    assert np.isnan(p.rated_mps)


def test_only_what_differs_is_an_array():
    made = table()
    made.put(2, {"count": 7}, version=3)
    p = made.of("door", np.array([1, 2, 3]))
    assert p.count.tolist() == [5, 7, 5]
    assert p.hold_us == 2_000_000
    assert made.of("door", np.array([2])).count == 7
    assert made.version.tolist() == [0, 0, 3, 0]


def test_a_bad_value_changes_nothing():
    made = table()
    made.put(1, {"count": 7}, version=1)
    with pytest.raises(ParamError, match="hold_s"):
        made.put(1, {"count": 9, "hold_s": -1}, version=2)
    assert made.of("door", np.array([1])).count == 7
    assert made.version.tolist() == [0, 1, 0, 0]


def test_unused_sets_are_forgotten_and_nobody_notices():
    made, rng, wanted = table(3), Random(1), {}
    for turn in range(500):
        row = rng.randrange(3)
        wanted[row] = {"count": rng.randrange(1, 100), "hold_s": rng.randrange(60)}
        made.put(row, wanted[row], turn)
        assert len(made._overrides) <= 2 * 3 + 66
    for row, given in wanted.items():
        p = made.of("door", np.array([row]))
        assert (p.count, p.hold_us) == (given["count"], given["hold_s"] * 1_000_000)
    together = made.of("door", np.arange(3))
    assert together.count.tolist() == [wanted[row]["count"] for row in range(3)]


def test_growing_keeps_what_was_put():
    made = table(2)
    made.put(1, {"count": 9}, version=4)
    made.grow(5)
    assert made.of("door", np.arange(5)).count.tolist() == [5, 9, 5, 5, 5]
    assert made.version.tolist() == [0, 4, 0, 0, 0]


def test_arrays_over_lifts_are_spread_over_a_strip_and_scalars_are_not():
    p = spread_all(Door(count=np.array([3, 8])), np.array([0, 0, 1]))
    assert p.count.tolist() == [3, 3, 8]
    assert p.hold_us == 2_000_000
    same = Door()
    assert spread_all(same, np.array([0, 1])) is same


def test_keys_in_seconds_become_microseconds_and_sources_are_kept():
    assert chosen(Door, {"hold_s": 1.5, "of_another": 1}).hold_us == 1_500_000
    assert thresholds(Door)["hold_s"][1].source == "made up"


def test_the_version_of_the_parameters_stands_in_every_transition():
    bank = Bank(2)
    bank.set_overrides(1, {"between_landings_window_s": 1}, version=17)
    trapped = {"time_us": START_US, "car": 0, "zone": 0, "speed_mps": 0.0}
    bank.adopt(bank.step(batch_of([0, 1], [trapped, trapped])))
    late_us = np.full(2, START_US + 60_000_000)
    found = bank.step(FrameBatch.empty(), late_us, [0, 1]).transitions
    told = {int(r): int(v) for b in found for r, v in zip(b["row"], b["parameters"], strict=True)}
    assert told == {0: 0, 1: 17}
