"""The order stage equals the slow oracle on random streams of every kind, under any split."""

import numpy as np
import pytest

from tests.oracles.assemble_order import SlowFrame, SlowLift
from tests.oracles.assemble_world import SECOND, T0_US, Sent, World, play

FLEETS_PER_SEED = 15


def nasty_stream(rng, row):
    """Frames of one lift in arrival order: gaps, swaps, restarts, set-backs, bursts, late runs."""
    seq, time_us, arrival_us = int(rng.integers(0, 6)), T0_US, T0_US + 100_000
    sent, used = [], set()
    for mark in range(int(rng.integers(5, 60))):
        kind = rng.random()
        if kind < 0.12:
            seq += int(rng.integers(1, 4))
        elif kind < 0.20:
            seq = int(rng.integers(0, 4))
        elif kind < 0.26:
            time_us -= int(rng.integers(0, 20 * SECOND))
        elif kind < 0.30:
            seq, time_us = max(seq - 8, 0), time_us - 90 * SECOND
        elif kind < 0.33:
            time_us += int(rng.integers(0, 30 * SECOND))
        told = max(seq + int(rng.integers(-2, 3)), 0) if rng.random() < 0.15 else seq
        step = int(rng.choice([0, 1000, 300_000, SECOND, 3 * SECOND, 25 * SECOND]))
        arrival_us += step
        time_us += step if rng.random() < 0.8 else int(rng.integers(0, 2 * SECOND))
        time_us = min(time_us, arrival_us + 50 * SECOND)
        seq = told + 1
        if (time_us, told) not in used:
            used.add((time_us, told))
            sent.append(Sent(arrival_us, row, told, time_us, mark))
    return sent + (wrong_rtc(rng, sent[-1]) if rng.random() < 0.4 else [])


def wrong_rtc(rng, last):
    """A restart that lost the clock, and from time to time something else in between."""
    begin_us, sent = T0_US - 5000 * SECOND, []
    for i in range(12):
        arrival_us, mark = last.arrival_us + (i + 1) * 20 * SECOND, last.mark + 1 + i
        jitter_us = int(rng.integers(0, 2 * SECOND))
        frame = Sent(arrival_us, last.row, i, begin_us + i * 20 * SECOND + jitter_us, mark)
        stray = Sent(arrival_us, last.row, last.seq + 5 + i, last.device_us + i * SECOND, mark)
        sent.append(stray if rng.random() < 0.1 else frame)
    return sent


def by_oracle(sent, end_us):
    stepped, late = {}, {}
    for row in {s.row for s in sent}:
        lift = SlowLift()
        mine = [s for s in sent if s.row == row]
        for s in sorted(mine, key=lambda s: (s.arrival_us, s.device_us, s.seq)):
            lift.arrive(SlowFrame(s.seq, s.device_us, s.arrival_us, s.mark))
        lift.pass_time(end_us)
        seqs = {s.mark: s.seq for s in mine}
        stepped[row] = [(seqs[name], time_us, name) for name, time_us in lift.stepped]
        if lift.late:
            late[row] = sorted((seqs[name], name) for name in lift.late)
    return stepped, late


@pytest.mark.parametrize("seed", range(8))
def test_order_equals_the_oracle_under_any_split(seed):
    rng = np.random.default_rng([seed, 1])
    for _ in range(FLEETS_PER_SEED):
        n_rows = int(rng.integers(1, 6))
        sent = [s for row in range(n_rows) for s in nasty_stream(rng, row)]
        sent.sort(key=lambda s: s.arrival_us)
        want = by_oracle(sent, sent[-1].arrival_us + 10 * SECOND)
        for size in (1, 8, 1000):
            world = play(World(n_rows), sent, rng, mean_size=size)
            stepped, late, table, *_ = world.outcome()
            assert (stepped, late) == want
            assert len(table) == len(sent)
            assert not len(world.state.order.waiting)


def test_nine_gaps_switch_holding_off_and_a_long_run_switches_it_on_again():
    frames, seq = [], 1
    for i in range(700):
        seq += 3 if i % 2 and i < 40 else 1
        seq += 3 if i in (400, 500) else 0
        frames.append(Sent(T0_US + i * SECOND, 0, seq, T0_US + i * SECOND, i))
    world = play(World(1), frames, np.random.default_rng(5))
    stepped, late = by_oracle(frames, T0_US + 800 * SECOND)
    assert (dict(world.stepped), dict(world.late)) == (stepped, late)
