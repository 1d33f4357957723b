"""Key stage: every frame gets its key, and every key is stored once.

``plan`` says which keys need a look into the table (only frames that are not ahead of their lift's
newest stored frame, and frames under clock offsets); ``settle`` takes what was found there, gives
times, and separates duplicates and conflicts inside the batch and against the table.

Same key and same content is a duplicate. Same key and other content is a conflict; the frame that
came first has the key. Neither changes anything: the state is adopted after the commit.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.assemble.arrival import processing_order, segment_starts
from ingest.assemble.clock import (
    ClockRunRow,
    Runs,
    fitting_run,
    is_believed,
    offsets,
    opened,
    with_run,
)
from ingest.assemble.keys import Conflict, KeyPending, KeyPlan, KeyState, Settled
from ingest.assemble.params import AssembleParams
from telemetry.batch import ClockQuality, FrameBatch
from telemetry.columns import COLUMNS

Array = NDArray[Any]
Key = tuple[int, int, int]


def plan_keys(state: KeyState, arrivals: FrameBatch, params: AssembleParams) -> KeyPlan:
    """Find the keys that must be looked up.

    ``arrivals`` are in receipt order and have ``row``, ``elevator_id``, ``gateway_id``,
    ``device_time_us``, ``seq``, ``received_us``, ``quality`` and their columns.
    """
    device_us, row = arrivals["device_time_us"], arrivals["row"]
    age_us = arrivals["received_us"] - device_us
    believed = (age_us >= -params.believed_future_us) & (age_us <= params.believed_past_us)
    odd = ~believed | (device_us <= state.runs_until_us[row])
    if odd.any():
        odd = np.isin(row, row[odd])  # what one frame of a batch opens, the next may be found under
    odd_positions = np.flatnonzero(odd).tolist()
    clocks = _Clocks(state, arrivals, params)
    times_us = clocks.assign(odd_positions)[0]  # as if nothing were found
    doubtful = np.flatnonzero(times_us <= state.stored_head_us[row])
    ids, times, seqs = (
        arrivals["elevator_id"][doubtful],
        times_us[doubtful],
        arrivals["seq"][doubtful],
    )
    if odd_positions:
        more = np.array(_candidates(state, arrivals, odd_positions, params), np.int64)
        more = more.reshape(-1, 3).T
        ids, times, seqs = (
            np.concatenate([a, b]) for a, b in zip((ids, times, seqs), more, strict=True)
        )
    return KeyPlan(arrivals, odd_positions, clocks, ids, times, seqs)


_OF_ODD = ("row", "gateway_id", "elevator_id", "seq", "device_time_us", "received_us")


def _candidates(
    state: KeyState, arrivals: FrameBatch, odd: list[int], params: AssembleParams
) -> list[Key]:
    """Return the keys under which frames may be stored, by clock run, not ahead of the head."""
    keys: list[Key] = []
    columns = (arrivals[c][odd].tolist() for c in _OF_ODD)
    heads = state.stored_head_us[arrivals["row"][odd]].tolist()
    for head_us, frame in zip(heads, zip(*columns, strict=True), strict=True):
        row, gateway_id, elevator_id, seq, device_us, received_us = frame
        runs = state.runs.get((row, gateway_id), ())
        keys += [
            (elevator_id, device_us + offset, seq)
            for offset in offsets(device_us, received_us, runs, params)
            if device_us + offset <= head_us
        ]
    return keys


def settle_keys(
    state: KeyState, plan: KeyPlan, known: FrameBatch, params: AssembleParams
) -> Settled:
    """Give times and take duplicates and conflicts out.

    ``known`` are the full stored frames found under the keys of ``plan``; their ``row`` is not
    read.
    """
    arrivals = plan.arrivals
    if not len(arrivals):
        nothing = np.empty(0, np.int64)
        pending = KeyPending(nothing, nothing, {})
        return Settled(arrivals, nothing, nothing, [], [], pending)
    found = _by_key(known)
    clocks: _Clocks = plan.clocks
    if found and plan.odd:
        clocks = _Clocks(state, arrivals, params, known, found)
        clocks.assign(plan.odd)
    time_us, clock = clocks.assigned
    order = processing_order(arrivals["row"], arrivals["received_us"], time_us, arrivals["seq"])
    row, time_us, clock = arrivals["row"][order], time_us[order], clock[order]
    seq = arrivals["seq"][order]
    owner = _first_with_key(row, time_us, seq)
    doubtful = np.flatnonzero(time_us <= state.stored_head_us[row]) if found else ()
    stored_at = _stored_positions(arrivals, order, time_us, found, doubtful)
    duplicate, taken = _doubles(arrivals, known, order, owner, stored_at)
    conflicts = [
        Conflict(int(order[place]), {**stored, "time_us": int(time_us[place])})
        for place, stored in taken
    ]
    if duplicate.any() or conflicts:
        kept = ~duplicate
        kept[[place for place, _ in taken]] = False
        frames_at, row, time_us, clock = order[kept], row[kept], time_us[kept], clock[kept]
    else:
        frames_at = order
    columns = {name: values[frames_at] for name, values in arrivals.columns.items()}
    columns["row"], columns["time_us"], columns["clock"] = row, time_us, clock
    starts = segment_starts(row)
    rows = row[starts]
    newest = np.maximum.reduceat(time_us, starts) if len(starts) else time_us
    heads = np.maximum(state.stored_head_us[rows], newest)
    return Settled(
        frames=FrameBatch(columns),
        index=frames_at,
        duplicates=np.sort(order[duplicate]),
        conflicts=conflicts,
        clock_runs=clocks.opened,
        pending=KeyPending(rows, heads, clocks.runs),
    )


def _by_key(known: FrameBatch) -> dict[Key, int]:
    keys = zip(*(known[c].tolist() for c in ("elevator_id", "time_us", "seq")), strict=True)
    return {key: place for place, key in enumerate(keys)}


class _Clocks:
    """Times for one batch: frames one after another in receipt order, runs copied on change."""

    def __init__(
        self, state: KeyState, arrivals: FrameBatch, params: AssembleParams,
        known: FrameBatch | None = None, found: Mapping[Key, int] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        self._state = state
        self._arrivals = arrivals
        self._known = known
        self._found = found
        self._params = params
        self._seen: dict[tuple[int, int, int, int], int] = {}
        self.runs: dict[tuple[int, int], Runs] = {}
        self.opened: list[ClockRunRow] = []

    def assign(self, odd: list[int]) -> tuple[Array, Array]:
        """Return event time [µs] and clock quality of all arrivals, shape (n,) each."""
        time_us = self._arrivals["device_time_us"]
        clock = np.zeros(len(time_us), np.int8)
        if odd:
            time_us = time_us.copy()
            columns = (self._arrivals[c][odd].tolist() for c in _OF_ODD)
            for i, frame in zip(odd, zip(*columns, strict=True), strict=True):
                offset = self._offset(*frame)
                time_us[i] += offset
                clock[i] = ClockQuality.OFFSET if offset else ClockQuality.DEVICE
        self.assigned = time_us, clock
        return self.assigned

    def _offset(
        self, row: int, gateway_id: int, elevator_id: int, seq: int, device_us: int,
        received_us: int,
    ) -> int:  # fmt: skip
        key = row, gateway_id
        runs = self.runs.get(key)
        if runs is None:
            runs = self._state.runs.get(key, ())
        identity = row, gateway_id, seq, device_us
        offset = self._seen.get(identity)
        if offset is not None or self._found:
            tried = list(offsets(device_us, received_us, runs, self._params))
            if offset not in tried:  # not seen in this batch, or its run was forgotten since
                offset = self._stored_under(elevator_id, seq, device_us, tried)
        if offset is None:
            offset = self._new_offset(key, elevator_id, device_us, received_us, runs)
        self._seen[identity] = offset
        return offset

    def _stored_under(
        self, elevator_id: int, seq: int, device_us: int, tried: list[int]
    ) -> int | None:
        if self._known is None:
            return None
        for offset in tried:
            place = self._found.get((elevator_id, device_us + offset, seq))
            if place is not None and self._known["device_time_us"][place] == device_us:
                return offset
        return None

    def _new_offset(
        self, key: tuple[int, int], elevator_id: int, device_us: int, received_us: int, runs: Runs
    ) -> int:
        if is_believed(device_us, received_us, self._params):
            return 0
        run = fitting_run(device_us, received_us, runs, self._params)
        if run is None:
            run = opened(device_us, received_us, runs)
            self.opened.append(
                ClockRunRow(elevator_id, key[1], run.run, device_us, run.offset_us, received_us)
            )
        self.runs[key] = with_run(runs, run, device_us, self._params)
        return run.offset_us


def _first_with_key(row: Array, time_us: Array, seq: Array) -> Array:
    """Return, for frames in processing order, the place of the first one with the same key."""
    owner = np.arange(len(row))
    not_ahead = (row[1:] == row[:-1]) & (time_us[1:] <= time_us[:-1])
    if not not_ahead.any():
        return owner
    places = np.flatnonzero(np.isin(row, row[1:][not_ahead]))
    places = places[np.lexsort((seq[places], time_us[places], row[places]))]
    r, t, s = row[places], time_us[places], seq[places]
    first = np.ones(len(places), np.bool_)
    first[1:] = (r[1:] != r[:-1]) | (t[1:] != t[:-1]) | (s[1:] != s[:-1])
    owner[places] = places[np.flatnonzero(first)[np.cumsum(first) - 1]]
    return owner


def _stored_positions(
    arrivals: FrameBatch, order: Array, time_us: Array, found: Mapping[Key, int],
    doubtful: Array | tuple[()],
) -> Array:  # fmt: skip
    """Return, for frames in processing order, the place of their key in ``known``, or -1."""
    stored_at = np.full(len(order), -1)
    if len(doubtful):
        at = order[doubtful]
        keys = zip(
            arrivals["elevator_id"][at].tolist(), time_us[doubtful].tolist(),
            arrivals["seq"][at].tolist(), strict=True,
        )  # fmt: skip
        stored_at[doubtful] = [found.get(key, -1) for key in keys]
    return stored_at


def _doubles(
    arrivals: FrameBatch, known: FrameBatch, order: Array, owner: Array, stored_at: Array
) -> tuple[Array, list[tuple[int, dict[str, Any]]]]:
    """Return which frames are duplicates, and (place, frame that has the key) of conflicts."""
    duplicate = np.zeros(len(order), np.bool_)
    conflicts: list[tuple[int, dict[str, Any]]] = []
    in_table = np.flatnonzero(stored_at >= 0)
    in_batch = np.flatnonzero((stored_at < 0) & (owner != np.arange(len(order))))
    for places, others, at in (
        (in_table, known, stored_at[in_table]),
        (in_batch, arrivals, order[owner[in_batch]]),
    ):
        if len(places):
            same = same_content(arrivals, order[places], others, at)
            duplicate[places[same]] = True
            rest = others.take(at[~same]).to_rows()
            conflicts += zip(places[~same].tolist(), rest, strict=True)
    return duplicate, conflicts


def same_content(a: FrameBatch, at_a: Array, b: FrameBatch, at_b: Array) -> Array:
    """Tell which pairs of frames with equal keys say the same: all columns, flaws, device time."""
    same = a["device_time_us"][at_a] == b["device_time_us"][at_b]
    same &= a["quality"][at_a] == b["quality"][at_b]
    for column in COLUMNS:
        x, y = a[column.name][at_a], b[column.name][at_b]
        equal = x == y
        if column.kind == "real":
            equal |= np.isnan(x) & np.isnan(y)
        same &= equal
    return same
