"""Snapshots of a lane's assembler as raw arrays, for any subset of its rows.

A snapshot holds heads, lags, clock runs, and the waiting frames with all their columns. Rows are
written as positions in the list of rows given, so a snapshot fits whatever rows the lifts have in
the process that reads it.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ingest.assemble.clock import ClockRun
from ingest.assemble.lane import LaneState
from ingest.assemble.order import HEAD
from ingest.assemble.params import NEVER
from ingest.assemble.stream import Item, LateRun, Oddity, SetBack
from telemetry.batch import ALL_NAMES, FrameBatch, dtype_of

Array = NDArray[Any]
Arrays = dict[str, Array]

LAYOUT: Final = "assemble-1"
"""Version of the layout; another one is not read."""

_WAITING: Final = "waiting."


def to_arrays(state: LaneState, rows: Array) -> Arrays:
    """Return the state of ``rows`` (shape (k,)) as arrays.

    Arrays of lifts have shape (k, …); tables (``runs``, ``set_backs``, ``late_runs``) have int64
    rows that begin with the position of their lift in ``rows``; ``waiting.*`` are columns.
    """
    rows = np.asarray(rows, np.int64)
    order, keys = state.order, state.keys
    heads = order.heads[rows]
    arrays: Arrays = {f"head_{name}": heads[name].copy() for name in HEAD.names or ()}
    arrays["lag_bucket"] = order.lags["bucket"][rows]
    arrays["lag_peaks_us"] = order.lags["peaks_us"][rows]
    arrays["stored_head_us"] = keys.stored_head_us[rows]
    place = {row: i for i, row in enumerate(rows.tolist())}
    runs = [
        (place[row], gateway_id, *run)
        for (row, gateway_id), known in keys.runs.items() if row in place
        for run in known
    ]  # fmt: skip
    odd = [(i, order.oddities[row]) for row, i in place.items() if row in order.oddities]
    arrays["runs"] = _table(runs, 7)
    arrays["set_backs"] = _table([(i, *o.set_back) for i, o in odd if o.set_back], 3)
    arrays["late_runs"] = _table([(i, *o.late_run) for i, o in odd if o.late_run], 7)
    waiting = order.waiting.take(np.isin(order.waiting["row"], rows))
    positions = [place[row] for row in waiting["row"].tolist()]
    waiting = waiting.replace(row=np.array(positions, dtype_of("row")))
    return arrays | {_WAITING + name: waiting[name] for name in ALL_NAMES}


def from_arrays(state: LaneState, rows: Array, arrays: Mapping[str, Array]) -> None:
    """Put a snapshot into the ``rows`` (shape (k,)) of a state that has no frames of theirs yet."""
    rows = np.asarray(rows, np.int64)
    order, keys = state.order, state.keys
    heads = np.empty(len(rows), HEAD)
    for name in HEAD.names or ():
        heads[name] = arrays[f"head_{name}"]
    order.heads[rows] = heads
    order.lags["bucket"][rows] = arrays["lag_bucket"]
    order.lags["peaks_us"][rows] = arrays["lag_peaks_us"]
    keys.stored_head_us[rows] = arrays["stored_head_us"]
    for at, gateway_id, *run in arrays["runs"].tolist():
        row = int(rows[at])
        known = keys.runs.get((row, gateway_id), ())
        keys.set_runs(row, gateway_id, (*known, ClockRun(*run)))
    for row, oddity in _oddities(state, rows, arrays).items():
        order.oddities[row] = oddity
        order.odd[row] = True


def _oddities(state: LaneState, rows: Array, arrays: Mapping[str, Array]) -> dict[int, Oddity]:
    oddities: dict[int, Oddity] = {}
    for at, *values in arrays["set_backs"].tolist():
        oddities[int(rows[at])] = Oddity(set_back=SetBack(*values))
    for at, *values in arrays["late_runs"].tolist():
        row = int(rows[at])
        oddities[row] = oddities.get(row, Oddity())._replace(late_run=LateRun(*values))
    for row, items in _restore_waiting(state, rows, arrays).items():
        oddities[row] = oddities.get(row, Oddity())._replace(
            waiting=tuple(sorted(items)),
            oldest_us=min((item.arrival_us for item in items), default=NEVER),
        )
    return oddities


def _restore_waiting(
    state: LaneState, rows: Array, arrays: Mapping[str, Array]
) -> dict[int, list[Item]]:
    order = state.order
    columns = {name: np.asarray(arrays[_WAITING + name], dtype_of(name)) for name in ALL_NAMES}
    columns["row"] = rows[columns["row"]].astype(dtype_of("row"))
    frames = FrameBatch(columns)
    serials = np.arange(len(frames)) + order.next_serial
    order.waiting = FrameBatch.concat([order.waiting, frames])
    order.serials = np.concatenate([order.serials, serials])
    order.next_serial += len(frames)
    waiting: dict[int, list[Item]] = {}
    names = ("row", "seq", "time_us", "received_us")
    for row, *item in zip(*(frames[c].tolist() for c in names), serials.tolist(), strict=True):
        waiting.setdefault(row, []).append(Item(*item))
    return waiting


def _table(values: list[tuple[int, ...]], width: int) -> Array:
    return np.array(values, np.int64).reshape(-1, width)
