"""Lag: how far a lift is behind, whether it is catching up, and whether its alarms wait.

A lift's lag is arrival - event time of its newest stepped frame. It is catching up while the source
is, or while its lag shrank by more than 5 s within the last 10 s. Only while catching up *and*
lagging more than 120 s do its alarms wait; a lift without a frame for 10 s is not catching up.

Only lags above 120 s are recorded, so fleets whose clocks are right cost nothing. The highest lag
is kept per quarter of the 10 s: "within the last 10 s" holds to 2.5 s, on the longer side.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ingest.assemble.arrival import segment_starts
from ingest.assemble.params import AssembleParams

Array = NDArray[Any]

_SLOTS: Final = 5
LAG: Final = np.dtype([("bucket", "i8"), ("peaks_us", "i8", (_SLOTS,))])
"""Per lift: number of the newest bucket, and the highest lag in it and the four before it [µs]."""


@dataclass(frozen=True, slots=True)
class LagPending:
    """New lag records of the lifts at ``rows`` (sorted)."""

    rows: Array = field(default_factory=lambda: np.empty(0, np.int64))
    records: Array = field(default_factory=lambda: np.empty(0, LAG))


def record_lags(
    lags: Array, row: Array, received_us: Array, time_us: Array, params: AssembleParams
) -> LagPending:
    """Return the lag records after the frames (sorted by row, stepping order) were stepped.

    ``lags`` are the records of all lifts, shape (n_rows,), dtype ``LAG``; they are not written to.
    """
    lag_us = received_us - time_us
    far = np.flatnonzero(lag_us > params.held_lag_us)
    if not len(far):
        return LagPending()
    row, lag_us = row[far], lag_us[far]
    bucket = received_us[far] // _bucket_us(params)
    firsts = segment_starts(row)
    rows = row[firsts]
    records = lags[rows]
    group = np.ones(len(row), np.bool_)
    group[1:] = (row[1:] != row[:-1]) | (bucket[1:] != bucket[:-1])
    starts = np.flatnonzero(group)
    peaks = np.maximum.reduceat(lag_us, starts)
    at = np.searchsorted(rows, row[starts])
    rank = np.arange(len(starts)) - np.searchsorted(at, at)
    for turn in range(int(rank.max()) + 1):
        now = rank == turn
        _record(records, at[now], bucket[starts[now]], peaks[now])
    return LagPending(rows, records)


def _record(records: Array, at: Array, bucket: Array, peak_us: Array) -> None:
    """Enter one peak for each of the records ``at`` (distinct)."""
    chosen = records[at]
    newest = np.maximum(chosen["bucket"], bucket)
    slots = np.arange(_SLOTS)
    moved = _slot_bucket(newest, slots) > chosen["bucket"][:, None]
    peaks = np.where(moved, 0, chosen["peaks_us"])
    hit = (slots == (bucket % _SLOTS)[:, None]) & (bucket > newest - _SLOTS)[:, None]
    peaks = np.where(hit, np.maximum(peaks, peak_us[:, None]), peaks)
    records["bucket"][at] = newest
    records["peaks_us"][at] = peaks


def shrank(records: Array, lag_us: Array, now_us: int, params: AssembleParams) -> Array:
    """Tell which lifts had, within the last 10 s, a lag more than 5 s above ``lag_us``."""
    buckets = _slot_bucket(records["bucket"], np.arange(_SLOTS))
    recent = buckets > now_us // _bucket_us(params) - _SLOTS
    peak_us = np.where(recent, records["peaks_us"], 0).max(axis=1, initial=0)
    return peak_us - lag_us > params.shrink_us


def _slot_bucket(newest: Array, slots: Array) -> Array:
    """Return the bucket that each slot holds when ``newest`` is the newest, shape (k, 5)."""
    return newest[:, None] - (newest[:, None] - slots) % _SLOTS


def _bucket_us(params: AssembleParams) -> int:
    return params.shrink_within_us // (_SLOTS - 1)
