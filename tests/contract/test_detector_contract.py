"""What else holds for every detector of the bank: failures, layout, parameters, pages.

Found by walking ``BANK``, as the battery does (``test_detector_battery``).
"""

from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from detectors.bank import BANK, Bank, LayoutMismatch, check_overrides
from detectors.contract import initial_state
from detectors.parameters import ParamError, thresholds
from detectors.records import HEARD
from telemetry.findings import Confidence
from tests.contract.detector_streams import (
    START_US,
    S,
    batch_of,
    by_time,
    canonical,
    codes_mask,
    end_us,
    found_in,
    interleaved,
    oracle_module,
    random_fleet,
    random_splits,
    run_bank,
    step_once,
)

ROOT = Path(__file__).resolve().parents[2]
every_detector = pytest.mark.parametrize("detector", BANK, ids=lambda d: d.name)

# ------------------------------------------------------------------ failures, layout, parameters


@dataclass(frozen=True)
class Poisoned:
    """Any detector, but it raises whenever a frame of a poisoned floor is in the batch."""

    real: object

    def __getattr__(self, name):
        return getattr(self.real, name)

    def step(self, state, batch, params):
        if np.any(batch.frames["floor"] == 66):
            raise ZeroDivisionError("poison")
        return self.real.step(state, batch, params)


@every_detector
def test_an_exception_costs_only_the_lift_at_fault(detector):
    detectors = tuple(Poisoned(d) if d is detector else d for d in BANK)
    bank, healthy = Bank(9, detectors=detectors), Bank(9)
    fleet = random_fleet(3, 9, 40, detector=detector)
    found, wanted = [], []
    for batch in random_splits(Random(3), by_time(fleet)):
        poisoned = [(lift, {**f, "floor": 66} if lift == 4 else f) for lift, f in batch]
        outcome = bank.step(batch_of([x for x, _ in poisoned], [f for _, f in poisoned]))
        hit = {4} & {lift for lift, _ in batch}
        assert {(f.row, f.detector) for f in outcome.failed} == {(r, detector.name) for r in hit}
        assert all("poison" in f.error for f in outcome.failed)
        bank.adopt(outcome)
        found += [f for d in BANK for f in found_in(outcome, d.name)]
        wanted += step_once(healthy, poisoned)
    own = bank.records([4])[detector.name]
    for field, values in initial_state(detector, 1).items():
        np.testing.assert_array_equal(own[field], values)
    spared = [w for w in wanted if not (w["row"] == 4 and w["record"].rule == detector.name)]
    # What doubts the lift's sensors may be at fault itself; nothing but confidence hangs on that.
    assert sure_but(4, found) == sure_but(4, spared)
    assert bank.next_due_us() >= healthy.next_due_us()


def sure_but(lift, found):
    """Comparable form, without what the doubts of one lift decide."""
    plain = {"confidence": Confidence.CERTAIN, "suspect": ()}
    return canonical(
        {**f, "record": replace(f["record"], **plain)} if f["row"] == lift else f for f in found
    )


def test_state_of_a_wrong_shape_is_a_failure_of_its_detector_alone():
    class Misshapen(Poisoned):
        def step(self, state, batch, params):
            stepped = self.real.step(state, batch, params)
            name = self.layout[0].name
            return stepped._replace(state={**stepped.state, name: np.zeros(len(state) + 1)})

    wrong, sound = Misshapen(BANK[1]), BANK[0]
    bank = Bank(2, detectors=(sound, wrong))
    outcome = bank.step(batch_of([0, 1], [{"time_us": START_US, "button": 1}] * 2))
    assert {(f.row, f.detector) for f in outcome.failed} == {(0, wrong.name), (1, wrong.name)}
    assert all("has shape" in f.error for f in outcome.failed)
    bank.adopt(outcome)
    assert (bank.records([0, 1])[HEARD]["time_us"] == START_US).all()


@pytest.mark.parametrize("slice_rows", [1, 3, 6])
def test_a_step_by_slices_is_the_step(slice_rows):
    fleet = random_fleet(4, 7, 80)
    whole, sliced = Bank(7), Bank(7, slice_rows=slice_rows)
    tick = dict.fromkeys(range(7), end_us(fleet))
    for batch in [*random_splits(Random(4), by_time(fleet)), tick]:
        assert canonical(step_once(sliced, batch)) == canonical(step_once(whole, batch))
        kept, wanted = sliced.snapshot(range(7)), whole.snapshot(range(7))
        for name, values in wanted.items():
            np.testing.assert_array_equal(kept[name], values, err_msg=name)


def test_an_outcome_that_is_not_adopted_leaves_no_trace():
    fleet = random_fleet(5, 3, 60)
    batches = random_splits(Random(5), by_time(fleet))
    bank, found = Bank(3), []
    for batch in batches:
        if batch:
            bank.step(batch_of(*zip(*batch, strict=True)))  # rolled back
        found += step_once(bank, batch)
    found += step_once(bank, dict.fromkeys(range(3), end_us(fleet)))
    assert canonical(found) == run_bank(fleet, batches)


def test_rows_need_not_be_adjacent_and_time_never_runs_backwards_on_a_lift():
    fleet = random_fleet(7, 4, 60)
    shuffled = [by_time(fleet)]
    assert run_bank(fleet, shuffled) == run_bank(fleet, [interleaved(fleet)])
    late = {"time_us": START_US + 10 * S, "car": 0, "zone": 0}
    behind = {"time_us": START_US, "car": 0, "zone": 0}
    assert run_bank([[]], [[(0, late), (0, behind)]], end=False) == []
    found = run_bank([[late, behind]], [[(0, late)], [(0, behind)]])
    assert found[0][2] == late["time_us"]


def test_another_layout_is_refused_and_changes_nothing():
    bank = Bank(2)
    arrays = Bank(2).snapshot([0, 1])
    with pytest.raises(LayoutMismatch, match="snapshot holds"):
        bank.restore([0, 1], arrays, bank.layout.replace("entrapment/", "entrapment/0"))
    for detector in BANK:
        assert f"{detector.name}/{detector.version}(" in bank.layout


@every_detector
def test_overrides_are_checked_and_the_key_is_named(detector):
    bank = Bank(2)
    for key, (_, spec) in thresholds(detector.params_type).items():
        for bad in (spec.high * 2 + 1, spec.low - 1, "10", None, True, float("nan")):
            with pytest.raises(ParamError, match=key):
                bank.set_overrides(1, {key: bad})
    with pytest.raises(ParamError, match="no_such_window_s"):
        check_overrides({"no_such_window_s": 3})


@every_detector
def test_defaults_are_those_of_its_oracle(detector):
    rules, defaults = oracle_module(detector.name).Rules(), detector.params_type()
    for key, (name, spec) in thresholds(detector.params_type).items():
        told, wanted = getattr(defaults, name), getattr(rules, key)
        if told == told:  # nan: nothing is set
            assert told == wanted * spec.scale, key
        else:
            assert wanted in (None, 0) or wanted != wanted, key


def test_codes_of_the_streams_are_masks_of_the_vocabulary():
    assert codes_mask((41,)) & codes_mask((90,)) == 0


# ------------------------------------------------------------------ meta


@every_detector
def test_every_detector_has_an_oracle_and_a_page(detector):
    assert (ROOT / "tests" / "oracles" / f"{detector.name}.py").is_file()
    page = (ROOT / "docs" / "detectors.md").read_text()
    assert f"\n## `{detector.name}`" in page
    section = page.split(f"\n## `{detector.name}`")[1].split("\n## `")[0]
    assert f"version {detector.version}" in section
    for key, (name, spec) in thresholds(detector.params_type).items():
        assert f"`{key}`" in section, key
        assert spec.source, name
    assert detector.gap_policy.value in section


@every_detector
def test_state_is_compact_and_typed(detector):
    own = initial_state(detector, 1)
    assert sum(values.nbytes for values in own.values()) <= 300
    assert all(
        values.dtype == np.dtype(f.dtype)
        for f, values in zip(detector.layout, own.values(), strict=True)
    )


def test_a_lift_takes_little_memory():
    assert Bank(0).lift_bytes < 1000
