"""Shuffled streams are put in order at once, and come out as one frame at a time puts them."""

import numpy as np
import pytest

from ingest.assemble.arrival import processing_order
from ingest.assemble.order import OrderState, adopt_order, advance_order
from ingest.assemble.params import AssembleParams
from ingest.assemble.shuffle import unshuffled
from telemetry.batch import FrameBatch
from tests.oracles.assemble_order import SlowFrame, SlowLift
from tests.oracles.assemble_world import SECOND, T0_US

PARAMS = AssembleParams()


def shuffled_stream(rng, n_rows: int, n: int, late_us: int) -> FrameBatch:
    """Return frames in order of arrival, some of them overtaken by up to ``late_us``."""
    row = np.repeat(np.arange(n_rows), n)
    seq = np.tile(np.arange(1, n + 1), n_rows)
    time_us = T0_US + seq * (SECOND // 2) + row
    delay_us = np.where(rng.random(len(row)) < 0.15, rng.integers(0, late_us, len(row)), 1000)
    lost = rng.random(len(row)) < 0.004
    kept = np.flatnonzero(~lost)
    frames = FrameBatch.make(
        len(kept), row=row[kept], elevator_id=row[kept], seq=seq[kept], time_us=time_us[kept],
        device_time_us=time_us[kept], received_us=(time_us + delay_us)[kept],
    )  # fmt: skip
    return frames.take(np.lexsort((frames["seq"], frames["row"], frames["received_us"])))


def run(frames: FrameBatch, n_rows: int, step_us: int) -> tuple[OrderState, list[tuple[int, ...]]]:
    """Advance in steps of arrival time; return the state and what was stepped, by lift."""
    state, stepped = OrderState(), []
    state.grow(n_rows)
    arrival_us = frames["received_us"]
    begin_us, end_us = T0_US, int(arrival_us.max()) + 10 * SECOND
    for t_us in range(begin_us, end_us, step_us):
        part = frames.take((arrival_us >= t_us) & (arrival_us < t_us + step_us))
        ordered = advance_order(state, part, min(t_us + step_us, end_us), PARAMS)
        adopt_order(state, ordered.pending)
        names = ("row", "seq", "time_us")
        stepped += list(zip(*(ordered.step[c].tolist() for c in names), strict=True))
    return state, sorted(stepped, key=lambda s: s[0])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("late_us", [1_900_000, 2_000_000, 2_600_000])
def test_large_batches_step_what_small_ones_and_the_oracle_step(seed, late_us):
    rng = np.random.default_rng([seed, late_us])
    n_rows = 5
    frames = shuffled_stream(rng, n_rows, 80, late_us)
    whole, at_once = run(frames, n_rows, 120 * SECOND)
    bit_by_bit, one_by_one = run(frames, n_rows, 50_000)
    assert at_once == one_by_one
    for name in ("seq", "time_us", "step_us", "arrival_us", "gaps", "unreliable"):
        np.testing.assert_array_equal(whole.heads[name], bit_by_bit.heads[name], err_msg=name)
    for row in range(n_rows):
        slow, mine = SlowLift(), frames.take(frames["row"] == row)
        order = np.lexsort((mine["seq"], mine["time_us"], mine["received_us"]))
        for seq, time_us, arrival_us in zip(
            *(mine[c][order].tolist() for c in ("seq", "time_us", "received_us")), strict=True
        ):
            slow.arrive(SlowFrame(seq, time_us, arrival_us, seq))
        slow.pass_time(int(frames["received_us"].max()) + 10 * SECOND)
        assert [(row, seq, t_us) for seq, t_us in slow.stepped] == [
            s for s in at_once if s[0] == row
        ]


def heads_at(state: OrderState, n_rows: int) -> OrderState:
    """Give every lift a head with ``seq`` 1, so that streams go on."""
    first = FrameBatch.make(
        n_rows, row=np.arange(n_rows), seq=1, time_us=T0_US, received_us=T0_US
    )  # fmt: skip
    adopt_order(state, advance_order(state, first, T0_US, PARAMS).pending)
    return state


def frames_of(seqs: list[int], delays_us: list[int]) -> FrameBatch:
    seq = np.array(seqs)
    time_us = T0_US + seq * SECOND
    frames = FrameBatch.make(
        len(seq), row=0, seq=seq, time_us=time_us, received_us=time_us + np.array(delays_us)
    )
    return frames.take(np.lexsort((frames["seq"], frames["received_us"])))


@pytest.mark.parametrize(
    ("seqs", "delays_us", "merely"),
    [
        ([2, 3, 4, 5], [0, 1_500_000, 0, 0], True),
        ([2, 3, 4, 5], [0, 2_999_999, 0, 0], True),  # 4 waits for 1,999,999 µs
        ([2, 3, 4, 5], [0, 3_000_000, 0, 0], False),  # and here as long as the window
        ([2, 4, 5], [0, 0, 0], False),  # nothing comes for 3
        ([2, 3, 4, 5], [0, 0, 0, 0], False),  # in order already
        ([1, 3, 2, 4], [0, 0, 1_500_000, 0], False),  # begins with the head's own seq
    ],
)
def test_only_what_waited_for_nothing_too_long_is_merely_shuffled(seqs, delays_us, merely):
    state = OrderState()
    state.grow(1)
    heads_at(state, 1)
    frames = frames_of(seqs, delays_us)
    order = processing_order(*(frames[c] for c in ("row", "received_us", "time_us", "seq")))
    new, rows = unshuffled(frames, order, state.heads, state.odd, PARAMS)
    assert rows.tolist() == ([0] if merely else [])
    if merely:
        assert frames["seq"][new].tolist() == sorted(seqs)
    else:
        assert new.tolist() == order.tolist()
