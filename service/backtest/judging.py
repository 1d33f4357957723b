"""Parameters of stored frames: the versions that judged them live judge them again.

Uses the live service's own way (``service.parameters``): between two batches a version is taken
over, and what is under way for the lifts that it concerns is judged anew. A candidate gets the same
book, with what is tried out before the fleet's values and after those of models and lifts, as a
shadow does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.bank import Bank
from detectors.contract import Detector
from service.core import LaneCore
from service.parameters import Book, LaneParameters
from service.parameters.history import History
from service.parameters.known import known_of

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Versions:
    """What judged the lifts of a source.

    Parameters
    ----------
    history
        Versions over its span.
    elevator_ids
        Registry id of each lift, by its index in the source.
    """

    history: History
    elevator_ids: Sequence[int]

    def moved(self, later_us: int) -> "Versions":
        """Return them for the same frames at another time."""
        return Versions(self.history.moved(later_us), self.elevator_ids)


class _Share:
    """The lifts of one lane among the rows of an engine."""

    def __init__(self, elevator_ids: NDArray[np.int64], rows: Rows, bank: LaneCore | Bank) -> None:
        self.elevator_ids = elevator_ids
        self._rows = rows
        self._put: Callable[[Rows, Mapping[str, Any], Any], None] = (
            bank.set_parameters if isinstance(bank, LaneCore) else bank.set_overrides
        )
        self._bank = bank

    def set_parameters(
        self, rows: int | Rows, overrides: Mapping[str, float], versions: int | NDArray[np.int32]
    ) -> None:
        """Give lifts parameters."""
        self._put(self._rows[rows], overrides, versions)

    def mark_due(self, rows: Rows) -> None:
        """Let the next tick step these lifts."""
        self._bank.mark_due(self._rows[rows])


class Judging:
    """The book of every lane, at the instant that an engine has reached.

    Parameters
    ----------
    versions
        What judged the lifts.
    lifts
        Index in the source of each row of the engine.
    banks
        What is given parameters: the engine's core, and a candidate's bank.
    rules
        Detectors and what is tried out, of each of them.
    """

    def __init__(
        self,
        versions: Versions,
        lifts: Sequence[int],
        banks: Sequence[LaneCore | Bank],
        rules: Sequence[tuple[tuple[Detector, ...], Mapping[str, float]]],
    ) -> None:
        self._history = versions.history
        ids = np.array([versions.elevator_ids[i] for i in lifts], "i8")
        lanes = ids % len(versions.history.first)
        self._of_lane: list[list[tuple[LaneParameters, _Share]]] = []
        for lane, version in enumerate(versions.history.first):
            rows = np.flatnonzero(lanes == lane)
            books = []
            for bank, (detectors, trial) in zip(banks, rules, strict=True):
                known = known_of(detectors)
                book = LaneParameters(lane, lambda known=known, trial=trial: Book(known, trial))
                share = _Share(ids[rows], rows, bank)
                book.start(share, versions.history.between(0, version))
                books.append((book, share))
            self._of_lane.append(books)

    def instants_us(self, after_us: int, until_us: int) -> list[int]:
        """Return when versions come into force in ``(after_us, until_us]``, ascending [µs]."""
        return sorted({o.at_us for o in self._history.openings if after_us < o.at_us <= until_us})

    def change(self, at_us: int) -> None:
        """Take over the versions that came into force at ``at_us``; marks lifts as due."""
        for opening in self._history.openings:
            if opening.at_us != at_us:
                continue
            for book, share in self._of_lane[opening.lane]:
                book.take(share, self._history.between(book.version, opening.version))
