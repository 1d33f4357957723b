"""The battery that every detector of the bank must pass (DESIGN section 6).

Found by walking ``BANK``: a new detector is in it as soon as it is in the bank, and fails until it
has an oracle.
"""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detectors.bank import BANK, Bank, LayoutMismatch, check_overrides
from detectors.contract import NO_DUE_US, initial_state
from detectors.parameters import ParamError, thresholds
from detectors.records import HEARD
from detectors.segments import NEVER_US
from telemetry.batch import HEADER, FrameBatch
from telemetry.findings import FINDINGS, Confidence
from tests.contract.detector_streams import (
    START_US,
    S,
    bank_of,
    batch_of,
    by_time,
    canonical,
    codes_mask,
    end_us,
    found_in,
    in_words_of,
    interleaved,
    oracle_module,
    random_fleet,
    random_splits,
    run_bank,
    run_oracle,
    short_for,
    side_by_side,
    step_once,
    values_for,
)

ROOT = Path(__file__).resolve().parents[2]
SEEDS = range(8)
every_detector = pytest.mark.parametrize("detector", BANK, ids=lambda d: d.name)
seeded = pytest.mark.parametrize("seed", SEEDS)


def frames_of(detector):
    """Frames at small steps of time, each telling some columns."""
    drawn = {k: st.sampled_from(sorted(set(v))) for k, v in values_for(detector).items()}
    steps = {"step": st.sampled_from((0, 0.5, 1, 2, 5, 10, 30, 60))}
    return st.fixed_dictionaries(steps, optional=drawn)


def timed(stream):
    """Turn steps into times."""
    time_us, out = START_US, []
    for frame in stream:
        time_us += int(frame["step"] * S)
        out.append({"time_us": time_us, **{k: v for k, v in frame.items() if k != "step"}})
    return out


def fleets_of(detector):
    """Up to three lifts with few frames."""
    one = st.lists(frames_of(detector), max_size=25).map(timed)
    return st.lists(one, min_size=1, max_size=3)


quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


def some_short(rng, n_lifts, detector=None):
    short = short_for(detector)
    return {lift: short for lift in range(n_lifts) if rng.random() < 0.5}


def with_ticks(rng, batches):
    """Put ticks of some lifts behind batches, some of them beyond the lift's next frame."""
    out = []
    for batch in batches:
        out.append(batch)
        ticks = {
            lift: frame["time_us"] + int(rng.choice((0.5, 1, 3, 10, 30, 100)) * S)
            for lift, frame in dict(batch).items()
            if rng.random() < 0.3
        }
        if ticks:
            out.append(ticks)
    return out


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


def nothing_after(rng, frame):
    return [
        {"time_us": frame["time_us"] + rng.randrange(121) * S // 2}
        for _ in range(rng.choice((0, 0, 1, 3)))
    ]


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


def ticked_run(rng, fleet, overrides, detector, driven_by_due):
    """Step frame by frame; before each frame tick its lift to times short of that frame."""
    bank, found, head_us = bank_of(detector, len(fleet), overrides), [], {}
    for batch in side_by_side(rng, fleet):
        for ticks in ticks_before(rng, batch, head_us):
            stream_us = np.full(bank.n_rows, NEVER_US)
            stream_us[list(ticks)] = list(ticks.values())
            due = bank.due_rows(stream_us) if driven_by_due else ticks
            if kept := {lift: now for lift, now in ticks.items() if lift in due}:
                found += step_once(bank, kept)
        found += step_once(bank, batch)
        head_us |= {lift: frame["time_us"] for lift, frame in batch}
    return found + step_once(bank, dict.fromkeys(range(len(fleet)), end_us(fleet)))


def ticks_before(rng, batch, head_us):
    """Three ticks of each lift between its last frame and its next, which is in the batch."""
    times = {
        lift: sorted(rng.randint(head_us[lift], frame["time_us"] - 1) for _ in range(3))
        for lift, frame in batch
        if lift in head_us and head_us[lift] < frame["time_us"] - 1
    }
    return [{lift: three[n] for lift, three in times.items()} for n in range(3)]


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
