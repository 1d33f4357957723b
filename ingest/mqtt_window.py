"""Which acknowledgements are due, and how many the broker lets us owe. Pure.

``AckLedger`` lets acknowledgements out in receipt order whatever order they are given in, each
once, and none of an older connection. ``WindowWatch`` finds out how many unacknowledged messages
the broker sends at most: MQTT 3.1.1 does not tell, and while the window is full an empty socket
does not mean that nothing waits.
"""

from collections.abc import Iterable
from typing import Final

from ingest.source import NO_TOKEN, Message

MAX_WINDOW: Final = 65_535
"""Packet ids are 16 bits and never 0."""
MIN_FOUND_WINDOW: Final = 5
REPEATS: Final = 8
"""So many times in a row the same number was owed when acknowledging: that is the window."""
REPEAT_WITHIN_S: Final = 0.1
"""[s] A broker with a backlog refills the window at once; a fleet in step takes its interval."""


class AckLedger:
    """Receipts ``head`` to ``next_receipt - 1`` are owed to the connection that there is."""

    def __init__(self) -> None:
        self.head = 1
        self._early: dict[int, int] = {}

    def start(self, first_receipt: int) -> None:
        """Begin with a new connection: what was owed to the older one is void."""
        self.head = first_receipt
        self._early.clear()

    def settle(self, messages: Iterable[Message]) -> tuple[list[int], int]:
        """Return the packet ids to acknowledge now, in receipt order, and how many were stale."""
        ready: list[int] = []
        stale = 0
        for message in messages:
            token = message.token
            if token == NO_TOKEN:
                continue
            receipt = token >> 16
            if receipt == self.head:
                ready.append(token & 0xFFFF)
                self.head += 1
                if self._early:
                    self._release(ready)
            elif receipt > self.head:
                self._early[receipt] = token & 0xFFFF
            else:
                stale += 1
        return ready, stale

    def _release(self, ready: list[int]) -> None:
        while (packet_id := self._early.pop(self.head, None)) is not None:
            ready.append(packet_id)
            self.head += 1


class WindowWatch:
    """``window`` is what was set or found, ``None`` while it looks unbounded."""

    def __init__(self, window: int | None) -> None:
        self.window = window
        self.is_found = False
        """Whether the window was found, not set."""
        self.full_at_s = float("-inf")
        """When the window was full last [s of the loop's clock]."""
        self._peak = 0
        self._repeats = 0
        self._seen_s = float("-inf")

    def is_full(self, unacked: int) -> bool:
        """Tell whether the broker must wait for us."""
        return unacked >= (self.window or MAX_WINDOW)

    def note(self, unacked: int, now_s: float) -> None:
        """Look at what is owed just before some of it is acknowledged."""
        in_row = unacked == self._peak and now_s - self._seen_s <= REPEAT_WITHIN_S
        self._repeats = self._repeats + 1 if in_row else 0
        self._peak, self._seen_s = unacked, now_s
        if self.is_found and self.window is not None and unacked > self.window:
            self.window, self.is_found = None, False
        if self.window is None and self._repeats >= REPEATS and unacked >= MIN_FOUND_WINDOW:
            self.window, self.is_found = unacked, True
        if self.is_full(unacked):
            self.full_at_s = now_s
