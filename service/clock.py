"""The clock: the only place where the time of day is read.

Everything else is given ``now_us`` as a value, or a clock. ``SystemClock`` never goes back and
never stands still: a wall clock that jumps ahead is followed at once, one that was set back is
caught up with by running slower, because retries, hold windows and escalations hang on it.

What neither mends is told: a ``jump`` ahead makes arrivals from before it look old (``Intake`` lets
no time pass for quiet lifts), and after a large set-back this clock is wrong for hours
(``clock_watch`` ends the service).
"""

import time
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

SLOWED: Final = 0.9
"""Speed while ahead of a wall clock that was set back [s/s]: an hour is made good in ten."""

JUMP_US: Final = 5_000_000
"""More than this beyond the time that passed is a jump ahead [µs]; less is a correction."""


class Jump(NamedTuple):
    """The clock jumped ahead: to which time, and by how much [µs]."""

    at_us: int
    by_us: int


class ClockSetBackError(Exception):
    """The machine's clock was set back so far that the service cannot go on with it."""


class Clock(Protocol):
    """What the service needs of a clock."""

    @property
    def jump(self) -> Jump | None:
        """The newest jump ahead, ``None`` if there was none."""
        ...

    def now_us(self) -> int:
        """Return the time, µs since 1970-01-01 UTC; never less than the time before."""
        ...


class SystemClock:
    """The machine's clock, made monotonic."""

    def __init__(
        self,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._now_us = wall_ns() // 1000
        self._then_ns = monotonic_ns()
        self.jump: Jump | None = None

    def now_us(self) -> int:
        """Return the time, µs since 1970-01-01 UTC; never less than the time before."""
        monotonic_ns = self._monotonic_ns()
        passed_us = (monotonic_ns - self._then_ns) // 1000
        wall_us = self._wall_ns() // 1000
        slow_us = self._now_us + int(passed_us * SLOWED)
        if passed_us > 0 or wall_us > self._now_us:
            jumped_us = wall_us - self._now_us - passed_us
            self._now_us = max(wall_us, slow_us)
            if jumped_us > JUMP_US:
                self.jump = Jump(self._now_us, jumped_us)
            self._then_ns += passed_us * 1000
        return self._now_us

    def ahead_us(self) -> int:
        """Return how far this clock is ahead of a wall clock that was set back [µs]."""
        return max(0, self.now_us() - self._wall_ns() // 1000)


class ManualClock:
    """A clock that moves only when told, for tests and simulations."""

    def __init__(self, now_us: int = 1_763_798_400_000_000) -> None:
        self._now_us = now_us
        self.jump: Jump | None = None

    def now_us(self) -> int:
        """Return the time that was set, µs since 1970-01-01 UTC."""
        return self._now_us

    def advance(self, duration_s: float) -> int:
        """Move on by ``duration_s`` [s] and return the time."""
        if duration_s < 0:
            raise ValueError("a clock does not go back")
        self._now_us += round(duration_s * 1_000_000)
        return self._now_us

    def jump_ahead(self, by_s: float) -> int:
        """Jump by ``by_s`` [s] without any time passing, as when a machine's clock is set."""
        self.jump = Jump(self.advance(by_s), round(by_s * 1_000_000))
        return self._now_us

    def set(self, now_us: int) -> None:
        """Move on to ``now_us``."""
        self.advance((now_us - self._now_us) / 1_000_000)
        self._now_us = now_us
