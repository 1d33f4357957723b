"""What happens to the frames of one lane, without any I/O: order, detectors, pending state.

``LaneCore.advance`` is the one function through which live batches, ticks and recovery go, so a
restart comes to the same transitions by construction. It changes nothing; ``adopt`` does, after the
commit. Everything that it depends on is in the stored frames and in the batch row (``now_us``,
``caught_up``, ``listening_since_us``).

Leaves to others: keys and duplicates (``ingest.assemble`` key stage, called by the pipeline),
alarms (``alerting``), and writing (``service.commit``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.bank import BANK, Bank
from detectors.contract import Deaf, Detector
from detectors.outcome import BankOutcome
from ingest import assemble
from ingest.assemble import AssembleParams, ClockRunRow, LaneState, Ordered, Settled
from ingest.room import with_rows
from telemetry.batch import FrameBatch
from telemetry.transitions import Transition, in_order

_LANES: Final = "+lanes="


def lanes_of(layout: str) -> int:
    """Return with how many lanes a snapshot of that layout was written."""
    _, _, lanes = layout.partition(_LANES)
    return int(lanes or 1)


@dataclass(frozen=True, slots=True)
class Advanced:
    """What a batch or a tick leads to; pending until ``adopt``."""

    frames: FrameBatch
    """The frames to store, with ``late`` set."""
    ordered: Ordered
    outcome: BankOutcome
    transitions: list[Transition]
    now_us: int
    caught_up: bool
    listening_since_us: int


class LaneCore:
    """Order state and detector bank of one lane; rows are dense and only grow.

    Parameters
    ----------
    params
        Numbers of DESIGN section 5.
    defaults
        Detector parameters of the fleet, by override key; a lift's own go before them.
    detectors
        The detectors; other ones than ``BANK`` in shadow mode.
    """

    def __init__(
        self,
        params: AssembleParams,
        defaults: Mapping[str, float],
        detectors: tuple[Detector, ...] = BANK,
    ) -> None:
        self.order = LaneState(params)
        self.bank = Bank(0, detectors=detectors)
        self.elevator_ids: NDArray[np.int64] = np.empty(0, "i8")
        self._defaults = dict(defaults)
        self._dirty = np.empty(0, bool)

    @property
    def n_lifts(self) -> int:
        """Number of rows."""
        return len(self.elevator_ids)

    @property
    def n_waiting(self) -> int:
        """Number of stored frames that wait for a missing seq."""
        return len(self.order.order.waiting)

    def grow(self, elevator_ids: NDArray[np.int64], stored_head_us: int) -> None:
        """Take in new lifts at the end; ``elevator_ids`` is the whole list, shape (n_lifts,).

        ``stored_head_us``: ``assemble.NOTHING_STORED`` for lifts registered just now,
        ``assemble.UNKNOWN_HEAD`` for lifts of which the table may hold frames.
        """
        new = range(self.n_lifts, len(elevator_ids))
        self.elevator_ids = elevator_ids
        self.order.grow(len(elevator_ids), stored_head_us)
        self.bank.grow(len(elevator_ids))
        self._dirty = with_rows(self._dirty, len(elevator_ids), fresh=True)
        if self._defaults:
            for row in new:
                self.bank.set_overrides(row, self._defaults)

    def set_parameters(
        self,
        rows: int | NDArray[np.intp],
        overrides: Mapping[str, float],
        versions: int | NDArray[np.int32] = 0,
    ) -> None:
        """Give lifts detector parameters, which are of these versions.

        Raises ``ParamError`` naming a bad key.
        """
        self.bank.set_overrides(rows, {**self._defaults, **overrides}, versions)

    def mark_due(self, rows: NDArray[np.intp]) -> None:
        """Let the next tick step these lifts: what is under way is judged anew."""
        self.bank.mark_due(rows)

    def advance(
        self, frames: FrameBatch, now_us: int, *, caught_up: bool, listening_since_us: int = 0
    ) -> Advanced:
        """Order and step ``frames``; without frames it is a tick that moves quiet lifts.

        Parameters
        ----------
        frames
            Frames of this lane with their keys settled, any order.
        now_us
            Arrival time [µs] such that no frame given later arrived before it.
        caught_up
            Whether the source was caught up then; only then does a tick move stream time.
        listening_since_us
            Arrival time since which we listen without a pause [µs]; silence counts from then on.
        """
        ordered = assemble.advance(self.order, frames, now_us)
        since_us = listening_since_us
        stepped = ordered.step["row"]
        if len(frames):
            outcome = self.bank.step(ordered.step, deaf=self._deaf(since_us, stepped, made=True))
        else:
            stream_us = assemble.stream_times_us(
                self.order, now_us, caught_up=caught_up, ordered=ordered
            )
            deaf_us = assemble.deaf_us(self.order, since_us, ordered)
            due_rows = self.bank.due_rows(stream_us, deaf_us)
            deaf = self._deaf(since_us, np.concatenate([stepped, due_rows]), made=False)
            outcome = self.bank.step(ordered.step, stream_us, due_rows, deaf)
        return Advanced(
            frames=frames.replace(late=ordered.late) if len(frames) else frames,
            ordered=ordered,
            outcome=outcome,
            transitions=in_order(outcome.transitions, self.elevator_ids),
            now_us=now_us,
            caught_up=caught_up,
            listening_since_us=listening_since_us,
        )

    def _deaf(self, since_us: int, rows: NDArray[Any], *, made: bool) -> Deaf:
        """Return what silence does not count, for these rows: a batch costs what it holds."""
        heads_us = np.zeros(self.n_lifts, np.int64)
        heads_us[rows] = assemble.deaf_us(self.order, since_us, rows=rows, made=made)
        return Deaf(heads_us, since_us)

    def adopt(self, advanced: Advanced, settled: Settled | None = None) -> None:
        """Make pending state the state: after the commit, or in recovery (``settled`` None)."""
        assemble.adopt(self.order, advanced.ordered, settled)
        self.bank.adopt(advanced.outcome)
        self._dirty[advanced.frames["row"]] = True
        self._dirty[advanced.ordered.step["row"]] = True
        self._dirty[advanced.outcome.rows] = True

    def absorb(
        self, frames: FrameBatch, clock_runs: Sequence[tuple[int, ClockRunRow]] = ()
    ) -> None:
        """Learn keys from what the database holds, in recovery; runs come with their rows."""
        assemble.absorb(self.order, frames, clock_runs)

    def rows_with_unknown_head(self) -> NDArray[np.intp]:
        """Return the rows of which the table may hold frames that nothing told about."""
        return np.flatnonzero(self.order.keys.stored_head_us == assemble.UNKNOWN_HEAD)

    def set_stored_heads(self, rows: NDArray[np.intp], head_us: NDArray[np.int64]) -> None:
        """Set the newest stored event time of ``rows`` [µs]."""
        self.order.keys.stored_head_us[rows] = head_us

    def set_silent(self, rows: NDArray[np.intp], last_us: NDArray[np.int64], now_us: int) -> None:
        """Let lifts be silent that were last heard at ``last_us`` [µs], which has been told."""
        heard = FrameBatch.make(len(rows), row=rows, time_us=last_us, received_us=last_us)
        self.bank.adopt(self.bank.step(heard))
        everybody_us = np.full(self.n_lifts, now_us)
        self.bank.adopt(self.bank.step(FrameBatch.empty(), everybody_us, rows))

    def set_clock_back(self, by_us: int) -> None:
        """Move all arrivals back by ``by_us`` [µs]: the clock lies that far behind the state."""
        assemble.set_clock_back(self.order, by_us)
        self.mark_dirty()

    def take_snapshot(self, piece_lifts: int) -> dict[int, dict[str, NDArray[Any]]]:
        """Copy the pieces that changed since the last call: piece number to arrays.

        Piece ``p`` holds the rows from ``p * piece_lifts`` on. Fast: it copies arrays, no more.
        """
        return {p: self.take_piece(p, piece_lifts) for p in self.dirty_pieces(piece_lifts)}

    def dirty_pieces(self, piece_lifts: int) -> list[int]:
        """Return the pieces that changed since they were taken, ascending."""
        return np.unique(np.flatnonzero(self._dirty) // piece_lifts).tolist()

    def take_piece(self, piece: int, piece_lifts: int) -> dict[str, NDArray[Any]]:
        """Copy one piece: the state of its lifts as it is now, all of it after the same batch."""
        rows = np.arange(piece * piece_lifts, min((piece + 1) * piece_lifts, self.n_lifts))
        self._dirty[rows] = False
        return self._arrays(rows)

    def mark_dirty(self) -> None:
        """Put every row into the next snapshot: the last one did not arrive."""
        self._dirty[:] = True

    def _arrays(self, rows: NDArray[np.intp]) -> dict[str, NDArray[Any]]:
        order = assemble.to_arrays(self.order, rows)
        bank = self.bank.snapshot(rows)
        return {
            "elevator_ids": self.elevator_ids[rows],
            **{f"order.{name}": values for name, values in order.items()},
            **{f"bank.{name}": values for name, values in bank.items()},
        }

    def restore_piece(self, rows: NDArray[np.intp], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Put a snapshot piece back at ``rows``. Raises ``LayoutMismatch`` if it does not fit."""
        order = {k.removeprefix("order."): v for k, v in arrays.items() if k.startswith("order.")}
        bank = {k.removeprefix("bank."): v for k, v in arrays.items() if k.startswith("bank.")}
        assemble.from_arrays(self.order, rows, order)
        self.bank.restore(rows, bank, self.bank.layout)
        self._dirty[rows] = False

    def restore_share(self, arrays: Mapping[str, NDArray[Any]], lane: int, lanes: int) -> None:
        """Put back those lifts of a piece that belong to lane ``lane`` of ``lanes``."""
        ids = arrays["elevator_ids"]
        mine = np.flatnonzero(ids % lanes == lane)
        whole = LaneCore(self.order.params, self._defaults, self.bank.detectors)
        whole.grow(ids, assemble.UNKNOWN_HEAD)
        whole.restore_piece(np.arange(len(ids)), arrays)
        row_of = {int(i): row for row, i in enumerate(self.elevator_ids)}
        rows = np.array([row_of[int(i)] for i in ids[mine]], np.intp)
        self.restore_piece(rows, whole._arrays(mine))

    def layout(self, lanes: int) -> str:
        """Name of the snapshot layout, with that many lanes: one of another layout is not read."""
        return f"{assemble.LAYOUT}+{self.bank.layout}" + (f"{_LANES}{lanes}" if lanes > 1 else "")
