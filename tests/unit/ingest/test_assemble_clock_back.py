"""The clock lies behind the stored state: its arrivals go back, the time between stays."""

import numpy as np
import pytest

from ingest import assemble
from ingest.assemble import AssembleParams, LaneState
from telemetry.batch import FrameBatch

SECOND = 1_000_000
T0_US = 1_763_798_400_000_000
HOUR_US = 3600 * SECOND


def frame(row: int, seq: int, at_us: int, lag_us: int = 0) -> FrameBatch:
    time_us = at_us - lag_us
    return FrameBatch.make(
        1, row=row, elevator_id=row + 1, gateway_id=1, seq=seq, time_us=time_us,
        device_time_us=time_us, received_us=at_us,
    )  # fmt: skip


def state_of(*frames: FrameBatch, n_rows: int = 4) -> LaneState:
    state = LaneState(AssembleParams())
    state.grow(n_rows, assemble.NOTHING_STORED)
    for each in frames:
        give(state, each, int(each["received_us"].max()))
    return state


def give(state: LaneState, frames: FrameBatch, now_us: int) -> list[int]:
    ordered = assemble.advance(state, frames, now_us)
    assemble.adopt(state, ordered)
    return ordered.step["seq"].tolist()


def test_a_gap_wait_ends_within_two_seconds_of_the_new_clock():
    state = state_of(frame(0, 1, T0_US), frame(0, 3, T0_US + SECOND))
    now_us = T0_US + SECOND - HOUR_US
    assert give(state, FrameBatch.empty(), now_us + 10 * SECOND) == []  # as it would go on for 1 h
    assemble.set_clock_back(state, HOUR_US)
    assert give(state, FrameBatch.empty(), now_us + 2 * SECOND - 1) == []
    assert give(state, FrameBatch.empty(), now_us + 2 * SECOND) == [3]
    assert len(state.order.waiting) == 0


def test_stream_time_goes_on_from_where_it_stood():
    state = state_of(frame(0, 1, T0_US, lag_us=30 * SECOND), frame(1, 1, T0_US + 20 * SECOND))
    now_us = T0_US + 25 * SECOND
    before = assemble.stream_times_us(state, now_us, caught_up=True)
    assemble.set_clock_back(state, HOUR_US)
    after = assemble.stream_times_us(state, now_us - HOUR_US, caught_up=True)
    assert after.tolist() == before.tolist()
    later = assemble.stream_times_us(state, now_us - HOUR_US + SECOND, caught_up=True)
    assert (later[:2] - after[:2]).tolist() == [SECOND, SECOND]
    assert (later[2:] == assemble.NO_TIME).all()


def test_the_newest_arrival_is_a_head_or_a_waiting_frame():
    assert assemble.newest_arrival_us(LaneState(AssembleParams())) == assemble.NO_TIME
    assert assemble.newest_arrival_us(state_of()) == assemble.NO_TIME
    state = state_of(frame(0, 1, T0_US), frame(1, 7, T0_US + SECOND))
    assert assemble.newest_arrival_us(state) == T0_US + SECOND
    assemble.set_clock_back(state, HOUR_US)
    assert assemble.newest_arrival_us(state) == T0_US + SECOND - HOUR_US


def test_lifts_without_frames_and_times_of_frames_stay():
    state = state_of(frame(0, 1, T0_US), frame(0, 4, T0_US + SECOND))
    empty = state.order.heads[3].copy()
    times = state.order.heads[["seq", "time_us", "step_us"]].copy()
    waiting_us = state.order.waiting["time_us"].copy()
    assemble.set_clock_back(state, HOUR_US)
    assert state.order.heads[3] == empty
    assert (state.order.heads[["seq", "time_us", "step_us"]] == times).all()
    assert (state.order.waiting["time_us"] == waiting_us).all()


def test_a_shrinking_lag_is_told_by_what_comes_after_only():
    lags_us = 3 * HOUR_US, 2 * HOUR_US
    state = state_of(*(frame(0, n + 1, T0_US + n * SECOND, lags_us[n]) for n in range(2)))
    rows, now_us = np.array([0]), T0_US + SECOND
    assert assemble.holding(state, rows, now_us, caught_up=True)[0]
    assemble.set_clock_back(state, HOUR_US)
    now_us -= HOUR_US
    assert not assemble.holding(state, rows, now_us, caught_up=True)[0]
    for seq, lag_s in ((3, 500), (4, 400)):
        now_us += SECOND
        give(state, frame(0, seq, now_us, lag_us=lag_s * SECOND), now_us)
    assert assemble.holding(state, rows, now_us, caught_up=True)[0]


def test_a_run_of_late_frames_goes_on():
    head = frame(0, 10, T0_US)
    late = [frame(0, n, T0_US + n * 30 * SECOND, lag_us=2 * HOUR_US) for n in (1, 2)]
    state = state_of(head, *late)
    assemble.set_clock_back(state, HOUR_US)
    stepped = []
    for n in (3, 4):
        at_us = T0_US + n * 30 * SECOND - HOUR_US
        stepped += give(state, frame(0, n, at_us, lag_us=HOUR_US), at_us)
    assert stepped == [4]


@pytest.mark.parametrize("odd", [False, True])
def test_a_snapshot_holds_what_was_brought_back(odd):
    frames = [frame(0, 1, T0_US), frame(0, 3 if odd else 2, T0_US + SECOND)]
    state = state_of(*frames)
    assemble.set_clock_back(state, HOUR_US)
    again = state_of()
    rows = np.arange(4)
    assemble.from_arrays(again, rows, assemble.to_arrays(state, rows))
    assert (again.order.heads == state.order.heads).all()
    oldest = [{row: o.oldest_us for row, o in s.order.oddities.items()} for s in (again, state)]
    assert oldest[0] == oldest[1] == ({0: T0_US + SECOND - HOUR_US} if odd else {})
