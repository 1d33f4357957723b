"""Exact instants at which something happens to a lift between the ends of its phases."""

import heapq
from enum import IntEnum

import numpy as np

from simulator.world.traffic import NEVER_US


class Poke(IntEnum):
    """What happens at an exact instant, in the order in which equal instants are served."""

    STRIKE = 0
    CUT = 1
    MAINS_BACK = 2
    PRESS = 3
    LET_GO = 4
    FLAP = 5
    CALM = 6
    RELEASE = 7


class Pokes:
    """Planned instants of each lift; ``next_us`` holds the first, ``NEVER_US`` if there is none."""

    def __init__(self, n_lifts: int) -> None:
        self.next_us = np.full(n_lifts, NEVER_US)
        self._planned: dict[int, list[tuple[int, Poke]]] = {}

    def plan(self, lift: int, at_us: int, what: Poke) -> None:
        """Plan something for an instant."""
        planned = self._planned.setdefault(lift, [])
        heapq.heappush(planned, (at_us, what))
        self.next_us[lift] = planned[0][0]

    def take(self, lift: int) -> Poke:
        """Take out what comes first."""
        planned = self._planned[lift]
        _, what = heapq.heappop(planned)
        self.next_us[lift] = planned[0][0] if planned else NEVER_US
        return what

    def drop(self, lift: int, what: Poke) -> None:
        """Forget everything of that sort."""
        kept = [p for p in self._planned.get(lift, ()) if p[1] is not what]
        heapq.heapify(kept)
        self._planned[lift] = kept
        self.next_us[lift] = kept[0][0] if kept else NEVER_US
