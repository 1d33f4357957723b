"""People: who waits where, who rides where to. A fixed number of places per lift.

Struct of arrays of shape (n_lifts, places). Nobody is created or lost here: everybody who arrived
is waiting, riding, gone after a ride, or took the stairs because too many were waiting already.
"""

from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

PLACES: Final = 16
"""People that one lift keeps in mind, riders and waiting together."""

Rows = NDArray[np.int64]


class Person(IntEnum):
    """What the person in a place does."""

    NOBODY = 0
    WAITING = 1
    RIDING = 2


class People:
    """Everybody around the lifts; methods change the given rows (indices of lifts, unique)."""

    def __init__(self, n_lifts: int) -> None:
        self.doing = np.zeros((n_lifts, PLACES), "i1")
        self.origin = np.zeros((n_lifts, PLACES), "i4")
        self.destination = np.zeros((n_lifts, PLACES), "i4")
        self.arrived = np.zeros(n_lifts, "i8")
        self.left = np.zeros(n_lifts, "i8")
        self.walked = np.zeros(n_lifts, "i8")

    def arrive(self, rows: Rows, origin: NDArray[Any], destination: NDArray[Any]) -> None:
        """Let one person arrive at each lift of ``rows``; without a place they take the stairs."""
        free = self.doing[rows] == Person.NOBODY
        place = np.argmax(free, axis=1)
        fits = free[np.arange(len(rows)), place]
        self.arrived[rows] += 1
        self.walked[rows] += ~fits
        lifts, place = rows[fits], place[fits]
        self.doing[lifts, place] = Person.WAITING
        self.origin[lifts, place] = origin[fits]
        self.destination[lifts, place] = destination[fits]

    def riders(self, rows: Rows) -> NDArray[np.int64]:
        """Return how many ride in each car."""
        return (self.doing[rows] == Person.RIDING).sum(axis=1)

    def waiting_at(self, rows: Rows, floor: NDArray[Any]) -> NDArray[np.int64]:
        """Return how many wait at ``floor`` of each lift."""
        return self._waiting(rows, floor).sum(axis=1)

    def leaving_at(self, rows: Rows, floor: NDArray[Any]) -> NDArray[np.int64]:
        """Return how many riders want to get out at ``floor``."""
        return self._leaving(rows, floor).sum(axis=1)

    def leave(self, rows: Rows, floor: NDArray[Any]) -> None:
        """Let the riders for ``floor`` get out."""
        going = self._leaving(rows, floor)
        self.left[rows] += going.sum(axis=1)
        self.doing[rows] = np.where(going, Person.NOBODY, self.doing[rows])

    def leave_all(self, rows: Rows, floor: NDArray[Any]) -> None:
        """Send every rider of these cars to ``floor``: they want out wherever the doors open."""
        riding = self.doing[rows] == Person.RIDING
        here = np.broadcast_to(floor[:, np.newaxis], riding.shape)
        self.destination[rows] = np.where(riding, here, self.destination[rows])

    def board(self, rows: Rows, floor: NDArray[Any], capacity: NDArray[Any]) -> NDArray[np.int64]:
        """Let those who wait at ``floor`` board as far as there is room; return how many did."""
        waiting = self._waiting(rows, floor)
        room = (capacity - self.riders(rows))[:, np.newaxis]
        boards = waiting & (np.cumsum(waiting, axis=1) <= room)
        self.doing[rows] = np.where(boards, Person.RIDING, self.doing[rows])
        return boards.sum(axis=1)

    def stops(self, rows: Rows, n_landings: int) -> NDArray[np.bool_]:
        """Return for each lift the landings where somebody wants in or out, (len(rows), n)."""
        doing = self.doing[rows]
        wanted = np.where(doing == Person.RIDING, self.destination[rows], self.origin[rows])
        stops = np.zeros((len(rows), n_landings + 1), bool)
        wanted = np.where(doing == Person.NOBODY, n_landings, wanted)
        stops[np.arange(len(rows))[:, np.newaxis], wanted] = True
        return stops[:, :n_landings]

    def _waiting(self, rows: Rows, floor: NDArray[Any]) -> NDArray[np.bool_]:
        here = self.origin[rows] == floor[:, np.newaxis]
        return (self.doing[rows] == Person.WAITING) & here

    def _leaving(self, rows: Rows, floor: NDArray[Any]) -> NDArray[np.bool_]:
        here = self.destination[rows] == floor[:, np.newaxis]
        return (self.doing[rows] == Person.RIDING) & here
