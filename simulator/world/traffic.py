"""Who arrives when, and wants where: an inhomogeneous Poisson process per lift.

Gaps are exponential in *busy time*, the integral of the rate; the day's table of rates is inverted
in whole numbers, so the k-th person of a lift depends on (seed, lift, k) alone. Rates by hour
follow the peaks in the domain facts (housing: down in the morning, up in the evening; office: up,
two-way, down).
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.randomness import Stream, Words, between, exponential, pick, words
from simulator.world.buildings import Plan

HOUR_US: Final = 3_600_000_000
NEVER_US: Final = 2**62
"""Later than any event."""

# people per hour and lift; housing sums to about 330, office to about 1,100 a day
_PER_HOUR: Final = np.array([
    [2, 1, 1, 1, 2, 6, 14, 30, 26, 14, 12, 14, 16, 14, 12, 12, 16, 28, 32, 28, 20, 14, 8, 4],
    [1, 1, 1, 1, 1, 4, 12, 60, 130, 120, 60, 90, 110, 80, 60, 60, 80, 120, 90, 20, 8, 4, 2, 1],
    [0, 0, 0, 0, 0, 0, 2, 6, 20, 30, 40, 40, 30, 40, 40, 40, 30, 20, 10, 4, 2, 0, 0, 0],
])  # fmt: skip
# people of the day before each full hour, 0 ... 24
_BY_HOUR: Final = np.concatenate([np.zeros((3, 1), "i8"), np.cumsum(_PER_HOUR, axis=1)], axis=1)
# weights of (into the house, out of it, between floors) by part of the day
_MORNING, _DAY, _EVENING = 0, 1, 2
_PART: Final = np.array([_DAY] * 6 + [_MORNING] * 5 + [_DAY] * 6 + [_EVENING] * 5 + [_DAY] * 2)
_PURPOSE: Final = np.array([
    [[15, 75, 10], [45, 45, 10], [75, 15, 10]],
    [[75, 10, 15], [35, 35, 30], [10, 75, 15]],
    [[50, 50, 0], [50, 50, 0], [50, 50, 0]],
])  # fmt: skip


class Arrivals:
    """The next person of each lift.

    Parameters
    ----------
    plan
        The lifts.
    seed
        Seed of the world.
    start_us
        Nobody arrives before this.
    rate_pct
        Traffic of each lift in percent of the table, shape (n_lifts,); 0 = nobody comes.
    utc_offset_hours
        Local time of the buildings.
    """

    def __init__(
        self, plan: Plan, seed: int, start_us: int, rate_pct: NDArray[Any], utc_offset_hours: int
    ) -> None:
        n = len(plan)
        self._plan = plan
        self._seed = seed
        self._offset_us = utc_offset_hours * HOUR_US
        self._rate_pct = np.asarray(rate_pct, "i8")
        self._count = np.zeros(n, "i8")
        self._busy = self._busy_time(np.arange(n), np.full(n, start_us))
        self.next_us = np.full(n, NEVER_US, "i8")
        self.origin = np.zeros(n, "i8")
        self.destination = np.zeros(n, "i8")
        self.proceed(np.flatnonzero(self._rate_pct))

    def proceed(self, rows: NDArray[np.int64]) -> None:
        """Find the next person of each lift in ``rows`` (those who have any)."""
        drawn = words(self._seed, Stream.ARRIVAL, self._plan.first_lift + rows, self._count[rows])
        self._count[rows] += 1
        self._busy[rows] += exponential(drawn[0], HOUR_US * 100 // self._rate_pct[rows])
        self.next_us[rows] = self._instant(rows)
        kind = self._plan.kind[rows]
        hour = (self.next_us[rows] + self._offset_us) // HOUR_US % 24
        self._decide_way(rows, _PURPOSE[kind, _PART[hour]], drawn)

    def _busy_time(self, rows: NDArray[np.int64], t_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the integral of the rate up to ``t_us`` [people/h x µs], at 100 %."""
        kind = self._plan.kind[rows]
        hours, within_us = np.divmod(t_us + self._offset_us, HOUR_US)
        day, hour = np.divmod(hours, 24)
        past = day * _BY_HOUR[kind, 24] + _BY_HOUR[kind, hour]
        return past * HOUR_US + _PER_HOUR[kind, hour] * within_us

    def _instant(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the instant at which the busy time is reached, rounded up to whole ms."""
        kind = self._plan.kind[rows]
        day, rest = np.divmod(self._busy[rows], _BY_HOUR[kind, 24] * HOUR_US)
        hour = (rest[:, np.newaxis] >= _BY_HOUR[kind, 1:] * HOUR_US).sum(axis=1)
        within_us = (rest - _BY_HOUR[kind, hour] * HOUR_US) // _PER_HOUR[kind, hour]
        t_us = (day * 24 + hour) * HOUR_US + within_us - self._offset_us
        return -(-t_us // 1000) * 1000

    def _decide_way(
        self, rows: NDArray[np.int64], weights: NDArray[Any], drawn: tuple[Words, ...]
    ) -> None:
        n = self._plan.n_landings[rows]
        purpose = pick(drawn[2], weights)
        upper = between(drawn[3], 1, n - 1)
        # the other end of a ride between floors: another landing, from the low bits of the word
        step = 1 + (drawn[3] & np.uint64(0xFFFF)).astype("i8") % (n - 1)
        other = (upper + step) % n
        self.origin[rows] = np.where(purpose == 0, 0, upper)
        self.destination[rows] = np.select([purpose == 0, purpose == 1], [upper, 0], other)
