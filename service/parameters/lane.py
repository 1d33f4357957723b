"""Parameters reach the detectors of a lane between two batches, live and in recovery alike.

The version in force stands in every batch row, so recovery takes a change over at the same point of
the sequence. A change marks the lifts that it concerns as due, and the lane writes a batch of its
own for it, without frames: what a new window means for what is under way is decided there, once,
and recorded. Decides nothing about values: that is ``book``.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from ingest.store.parameters import ParameterChange
from service.parameters.book import Book, Touched

log = structlog.get_logger()


class Judges(Protocol):
    """What parameters are given to; ``service.core.LaneCore`` live."""

    elevator_ids: NDArray[np.int64]

    def set_parameters(
        self,
        rows: int | NDArray[np.intp],
        overrides: Mapping[str, float],
        versions: int | NDArray[np.int32],
    ) -> None:
        """Give lifts parameters, which are of these versions."""
        ...

    def mark_due(self, rows: NDArray[np.intp]) -> None:
        """Let the next tick step these lifts."""
        ...


class LaneParameters:
    """The book of one lane, and what of it its core knows.

    ``new_book`` makes the book before any version; shadow mode tries values out by it.
    """

    def __init__(self, lane: int, new_book: Callable[[], Book] = Book) -> None:
        self._lane = lane
        self._new_book = new_book
        self._book = new_book()
        self._row_of: dict[int, int] = {}
        self.marked = False
        """Whether lifts were concerned since ``opened``: the next batch must be written."""

    @property
    def version(self) -> int:
        """Version in force."""
        return self._book.version

    def start(self, core: Judges, changes: Iterable[ParameterChange] = ()) -> None:
        """Begin with a core and the state of some version, without anything being due by it."""
        self._book = self._new_book()
        self._row_of = {}
        self.marked = False
        self._book.take(changes)
        self.cover(core)

    def cover(self, core: Judges) -> None:
        """Give lifts that are new in the core what is in force for them."""
        new = core.elevator_ids[len(self._row_of) :].tolist()
        known = len(self._row_of)
        self._row_of.update({lift: known + n for n, lift in enumerate(new)})
        if self._book.version or self._book.trial:
            self._give(core, new)

    def take(self, core: Judges, changes: Iterable[ParameterChange]) -> None:
        """Take over later versions, and mark the lifts that they concern."""
        ignored = set(self._book.ignored)
        touched = self._book.take(changes)
        rows = self._give(core, self._concerned(core, touched))
        core.mark_due(rows)
        self.marked = self.marked or len(rows) > 0
        for name in sorted(set(self._book.ignored) - ignored):
            log.error("parameter_ignored", lane=self._lane, parameter=name,
                      because=self._book.ignored[name])  # fmt: skip

    def opened(self) -> None:
        """Note that a batch with this version is committed."""
        self.marked = False

    def _concerned(self, core: Judges, touched: Touched) -> list[int]:
        if touched.everybody:
            return core.elevator_ids.tolist()
        lifts = touched.elevator_ids.union(self._book.of_models(touched.models))
        return [i for i in sorted(lifts) if i in self._row_of]

    def _give(self, core: Judges, elevator_ids: list[int]) -> NDArray[np.intp]:
        given = [np.empty(0, np.intp)]
        for same in self._book.effective(elevator_ids):
            rows = np.array([self._row_of[i] for i in same.elevator_ids], np.intp)
            core.set_parameters(rows, same.overrides, np.array(same.versions, "i4"))
            given.append(rows)
        return np.concatenate(given)
