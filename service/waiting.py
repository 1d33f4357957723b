"""Waiting that a signal or a deadline may end; used when the service starts and stops."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def done_before(stop: asyncio.Task[Any], work: Coroutine[Any, Any, None]) -> bool:
    """Do ``work`` unless ``stop`` is done first, then cancel it; tell whether it was done.

    Raises what ``work`` raises. Cancelling this cancels ``work``.
    """
    doing = asyncio.create_task(work)
    try:
        await asyncio.wait([doing, stop], return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            doing.result()
        return doing.done()
    finally:
        doing.cancel()
        await asyncio.wait([doing])


async def end_by(task: asyncio.Task[Any], end_s: float) -> bool:
    """Wait for ``task`` until ``end_s`` of the loop's clock, then cancel it; tell if it was done.

    Leaves the task's exception to its owner.
    """
    left_s = end_s - asyncio.get_running_loop().time()
    done, _ = await asyncio.wait([task], timeout=max(0.0, left_s))
    if not done:
        task.cancel()
        await asyncio.wait([task])
    return bool(done)
