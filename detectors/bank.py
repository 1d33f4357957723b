"""The bank: all detectors over all lifts of a lane.

Holds the dense state, gathers the rows that a batch or a due timer touches, hears their frames once
for all detectors, steps every detector on them and scatters the result after the commit.
It decides nothing about findings, and nothing about alarms.

The state of a lift is one record: what its frames last told, then the own fields of every detector
(``docs/architecture.md`` says how large). A step copies the records that it touches, and nothing
else; growing the fleet copies nothing (``room``).

Invariants: ``step`` changes nothing in the bank, so a rollback needs no undo; a batch costs what it
holds, not what the fleet holds; an exception in a detector costs the lift at fault its step in that
detector and nobody anything else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.all_rules import BANK
from detectors.contract import NO_DUE_US, Deaf, Detector, LiftFrames, State, StateOf
from detectors.doubt import doubted
from detectors.opened import Opened
from detectors.outcome import BankOutcome, DetectorFailure, joined
from detectors.parameters import ParamsAt, ParamTable, check_keys, converted, thresholds
from detectors.records import ESCALATOR, HEARD, LIFT, Layout, Stored
from detectors.room import BLOCK_ROWS, Beside, Room
from detectors.segments import NEVER_US, Segments, times
from detectors.signals import (
    ESCALATOR_COLUMNS,
    LIFT_COLUMNS,
    Heard,
    Strip,
    from_lift,
)
from telemetry.batch import FrameBatch
from telemetry.transitions import Transitions

Ints = NDArray[np.int64]

SLICE_ROWS = 8_192
"""At most so many lifts are stepped at once, which bounds the arrays of a step: when all of 100,000
lifts are due at a tick, it goes by slices."""


class LayoutMismatch(Exception):  # noqa: N818  # it names a state of affairs, not an error of ours
    """A snapshot was written by detectors with other state; rebuild it from stored frames."""


@dataclass(frozen=True, slots=True)
class _Touched:
    """Input of a step, compact: rows, their frames, their stream time, their state before.

    ``low``: the first of the rows, where this is a part.
    """

    rows: Ints
    frames: FrameBatch
    now_us: Ints
    state: Opened
    params: ParamsAt
    deaf: Deaf | None
    low: int = 0

    @property
    def before(self) -> Opened | dict[str, dict[str, NDArray[Any]]]:
        m = len(self.rows)
        return self.state if m == self.state.m else self.state.part(self.low, self.low + m)

    def lift_frames(self) -> LiftFrames:
        before, frames = self.before, self.frames
        segments = Segments.of(frames["row"], len(self.rows))
        time_us = before[HEARD]["time_us"]
        t_us, end_us = times(segments, time_us, frames["time_us"], self.now_us)
        strip, lifts = Strip(frames, segments, t_us, end_us), from_lift(frames)
        return LiftFrames(
            frames,
            segments,
            self.now_us,
            strip,
            0 if self.deaf is None else self.deaf.along(segments, frames),
            Heard(strip, lifts, before[LIFT], LIFT_COLUMNS),
            Heard(strip, ~lifts, before[ESCALATOR], ESCALATOR_COLUMNS),
        )

    def part(self, low: int, high: int) -> "_Touched":
        inside = (self.frames["row"] >= low) & (self.frames["row"] < high)
        frames = self.frames.take(inside)
        frames = frames.replace(row=frames["row"] - low)
        cut = slice(low, high)
        return _Touched(
            self.rows[cut],
            frames,
            self.now_us[cut],
            self.state,
            self.params.part(low, high),
            self.deaf and self.deaf.of(cut),
            self.low + low,
        )


@dataclass(frozen=True, slots=True)
class _Result:
    """Output of a step, compact, beside the state; filled in detector by detector."""

    due_us: Ints
    pieces: list[tuple[Detector, Transitions]]
    failed: list[DetectorFailure]

    def part(self, low: int, high: int) -> "_Result":
        return _Result(self.due_us[:, low:high], self.pieces, self.failed)


class Bank:
    """Detectors with their dense state over ``n_rows`` lifts.

    Parameters
    ----------
    n_rows
        Number of lifts.
    overrides
        Per-lift parameters by row (``set_overrides``).
    detectors
        The detectors; other ones than ``BANK`` in tests.
    slice_rows
        How many lifts are stepped at once, at most.
    """

    def __init__(
        self,
        n_rows: int,
        overrides: Mapping[int, Mapping[str, Any]] | None = None,
        detectors: tuple[Detector, ...] = BANK,
        slice_rows: int = SLICE_ROWS,
    ) -> None:
        self.detectors = detectors
        self._slice_rows = slice_rows
        self._layout = Layout(detectors)
        self._shapes = {d.name: {f.name: f.shape for f in d.layout} for d in detectors}
        self._params = ParamTable({d.name: d.params_type for d in detectors})
        self._raw = Room(self._layout.fresh)
        self._whole = Beside(self._layout.whole_bytes)
        self._due_us = np.empty((2, 0), np.int64)
        self.n_rows = 0
        self.grow(n_rows)
        for row, given in (overrides or {}).items():
            self.set_overrides(row, given)

    @property
    def layout(self) -> str:
        """What the bytes of a snapshot mean; equal text, equal meaning."""
        return self._layout.text

    @property
    def lift_bytes(self) -> int:
        """Bytes of state that a lift takes: its record, its due times, what is kept beside it."""
        return self._layout.stored_bytes + 16 + 4

    def set_overrides(
        self, row: int | Ints, overrides: Mapping[str, Any], version: int | NDArray[np.int32] = 0
    ) -> None:
        """Give a lift, or several alike, their parameters: defaults, changed by ``overrides``.

        ``version`` stands in every transition that is judged by them. Raises ``ParamError``,
        naming the key, and then changes nothing.
        """
        check_overrides(overrides, self.detectors)
        self._params.put(row, overrides, version)

    def grow(self, n_rows: int) -> None:
        """Make room for more lifts; fewer than now is no change."""
        if n_rows <= self.n_rows:
            return
        self._raw.grow(n_rows)
        self._whole.grow(n_rows)
        if n_rows > self._due_us.shape[1]:
            room = np.empty((2, max(BLOCK_ROWS, 2 * n_rows)), np.int64)
            room[:, : self.n_rows] = self._due_us[:, : self.n_rows]
            self._due_us = room
        self._due_us[:, self.n_rows : n_rows] = NO_DUE_US
        self._params.grow(n_rows)
        self.n_rows = n_rows

    def step(
        self,
        batch: FrameBatch,
        now_us: Ints | None = None,
        due_rows: ArrayLike | None = None,
        deaf: Deaf | None = None,
    ) -> BankOutcome:
        """Step all detectors; changes nothing here (``adopt`` does).

        Parameters
        ----------
        batch
            Frames in stepping order within each (dense) ``row``; rows need not be adjacent.
        now_us
            Stream time of every lift, shape (n_rows,) [µs], for the rows touched; ``None`` = no
            tick. A value not above the row's last frame is no tick for it.
        due_rows
            Further rows to move to their stream time.
        deaf
            What silence does not count; ``None`` = all of it counts.
        """
        rows, batch = _compact(batch, due_rows)
        bounds = range(0, len(rows), self._slice_rows)
        if len(bounds) <= 1:
            return self._stepped(self._touched(rows, batch, now_us, deaf))
        ends = np.searchsorted(batch["row"], [*bounds, len(rows)])
        parts: list[BankOutcome] = []
        for low, begin, end in zip(bounds, ends[:-1], ends[1:], strict=True):
            frames = batch.take(np.arange(begin, end))
            frames = frames.replace(row=frames["row"] - low)
            mine = rows[low : low + self._slice_rows]
            parts.append(self._stepped(self._touched(mine, frames, now_us, deaf)))
        return joined(parts)

    def _stepped(self, touched: _Touched) -> BankOutcome:
        state = touched.state
        result = _Result(np.full((2, len(touched.rows)), NO_DUE_US), [], [])
        blocks: list[Transitions] = []
        if len(touched.rows):
            shared = touched.lift_frames()
            for d in self.detectors:
                self._guarded(d, touched, shared, result)
            _carry(shared, state)
            doubt, blocks = doubted(touched.rows, state[HEARD]["doubt"], result.pieces)
            state.put(HEARD, {"doubt": doubt})
        return BankOutcome(touched.rows, blocks, result.failed, [state.closed()], result.due_us)

    def adopt(self, outcome: BankOutcome) -> None:
        """Take over the state of a committed step."""
        at = 0
        for stored in outcome.stored:
            self._store(outcome.rows[at : at + len(stored.rows)], stored)
            at += len(stored.rows)
        # A detector that failed has no due time: it would fail at every tick. The next frame tries.
        self._due_us[:, outcome.rows] = outcome.due_us

    def due_rows(self, stream_time_us: Ints, deaf_us: Ints | int = 0) -> Ints:
        """Return the rows for which a tick to that stream time, shape (n_rows,), matters.

        ``deaf_us``: as ``Deaf.heads_us``, but after what the tick steps.
        """
        due_us, silence_due_us = self._due_us[:, : self.n_rows]
        due = (due_us <= stream_time_us) | (silence_due_us <= stream_time_us - deaf_us)
        return np.flatnonzero(due)

    def mark_due(self, rows: ArrayLike) -> None:
        """Let the next tick step these rows whatever their time: their parameters changed.

        A row that was never heard has no stream time and nothing to judge.
        """
        self._due_us[0, np.asarray(rows, np.int64)] = NEVER_US

    def next_due_us(self) -> int:
        """Return the first due stream time of all lifts, ``NO_DUE_US`` if none waits [µs]."""
        return int(self._due_us[:, : self.n_rows].min(initial=NO_DUE_US))

    def records(self, rows: ArrayLike) -> Opened:
        """Return a copy of the state of some rows."""
        return Opened(self._layout, self._stored(np.asarray(rows, np.int64)))

    def snapshot(self, rows: ArrayLike) -> dict[str, NDArray[Any]]:
        """Return the state of some rows as raw arrays: as stored (``records``), and due times."""
        index = np.asarray(rows, np.int64)
        kept = self._stored(index)
        return {
            "records": kept.rows,
            "whole_at": kept.whole_at,
            "whole": kept.whole,
            "due_us": self._due_us[:, : self.n_rows][:, index],
        }

    def restore(self, rows: ArrayLike, arrays: Mapping[str, NDArray[Any]], layout: str) -> None:
        """Put back what ``snapshot`` gave; raises ``LayoutMismatch`` before anything changes."""
        if layout != self.layout:
            raise LayoutMismatch(f"snapshot holds {layout!r}, this version wants {self.layout!r}")
        index = np.asarray(rows, np.int64)
        kept = Stored(arrays["records"], arrays["whole_at"], arrays["whole"])
        self._store(index, kept)
        self._due_us[:, index] = arrays["due_us"]

    def _stored(self, rows: Ints) -> Stored:
        return Stored(self._raw.take(rows), *self._whole.take(rows))

    def _store(self, rows: Ints, stored: Stored) -> None:
        self._raw.put(rows, stored.rows)
        self._whole.put(rows, stored.whole_at, stored.whole)

    def _touched(
        self, rows: Ints, frames: FrameBatch, now_us: Ints | None, deaf: Deaf | None
    ) -> _Touched:
        now = np.full(len(rows), NEVER_US) if now_us is None else now_us[rows]
        records, params = self.records(rows), self._params.at(rows)
        return _Touched(rows, frames, now, records, params, deaf and deaf.of(rows))

    def _guarded(
        self, detector: Detector, touched: _Touched, shared: LiftFrames, result: _Result
    ) -> None:
        """Step one detector; after an exception by halves, down to the lift at fault."""
        rows = touched.rows
        params = touched.params.of(detector.name)
        try:
            stepped = detector.step(touched.before[detector.name], shared, params)
            after = _checked(stepped.state, len(rows), self._shapes[detector.name])
        except Exception as error:  # noqa: BLE001  # any bug of a rule; one lift pays, and is shown
            if len(rows) == 1:
                text = f"{type(error).__name__}: {error}"
                result.failed.append(DetectorFailure(int(rows[0]), detector.name, text))
                return
            half = len(rows) // 2
            for low, high in ((0, half), (half, len(rows))):
                part = touched.part(low, high)
                self._guarded(detector, part, part.lift_frames(), result.part(low, high))
            return
        touched.state.put(detector.name, after, touched.low)
        for which, own_us in enumerate((stepped.due_us, stepped.silence_due_us)):
            if isinstance(own_us, np.ndarray):
                due_us = result.due_us[which]
                np.minimum(due_us, own_us, out=due_us)
        for block in stepped.found:
            if len(block):
                result.pieces.append((detector, block.at_rows(rows, self._params.version)))


def _checked(state: State, m: int, shapes: Mapping[str, tuple[int, ...]]) -> State:
    """Return a detector's new fields; of another name or shape, they are its error."""
    plain = (m,)
    for name, values in state.items():
        shape = shapes[name]
        if values.shape != ((m, *shape) if shape else plain):
            raise ValueError(f"{name} has shape {values.shape} for {m} lifts")
    return state


def _compact(batch: FrameBatch, due_rows: ArrayLike | None) -> tuple[Ints, FrameBatch]:
    """Return the dense rows to step, ascending, and the frames by row, numbered compactly."""
    dense_row = batch["row"].astype(np.int64)
    if np.any(dense_row[1:] < dense_row[:-1]):
        order = np.argsort(dense_row, kind="stable")
        batch, dense_row = batch.take(order), dense_row[order]
    first = np.diff(dense_row, prepend=-1) != 0
    rows, row = dense_row[first], np.cumsum(first) - 1
    if due_rows is not None:
        rows = np.union1d(rows, np.asarray(due_rows, np.int64))
        row = np.searchsorted(rows, dense_row)
    return rows, batch.replace(row=row)


def check_overrides(overrides: Mapping[str, Any], detectors: tuple[Detector, ...] = BANK) -> None:
    """Raise ``ParamError``, naming the key, if a lift's parameters cannot be used."""
    known = [thresholds(d.params_type) for d in detectors]
    check_keys(overrides, {key: spec for specs in known for key, spec in specs.items()})
    for key, value in overrides.items():
        for specs in known:
            if key in specs:
                converted(key, specs[key][1], value)


def _carry(shared: LiftFrames, state: Opened) -> None:
    """Take what the frames told into the state; of escalators, into theirs alone."""
    state.put(HEARD, {"time_us": shared.lift.line.t_us[shared.segments.last_at]})
    state.put(LIFT, shared.lift.after())
    if shared.escalator.mine.any():
        rows, heard = shared.escalator.alone
        own = StateOf(state[ESCALATOR], rows)
        state.put(ESCALATOR, own.put_back(heard.after()))
