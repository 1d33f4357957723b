"""Which ticks between the frames of a batch can matter.

A tick moves the stream time of a lift to ``head.time + (now - head.arrival) - 2 s``. It can tell
something that frames do not tell as well only if it gets past the next frame of that lift, hence if
that frame's lag (arrival - event time) is at least 2 s more than that of the newest frame before.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.assemble import LaneState
from ingest.assemble.params import NO_SEQ
from telemetry.batch import FrameBatch

Ints = NDArray[np.int64]


def leaps(state: LaneState, frames: FrameBatch) -> dict[int, Ints]:
    """Return, by row, arrivals before which a tick can matter [µs]; rows without are left out.

    Parameters
    ----------
    state
        Before ``frames``.
    frames
        With event times, sorted by (row, arrival).
    """
    if not len(frames):
        return {}
    row = frames["row"]
    starts = np.flatnonzero(np.r_[True, row[1:] != row[:-1]])
    ends = np.append(starts[1:], len(row))
    heads = state.order.heads[row[starts]]
    lag_us = frames["received_us"] - frames["time_us"]
    low, high = np.minimum.reduceat(lag_us, starts), np.maximum.reduceat(lag_us, starts)
    known = heads["seq"] != NO_SEQ
    head_lag_us = np.where(known, heads["arrival_us"] - heads["step_us"], low)
    spread_us = np.maximum(high, head_lag_us) - np.minimum(low, head_lag_us)
    found: dict[int, Ints] = {}
    for i in np.flatnonzero(spread_us >= state.params.reorder_window_us).tolist():
        part = slice(int(starts[i]), int(ends[i]))
        leap = _leaps_of_one(
            frames["time_us"][part], lag_us[part], heads[i] if known[i] else None,
            state.params.reorder_window_us,
        )  # fmt: skip
        if leap.any():
            found[int(row[part.start])] = frames["received_us"][part][leap]
    return found


def _leaps_of_one(time_us: Ints, lag_us: Ints, head: Any, window_us: int) -> NDArray[np.bool_]:
    """Tell which frames of one lift came so late that a tick may have got past them."""
    first = (int(time_us[0]), int(lag_us[0]))
    if head is not None:
        first = (int(head["step_us"]), int(head["arrival_us"]) - int(head["step_us"]))
    times, lags = np.r_[first[0], time_us], np.r_[first[1], lag_us]
    newest_us = np.maximum.accumulate(times)
    leads = times == newest_us
    at = np.maximum.accumulate(np.where(leads, np.arange(len(times)), 0))
    return lag_us - lags[at[:-1]] >= window_us
