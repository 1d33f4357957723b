"""One writer per lane: an advisory lock on a connection of its own, and an epoch that fences.

The lock says who may begin; it is gone when its connection is. The epoch says who may still
commit: it is raised at every takeover, and every pipeline transaction holds a share lock on it
(taken by ``batches.write`` or ``check_epoch``), so a takeover waits for a transaction under way
and a late one of the old writer fails with ``EpochLost``. A second process stands by and asks
again.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from ingest.store.connect import fetchrow
from ingest.store.errors import EpochLost
from ingest.store.sql import queries

LOCK_CLASS: Final = 0x484F4953
"""First key of the advisory locks, "HOIS" in ASCII; the second is the lane."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write a lane, as long as ``lost`` is not set and the epoch has not moved."""

    lane: int
    epoch: int
    lost: asyncio.Event


async def acquire(
    conn: asyncpg.Connection,
    lane: int,
    on_standby: Callable[[], None],
    poll_s: float = 0.5,
) -> Lease:
    """Wait until the lane is free, take it and begin a new epoch.

    ``conn`` must stay open and be used for nothing long: the lock lives and dies with it.
    ``on_standby`` is called once if somebody else has the lane. Cancellable at any time.
    """
    lost = asyncio.Event()

    def on_termination(_conn: Any) -> None:
        lost.set()

    conn.add_termination_listener(on_termination)
    waiting = False
    while not await _try_lock(conn, lane):
        if not waiting:
            waiting = True
            on_standby()
        await asyncio.sleep(poll_s)
    try:
        row = await fetchrow(conn, "begin epoch", queries()["next_epoch"], lane)
    except BaseException:  # also when cancelled: the lock must not stay with who has no epoch
        conn.terminate()
        raise
    return Lease(lane, row["epoch"], lost)


async def release(conn: asyncpg.Connection, lease: Lease) -> None:
    """Give the lane back at once instead of when the connection closes."""
    query = queries()["drop_writer_lock"]
    await fetchrow(conn, "release writer lock", query, LOCK_CLASS, lease.lane)


async def check_epoch(conn: asyncpg.Connection, lane: int, epoch: int) -> None:
    """Raise ``EpochLost`` if the lane has another writer; hold takeovers off until the commit."""
    row = await fetchrow(conn, "check epoch", queries()["check_epoch"], lane)
    if row is None or row["epoch"] != epoch:
        raise EpochLost(f"lane {lane} has another writer: epoch {epoch} is over")


async def _try_lock(conn: asyncpg.Connection, lane: int) -> bool:
    query = queries()["try_writer_lock"]
    return (await fetchrow(conn, "writer lock", query, LOCK_CLASS, lane))[0]
