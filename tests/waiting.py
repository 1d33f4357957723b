"""Waiting for what another task, process or server does, in tests that use real ones.

A test that waits for an instant, in virtual time or for nothing to happen, sleeps instead.
"""

import asyncio
from collections.abc import Callable
from inspect import isawaitable
from typing import Any, Final

POLL_S: Final = 0.02


async def until(condition: Callable[[], Any], timeout_s: float = 20) -> Any:
    """Wait until ``condition``, plain or asynchronous, gives something true; return that.

    Raises ``TimeoutError``.
    """
    async with asyncio.timeout(timeout_s):
        while True:
            found = condition()
            if isawaitable(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(POLL_S)
