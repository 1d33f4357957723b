"""One lane's assembler: key stage and order stage over one state, and what is read from it.

The way of a batch: ``plan`` → look the keys up → ``settle`` → ``advance`` → commit → ``adopt``.
Batches of a lane follow each other strictly; nothing but ``grow``, ``adopt``, ``absorb``,
``set_clock_back`` and restoring a snapshot changes the state. Functions that read the state take
``ordered`` to look at it as if that batch were adopted already, because alarms are decided before
the commit.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.assemble.clock import ClockRunRow
from ingest.assemble.duplicates import plan_keys, settle_keys
from ingest.assemble.keys import KeyPlan, KeyState, Settled, absorb_keys, adopt_keys
from ingest.assemble.lag import LAG, shrank
from ingest.assemble.order import (
    HEAD,
    Ordered,
    OrderState,
    adopt_order,
    advance_order,
    newest_arrival,
    shift_arrivals,
)
from ingest.assemble.params import NEVER, NO_SEQ, UNKNOWN_HEAD, AssembleParams
from telemetry.batch import FrameBatch

Array = NDArray[Any]


@dataclass(slots=True)
class LaneState:
    """State of both stages; rows are dense, 0 … ``n_rows`` - 1."""

    params: AssembleParams = field(default_factory=AssembleParams)
    keys: KeyState = field(default_factory=KeyState)
    order: OrderState = field(default_factory=OrderState)

    @property
    def n_rows(self) -> int:
        """Return the number of lifts."""
        return len(self.order.heads)

    def grow(self, n_rows: int, stored_head_us: Array | int = UNKNOWN_HEAD) -> None:
        """Add rows up to ``n_rows``.

        ``stored_head_us`` is the highest stored event time of the new rows [µs] (one number, or
        one per new row): ``NOTHING_STORED`` for a lift that is registered only now,
        ``UNKNOWN_HEAD`` (every frame is looked up) if it is not known.
        """
        self.keys.grow(n_rows, stored_head_us)
        self.order.grow(n_rows)


def lift_bytes() -> int:
    """Return how many bytes of arrays a lift takes; oddities and clock runs come on top."""
    heads_us_and_until_us, odd = 16, 1
    return HEAD.itemsize + LAG.itemsize + heads_us_and_until_us + odd


def plan(state: LaneState, arrivals: FrameBatch) -> KeyPlan:
    """Find the keys of ``arrivals`` (receipt order) that must be looked up in the table."""
    return plan_keys(state.keys, arrivals, state.params)


def settle(state: LaneState, key_plan: KeyPlan, known: FrameBatch) -> Settled:
    """Give times, take duplicates and conflicts out; ``known`` are the stored frames found."""
    return settle_keys(state.keys, key_plan, known, state.params)


def advance(state: LaneState, frames: FrameBatch, now_us: int) -> Ordered:
    """Put the stored ``frames`` of one batch in order; without frames it is a tick.

    ``now_us`` ends waits: no frame given later may have arrived before it. It is recorded with the
    batch, and recovery calls this with the same frames and number.
    """
    return advance_order(state.order, frames, now_us, state.params)


def adopt(state: LaneState, ordered: Ordered, settled: Settled | None = None) -> None:
    """Make a committed batch part of the state (``settled`` is absent for ticks and recovery)."""
    if settled is not None:
        adopt_keys(state.keys, settled.pending)
    adopt_order(state.order, ordered.pending)


def absorb(
    state: LaneState, frames: FrameBatch, clock_runs: Iterable[tuple[int, ClockRunRow]] = ()
) -> None:
    """Learn keys from what the database holds: stored frames, and clock runs with their rows."""
    absorb_keys(state.keys, frames, list(clock_runs), state.params)


def newest_arrival_us(state: LaneState) -> int:
    """Return the latest arrival that the order stage knows of [µs]; ``NO_TIME`` without frames."""
    return newest_arrival(state.order)


def set_clock_back(state: LaneState, by_us: int) -> None:
    """Count all arrivals as ``by_us`` [µs] earlier: the clock now lies that far behind the state.

    The time between arrivals, and between them and now, stays, so stream time goes on from where it
    stood, and what waits for a gap has no more to wait than before. Event times stay; keys and
    clock runs do, too, because the table holds them.
    """
    shift_arrivals(state.order, -by_us)


def stream_times_us(
    state: LaneState, now_us: int, *, caught_up: bool, ordered: Ordered | None = None
) -> NDArray[np.int64]:
    """Return the stream time of every lift, shape (n_rows,) [µs]; ``NO_TIME`` before a frame.

    Frames move it to their step time. While the source is caught up, a tick moves it to
    ``head.time + (now - head.arrival) - 2 s``, never behind the head and never up to a frame that
    waits: what that one says would come too late.
    """
    step_us = _field_of_all(state, "step_us", ordered)
    if not caught_up:
        return step_us
    passed_us = _field_of_all(state, "arrival_us", ordered)
    np.subtract(now_us - state.params.reorder_window_us, passed_us, out=passed_us)
    passed_us[_field_of_all(state, "seq", ordered) == NO_SEQ] = 0
    tick_us = step_us + np.maximum(passed_us, 0)
    waiting = state.order.waiting if ordered is None else ordered.pending.waiting
    if len(waiting):
        before_us = np.full(state.n_rows, NEVER)
        np.minimum.at(before_us, waiting["row"], waiting["time_us"] - 1)
        tick_us = np.maximum(np.minimum(tick_us, before_us), step_us)
    return tick_us


def deaf_us(
    state: LaneState,
    listening_since_us: int,
    ordered: Ordered | None = None,
    *,
    rows: Array | None = None,
    made: bool = False,
) -> NDArray[np.int64]:
    """Return how long after its newest stepped frame a lift was no silent one, (n_rows,) [µs].

    We did not listen until ``listening_since_us``, an arrival time; or frames came that were late
    (the first minute of a terminal that was restarted with its clock set back). ``rows``: of these
    alone, shape (k,), at the cost of so many; of them, ``made``: counted from when the frame was
    made, if that was earlier: the broker may have held it for us meanwhile.
    """
    if rows is None:
        arrival_us, seq = (_field_of_all(state, name, ordered) for name in ("arrival_us", "seq"))
    else:
        heads = _heads(state, rows, ordered)
        arrival_us, seq = heads["arrival_us"], heads["seq"]
        if made:
            arrival_us = np.minimum(arrival_us, heads["step_us"])
    counts_us = np.full(len(arrival_us), listening_since_us)
    odd = state.order.odd if rows is None else state.order.odd[rows]
    for at in np.flatnonzero(odd).tolist():
        late = state.order.oddities[at if rows is None else int(rows[at])].late_run
        if late is not None:
            counts_us[at] = max(late.time_us + late.lag_high_us, listening_since_us)
    return np.where(seq != NO_SEQ, np.maximum(counts_us - arrival_us, 0), 0)


def lag_us(state: LaneState, rows: Array, ordered: Ordered | None = None) -> NDArray[np.int64]:
    """Return arrival - event time of the newest stepped frames, shape (k,); 0 before a frame."""
    heads = _heads(state, rows, ordered)
    return heads["arrival_us"] - heads["time_us"]


def last_seen_us(state: LaneState, rows: Array, ordered: Ordered | None = None) -> Array:
    """Return the event time of the newest stepped frames, shape (k,) [µs]."""
    return _heads(state, rows, ordered)["time_us"].copy()


def holding(
    state: LaneState, rows: Array, now_us: int, *, caught_up: bool, ordered: Ordered | None = None
) -> NDArray[np.bool_]:
    """Tell whose alarms wait because the lift is catching up on history, shape (k,)."""
    rows = np.asarray(rows, np.int64)
    heads = _heads(state, rows, ordered)
    lags_us = heads["arrival_us"] - heads["time_us"]
    far = (lags_us > state.params.held_lag_us) & (heads["seq"] != NO_SEQ)
    quiet = now_us - heads["arrival_us"] > state.params.shrink_within_us
    catching_up = far & ~quiet
    if caught_up and catching_up.any():
        records = state.order.lags[rows]
        if ordered is not None:
            _overlay(records, rows, ordered.pending.lags.rows, ordered.pending.lags.records)
        catching_up &= shrank(records, lags_us, now_us, state.params)
    return catching_up


def unreliable_rows(state: LaneState) -> NDArray[np.intp]:
    """Return the rows whose sequence numbers cannot be relied on: nothing of theirs is held."""
    return np.flatnonzero(state.order.heads["unreliable"])


def _heads(state: LaneState, rows: Array, ordered: Ordered | None) -> Array:
    heads = state.order.heads[rows]
    if ordered is not None:
        _overlay(heads, np.asarray(rows), ordered.pending.rows, ordered.pending.heads)
    return heads


def _field_of_all(state: LaneState, name: str, ordered: Ordered | None) -> Array:
    """Return one field of the heads of all lifts, a copy; whole heads are many times as large."""
    values = state.order.heads[name].copy()
    if ordered is not None:
        values[ordered.pending.rows] = ordered.pending.heads[name]
    return values


def _overlay(target: Array, rows: Array, new_rows: Array, new: Array) -> None:
    """Put ``new`` records of (sorted) ``new_rows`` into ``target``, which is for ``rows``."""
    if not len(new_rows):
        return
    at = np.minimum(np.searchsorted(new_rows, rows), len(new_rows) - 1)
    hit = new_rows[at] == rows
    target[hit] = new[at[hit]]
