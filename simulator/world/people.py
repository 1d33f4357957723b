"""People: who waits where, who rides where to. A fixed number of places per lift.

Struct of arrays of shape (n_lifts, places). Nobody is created or lost here: everybody who arrived
is waiting, riding, gone after a ride, or took the stairs. A person whom the dispatcher has given to
a lift is *expected* until the instant of arrival, and counts for nothing before it.
"""

from copy import copy
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.world.traffic import NEVER_US

PLACES: Final = 40
"""People that one lift keeps in mind, riders, waiting and expected together."""

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Person(IntEnum):
    """What the person in a place does."""

    NOBODY = 0
    WAITING = 1
    RIDING = 2
    EXPECTED = 3


# as plain numbers: looking a member up costs as much as a small array operation
_NOBODY, _WAITING, _RIDING, _EXPECTED = (int(p) for p in Person)


class Crowd:
    """The people of some lifts as seen from one landing of each: a copy to decide from.

    Parameters
    ----------
    people
        Everybody.
    rows
        Lifts.
    floor
        The landing of each.
    """

    def __init__(self, people: "People", rows: Rows, floor: NDArray[Any]) -> None:
        doing = people.doing[rows]
        destination = people.destination[rows]
        origin = people.origin[rows]
        here = floor.astype("i1")[:, np.newaxis]
        self.riding = doing == _RIDING
        self.waiting = doing == _WAITING
        self.riders = self.riding.sum(axis=1)
        # landings up to the place where each wants in or out
        self.ahead = np.where(self.riding, destination, origin) - here
        self.goes_up = destination > origin

    def take(self, picked: Mask) -> "Crowd":
        """Return the people of some of these lifts."""
        part = copy(self)
        for name, value in vars(self).items():
            setattr(part, name, value[picked])
        return part

    def leaving(self) -> Mask:
        """Return who gets out here."""
        return self.riding & (self.ahead == 0)

    def boarding(self, heading: NDArray[Any]) -> tuple[Mask, NDArray[np.int8]]:
        """Return who boards here if there is room, and the heading of each car afterwards.

        Those who want to go on in the car's direction board; if there are none, and nothing to do
        further on in that direction, the car turns and those for the other direction board.
        """
        up = heading[:, np.newaxis] > 0
        here = self.waiting & (self.ahead == 0)
        same = here & (self.goes_up == up)
        further = (self.riding | self.waiting) & np.where(up, self.ahead > 0, self.ahead < 0)
        turns = here.any(axis=1) & ~same.any(axis=1) & ~further.any(axis=1)
        boards = np.where(turns[:, np.newaxis], here, same)
        return boards, np.where(turns, -heading, heading).astype("i1")

    def next_stop(self, heading: NDArray[Any], room: Mask) -> tuple[NDArray[np.int64], Mask]:
        """Return how many landings up each car goes next (0 = nowhere), and whether it turns.

        A full car (no ``room``) stops for its riders alone.
        """
        waiting = self.waiting & room[:, np.newaxis]
        on, back = (self._towards(waiting, h[:, np.newaxis] > 0) for h in (heading, -heading))
        turns = (on == 0) & (back != 0)
        return np.where(turns, -heading * back, heading * on), turns

    def _towards(self, waiting: Mask, up: Mask) -> NDArray[np.int64]:
        """Return the landings to the next stop in a direction, 0 if there is none.

        That is the nearest where somebody wants out, or in to go on; failing that the furthest
        where somebody wants in to go back.
        """
        away = np.where(up, self.ahead, -self.ahead)
        further = away > 0
        same = self.goes_up == up
        on = further & (self.riding | (waiting & same))
        nearest = np.where(on, away, 127).min(axis=1)
        furthest = np.where(further & waiting, away, 0).max(axis=1)
        return np.where(nearest < 127, nearest, furthest).astype("i8")


class People:
    """Everybody around the lifts; methods change the given rows (indices of lifts, unique)."""

    def __init__(self, n_lifts: int) -> None:
        shape = (n_lifts, PLACES)
        self.doing = np.zeros(shape, "i1")
        self.origin = np.zeros(shape, "i1")
        self.destination = np.zeros(shape, "i1")
        self.since_us = np.zeros(shape, "i8")
        self.bound = np.zeros(shape, bool)
        """Came for this very lift: a mechanic, people of a scripted fault."""
        self.next_us = np.full(n_lifts, NEVER_US, "i8")
        """When the next of those expected arrives."""
        self.left_behind = np.zeros(n_lifts, bool)
        """Somebody found the car full and calls again."""
        self.arrived = np.zeros(n_lifts, "i8")
        self.left = np.zeros(n_lifts, "i8")
        self.walked = np.zeros(n_lifts, "i8")
        self.boarded = np.zeros(n_lifts, "i8")
        self.waited_us = np.zeros(n_lifts, "i8")
        """Sum over those who boarded; like ``boarded`` without those who want this very lift."""
        self.longest_us = np.zeros(n_lifts, "i8")

    def arrive(self, rows: Rows, origin: NDArray[Any], destination: NDArray[Any]) -> None:
        """Let one person arrive at each lift of ``rows``, who wants this lift and none other.

        Without a place they take the stairs.
        """
        free = self.doing[rows] == _NOBODY
        place = np.argmax(free, axis=1)
        fits = free[np.arange(len(rows)), place]
        self.arrived[rows] += 1
        self.walked[rows] += ~fits
        lifts, place = rows[fits], place[fits]
        self._put(lifts, place, _WAITING, origin[fits], destination[fits])
        self.since_us[lifts, place] = 0
        self.bound[lifts, place] = True

    def expect(
        self, rows: Rows, time_us: NDArray[Any], people: NDArray[Any],
        origin: NDArray[Any], destination: NDArray[Any],
    ) -> None:  # fmt: skip
        """Expect a group at each lift of ``rows``; those without a place will take the stairs."""
        free = self.doing[rows] == _NOBODY
        nth = np.cumsum(free, axis=1, dtype="i1")
        row, place = np.nonzero(free & (nth <= people[:, np.newaxis]))
        lifts = rows[row]
        self._put(lifts, place, _EXPECTED, origin[row], destination[row])
        self.since_us[lifts, place] = time_us[row]
        self.walk(rows, people - np.bincount(row, minlength=len(rows)))
        comes = free.any(axis=1)
        self.next_us[rows[comes]] = np.minimum(self.next_us[rows[comes]], time_us[comes])

    def walk(self, rows: Rows, people: NDArray[Any]) -> None:
        """Let so many arrive at each lift and take the stairs at once."""
        self.arrived[rows] += people
        self.walked[rows] += people

    def _put(
        self, lifts: Rows, place: NDArray[Any], doing: int,
        origin: NDArray[Any], destination: NDArray[Any],
    ) -> None:  # fmt: skip
        self.doing[lifts, place] = doing
        self.origin[lifts, place] = origin
        self.destination[lifts, place] = destination

    def come(self, rows: Rows, t_us: Rows) -> None:
        """Let those expected until ``t_us`` arrive."""
        due = self.next_us[rows] <= t_us
        if not due.any():
            return
        rows, t_us = rows[due], t_us[due]
        doing, since_us = self.doing[rows], self.since_us[rows]
        expected = doing == _EXPECTED
        come = expected & (since_us <= t_us[:, np.newaxis])
        self.doing[rows] = np.where(come, _WAITING, doing)
        self.arrived[rows] += come.sum(axis=1)
        self.next_us[rows] = np.where(expected & ~come, since_us, NEVER_US).min(axis=1)

    def anybody(self, lift: int) -> bool:
        """Tell whether anybody waits for or rides in a lift."""
        return bool(((self.doing[lift] == _WAITING) | (self.doing[lift] == _RIDING)).any())

    def riders(self, rows: Rows) -> NDArray[np.int64]:
        """Return how many ride in each car."""
        return (self.doing[rows] == _RIDING).sum(axis=1)

    def leave(self, rows: Rows, floor: NDArray[Any]) -> None:
        """Let the riders for ``floor`` get out."""
        going = Crowd(self, rows, floor).leaving()
        self.left[rows] += going.sum(axis=1)
        self.doing[rows] = np.where(going, _NOBODY, self.doing[rows])

    def leave_all(self, rows: Rows, floor: NDArray[Any]) -> None:
        """Send every rider of these cars to ``floor``: they want out wherever the doors open."""
        riding = self.doing[rows] == _RIDING
        here = np.broadcast_to(floor[:, np.newaxis], riding.shape)
        self.destination[rows] = np.where(riding, here, self.destination[rows])

    def board(self, rows: Rows, boards: Mask, room: NDArray[Any], t_us: Rows) -> Rows:
        """Let those in ``boards`` board as far as there is room; return how many did.

        Who has waited longest boards first. Those left behind call again.
        """
        crowded = np.flatnonzero(boards.sum(axis=1) > room)
        if crowded.size:
            since_us = np.where(boards[crowded], self.since_us[rows[crowded]], NEVER_US)
            rank = np.argsort(np.argsort(since_us, axis=1, kind="stable"), axis=1, kind="stable")
            boards = boards.copy()
            boards[crowded] &= rank < room[crowded, np.newaxis]
            self.left_behind[rows[crowded]] = True
        row, place = np.nonzero(boards)
        lifts = rows[row]
        self.doing[lifts, place] = _RIDING
        bound = self.bound[lifts, place]
        self.bound[lifts, place] = False
        waited_us = np.where(bound, 0, t_us[row] - self.since_us[lifts, place])
        np.add.at(self.boarded, lifts, ~bound)
        np.add.at(self.waited_us, lifts, waited_us)
        np.maximum.at(self.longest_us, lifts, waited_us)
        return np.bincount(row, minlength=len(rows))

    def callers(self, rows: Rows) -> Mask:
        """Return who waits at each lift and would take another one as well, (len(rows), places)."""
        return (self.doing[rows] == _WAITING) & ~self.bound[rows]

    def hand_over(self, rows: Rows, who: Mask, to: Rows, now_us: int) -> None:
        """Let ``who`` wait at the lifts ``to`` instead of at ``rows``, as far as these have places.

        Parameters
        ----------
        rows, to
            Lifts; unique each, and none in both.
        who
            Shape (len(rows), places).
        now_us
            When.
        """
        free = self.doing[to] == _NOBODY
        places = np.argsort(~free, axis=1, kind="stable")
        nth = np.cumsum(who, axis=1) - 1
        row, old = np.nonzero(who & (nth < free.sum(axis=1)[:, np.newaxis]))
        new = places[row, nth[row, old]]
        source, target = rows[row], to[row]
        self._put(target, new, _WAITING, self.origin[source, old], self.destination[source, old])
        self.since_us[target, new] = self.since_us[source, old]
        self.doing[source, old] = _NOBODY
        self.next_us[to] = np.minimum(self.next_us[to], now_us)

    def give_up(self, rows: Rows, who: Mask) -> None:
        """Let ``who``, waiting at ``rows``, take the stairs."""
        self.walked[rows] += who.sum(axis=1)
        self.doing[rows] = np.where(who, _NOBODY, self.doing[rows])
