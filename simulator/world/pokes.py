"""Exact instants at which something happens to a lift between the ends of its phases."""

import heapq
from enum import IntEnum

import numpy as np

from simulator.faults.catalogue import Fault
from simulator.world.traffic import NEVER_US


class Poke(IntEnum):
    """What happens at an exact instant, in the order in which equal instants are served."""

    STRIKE = 0
    """An armed fault strikes in the middle of a phase."""
    BEGIN = 1
    """A fault with an exact time begins."""
    END = 2
    """It ends."""
    STEP = 3
    """The next thing happens in the course of an incident."""
    PRESS = 4
    LET_GO = 5
    RELEASE = 6
    """Rescuers free the people."""


class Pokes:
    """Planned instants of each lift; ``next_us`` holds the first, ``NEVER_US`` if there is none."""

    def __init__(self, n_lifts: int) -> None:
        self.next_us = np.full(n_lifts, NEVER_US)
        self._planned: dict[int, list[tuple[int, Poke, int, Fault | None]]] = {}
        self._count = 0

    def plan(self, lift: int, at_us: int, what: Poke, fault: Fault | None = None) -> None:
        """Plan something for an instant; equal ones come in the order of planning."""
        planned = self._planned.setdefault(lift, [])
        self._count += 1
        heapq.heappush(planned, (at_us, what, self._count, fault))
        self.next_us[lift] = planned[0][0]

    def take(self, lift: int) -> tuple[Poke, Fault | None]:
        """Take out what comes first, and whose it is."""
        planned = self._planned[lift]
        _, what, _, fault = heapq.heappop(planned)
        self.next_us[lift] = planned[0][0] if planned else NEVER_US
        return what, fault

    def drop(self, lift: int, *what: Poke) -> None:
        """Forget everything of those sorts."""
        self._keep(lift, [p for p in self._planned.get(lift, ()) if p[1] not in what])

    def drop_of(self, lift: int, fault: Fault) -> None:
        """Forget everything that was planned for a fault."""
        self._keep(lift, [p for p in self._planned.get(lift, ()) if p[3] is not fault])

    def _keep(self, lift: int, kept: list[tuple[int, Poke, int, Fault | None]]) -> None:
        heapq.heapify(kept)
        self._planned[lift] = kept
        self.next_us[lift] = kept[0][0] if kept else NEVER_US
