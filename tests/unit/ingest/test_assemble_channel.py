"""What the channel does to frames changes nothing: over random fleets, against the perfect channel.

Promises 2 and 5 and DESIGN section 5. 432 random fleets here, 120 nastier ones against the oracle.
"""

import numpy as np
import pytest

from ingest import assemble
from telemetry.batch import ClockQuality, FrameBatch
from tests.oracles import assemble_fleet as channel
from tests.oracles.assemble_fleet import Kind, fleet, generators
from tests.oracles.assemble_world import SECOND, World, cut, play

SEEDS = range(4)
FLEETS = 12


def perfect(n_rows, sent):
    """Every frame its own batch, in order, nothing lost."""
    world = World(n_rows)
    for s in sent:
        world.give([s], s.arrival_us)
    world.give([], sent[-1].arrival_us + 10 * SECOND)
    return world


def steps(world):
    return {row: [(seq, mark) for seq, _, mark in v] for row, v in world.stepped.items()}


def fleets(seed, kind=None):
    for rng in generators(seed, FLEETS):
        n_rows = int(rng.integers(1, 5))
        yield rng, n_rows, fleet(rng, n_rows, kind)


@pytest.mark.parametrize("seed", SEEDS)
def test_split_shuffle_and_doubles_change_no_step(seed):
    for rng, n_rows, sent in fleets(seed):
        want = perfect(n_rows, sent)
        bad = channel.doubled(rng, channel.shuffled(rng, sent))
        got = play(World(n_rows), bad, rng)
        assert dict(got.stepped) == dict(want.stepped)
        assert got.table.keys() == want.table.keys()
        assert (got.duplicates, got.conflicts) == (len(bad) - len(sent), 0)
        assert not got.late
        assert not want.late


@pytest.mark.parametrize("seed", SEEDS)
def test_losses_shuffled_and_doubled_change_no_step(seed):
    for rng, n_rows, sent in fleets(seed + 100, Kind(restarts=False)):
        rest = channel.with_losses(rng, sent)
        want = perfect(n_rows, rest)
        got = play(World(n_rows), channel.doubled(rng, channel.shuffled(rng, rest)), rng)
        assert dict(got.stepped) == dict(want.stepped)
        in_order = [s.seq for s in sorted(rest, key=lambda s: (s.row, s.mark))]
        assert [seq for row in range(n_rows) for seq, *_ in want.stepped[row]] == in_order


@pytest.mark.parametrize("seed", SEEDS)
def test_a_backlog_is_stepped_as_if_it_had_come_in_time(seed):
    for rng, n_rows, sent in fleets(seed + 200):
        want = perfect(n_rows, sent)
        got = play(World(n_rows), channel.after_outage(rng, sent), rng, mean_size=40)
        assert dict(got.stepped) == dict(want.stepped)
        assert not got.late


@pytest.mark.parametrize("seed", SEEDS)
def test_false_clocks_get_times_that_go_with_arrival_and_keep_their_keys(seed):
    for rng, n_rows, sent in fleets(seed + 300, Kind(restarts=False, false_clocks=True)):
        want = perfect(n_rows, sent)
        bad = channel.doubled(rng, channel.shuffled(rng, sent))
        got = play(World(n_rows), bad, rng)
        assert steps(got) == steps(want)
        assert len(got.table) == len(sent)
        assert (got.duplicates, got.conflicts) == (len(bad) - len(sent), 0)
        for row in got.table.values():
            if row["clock"] == ClockQuality.OFFSET:
                assert abs(row["received_us"] - row["time_us"]) < 3 * SECOND


@pytest.mark.parametrize("seed", SEEDS)
def test_an_unacknowledged_batch_comes_again_under_the_same_keys(seed):
    kind = Kind(false_clocks=True)
    for rng, n_rows, sent in fleets(seed + 400, kind):
        want = perfect(n_rows, sent)
        got = World(n_rows)
        delay_us = 0
        for part, now_us in cut(sent, rng):
            later = [s._replace(arrival_us=s.arrival_us + delay_us) for s in part]
            got.give(later, now_us + delay_us, commit=rng.random() < 0.8)
            if rng.random() < 0.5:  # killed after or before the commit: all of it comes again
                delay_us += int(rng.integers(SECOND, 20 * SECOND))
                got.restart()
            again = [s._replace(arrival_us=s.arrival_us + delay_us) for s in part]
            got.give(again, now_us + delay_us)
        assert len(got.table) == len(sent)
        assert got.received == len(got.table) + got.duplicates
        assert got.conflicts == 0
        assert steps(got) == steps(want)


@pytest.mark.parametrize("seed", SEEDS)
def test_any_split_and_any_restart_give_the_same_to_the_last_bit(seed):
    for rng, n_rows, sent in fleets(seed + 500, Kind(false_clocks=True)):
        bad = channel.doubled(rng, channel.shuffled(rng, channel.with_losses(rng, sent, 12)))
        want = play(World(n_rows), bad, rng, mean_size=1).outcome()
        assert play(World(n_rows), bad, rng, mean_size=30).outcome() == want
        stopped = World(n_rows)
        for part, now_us in cut(bad, rng):
            if rng.random() < 0.3:
                stopped.restart()
            stopped.give(part, now_us)
        assert stopped.outcome() == want


@pytest.mark.parametrize("seed", SEEDS)
def test_recovery_repeats_what_happened(seed):
    for rng, n_rows, sent in fleets(seed + 600, Kind(false_clocks=True)):
        bad = channel.doubled(rng, channel.shuffled(rng, sent))
        live = World(n_rows)
        live_after = [live.give(part, now_us) for part, now_us in cut(bad, rng)]
        state = assemble.LaneState()
        state.grow(n_rows, assemble.NOTHING_STORED)
        assemble.absorb(state, FrameBatch.empty(), [(r.elevator_id - 100, r) for r in live.runs])
        for (frames, now_us), ordered in zip(live.batches, live_after, strict=True):
            mixed = frames.take(rng.permutation(len(frames)))
            assemble.absorb(state, mixed)
            again = assemble.advance(state, mixed, now_us)
            assert np.array_equal(again.late, mixed["late"])
            assert again.step.to_rows() == ordered.step.to_rows() or _same(again, ordered)
            assemble.adopt(state, again)
        assert np.array_equal(state.order.heads, live.state.order.heads)
        assert np.array_equal(state.keys.stored_head_us, live.state.keys.stored_head_us)
        assert state.keys.runs == live.state.keys.runs


def _same(a, b):
    """Compare batches with NaN equal to NaN."""
    return len(a.step) == len(b.step) and all(
        np.array_equal(a.step[c], b.step[c], equal_nan=a.step[c].dtype.kind == "f")
        for c in a.step.columns
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_lifts_neither_see_each_other_nor_their_rows(seed):
    for rng, n_rows, sent in fleets(seed + 700, Kind(false_clocks=True)):
        bad = channel.doubled(rng, channel.shuffled(rng, sent))
        together = play(World(n_rows), bad, rng)
        places = rng.permutation(n_rows + 3)[:n_rows].tolist()
        moved = play(World(n_rows + 3), [s._replace(row=places[s.row]) for s in bad], rng)
        for row in range(n_rows):
            assert together.stepped[row] == moved.stepped[places[row]]
            alone = play(World(n_rows), [s for s in bad if s.row == row], rng)
            assert together.stepped[row] == alone.stepped[row]


@pytest.mark.parametrize("seed", SEEDS)
def test_growing_is_invisible_and_nothing_given_is_changed(seed):
    for rng, n_rows, sent in fleets(seed + 800, Kind(false_clocks=True)):
        bad = channel.shuffled(rng, sent)
        want = play(World(n_rows), bad, rng).outcome()
        grown = World(0)
        for part, now_us in cut(bad, rng):
            need = max((s.row + 1 for s in part), default=0)
            if need > grown.state.n_rows:
                grown.state.grow(need, assemble.NOTHING_STORED)
            before = assemble.to_arrays(grown.state, np.arange(grown.state.n_rows))
            grown.give(part, now_us, commit=False)
            after = assemble.to_arrays(grown.state, np.arange(grown.state.n_rows))
            assert all(
                np.array_equal(before[k], after[k], equal_nan=before[k].dtype.kind == "f")
                for k in before
            )
            grown.give(part, now_us)
        assert grown.outcome() == want
