"""Hears of registrations that a person changed, whichever process took the change.

The API of a process that stands by answers like any other; what it writes into the registry must
reach the process that works. Every change sends a NOTIFY in its transaction; this task listens on a
connection of its own, and after each reconnect takes every lift as changed, because notifications
are not kept for absent listeners.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

from ingest.store.connect import ConnectOptions, open_connection
from ingest.store.errors import DRIVER_ERRORS, StoreError

CHANNEL: Final = "hoistway_registry"
"""Channel of the NOTIFY in ``service/queries.sql``; the payload is the lift's id."""


async def watch_registry(
    database_url: str,
    options: ConnectOptions,
    on_change: Callable[[Iterable[int]], None],
    all_lifts: Callable[[], Iterable[int]],
    retry_s: float,
) -> None:
    """Call ``on_change`` with the ids of changed lifts; ends by cancellation only."""
    missed = False
    while True:
        try:
            await _listen(database_url, options, on_change, all_lifts if missed else tuple)
        except (StoreError, *DRIVER_ERRORS):
            pass  # the board says already that the database is away
        missed = True
        await asyncio.sleep(retry_s)


async def _listen(
    database_url: str,
    options: ConnectOptions,
    on_change: Callable[[Iterable[int]], None],
    missed: Callable[[], Iterable[int]],
) -> None:
    """Listen until the connection is lost."""
    conn = await open_connection(database_url, options)
    gone = asyncio.Event()

    def changed(_conn: Any, _pid: int, _channel: str, payload: object) -> None:
        on_change([int(str(payload))])

    def lost(_conn: Any) -> None:
        gone.set()

    try:
        conn.add_termination_listener(lost)
        await conn.add_listener(CHANNEL, changed)
        on_change(missed())
        await gone.wait()
    finally:
        conn.terminate()
