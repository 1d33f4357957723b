"""Faults that wait for their chance: a queue per lift, of which only the first is armed.

``from_us`` and ``wake_us`` are arrays over the lifts, so that ordinary life is asked nothing about
the many lifts that have no fault due.
"""

from collections import deque

import numpy as np

from simulator.faults.catalogue import Fault
from simulator.world.traffic import NEVER_US


class Armed:
    """Waiting faults of ``n_lifts`` lifts."""

    def __init__(self, n_lifts: int) -> None:
        self.from_us = np.full(n_lifts, NEVER_US)
        """From when on the first fault of each lift may strike."""
        self.wake_us = np.full(n_lifts, NEVER_US)
        """When an idle lift must look for what is due."""
        self._brought = np.zeros(n_lifts, bool)
        self._waiting = [deque[Fault]() for _ in range(n_lifts)]

    def add(self, fault: Fault) -> None:
        """Let a fault wait; faults of one lift are added in the order of their times."""
        queue = self._waiting[fault.lift]
        queue.append(fault)
        if len(queue) == 1:
            self.resume(fault.lift)

    def first(self, lift: int) -> Fault:
        """Return what is armed on a lift."""
        return self._waiting[lift][0]

    def is_brought(self, lift: int) -> bool:
        """Tell whether the people of the armed fault have come already."""
        return bool(self._brought[lift])

    def brought(self, lift: int) -> None:
        """Note that the people of the armed fault have come."""
        self._brought[lift] = True
        self.wake_us[lift] = NEVER_US

    def disarm(self, fault: Fault) -> None:
        """Take a fault out that strikes now; does nothing for one that does not wait."""
        queue = self._waiting[fault.lift]
        if queue and queue[0] is fault:
            queue.popleft()
            self._brought[fault.lift] = False
            self.resume(fault.lift)

    def pause(self, lift: int) -> None:
        """Let an idle lift look for nothing while something else holds it."""
        self.wake_us[lift] = NEVER_US

    def resume(self, lift: int) -> None:
        """Let it look again for what is armed."""
        queue = self._waiting[lift]
        self.from_us[lift] = queue[0].at_us if queue else NEVER_US
        self.wake_us[lift] = NEVER_US if self._brought[lift] else self.from_us[lift]
