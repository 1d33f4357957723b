"""How the state of a lift is stored: nothing is lost, however many windows are open."""

import numpy as np
import pytest

from detectors import bank as bank_module
from detectors.conditions import ConditionDetector
from detectors.contract import Field
from detectors.lift.alarm_button import AlarmButtonDetector
from detectors.opened import Opened
from detectors.parameters import LiftParams
from detectors.records import HEARD, SLOTS, Layout
from detectors.windows import window_fields


class Many(ConditionDetector):
    """More windows than a stored record has slots, and fields of every size among them."""

    name = "many"
    layout = (
        Field("table", "i2", 7, (5,)),
        Field("flags", "?", True, (3,)),
        Field("seldom_us", "i8", -5, rare=True),
        Field("seldom_m", "f4", np.nan, rare=True),
        Field("seldom", "?", False, rare=True),
        *(Field(f"own{n}", ("i8", "i2", "?")[n % 3], n) for n in range(SLOTS)),
        *(field for n in range(SLOTS + 5) for field in window_fields(f"w{n}_")),
    )
    params_type = LiftParams

    def judge(self, state, heard, params):
        raise NotImplementedError


BANK = (AlarmButtonDetector(), Many())
LAYOUT = Layout(BANK)
N_WINDOWS = SLOTS + 5


def bank_of(n):
    return bank_module.Bank(n, detectors=BANK)


def fresh(n):
    """The opened state of lifts that were never heard."""
    return bank_of(n).records(range(n))


def opened_with(*windows_up, seed=1):
    """Opened state in which so many windows of each lift have come up, at random places."""
    rng, m = np.random.default_rng(seed), len(windows_up)
    opened = fresh(m)
    opened.put(HEARD, {"time_us": rng.integers(0, 2**50, m)})
    fields = {name: opened["many"][name].copy() for f in range(N_WINDOWS) for name in parts(f)}
    for lift, n in enumerate(windows_up):
        for window in rng.choice(N_WINDOWS, n, replace=False):
            onset, aux, phase = parts(window)
            fields[onset][lift] = rng.integers(-(2**62), 2**62)
            fields[aux][lift] = rng.integers(-(2**62), 2**62)
            fields[phase][lift] = rng.integers(1, 5)
    opened.put("many", fields)
    return opened, fields


def parts(window):
    return [f"w{window}_{part}" for part in ("onset_us", "aux_us", "phase")]


def state_of(opened):
    """All fields as bytes."""
    return {
        (group, name): opened[group][name].tobytes()
        for group, places in LAYOUT.places.items()
        for name in places
    }


def reopened(stored):
    return Opened(LAYOUT, stored)


def test_there_are_more_windows_than_slots():
    assert len(LAYOUT.windows) == N_WINDOWS > SLOTS + 2


@pytest.mark.parametrize("seed", range(5))
def test_what_is_put_is_read_again_the_same(seed):
    opened, fields = opened_with(0, SLOTS, SLOTS + 1, 1, N_WINDOWS, 3, seed=seed)
    stored = opened.closed()
    assert stored.whole_at.tolist() == [2, 4]
    now = reopened(stored)
    for name, values in fields.items():
        np.testing.assert_array_equal(now["many"][name], values)
    assert now[HEARD]["time_us"].tobytes() == opened._after[HEARD]["time_us"].tobytes()
    before = fresh(6)
    for group, places in LAYOUT.places.items():
        for name in places:
            if (group, name) != (HEARD, "time_us") and name not in fields:
                np.testing.assert_array_equal(now[group][name], before[group][name])


def test_a_step_that_changes_nothing_leaves_every_byte():
    stored = opened_with(2, N_WINDOWS, 0)[0].closed()
    raw = stored.rows.tobytes(), stored.whole.tobytes()
    again = reopened(stored)
    for group, places in LAYOUT.places.items():
        again.put(group, {name: again[group][name] for name in places})
    closed = again.closed()
    assert (closed.rows.tobytes(), closed.whole.tobytes()) == raw


def test_one_window_that_changes_leaves_the_others():
    stored = opened_with(3, N_WINDOWS, SLOTS)[0].closed()
    opened = reopened(stored)
    wanted = state_of(opened)
    phase = np.array([4, 4, 4], "u1")
    opened.put("many", {"w2_phase": phase})
    now = state_of(reopened(opened.closed()))
    assert now.pop(("many", "w2_phase")) == phase.tobytes()
    del wanted["many", "w2_phase"]
    assert now == wanted


def test_a_part_of_the_lifts_is_put_alone():
    opened = fresh(4)
    opened.put(HEARD, {"time_us": np.array([7, 8])}, low=1)
    opened.put(HEARD, {"time_us": np.array([9])}, low=3)
    never = fresh(1)[HEARD]["time_us"][0]
    assert reopened(opened.closed())[HEARD]["time_us"].tolist() == [never, 7, 8, 9]


def test_what_is_given_out_cannot_be_written_into():
    opened = fresh(2)
    for group, places in LAYOUT.places.items():
        for name in places:
            assert not opened[group][name].flags.writeable


def test_whole_lifts_are_kept_whole_and_forgotten_when_it_is_over():
    bank, rows = bank_of(4), np.array([1, 3])
    crowded = opened_with(SLOTS + 2, N_WINDOWS)[0].closed()
    wanted = state_of(reopened(crowded))
    bank._store(rows, crowded)
    assert state_of(bank.records(rows)) == wanted
    assert state_of(bank.records([0, 2])) == state_of(fresh(2))
    other = bank_of(4)
    arrays = {
        name: np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape)
        for name, array in bank.snapshot([3, 0, 1]).items()
    }
    other.restore([0, 2, 3], arrays, bank.layout)
    assert state_of(other.records([3, 0])) == wanted
    bank._store(rows, opened_with(SLOTS, 0)[0].closed())
    assert len(bank._whole) == 0
    assert len(other._whole) == 2


def test_fields_of_different_detectors_never_overlap():
    for d in BANK:
        for f in d.layout:
            opened = fresh(1)
            before, other = state_of(opened), 1 if f.initial != 1 else 2
            changed = np.full((1, *f.shape), other, f.dtype)
            up = f.name.endswith(("onset_us", "aux_us")) and f.name.startswith("w")
            beside = {f.name.partition("_")[0] + "_phase": np.array([3], "u1")} if up else {}
            opened.put(d.name, {f.name: changed, **beside})
            after = state_of(reopened(opened.closed()))
            assert after.pop((d.name, f.name)) == changed.tobytes()
            kept = {key: value for key, value in before.items() if key != (d.name, f.name)}
            kept |= {(d.name, name): values.tobytes() for name, values in beside.items()}
            assert after == kept


def test_a_fresh_record_is_as_the_detectors_say():
    opened = fresh(1)
    for d in BANK:
        for f in d.layout:
            np.testing.assert_array_equal(
                opened[d.name][f.name], np.full((1, *f.shape), f.initial, f.dtype)
            )
