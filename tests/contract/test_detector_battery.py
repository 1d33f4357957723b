"""The battery that every detector of the bank must pass (DESIGN section 6).

Found by walking ``BANK``: a new detector is in it as soon as it is in the bank, and fails until it
has an oracle. What else holds for all of them is in ``test_detector_contract``.
"""

from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detectors.bank import BANK, Bank
from detectors.contract import NO_DUE_US
from telemetry.batch import HEADER, FrameBatch
from telemetry.findings import FINDINGS
from tests.contract.detector_streams import (
    START_US,
    S,
    bank_of,
    batch_of,
    by_time,
    canonical,
    end_us,
    fleets_of,
    found_in,
    in_words_of,
    interleaved,
    nothing_after,
    oracle_module,
    random_fleet,
    random_splits,
    run_bank,
    run_oracle,
    short_for,
    side_by_side,
    some_short,
    step_once,
    ticked_run,
    with_ticks,
)

SEEDS = range(8)
every_detector = pytest.mark.parametrize("detector", BANK, ids=lambda d: d.name)
seeded = pytest.mark.parametrize("seed", SEEDS)


quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


def assert_like_oracle(detector, fleet, batches, overrides):
    wanted = run_oracle(detector.name, fleet, batches, overrides)
    bank, found = bank_of(detector, len(fleet), overrides), []
    for batch in batches:
        found += step_once(bank, batch)
    found += step_once(bank, dict.fromkeys(range(len(fleet)), end_us(fleet)))
    assert sorted(in_words_of(wanted, found), key=repr) == sorted(wanted, key=repr)
    return wanted


# ------------------------------------------------------------------ equal to the oracle


@every_detector
@seeded
def test_equals_its_oracle_on_random_fleets(detector, seed):
    rng = Random(seed)
    fleet = random_fleet(seed, 5, 80, detector=detector)
    batches = random_splits(rng, by_time(fleet))
    assert_like_oracle(detector, fleet, batches, some_short(rng, 5, detector))


@every_detector
@seeded
def test_equals_its_oracle_when_ticks_run_ahead_of_late_frames(detector, seed):
    rng = Random(1000 + seed)
    fleet = random_fleet(1000 + seed, 5, 120, calm=seed % 2 == 0, detector=detector)
    batches = with_ticks(rng, side_by_side(rng, fleet, largest=3))
    assert_like_oracle(detector, fleet, batches, some_short(rng, 5, detector))


@every_detector
@given(data=st.data(), short=st.booleans(), seed=st.integers(0, 99))
@quick
def test_equals_its_oracle_on_small_streams(detector, data, short, seed):
    fleet = data.draw(fleets_of(detector))
    overrides = dict.fromkeys(range(len(fleet)), short_for(detector)) if short else {}
    batches = with_ticks(Random(seed), random_splits(Random(seed), by_time(fleet)))
    assert_like_oracle(detector, fleet, batches, overrides)


@every_detector
def test_the_random_streams_reach_every_kind_of_transition(detector):
    said = Counter()
    for seed in range(1000, 1080):
        rng = Random(seed)
        fleet = random_fleet(seed, 5, 120, calm=seed % 2 == 0, detector=detector)
        batches = with_ticks(rng, side_by_side(rng, fleet, largest=3))
        for f in run_oracle(detector.name, fleet, batches, some_short(rng, 5, detector)):
            said[f["kind"], f["change"], f["reason"]] += 1
    assert set(said) == oracle_module(detector.name).REACHES, said


# ------------------------------------------------------------------ invisible things


@every_detector
@seeded
def test_any_split_into_batches_gives_the_same_transitions(detector, seed):
    fleet = random_fleet(seed, 4, 60, detector=detector)
    overrides = some_short(Random(seed), 4, detector)
    whole = run_bank(fleet, [interleaved(fleet)], overrides, only=detector)
    for n in range(3):
        batches = random_splits(Random(seed + n), by_time(fleet))
        assert run_bank(fleet, batches, overrides, only=detector) == whole
    single = side_by_side(Random(seed), fleet)
    assert run_bank(fleet, single, overrides, only=detector) == whole


@every_detector
@given(data=st.data(), seed=st.integers(0, 99))
@quick
def test_any_split_of_small_streams_gives_the_same_transitions(detector, data, seed):
    fleet = data.draw(fleets_of(detector))
    overrides = dict.fromkeys(range(len(fleet)), short_for(detector))
    whole = run_bank(fleet, [interleaved(fleet)], overrides, only=detector)
    batches = random_splits(Random(seed), by_time(fleet))
    assert run_bank(fleet, batches, overrides, only=detector) == whole


@every_detector
@seeded
def test_permuted_lifts_permute_the_transitions(detector, seed):
    fleet = random_fleet(seed, 6, 50, detector=detector)
    order = list(range(6))
    Random(seed).shuffle(order)
    moved = [None] * 6
    for lift, row in enumerate(order):
        moved[row] = fleet[lift]
    straight = run_bank(fleet, [interleaved(fleet)], only=detector)
    permuted = run_bank(moved, [interleaved(moved)], only=detector)
    assert sorted(((order[f[0]], *f[1:]) for f in straight), key=repr) == permuted


@every_detector
@seeded
def test_lifts_do_not_influence_each_other(detector, seed):
    fleet = random_fleet(seed, 5, 50, detector=detector)
    batches = random_splits(Random(seed), by_time(fleet))
    together = run_bank(fleet, batches, only=detector)
    for lift in range(5):
        silent = [frames if i == lift else [] for i, frames in enumerate(fleet)]
        alone = run_bank(silent, [interleaved(silent)], end=False, only=detector)
        own = [f for f in together if f[0] == lift]
        assert [f for f in own if f in alone] == [f for f in alone if f in own]
        ended = run_bank([fleet[lift]], [interleaved([fleet[lift]])], end=False, only=detector)
        assert [f[1:] for f in ended] == [f[1:] for f in alone]


@every_detector
@seeded
def test_repeated_frames_change_nothing(detector, seed):
    rng = Random(seed)
    fleet = random_fleet(seed, 4, 60, detector=detector)
    doubled = [[f for f in frames for _ in range(rng.choice((1, 1, 2, 3)))] for frames in fleet]
    overrides = some_short(rng, 4, detector)
    batches = random_splits(rng, by_time(doubled))
    assert run_bank(doubled, batches, overrides, only=detector) == run_bank(
        fleet, [interleaved(fleet)], overrides, only=detector
    )


@every_detector
@seeded
def test_frames_that_tell_nothing_change_nothing(detector, seed):
    if getattr(oracle_module(detector.name), "EVERY_FRAME_COUNTS", False):
        return  # it is about frames, not about what they tell
    rng = Random(seed)
    fleet = random_fleet(seed, 4, 60, detector=detector)
    thinned = [[x for f in frames for x in (f, *nothing_after(rng, f))] for frames in fleet]
    thinned = [sorted(frames, key=lambda f: f["time_us"]) for frames in thinned]
    overrides = some_short(rng, 4, detector)
    batches = random_splits(rng, by_time(thinned))
    assert run_bank(thinned, batches, overrides, only=detector) == run_bank(
        fleet, [interleaved(fleet)], overrides, only=detector
    )


@every_detector
@seeded
def test_values_told_again_or_left_out_are_the_same(detector, seed):
    fleet = [
        [{**f, "time_us": f["time_us"] + i} for i, f in enumerate(frames)]  # no two at once
        for frames in random_fleet(seed, 4, 60, detector=detector)
    ]
    sparse = []
    for frames in fleet:
        held, thin = {True: {}, False: {}}, []  # of lifts, and of escalators
        for f in frames:
            mine = held[f.get("unit", 0) == 0]
            spare = ("zone", "door", "passenger", "mode", "car")
            told = {k: v for k, v in f.items() if not (k in spare and mine.get(k) == v)}
            mine |= f if f.get("door") != 0 else {k: v for k, v in f.items() if k != "door"}
            thin.append(told if told.keys() - HEADER.keys() - {"unit"} else f)
        sparse.append(thin)
    full, less = (run_bank(x, [interleaved(x)], only=detector) for x in (fleet, sparse))
    assert [f[:8] for f in full] == [f[:8] for f in less]


@every_detector
@seeded
def test_snapshot_and_restore_mid_stream_are_invisible(detector, seed):
    rng = Random(seed)
    fleet = random_fleet(seed, 4, 60, detector=detector)
    overrides = some_short(rng, 4, detector)
    batches = random_splits(rng, by_time(fleet))
    cut = rng.randrange(len(batches))
    first, found = bank_of(detector, 4, overrides), []
    for batch in batches[:cut]:
        found += step_once(first, batch)
    second = bank_of(detector, 4, overrides)
    for rows in ([2, 0], [3, 1]):
        arrays = {
            key: np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape)
            for key, array in first.snapshot(rows).items()
        }
        second.restore(rows, arrays, first.layout)
    assert second.next_due_us() == first.next_due_us()
    for batch in [*batches[cut:], dict.fromkeys(range(4), end_us(fleet))]:
        found += step_once(second, batch)
    assert canonical(found) == run_bank(fleet, [interleaved(fleet)], overrides, only=detector)


@every_detector
@seeded
def test_growing_the_fleet_mid_stream_is_invisible(detector, seed):
    rng = Random(seed)
    fleet = random_fleet(seed, 4, 60, detector=detector)
    bank, found = bank_of(detector, 1, {0: short_for(detector)}), []
    bank.grow(4)
    for batch in random_splits(rng, by_time(fleet)):
        frames = batch_of([lift for lift, _ in batch], [frame for _, frame in batch])
        outcome = bank.step(frames)
        bank.grow(bank.n_rows + rng.choice((0, 0, 1, 5)))
        bank.adopt(outcome)
        found += found_in(outcome, detector.name)
    found += step_once(bank, dict.fromkeys(range(4), end_us(fleet)))
    whole = run_bank(fleet, [interleaved(fleet)], {0: short_for(detector)}, only=detector)
    assert canonical(found) == whole


# ------------------------------------------------------------------ ticks


@every_detector
@seeded
def test_with_ticks_that_no_frame_undercuts_is_without(detector, seed):
    rng = Random(seed)
    fleet = random_fleet(seed, 4, 60, detector=detector)
    overrides = some_short(rng, 4, detector)
    plain = run_bank(fleet, [interleaved(fleet)], overrides, only=detector)
    for driven_by_due in (False, True):
        ticked = ticked_run(rng, fleet, overrides, detector, driven_by_due)
        assert canonical(ticked) == plain


@every_detector
@seeded
def test_frames_with_a_stream_time_are_the_frames_and_then_the_tick(detector, seed):
    rng = Random(seed)
    fleet = random_fleet(seed, 4, 60, calm=seed % 2 == 0, detector=detector)
    one, two = bank_of(detector, 4), bank_of(detector, 4)
    newest_us = dict.fromkeys(range(4), START_US)
    for batch in side_by_side(rng, fleet, largest=3):
        newest_us |= {lift: frame["time_us"] for lift, frame in batch}
        now_us = np.array([newest_us[i] + rng.choice((-S, 0, 1, 5 * S, 40 * S)) for i in range(4)])
        frames = batch_of([lift for lift, _ in batch], [frame for _, frame in batch])
        together = one.step(frames, now_us, range(4))
        one.adopt(together)
        found = step_once(two, batch)
        found += step_once(two, dict(enumerate(now_us.tolist())))
        assert canonical(found_in(together, detector.name)) == canonical(found)
        other = two.snapshot(range(4))
        for key, array in one.snapshot(range(4)).items():
            np.testing.assert_array_equal(array, other[key], err_msg=key)


@every_detector
@seeded
def test_a_lift_is_due_exactly_when_a_tick_would_tell_something(detector, seed):
    bank = bank_of(detector, 1, {0: short_for(detector)})
    for frame in random_fleet(seed, 1, 120, detector=detector)[0]:
        step_once(bank, [(0, frame)])
        due_us = bank.next_due_us()
        if due_us == NO_DUE_US:
            assert not tick_tells(bank, detector, frame["time_us"] + 10_000 * S)
        else:
            assert due_us >= frame["time_us"]
            assert not tick_tells(bank, detector, due_us - 1)
            assert tick_tells(bank, detector, max(due_us, frame["time_us"] + 1))


def tick_tells(bank, detector, now_us):
    outcome = bank.step(FrameBatch.empty(), np.array([now_us]), [0])
    return bool(found_in(outcome, detector.name))


@every_detector
@seeded
def test_the_empty_batch_is_the_identity(detector, seed):
    bank = bank_of(detector, 3)
    step_once(bank, interleaved(random_fleet(seed, 3, 40, detector=detector)))
    before = bank.snapshot(range(3))
    outcome = bank.step(FrameBatch.empty())
    assert (list(outcome.rows), outcome.transitions, outcome.failed) == ([], [], [])
    bank.adopt(outcome)
    early = bank.step(FrameBatch.empty(), np.full(3, START_US - S), [0, 1, 2])
    assert all(len(block) == 0 for block in early.transitions)
    bank.adopt(early)
    for key, array in bank.snapshot(range(3)).items():
        np.testing.assert_array_equal(array, before[key], err_msg=key)


# ------------------------------------------------------------------ shape of the answers


@every_detector
@seeded
def test_raise_and_clear_alternate(detector, seed):
    rng = Random(seed)
    fleet = random_fleet(seed, 5, 80, detector=detector)
    bank, active = bank_of(detector, 5, some_short(rng, 5, detector)), {}
    for batch in with_ticks(rng, side_by_side(rng, fleet, largest=3)):
        for f in step_once(bank, batch):
            change = f["record"].change.name
            row = f["row"], FINDINGS[f["record"].kind].family
            if change == "RAISED":
                assert not active.get(row)
            elif change == "CLEARED":
                assert active.get(row)
            active[row] = change == "RAISED" or (change == "UPDATED" and active.get(row))


@every_detector
@seeded
def test_transitions_are_complete_sorted_and_of_their_kinds(detector, seed):
    fleet = random_fleet(seed, 5, 80, detector=detector)
    bank = Bank(5)
    outcome = bank.step(batch_of(*zip(*interleaved(fleet), strict=True)))
    for block in outcome.transitions:
        keys = list(zip(block["t_us"], block["row"], strict=True))
        assert keys == sorted(keys)
        for array in (*block.criteria.values(), *block.values.values(), *block.thresholds.values()):
            assert len(array) == len(block)
        for name, array in block.criteria.items():
            assert set(np.unique(array)) <= {-1, 0, 1}, name
    for f in found_in(outcome, detector.name):
        record = f["record"]
        assert record.kind in detector.kinds
        assert record.onset_us >= START_US
        assert record.last_seen_us >= START_US
        assert (record.rule, record.version) == (detector.name, detector.version)
        assert record.thresholds


@every_detector
@seeded
def test_inputs_and_the_bank_stay_unchanged(detector, seed):
    bank = Bank(4)
    fleet = random_fleet(seed, 4, 60, detector=detector)
    pairs = by_time(fleet)
    half = len(pairs) // 2
    step_once(bank, pairs[:half])
    before = {k: v.copy() for k, v in bank.snapshot(range(4)).items()}
    frames = batch_of(*zip(*pairs[half:], strict=True))
    for array in frames.columns.values():
        array.flags.writeable = False
    now_us = np.full(4, end_us(fleet))
    now_us.flags.writeable = False
    for block in bank._raw._blocks:
        block.flags.writeable = False
    one = bank.step(frames, now_us, np.array([0, 1, 2, 3]))
    two = bank.step(frames, now_us, np.array([0, 1, 2, 3]))
    assert canonical(found_in(one, detector.name)) == canonical(found_in(two, detector.name))
    for key, array in bank.snapshot(range(4)).items():
        np.testing.assert_array_equal(array, before[key], err_msg=key)
