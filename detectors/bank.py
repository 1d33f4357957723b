"""The bank: all detectors over all lifts of a lane.

Holds the dense state, gathers the rows that a batch or a due timer touches, steps every detector on
them and scatters the result after the commit. Sorting and segments are made once per batch.
It decides nothing about findings, and nothing about alarms.

Invariants: ``step`` changes nothing in the bank, so a rollback needs no undo; a batch costs what it
holds, not what the fleet holds; an exception in a detector costs the lift at fault its step in that
detector and nobody anything else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.alarm_button import AlarmButtonDetector
from detectors.contract import NO_DUE_US, Detector, LiftFrames, State, initial_state, layout_text
from detectors.entrapment import EntrapmentDetector
from detectors.parameters import (
    check_keys,
    converted,
    dense,
    gathered,
    grown,
    set_overrides,
    thresholds,
)
from detectors.segments import NEVER_US, Segments
from detectors.signals import from_lift
from telemetry.batch import FrameBatch
from telemetry.transitions import Transitions

BANK: Final[tuple[Detector, ...]] = (EntrapmentDetector(), AlarmButtonDetector())
"""Every detector, in the order in which they are stepped; entrapments first."""

Ints = NDArray[np.int64]


class LayoutMismatch(Exception):  # noqa: N818  # it names a state of affairs, not an error of ours
    """A snapshot was written by detectors with other state; rebuild it from stored frames."""


@dataclass(frozen=True, slots=True)
class DetectorFailure:
    """A detector raised an exception on one lift; that lift keeps its old state in it."""

    row: int
    detector: str
    error: str


@dataclass(frozen=True, slots=True)
class BankOutcome:
    """What a step found, and the state to adopt once it is committed.

    Parameters
    ----------
    rows
        Dense rows that were stepped, ascending, shape (m,).
    transitions
        One block per detector, with dense rows.
    failed
        Lifts at fault.
    states
        By detector: rows that have new state, and their state.
    """

    rows: Ints
    transitions: list[Transitions]
    failed: list[DetectorFailure]
    states: Mapping[str, tuple[Ints, State]]


@dataclass(frozen=True, slots=True)
class _Touched:
    """Input of a step, compact: rows, their frames, their stream time."""

    rows: Ints
    frames: FrameBatch
    now_us: Ints

    def lift_frames(self) -> LiftFrames:
        segments = Segments.of(self.frames["row"], len(self.rows))
        return LiftFrames(self.frames, segments, from_lift(self.frames))

    def part(self, low: int, high: int) -> "_Touched":
        inside = (self.frames["row"] >= low) & (self.frames["row"] < high)
        frames = self.frames.take(inside)
        frames = frames.replace(row=frames["row"] - low)
        return _Touched(self.rows[low:high], frames, self.now_us[low:high])


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
    """

    def __init__(
        self,
        n_rows: int,
        overrides: Mapping[int, Mapping[str, Any]] | None = None,
        detectors: tuple[Detector, ...] = BANK,
    ) -> None:
        self.detectors = detectors
        self._states = {d.name: initial_state(d, n_rows) for d in detectors}
        self._params = {d.name: dense(d.params_type, n_rows) for d in detectors}
        self._due_us = {d.name: np.full(n_rows, NO_DUE_US) for d in detectors}
        self.n_rows = n_rows
        for row, given in (overrides or {}).items():
            self.set_overrides(row, given)

    @property
    def layout(self) -> str:
        """What the arrays of a snapshot mean; equal text, equal meaning."""
        return ";".join(layout_text(d) for d in self.detectors)

    def set_overrides(self, row: int, overrides: Mapping[str, Any]) -> None:
        """Give one lift its parameters: defaults, changed by ``overrides``.

        Raises ``ParamError``, naming the key, and then changes nothing.
        """
        check_overrides(overrides, self.detectors)
        for d in self.detectors:
            set_overrides(self._params[d.name], row, overrides)

    def grow(self, n_rows: int) -> None:
        """Make room for more lifts; fewer than now is no change."""
        if n_rows <= self.n_rows:
            return
        for d in self.detectors:
            fresh = initial_state(d, n_rows)
            for name, old in self._states[d.name].items():
                fresh[name][: self.n_rows] = old
            self._states[d.name] = fresh
            due_us = np.full(n_rows, NO_DUE_US)
            due_us[: self.n_rows] = self._due_us[d.name]
            self._due_us[d.name] = due_us
            self._params[d.name] = grown(self._params[d.name], n_rows)
        self.n_rows = n_rows

    def step(
        self,
        batch: FrameBatch,
        now_us: Ints | None = None,
        due_rows: ArrayLike | None = None,
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
        """
        touched = self._touched(batch, now_us, due_rows)
        failed: list[DetectorFailure] = []
        blocks: list[Transitions] = []
        states: dict[str, tuple[Ints, State]] = {}
        if len(touched.rows):
            shared = touched.lift_frames()
            for d in self.detectors:
                pieces = self._guarded(d, touched, shared, failed)
                blocks += [found.at_rows(rows) for rows, _, found in pieces]
                states[d.name] = _joined(d, [(rows, state) for rows, state, _ in pieces])
        return BankOutcome(touched.rows, blocks, failed, states)

    def adopt(self, outcome: BankOutcome) -> None:
        """Take over the state of a committed step."""
        for name, (rows, state) in outcome.states.items():
            for field, values in state.items():
                self._states[name][field][rows] = values
            self._due_us[name][rows] = state["due_us"]
        for failure in outcome.failed:
            # It would be due again at every tick; the next frame tries anew.
            self._due_us[failure.detector][failure.row] = NO_DUE_US

    def due_rows(self, stream_time_us: Ints) -> Ints:
        """Return the rows for which a tick to that stream time, shape (n_rows,), matters."""
        due = np.zeros(self.n_rows, np.bool_)
        for due_us in self._due_us.values():
            due |= due_us <= stream_time_us
        return np.flatnonzero(due)

    def next_due_us(self) -> int:
        """Return the first due stream time of all lifts, ``NO_DUE_US`` if none waits [µs]."""
        return min(
            (int(d.min(initial=NO_DUE_US)) for d in self._due_us.values()), default=NO_DUE_US
        )

    def snapshot(self, rows: ArrayLike) -> dict[str, NDArray[Any]]:
        """Return the state of some rows as raw arrays, keys ``<detector>.<field>``."""
        index = np.asarray(rows, np.int64)
        return {
            f"{d.name}.{field.name}": self._states[d.name][field.name][index]
            for d in self.detectors
            for field in d.layout
        }

    def restore(self, rows: ArrayLike, arrays: Mapping[str, NDArray[Any]], layout: str) -> None:
        """Put back what ``snapshot`` gave; raises ``LayoutMismatch`` before anything changes."""
        if layout != self.layout:
            raise LayoutMismatch(f"snapshot holds {layout!r}, this version wants {self.layout!r}")
        index = np.asarray(rows, np.int64)
        for d in self.detectors:
            for field in d.layout:
                self._states[d.name][field.name][index] = arrays[f"{d.name}.{field.name}"]
            self._due_us[d.name][index] = arrays[f"{d.name}.due_us"]

    def _touched(
        self, batch: FrameBatch, now_us: Ints | None, due_rows: ArrayLike | None
    ) -> _Touched:
        dense_row = batch["row"].astype(np.int64)
        if np.any(dense_row[1:] < dense_row[:-1]):
            order = np.argsort(dense_row, kind="stable")
            batch, dense_row = batch.take(order), dense_row[order]
        extra = np.asarray([] if due_rows is None else due_rows, np.int64)
        rows = np.union1d(dense_row, extra)
        frames = batch.replace(row=np.searchsorted(rows, dense_row))
        now = np.full(len(rows), NEVER_US) if now_us is None else now_us[rows]
        return _Touched(rows, frames, now)

    def _guarded(
        self,
        detector: Detector,
        touched: _Touched,
        shared: LiftFrames,
        failed: list[DetectorFailure],
    ) -> list[tuple[Ints, State, Transitions]]:
        """Step one detector; after an exception by halves, down to the lift at fault."""
        rows = touched.rows
        state = {name: a[rows] for name, a in self._states[detector.name].items()}
        params = gathered(self._params[detector.name], rows)
        try:
            after, found = detector.step(state, shared, touched.now_us, params)
        except Exception as error:  # noqa: BLE001  # any bug of a rule; one lift pays, and is shown
            if len(rows) == 1:
                text = f"{type(error).__name__}: {error}"
                failed.append(DetectorFailure(int(rows[0]), detector.name, text))
                return []
            half = len(rows) // 2
            parts = (touched.part(0, half), touched.part(half, len(rows)))
            return [
                piece
                for part in parts
                for piece in self._guarded(detector, part, part.lift_frames(), failed)
            ]
        return [(rows, after, found)]


def check_overrides(overrides: Mapping[str, Any], detectors: tuple[Detector, ...] = BANK) -> None:
    """Raise ``ParamError``, naming the key, if a lift's parameters cannot be used."""
    known = [thresholds(d.params_type) for d in detectors]
    check_keys(overrides, {key: spec for specs in known for key, spec in specs.items()})
    for key, value in overrides.items():
        for specs in known:
            if key in specs:
                converted(key, specs[key][1], value)


def _joined(detector: Detector, pieces: list[tuple[Ints, State]]) -> tuple[Ints, State]:
    if len(pieces) == 1:
        return pieces[0]
    rows = np.concatenate([rows for rows, _ in pieces] or [np.empty(0, np.int64)])
    empty = initial_state(detector, 0)
    names = [f.name for f in detector.layout]
    return rows, {n: np.concatenate([s[n] for _, s in pieces] or [empty[n]]) for n in names}
