"""Sends a feed in time: real time, N times as fast, or as fast as the broker takes it.

The clock is given; event time is the feed's. At N x the event time runs N times as fast as the
clock, so start it at ``start_of_run`` and it never passes the clock.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from simulator.publishing.feed import Feed
from simulator.publishing.publish import Publisher

STEP_US: Final = 20_000
"""How often a live run looks what is due."""
FAST_STEP_US: Final = 1_000_000
"""Event time per step as fast as possible."""
PROGRESS_US: Final = 1_000_000


class Clock(Protocol):
    """What a run needs of a clock."""

    def now_us(self) -> int:
        """Return the time, µs since 1970-01-01 UTC."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How a run goes.

    Parameters
    ----------
    event_us
        Event time reached.
    elapsed_us
        Time since the start of the run.
    frames, messages
        Sent.
    acknowledged
        Messages that the broker confirmed.
    lag_us, worst_lag_us
        How far event time is behind where it should be, and was at worst.
    """

    event_us: int
    elapsed_us: int
    frames: int
    messages: int
    acknowledged: int
    lag_us: int
    worst_lag_us: int

    @property
    def frames_per_s(self) -> float:
        """Achieved rate since the start."""
        return self.frames * 1e6 / max(self.elapsed_us, 1)


def start_of_run(now_us: int, duration_us: int, speed: float) -> int:
    """Return the first event time of a run at ``speed``, whole ms, so that it ends at the clock."""
    return (now_us - longest_lag_us(duration_us, speed)) // 1000 * 1000


def longest_lag_us(duration_us: int, speed: float | None) -> int:
    """Return how far event time is behind the clock at most, in a run that ends at the clock [µs].

    It is so at the beginning and shrinks all the time, so to a service such a run looks like a
    backlog: alarms of lifts that lag more than its live horizon are held as history. ``speed``
    ``None`` = as fast as possible.
    """
    if speed is None:
        return duration_us
    return round((1 - 1 / speed) * duration_us) if speed > 1 else 0


async def run_live(
    feed: Feed,
    publisher: Publisher,
    clock: Clock,
    *,
    start_us: int,
    end_us: int,
    speed: float | None = 1.0,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Progress:
    """Send everything that is due before ``end_us`` and return the last progress.

    Parameters
    ----------
    feed
        Where messages come from.
    publisher
        Where they go.
    clock
        Paces the run.
    start_us, end_us
        Event times.
    speed
        Event time per time; ``None`` = as fast as possible.
    on_progress
        Called about once a second.
    """
    began_us = told_us = clock.now_us()
    event_us, worst_us = start_us, 0
    while True:
        should_us = _should(clock.now_us() - began_us, start_us, event_us, speed)
        event_us = min(should_us, end_us)
        await publisher.publish(feed.messages_until(event_us))
        now_us = clock.now_us()
        late_us = min(_should(now_us - began_us, start_us, event_us, speed), end_us) - event_us
        lag_us = late_us if speed else 0
        worst_us = max(worst_us, lag_us)
        progress = _progress(publisher, event_us, now_us - began_us, lag_us, worst_us)
        if event_us >= end_us:
            return progress
        if now_us - told_us >= PROGRESS_US:
            told_us = now_us
            on_progress(progress)
        await asyncio.sleep(0 if speed is None or late_us > STEP_US * speed else STEP_US / 1e6)


def _should(elapsed_us: int, start_us: int, event_us: int, speed: float | None) -> int:
    """Return the event time that should be reached by now."""
    return event_us + FAST_STEP_US if speed is None else start_us + round(elapsed_us * speed)


def _progress(
    publisher: Publisher, event_us: int, elapsed_us: int, lag_us: int, worst_lag_us: int
) -> Progress:
    report = publisher.report
    return Progress(
        event_us, elapsed_us, report.frames, report.messages, report.acknowledged_messages,
        lag_us, worst_lag_us,
    )  # fmt: skip
