"""How the state of a lift is stored: nothing is lost, however many windows are open."""

import numpy as np
import pytest

from detectors import bank as bank_module
from detectors.alarm_button import AlarmButtonDetector
from detectors.contract import Field
from detectors.parameters import LiftParams
from detectors.records import SLOTS, Layout, as_bytes
from detectors.windows import IDLE, ConditionDetector, window_fields


class Many(ConditionDetector):
    """More windows than a stored record has slots, and fields of every size among them."""

    name = "many"
    layout = (
        Field("table", "i2", 7, (5,)),
        *(Field(f"own{n}", ("i8", "i2", "?")[n % 3], n) for n in range(SLOTS)),
        *(field for n in range(SLOTS + 5) for field in window_fields(f"w{n}_")),
    )
    params_type = LiftParams

    def judge(self, state, heard, params):
        raise NotImplementedError


BANK = (AlarmButtonDetector(), Many())
LAYOUT = Layout(BANK)
N_WINDOWS = LAYOUT.dtype["windows"]["phase"].shape[0]


def bank_of(n):
    return bank_module.Bank(n, detectors=BANK)


def records_with(*windows_up, seed=1):
    """Records of lifts on which so many windows are not idle, at random places."""
    rng = np.random.default_rng(seed)
    records = bank_of(len(windows_up)).records(range(len(windows_up)))
    records["heard"]["time_us"] = rng.integers(0, 2**50, len(windows_up))
    for lift, n in enumerate(windows_up):
        chosen = rng.choice(N_WINDOWS, n, replace=False)
        windows = records["windows"]
        windows["phase"][lift, chosen] = rng.integers(1, 5, n)
        windows["onset_us"][lift, chosen] = rng.integers(-(2**62), 2**62, n)
        windows["aux_us"][lift, chosen] = rng.integers(-(2**62), 2**62, n)
    return records


def test_there_are_more_windows_than_slots():
    assert N_WINDOWS > SLOTS + 2


@pytest.mark.parametrize("seed", range(5))
def test_what_is_packed_is_unpacked_the_same(seed):
    records = records_with(0, SLOTS, SLOTS + 1, 1, N_WINDOWS, 3, seed=seed)
    stored = LAYOUT.pack(records)
    assert stored.crowded.tolist() == [2, 4]
    assert LAYOUT.unpack(stored).tobytes() == records.tobytes()


def test_crowded_lifts_are_kept_whole_and_forgotten_when_it_is_over():
    bank, rows = bank_of(4), np.array([1, 3])
    crowded = records_with(SLOTS + 2, N_WINDOWS)
    bank._store(rows, LAYOUT.pack(crowded))
    assert bank.records(rows).tobytes() == crowded.tobytes()
    assert bank.records([0, 2]).tobytes() == bank_of(2).records([0, 1]).tobytes()
    other = bank_of(4)
    arrays = {
        name: np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape)
        for name, array in bank.snapshot([3, 0, 1]).items()
    }
    other.restore([0, 2, 3], arrays, bank.layout)
    assert other.records([0, 3]).tobytes() == crowded[::-1].tobytes()
    bank._store(rows, LAYOUT.pack(records_with(SLOTS, 0)))
    assert not bank._crowded
    assert other._crowded


def test_fields_of_different_detectors_never_overlap():
    fresh = bank_of(1).records([0])
    for d in BANK:
        for f in d.layout:
            before = as_bytes(fresh).copy()
            changed = fresh.copy()
            touched = as_bytes(changed)
            touched[:] = before
            changed[d.name][f.name] = np.full(f.shape, 1 if f.initial != 1 else 2, f.dtype)
            width = np.dtype((f.dtype, f.shape)).itemsize
            assert np.count_nonzero(as_bytes(changed) != before) <= width
            for other in BANK:
                for g in other.layout:
                    if (other, g) != (d, f):
                        name, field = other.name, g.name
                        np.testing.assert_array_equal(changed[name][field], fresh[name][field])


def test_a_fresh_record_is_idle():
    fresh = bank_of(1).records([0])
    assert (fresh["windows"]["phase"] == IDLE).all()
    for d in BANK:
        for f in d.layout:
            np.testing.assert_array_equal(
                fresh[d.name][f.name], np.full((1, *f.shape), f.initial, f.dtype)
            )
