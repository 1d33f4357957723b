"""Pieces of a snapshot that are of a later batch than its head, in recovery.

Their lifts are left out of the batches up to theirs, and come in as they were after it. Until then
they are lifts that were never heard, which no batch and no tick changes; since lifts do not
influence each other, it is as if all pieces had been copied at once.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ingest.assemble import ClockRunRow
from service.core import LaneCore
from telemetry.batch import FrameBatch
from telemetry.transitions import Transition

Rows = NDArray[np.intp]
Runs = Sequence[tuple[int, ClockRunRow]]
NO_RUNS: Final[Runs] = ()


class LaterPieces:
    """What is still to be put back; restores at once what is of the head's batch.

    Parameters
    ----------
    core
        State without any lift heard.
    rows_of
        Returns the rows of registry keys.
    pieces, batches
        Arrays by piece, and the batch after which each is the state.
    batch
        The head's.
    """

    def __init__(
        self,
        core: LaneCore,
        rows_of: Callable[[list[int]], Rows],
        pieces: Mapping[int, Mapping[str, NDArray[Any]]],
        batches: Mapping[int, int],
        batch: int,
    ) -> None:
        self._core = core
        self._out = np.zeros(core.n_lifts, np.bool_)
        self._runs: Runs = NO_RUNS
        self._waiting: list[tuple[int, Rows, dict[str, NDArray[Any]]]] = []
        for piece in sorted(pieces, key=batches.__getitem__):
            arrays = dict(pieces[piece])
            rows = rows_of(arrays.pop("elevator_ids").tolist())
            self._waiting.append((batches[piece], rows, arrays))
            self._out[rows] = True
        self.reach(batch)

    def absorb_runs(self, runs: Runs) -> None:
        """Let the lifts know their clock runs: now, or when they come in."""
        self._runs = [(row, run) for row, run in runs if self._out[row]]
        now = [(row, run) for row, run in runs if not self._out[row]]
        self._core.absorb(FrameBatch.empty(), now)

    def reach(self, batch: int | None = None) -> None:
        """Put back the pieces of batches up to ``batch``; ``None`` = all."""
        while self._waiting and (batch is None or self._waiting[0][0] <= batch):
            _, rows, arrays = self._waiting.pop(0)
            self._core.restore_piece(rows, arrays)
            self._out[rows] = False
            self._core.absorb(
                FrameBatch.empty(), [(r, run) for r, run in self._runs if not self._out[r]]
            )
            self._runs = [(r, run) for r, run in self._runs if self._out[r]]

    def without(self, frames: FrameBatch) -> FrameBatch:
        """Return the frames (with rows) of lifts that are in."""
        return frames.take(~self._out[frames["row"]]) if self._waiting else frames

    def of_those_in(self, said: Sequence[Transition]) -> list[Transition]:
        """Return the transitions of lifts that are in."""
        if not self._waiting:
            return list(said)
        out = set(self._core.elevator_ids[self._out].tolist())
        return [t for t in said if t.elevator_id not in out]
