"""Order stage: which of the stored frames are stepped now, at which time, and which are late.

Lifts on which only the next frames came are advanced as arrays, be they shuffled (``shuffle``); all
others go one by one through ``stream.Line``. Waiting concerns detection alone: the frames given are
stored by then.

The stage reads nothing but stored columns and the batch's ``now_us``, so recovery repeats it.
Nothing is changed before ``adopt_order``.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ingest.assemble.arrival import processing_order, segment_ends, segment_starts
from ingest.assemble.lag import LAG, LagPending, record_lags
from ingest.assemble.params import NO_SEQ, NO_TIME, AssembleParams
from ingest.assemble.shuffle import unshuffled
from ingest.assemble.stream import Head, Item, Line, Oddity
from ingest.room import with_rows
from telemetry.batch import FrameBatch

Array = NDArray[Any]

HEAD: Final = np.dtype(
    [
        ("seq", "i8"), ("time_us", "i8"), ("step_us", "i8"), ("arrival_us", "i8"),
        ("gap_seq", "i8"), ("previous_seq", "i8"), ("restart_us", "i8"),
        ("gaps", "i1"), ("unreliable", "?"),
    ]
)  # fmt: skip
"""``stream.Head`` as a record."""

_NO_HEAD: Final = np.array((NO_SEQ, NO_TIME, NO_TIME, NO_TIME, 0, NO_SEQ, NO_TIME, 0, False), HEAD)


@dataclass(slots=True)
class OrderState:
    """Heads, lags and oddities of all lifts of a lane, and the frames that wait.

    Parameters
    ----------
    heads, lags
        Records, shape (n_rows,).
    odd
        Which rows have an entry in ``oddities``, shape (n_rows,).
    waiting, serials
        The waiting frames, and the serial numbers under which ``oddities`` know them (rising).
    next_serial
        Serial number of the next frame.
    """

    heads: Array = field(default_factory=lambda: np.empty(0, HEAD))
    lags: Array = field(default_factory=lambda: np.empty(0, LAG))
    odd: Array = field(default_factory=lambda: np.empty(0, np.bool_))
    oddities: dict[int, Oddity] = field(default_factory=dict)
    waiting: FrameBatch = field(default_factory=FrameBatch.empty)
    serials: Array = field(default_factory=lambda: np.empty(0, np.int64))
    next_serial: int = 0

    def grow(self, n_rows: int) -> None:
        """Add rows up to ``n_rows``, without a head; copies nothing while there is room."""
        self.heads = with_rows(self.heads, n_rows, _NO_HEAD)
        self.lags = with_rows(self.lags, n_rows, np.zeros((), LAG))
        self.odd = with_rows(self.odd, n_rows, fresh=False)


@dataclass(frozen=True, slots=True)
class OrderCounts:
    """What happened to the order of the frames of one batch."""

    stepped: int = 0
    late: int = 0
    waiting: int = 0
    restarts: int = 0
    set_back: int = 0
    gaps: int = 0


@dataclass(frozen=True, slots=True)
class OrderPending:
    """What a batch changes in ``OrderState`` once it is committed; ``rows`` is sorted."""

    rows: Array
    heads: Array
    lags: LagPending
    oddities: dict[int, Oddity]
    waiting: FrameBatch
    serials: Array
    next_serial: int


@dataclass(frozen=True, slots=True)
class Ordered:
    """A batch in order.

    Parameters
    ----------
    step
        Frames to step, sorted by (row, stepping order); ``time_us`` is the step time and never
        falls within a row. Frames that had waited are among them.
    late
        Which of the frames given are late, shape (n,).
    unreliable_rows
        Lifts on which holding was switched off just now (``seq_unreliable``).
    pending
        What becomes of the state after the commit.
    """

    step: FrameBatch
    late: Array
    counts: OrderCounts
    unreliable_rows: list[int]
    pending: OrderPending


def advance_order(
    state: OrderState, frames: FrameBatch, now_us: int, params: AssembleParams
) -> Ordered:
    """Put stored frames in order and let waiting ones go that have waited until ``now_us``."""
    order = processing_order(*(frames[c] for c in ("row", "received_us", "time_us", "seq")))
    order, shuffled = unshuffled(frames, order, state.heads, state.odd, params)
    ordered = _advance_in(state, frames, order, now_us, params)
    if len(shuffled):  # what was missing came, so nothing is left of earlier gaps
        pending = ordered.pending
        pending.heads["gaps"][np.searchsorted(pending.rows, shuffled)] = 0
    return ordered


def _advance_in(
    state: OrderState, frames: FrameBatch, order: Array, now_us: int, params: AssembleParams
) -> Ordered:
    """Advance by frames in the given order."""
    if len(order) and (order[1:] < order[:-1]).any():
        ordered = _advance_sorted(state, frames.take(order), now_us, params)
        late = np.empty(len(order), np.bool_)
        late[order] = ordered.late
        return Ordered(ordered.step, late, ordered.counts, ordered.unreliable_rows, ordered.pending)
    return _advance_sorted(state, frames, now_us, params)


def _advance_sorted(
    state: OrderState, frames: FrameBatch, now_us: int, params: AssembleParams
) -> Ordered:
    starts = segment_starts(frames["row"])
    rows = frames["row"][starts]
    heads = state.heads[rows]
    in_sequence = _in_sequence(frames, starts, heads) & ~state.odd[rows]
    due = _due_rows(state, now_us, params)
    if in_sequence.all() and not due:
        return _all_in_sequence(state, frames, starts, rows, heads, params)
    lines = _run_lines(state, frames, starts, rows, ~in_sequence, due, now_us, params)
    return _join(state, frames, starts, rows, heads, in_sequence, lines, params)


def _in_sequence(frames: FrameBatch, starts: Array, heads: Array) -> Array:
    """Tell for each row whether its frames follow its head and each other, shape (m,)."""
    seq, time_us = frames["seq"], frames["time_us"]
    if not len(starts):
        return np.empty(0, np.bool_)
    before_seq, before_us = np.empty_like(seq), np.empty_like(time_us)
    before_seq[1:], before_us[1:] = seq[:-1], time_us[:-1]
    first_of_all = (heads["seq"] == NO_SEQ) & (seq[starts] == 1)  # streams begin with 0 or with 1
    before_seq[starts] = np.where(first_of_all, 0, heads["seq"])
    before_us[starts] = heads["time_us"]
    follows = (seq - before_seq == 1) & (time_us >= before_us)
    return np.logical_and.reduceat(follows, starts)


def _due_rows(state: OrderState, now_us: int, params: AssembleParams) -> list[int]:
    latest_us = now_us - params.reorder_window_us
    if not len(state.waiting):
        return []
    return [row for row, oddity in state.oddities.items() if oddity.oldest_us <= latest_us]


def _heads_after(frames: FrameBatch, starts: Array, heads: Array) -> Array:
    """Return the heads of rows all of whose frames were in sequence."""
    ends = segment_ends(starts, len(frames)) - 1
    after = heads.copy()
    after["seq"] = frames["seq"][ends]
    after["time_us"] = after["step_us"] = frames["time_us"][ends]
    after["arrival_us"] = frames["received_us"][ends]
    return after


def _all_in_sequence(
    state: OrderState, frames: FrameBatch, starts: Array, rows: Array, heads: Array,
    params: AssembleParams,
) -> Ordered:  # fmt: skip
    lags = record_lags(state.lags, frames["row"], frames["received_us"], frames["time_us"], params)
    after = _heads_after(frames, starts, heads)
    pending = OrderPending(
        rows, after, lags, {}, state.waiting, state.serials, state.next_serial + len(frames)
    )
    counts = OrderCounts(stepped=len(frames), waiting=len(state.waiting))
    return Ordered(frames, np.zeros(len(frames), np.bool_), counts, [], pending)


def _run_lines(
    state: OrderState, frames: FrameBatch, starts: Array, rows: Array, chosen: Array,
    due: list[int], now_us: int, params: AssembleParams,
) -> dict[int, Line]:  # fmt: skip
    """Put the chosen rows, and the rows that are due, in order one by one."""
    columns = [frames[c] for c in ("seq", "time_us", "received_us")]
    ends = segment_ends(starts, len(frames))
    spans = dict(
        zip(
            rows[chosen].tolist(),
            zip(starts[chosen].tolist(), ends[chosen].tolist(), strict=True),
            strict=True,
        )
    )
    lines: dict[int, Line] = {}
    wanted = sorted({*spans, *due})
    for row, head in zip(wanted, state.heads[wanted].tolist(), strict=True):
        line = Line(Head(*head), state.oddities.get(row, _NOTHING), params)
        first, end = spans.get(row, (0, 0))
        place = range(state.next_serial + first, state.next_serial + end)
        for item in zip(*(c[first:end].tolist() for c in columns), place, strict=True):
            line.take(Item(*item))
        line.expire(now_us)
        lines[row] = line
    return lines


_NOTHING: Final = Oddity()


def _join(
    state: OrderState, frames: FrameBatch, starts: Array, rows: Array, heads: Array,
    in_sequence: Array, lines: dict[int, Line], params: AssembleParams,
) -> Ordered:  # fmt: skip
    """Join the rows done as arrays with those done one by one."""
    n_waiting, n = len(state.waiting), len(frames)
    everything = FrameBatch.concat([state.waiting, frames]) if n_waiting else frames
    slow_rows = np.fromiter(lines, np.int64, len(lines))
    lengths = segment_ends(starts, n) - starts
    swift = np.flatnonzero(np.repeat(in_sequence, lengths)) + n_waiting
    moved = [pair for line in lines.values() for pair in line.stepped]
    places, steps_us = np.array(moved, np.int64).reshape(-1, 2).T
    slow = _positions(state, places)
    index = np.concatenate([swift, slow])
    at = np.argsort(everything["row"][index], kind="stable")
    index = index[at]
    step = everything.take(index)
    lags = record_lags(state.lags, step["row"], step["received_us"], step["time_us"], params)
    steps_us = np.concatenate([everything["time_us"][swift], steps_us])[at]
    late = np.zeros(n, np.bool_)
    late[[place - state.next_serial for line in lines.values() for place in line.late]] = True
    still = np.ones(n_waiting + n, np.bool_)
    still[index] = False
    still[n_waiting:] &= ~late
    waits = np.flatnonzero(still)
    new_heads = np.array([line.head for line in lines.values()], HEAD)
    touched = np.concatenate([rows[in_sequence], slow_rows])
    after = np.concatenate([_heads_after(frames, starts, heads)[in_sequence], new_heads])
    by_row = np.argsort(touched, kind="stable")
    serials = np.concatenate([state.serials, np.arange(n) + state.next_serial])[waits]
    pending = OrderPending(
        touched[by_row], after[by_row], lags,
        {row: line.oddity() for row, line in lines.items()},
        everything.take(waits), serials, state.next_serial + n,
    )  # fmt: skip
    return Ordered(
        step.replace(time_us=steps_us), late, _counts(step, late, waits, lines),
        _newly_unreliable(state, lines), pending,
    )  # fmt: skip


def _positions(state: OrderState, places: Array) -> Array:
    """Return where the frames with these serial numbers are in waiting + given frames."""
    old = places < state.next_serial
    given = places - state.next_serial + len(state.waiting)
    return np.where(old, np.searchsorted(state.serials, places), given)


def _counts(step: FrameBatch, late: Array, waits: Array, lines: dict[int, Line]) -> OrderCounts:
    return OrderCounts(
        stepped=len(step),
        late=int(late.sum()),
        waiting=len(waits),
        restarts=sum(line.restarts for line in lines.values()),
        set_back=sum(line.set_backs for line in lines.values()),
        gaps=sum(line.gaps for line in lines.values()),
    )


def _newly_unreliable(state: OrderState, lines: dict[int, Line]) -> list[int]:
    return [
        row
        for row, line in lines.items()
        if line.head.unreliable and not state.heads["unreliable"][row]
    ]


def newest_arrival(state: OrderState) -> int:
    """Return the latest arrival of heads and waiting frames [µs]; ``NO_TIME`` without any."""
    return max(
        int(state.heads["arrival_us"].max(initial=NO_TIME)),
        int(state.waiting["received_us"].max(initial=NO_TIME)),
    )


def shift_arrivals(state: OrderState, by_us: int) -> None:
    """Move all arrivals by ``by_us`` [µs]; the few seconds of lags kept are forgotten."""
    state.heads["arrival_us"][state.heads["seq"] != NO_SEQ] += by_us
    state.lags[:] = np.zeros((), LAG)
    state.waiting = state.waiting.replace(received_us=state.waiting["received_us"] + by_us)
    for row, oddity in state.oddities.items():
        state.oddities[row] = oddity.shifted(by_us)


def adopt_order(state: OrderState, pending: OrderPending) -> None:
    """Make a committed batch part of the state."""
    state.heads[pending.rows] = pending.heads
    state.lags[pending.lags.rows] = pending.lags.records
    for row, oddity in pending.oddities.items():
        state.odd[row] = not oddity.is_empty()
        if state.odd[row]:
            state.oddities[row] = oddity
        else:
            state.oddities.pop(row, None)
    state.waiting, state.serials = pending.waiting, pending.serials
    state.next_serial = pending.next_serial
