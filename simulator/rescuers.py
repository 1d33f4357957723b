"""Who frees people after a mass event: few teams, many cases, a queue.

A dispatch centre for each district looks at its cases every ``DECIDES_US`` and sends free teams to
the people who have waited longest; a lift without people waits for mechanics or mains instead. So
rescue times grow with the queue. A case that ends by itself (rescue device, mains back) leaves the
queue, and a team that is under way to it still spends its time.

Decisions fall on a fixed grid of instants, and a team needs longer than a step of the grid to
arrive; so they do not depend on how the time of the world is cut into calls.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from simulator.geography import Geography
from simulator.randomness import Stream, lognormal, words
from simulator.truth import TruthEvent

DECIDES_US: Final = 60_000_000
"""From one decision of a dispatch centre to the next; the onset to its first decision is shorter."""
ARRIVES_S: Final = 676
"""Median way of a team: with 36 % lognormal the mean is 12 min, and 99.7 % arrive within 30; the
96333 platforms publish means of 9 to 14 min."""
ARRIVES_SIGMA_PCT: Final = 36
WORKS_S: Final = 270
"""Median work at the lift: with 40 % lognormal the mean is 4.9 min; published: 2.5 to 7.3 min."""
WORKS_SIGMA_PCT: Final = 40
_LEAST_S: Final = 90


@dataclass(frozen=True, slots=True)
class Case:
    """A true event that teams are wanted for; ``number`` is its number in the truth log."""

    onset_us: int
    lift: int
    number: int


@dataclass(frozen=True, slots=True)
class Sent:
    """A team that frees the people in ``lift`` at ``frees_us``."""

    lift: int
    frees_us: int


class Rescuers:
    """Teams of a city.

    Parameters
    ----------
    geography
        Where the lifts are.
    seed
        Seed of ways and works.
    teams_per_district
        Teams of each district, at least 1.
    """

    def __init__(self, geography: Geography, seed: int, teams_per_district: int) -> None:
        if teams_per_district < 1:
            raise ValueError("a district needs at least one rescue team")
        self._geography = geography
        self._seed = seed
        n = len(geography.city.districts)
        self._waiting: list[list[tuple[int, int, int]]] = [[] for _ in range(n)]
        self._free_us = [[0] * teams_per_district for _ in range(n)]

    def take(self, cases: Sequence[Case]) -> None:
        """Take cases into the queues of their districts."""
        for case in cases:
            queue = self._waiting[int(self._geography.district[case.lift])]
            heapq.heappush(queue, (case.onset_us, case.lift, case.number))

    def send(self, now_us: int, events: Sequence[TruthEvent]) -> list[Sent]:
        """Send free teams to the longest waiting of ``events`` (by number in the truth log)."""
        sent: list[Sent] = []
        for queue, free_us in zip(self._waiting, self._free_us, strict=True):
            while queue and free_us[0] <= now_us:
                onset_us, lift, number = heapq.heappop(queue)
                event = events[number]
                if event.end_us is not None or event.freeing_us is not None:
                    continue
                frees_us, done_us = self._times_us(now_us, onset_us, lift)
                heapq.heapreplace(free_us, done_us)
                sent.append(Sent(lift, frees_us))
        return sent

    def _times_us(self, now_us: int, onset_us: int, lift: int) -> tuple[int, int]:
        """Return when the people are freed, and when the team is free again."""
        drawn = words(self._seed, Stream.RESCUE, lift, onset_us)
        way_s = max(int(lognormal(drawn[0], ARRIVES_S, ARRIVES_SIGMA_PCT)), _LEAST_S)
        work_s = int(lognormal(drawn[1], WORKS_S, WORKS_SIGMA_PCT))
        frees_us = now_us + (way_s + work_s) * 1_000_000
        return frees_us, frees_us + 60_000_000
