"""Who arrives when, and wants where: an inhomogeneous Poisson process of groups per building.

Gaps are exponential in *busy time*, the integral of the rate; the week's table of rates is inverted
in whole numbers, so the k-th group of a building depends on (seed, building, k) alone. A group
wants from one landing to another together; its size is geometric with a mean of 1.3 people.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.randomness import Stream, Words, between, exponential, geometric, pick, words
from simulator.world.buildings import Plan
from simulator.world.patterns import ALL_PAST, PAST, RATE, SLOT_US, SLOTS, STRIDE, WAYS

HOUR_US: Final = 3_600_000_000
NEVER_US: Final = 2**62
"""Later than any event."""
GROUP: Final = (13, 10)
"""Mean people of a group, as a fraction: 1.3 (field facts, section 8)."""
_MONDAY_US: Final = 3 * 24 * HOUR_US
"""From a Monday, 00:00, to the Thursday on which the epoch began."""
_BLOCK: Final = 4
"""Groups drawn at once for a building."""
_AHEAD_US: Final = 60_000_000
"""How far arrivals are drawn ahead; changes the cost alone."""


@dataclass(frozen=True, slots=True)
class Groups:
    """People who arrive together, as arrays of shape (k,).

    Parameters
    ----------
    building
        Position of the building among those of the plan.
    time_us
        When they come, whole ms.
    people
        How many.
    origin, destination
        Landings.
    """

    building: NDArray[np.int64]
    time_us: NDArray[np.int64]
    people: NDArray[np.int64]
    origin: NDArray[np.int64]
    destination: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of groups, ``k``."""
        return len(self.building)

    def take(self, index: NDArray[Any] | slice) -> "Groups":
        """Return the groups at ``index``."""
        return Groups(
            self.building[index], self.time_us[index], self.people[index],
            self.origin[index], self.destination[index],
        )  # fmt: skip

    @classmethod
    def concat(cls, *parts: "Groups") -> "Groups":
        """Join groups one after another."""
        return cls(
            np.concatenate([p.building for p in parts]),
            np.concatenate([p.time_us for p in parts]),
            np.concatenate([p.people for p in parts]),
            np.concatenate([p.origin for p in parts]),
            np.concatenate([p.destination for p in parts]),
        )


class Arrivals:
    """The next groups of each building.

    Parameters
    ----------
    plan
        The lifts.
    seed
        Seed of the world.
    start_us
        Nobody arrives before this.
    rate_pct
        Traffic that each lift brings to its building in percent of the table, shape (n_lifts,).
    utc_offset_hours
        Local time of the buildings.
    """

    def __init__(
        self, plan: Plan, seed: int, start_us: int, rate_pct: NDArray[Any], utc_offset_hours: int
    ) -> None:
        self._seed = seed
        self._offset_us = utc_offset_hours * HOUR_US + _MONDAY_US
        self._number, first, of = np.unique(plan.building, return_index=True, return_inverse=True)
        self._kind = plan.kind[first]
        self._landings = plan.n_landings[first]
        n = len(self._number)
        rate = np.zeros(n, "i8")
        np.add.at(rate, of, np.asarray(rate_pct, "i8"))
        mean, per = GROUP
        self._mean_gap = HOUR_US * 100 * mean // (np.maximum(rate, 1) * per)
        self._count = np.zeros(n, "i8")
        self._busy = self._busy_time(start_us)
        self._next_us = np.where(rate > 0, start_us, NEVER_US)
        self._drawn_until_us = start_us
        self._ahead = self._draw(np.flatnonzero(rate), start_us)

    def before(self, until_us: int) -> Groups:
        """Return the groups since the last call that arrive before ``until_us``, by time."""
        if until_us > self._drawn_until_us:
            self._drawn_until_us = max(until_us, self._drawn_until_us + _AHEAD_US)
            rows = np.flatnonzero(self._next_us < self._drawn_until_us)
            fresh = Groups.concat(self._ahead, self._draw(rows, self._drawn_until_us))
            self._ahead = fresh.take(np.lexsort((fresh.building, fresh.time_us)))
        cut = np.searchsorted(self._ahead.time_us, until_us)
        groups, self._ahead = self._ahead.take(slice(cut)), self._ahead.take(slice(cut, None))
        return groups

    def _draw(self, rows: NDArray[np.int64], until_us: int) -> Groups:
        """Draw the groups of the buildings ``rows`` before ``until_us``, by building."""
        parts = [Groups(*(np.empty(0, "i8") for _ in range(5)))]
        while rows.size:
            k = self._count[rows][:, np.newaxis] + np.arange(_BLOCK)
            drawn = words(self._seed, Stream.ARRIVAL, self._number[rows][:, np.newaxis], k)
            gaps = exponential(drawn[0], self._mean_gap[rows][:, np.newaxis])
            busy = self._busy[rows][:, np.newaxis] + gaps.cumsum(axis=1)
            time_us, slot = self._instant(self._kind[rows][:, np.newaxis], busy)
            come = time_us < until_us
            n_come = come.sum(axis=1)
            parts.append(self._groups(rows, come, time_us, slot, drawn))
            self._count[rows] += n_come
            some = n_come > 0
            self._busy[rows[some]] = busy[some, n_come[some] - 1]
            more = n_come == _BLOCK
            self._next_us[rows[~more]] = time_us[~more, n_come[~more]]
            rows = rows[more]
        return Groups.concat(*parts)

    def _groups(
        self, rows: NDArray[np.int64], come: NDArray[np.bool_], time_us: NDArray[np.int64],
        slot: NDArray[np.int64], drawn: tuple[Words, ...],
    ) -> Groups:  # fmt: skip
        building = np.broadcast_to(rows[:, np.newaxis], come.shape)[come]
        purpose = pick(drawn[2][come], WAYS[self._kind[building], slot[come]])
        n = self._landings[building]
        upper = between(drawn[3][come], 1, n - 1)
        # the other end of a ride between floors: another landing, from the low bits of the word
        step = 1 + (drawn[3][come] & np.uint64(0xFFFF)).astype("i8") % (n - 1)
        return Groups(
            building,
            time_us[come],
            geometric(drawn[1][come], *GROUP),
            np.where(purpose == 0, 0, upper),
            np.select([purpose == 0, purpose == 1], [upper, 0], (upper + step) % n),
        )

    def _busy_time(self, t_us: int) -> NDArray[np.int64]:
        """Return the integral of each building's rate up to ``t_us`` [people/h x µs], at 100 %."""
        slots, within_us = divmod(t_us + self._offset_us, SLOT_US)
        week, slot = divmod(slots, SLOTS)
        past = week * PAST[self._kind, SLOTS] + PAST[self._kind, slot]
        return past * SLOT_US + RATE[self._kind, slot] * within_us

    def _instant(
        self, kind: NDArray[np.int64], busy: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return when the busy time is reached, in whole ms, and in which slot of the week."""
        week, rest = np.divmod(busy, PAST[kind, SLOTS] * SLOT_US)
        found = np.searchsorted(ALL_PAST, rest + kind * STRIDE, side="right")
        slot = found - kind * SLOTS
        within_us = (rest - PAST[kind, slot] * SLOT_US) // RATE[kind, slot]
        t_us = (week * SLOTS + slot) * SLOT_US + within_us - self._offset_us
        return -(-t_us // 1000) * 1000, slot
