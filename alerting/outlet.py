"""An outlet: what one dispatch endpoint has under way, and how fast it may be asked.

Bookkeeping for ``dispatcher``; decides only the pace of an endpoint that takes nothing. Times of
the loop are seconds, times of day µs since epoch.
"""

import asyncio
import heapq
from contextlib import suppress

from alerting.retry import AttemptResult


class Outlet:
    """What one endpoint has under way."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.wake = asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()
        self.retries_us: list[int] = []  # heap of known due times
        self.failed_in_row = 0
        self.answered = asyncio.Event()
        self.asked_s = 0.0  # when it was last given work, on the loop's clock

    def note(self, result: AttemptResult) -> None:
        """Count failures since the endpoint last took a message."""
        if result is AttemptResult.RECEIVED:
            self.failed_in_row = 0
            self.answered.set()
        else:
            self.failed_in_row += 1
            self.answered.clear()

    def wait_s(self, now_us: int, poll_s: float) -> float:
        """Return how long nothing can be due that this process knows of."""
        while self.retries_us and self.retries_us[0] <= now_us:
            heapq.heappop(self.retries_us)
        return min(poll_s, (self.retries_us[0] - now_us) / 1e6) if self.retries_us else poll_s

    def expect(self, due_us: int) -> None:
        """Remember that something is due then."""
        heapq.heappush(self.retries_us, due_us)

    async def paced(self, limit: int) -> None:
        """Ask an endpoint that took none of its last ``limit`` messages for ``limit`` a second.

        A dead one refuses within a millisecond; with thousands of messages waiting for it, asking
        as fast as it refuses would starve those that answer. The first 2xx ends this.
        """
        loop = asyncio.get_running_loop()
        if self.failed_in_row >= limit:
            await wait(self.answered, self.asked_s + 1.0 - loop.time())
        if len(self.tasks) < limit:
            self.asked_s = loop.time()


class Pause:
    """Pauses between tries: 0.2 s, doubling up to 5 s."""

    def __init__(self) -> None:
        self._next_s = 0.2

    def next(self) -> float:
        """Return the next pause [s]."""
        pause_s, self._next_s = self._next_s, min(5.0, self._next_s * 2)
        return pause_s


async def wait(event: asyncio.Event, timeout_s: float) -> None:
    """Wait for the event or the time, whichever comes first."""
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, timeout_s)):
            await event.wait()
