"""Group dispatch: which lift of a building serves whom.

Time is cut into epochs of ``EPOCH_US`` on an absolute grid. At the begin of each epoch, when all
lifts have lived up to that very instant, everybody who arrives within it is given to the lift of
the building that would come soonest by an estimate from the states at that instant; then the lifts
live through the epoch without looking at each other, and people turn up at their exact instants.
So lifts stay independent (and vectorised) between epochs, and as the grid does not depend on how
the caller cuts time, neither does anything else. 5 s is about one change of phase of a lift: states
are never much older, and an epoch still holds enough events for whole arrays.

Calls of one building are given one after another, so that the second sees the first. Those whom a
full car left behind call again, and those who wait at a lift that no longer serves are handed to
another, one landing per lift and epoch; if none serves they take the stairs after ``PATIENCE_US``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.world.cars import Cars
from simulator.world.people import Person
from simulator.world.state import Phase
from simulator.world.traffic import NEVER_US, Arrivals, Groups

EPOCH_US: Final = 5_000_000
PATIENCE_US: Final = 60_000_000
"""How long people wait at a lift that does not serve (practice)."""
STOP_US: Final = 4_000_000
"""What each person whom a lift has already costs the next one (practice)."""
CROWDED_US: Final = 120_000_000
"""What it costs if the car will be full: it has to come back."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Offers:
    """Calls and the lifts that could serve them, as arrays of shape (k,), one row for each pair.

    Parameters
    ----------
    lift
        Lift.
    floor, free_us
        Where it is or stops next, and in which time.
    heading
        +1 or -1: the way that it goes on.
    ahead, behind
        Landings from there to the furthest that it has to visit on its way and back, >= 0.
    load
        People whom it has already.
    capacity
        People who fit.
    per_landing_us
        From one landing to the next at rated speed.
    origin
        Landing of the call.
    goes_up
        Its direction.
    people
        How many call.
    """

    lift: Ints
    floor: Ints
    free_us: Ints
    heading: Ints
    ahead: Ints
    behind: Ints
    load: Ints
    capacity: Ints
    per_landing_us: Ints
    origin: Ints
    goes_up: NDArray[np.bool_]
    people: Ints


def time_to_come_us(offers: Offers) -> Ints:
    """Estimate when each lift comes for its call: the way there under collective control [µs].

    It goes on to the call if that is on its way and in its direction; else it turns first at the
    furthest landing on its way, or twice if the call is behind it and in its direction.
    """
    away = (offers.origin - offers.floor) * offers.heading
    with_it = offers.goes_up == (offers.heading > 0)
    ahead, behind = np.maximum(offers.ahead, away), np.maximum(offers.behind, -away)
    landings = np.select(
        [offers.load == 0, with_it & (away >= 0), with_it],
        [np.abs(away), away, 2 * ahead + 2 * behind + away],
        2 * ahead - away,
    )
    crowded = offers.load + offers.people > offers.capacity
    return (
        offers.free_us
        + landings * offers.per_landing_us
        + offers.load * STOP_US
        + crowded * CROWDED_US
    )


Cost = Callable[[Offers], Ints]


class Dispatch:
    """Gives people to lifts.

    Parameters
    ----------
    cars
        All lifts.
    arrivals
        Who comes when.
    serves
        Lifts that take part in ordinary traffic, shape (n_lifts,).
    cost
        What it costs a lift to serve a call; the cheapest does, the first among equals.
    """

    def __init__(
        self, cars: Cars, arrivals: Arrivals, serves: NDArray[np.bool_],
        cost: Cost = time_to_come_us,
    ) -> None:  # fmt: skip
        plan = cars.plan
        self._cars = cars
        self._arrivals = arrivals
        self._serves = serves
        self._cost = cost
        _, self._first, self._building, size = np.unique(
            plan.building, return_index=True, return_inverse=True, return_counts=True
        )
        self._size = size
        self._places = np.arange(size.max(initial=1))
        top_m = plan.landings_m[np.arange(len(plan)), plan.n_landings - 1]
        storey_m = top_m / np.maximum(plan.n_landings - 1, 1)
        self._per_landing_us = (storey_m / plan.rated_mps * 1e6).astype("i8")

    def assign(self, now_us: int, until_us: int) -> None:
        """Give everybody who arrives in ``[now_us, until_us)`` to a lift, and help the stranded."""
        serving = self._cars.state.serving() & self._serves
        self._help(serving, now_us)
        groups = self._arrivals.before(until_us)
        for turn in _turns(groups.building):
            self._give(groups.take(turn), serving, now_us)

    def _give(self, groups: Groups, serving: NDArray[np.bool_], now_us: int) -> None:
        goes_up = groups.destination > groups.origin
        best = self._best(groups.building, groups.origin, goes_up, groups.people, serving, now_us)
        served = best >= 0
        unserved = groups.take(~served)
        self._cars.people.walk(self._first[unserved.building], unserved.people)
        groups, best = groups.take(served), best[served]
        self._cars.people.expect(
            best, groups.time_us, groups.people, groups.origin, groups.destination
        )
        self._cars.wake(best)

    def _help(self, serving: NDArray[np.bool_], now_us: int) -> None:
        """Hand people over whom their lift left behind or cannot serve."""
        people = self._cars.people
        rows = np.flatnonzero(people.left_behind | ~serving)
        people.left_behind[rows] = False
        callers = people.callers(rows)
        some = callers.any(axis=1)
        rows, callers = rows[some], callers[some]
        for turn in _turns(self._building[rows]):
            self._hand_over(rows[turn], callers[turn], serving, now_us)

    def _hand_over(
        self, rows: Ints, callers: NDArray[np.bool_], serving: NDArray[np.bool_], now_us: int
    ) -> None:
        people = self._cars.people
        origin, goes_up = people.origin[rows], people.destination[rows] > people.origin[rows]
        one = np.arange(len(rows)), np.argmax(callers, axis=1)
        who = callers & (origin == origin[one][:, np.newaxis])
        who &= goes_up == goes_up[one][:, np.newaxis]
        best = self._best(
            self._building[rows], origin[one], goes_up[one], who.sum(axis=1), serving, now_us
        )
        gives = (best >= 0) & (best != rows)
        people.hand_over(rows[gives], who[gives], best[gives], now_us)
        self._cars.wake(best[gives])
        helpless = (best < 0) & ~serving[rows]
        tired = people.since_us[rows[helpless]] <= now_us - PATIENCE_US
        people.give_up(rows[helpless], who[helpless] & tired)

    def _best(
        self, building: Ints, origin: NDArray[Any], goes_up: NDArray[np.bool_], size: Ints,
        serving: NDArray[np.bool_], now_us: int,
    ) -> Ints:  # fmt: skip
        """Return the cheapest lift for each call, -1 if none serves. ``building`` is unique."""
        there = self._places < self._size[building][:, np.newaxis]
        lifts = np.where(there, self._first[building][:, np.newaxis] + self._places, 0)
        there &= serving[lifts]
        call, place = np.nonzero(there)
        offers = self._offers(
            lifts[call, place], now_us, origin[call].astype("i8"), goes_up[call], size[call]
        )
        costs = np.full(there.shape, NEVER_US)
        costs[call, place] = self._cost(offers)
        cheapest = np.argmin(costs, axis=1)
        every = np.arange(len(building))
        return np.where(there[every, cheapest], lifts[every, cheapest], -1)

    def _offers(
        self, lift: Ints, now_us: int, origin: Ints, goes_up: NDArray[np.bool_], size: Ints
    ) -> Offers:
        cars, people = self._cars, self._cars.people
        moves = cars.state["phase"][lift] == Phase.MOVING
        floor = np.where(moves, cars.target[lift], cars.state["floor"][lift])
        heading = cars.heading[lift].astype("i8")
        doing, start = people.doing[lift], people.origin[lift]
        somebody = doing != Person.NOBODY
        end = people.destination[lift]
        start = np.where(doing == Person.RIDING, end, start)
        here = floor.astype("i1")[:, np.newaxis]
        highest = np.where(somebody, np.maximum(start, end), here).max(axis=1) - floor
        lowest = floor - np.where(somebody, np.minimum(start, end), here).min(axis=1)
        up = heading > 0
        return Offers(
            lift=lift,
            floor=floor,
            free_us=np.where(moves, cars.phase_end_us[lift] - now_us, 0),
            heading=heading,
            ahead=np.where(up, highest, lowest),
            behind=np.where(up, lowest, highest),
            load=somebody.sum(axis=1),
            capacity=cars.plan.capacity[lift],
            per_landing_us=self._per_landing_us[lift],
            origin=origin,
            goes_up=goes_up,
            people=size,
        )


def _turns(building: Ints) -> list[Ints]:
    """Return indices in turns, each with at most one of a building: the first ones, the second."""
    order = np.argsort(building, kind="stable")
    own = building[order]
    begins = np.flatnonzero(np.r_[True, own[1:] != own[:-1]]) if len(own) else order
    counts = np.diff(np.r_[begins, len(own)])
    nth = np.arange(len(own)) - np.repeat(begins, counts)
    return [np.sort(order[nth == k]) for k in range(counts.max(initial=0))]
