"""Watches the machine's clock: tells of jumps, and ends the service when it was set back too far.

A small set-back is made good by ``SystemClock`` running slower. After a large one every onset looks
older than it is for hours, and past 24 h nothing would be dispatched: then it is better to be
started again with the right time, for which recovery brings the state back to the clock.
"""

import asyncio
from typing import Final

import structlog

from service.clock import ClockSetBackError, SystemClock

log = structlog.get_logger()
CHECK_S: Final = 2.0
"""How often the clock is looked at [s]."""
SET_BACK_ENDS_US: Final = 60_000_000
"""A set-back of more than this ends the service [µs]: made good only after ten minutes."""


async def watch_clock(clock: SystemClock, every_s: float = CHECK_S) -> ClockSetBackError:
    """Return, once the machine's clock was set back too far, the line that says so."""
    told = None
    while True:
        ahead_us = clock.ahead_us()
        if clock.jump is not None and clock.jump != told:
            told = clock.jump
            log.error("clock_jumped", by_s=round(told.by_us / 1e6, 1),
                      will="let no time pass for quiet lifts until they were heard")  # fmt: skip
        if ahead_us > SET_BACK_ENDS_US:
            log.error("clock_set_back", by_s=round(ahead_us / 1e6, 1),
                      will="stop in order; to be started again from outside")  # fmt: skip
            return ClockSetBackError(
                f"the machine's clock was set back by {ahead_us / 1e6:.0f} s while the service ran;"
                " it stopped in order and goes on, when started again, with the new time"
            )
        await asyncio.sleep(every_s)
