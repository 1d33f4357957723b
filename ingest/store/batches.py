"""One row per committed batch: the answer to an unknown commit, and recovery's list.

The row is written under the writer's epoch, and holds a takeover off until the transaction ends,
so a batch never lands after the next writer has read the list.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from ingest.store.connect import execute, fetch, fetchrow, micros, moment, transaction
from ingest.store.errors import EpochLost
from ingest.store.sql import queries


@dataclass(frozen=True, slots=True)
class BatchRow:
    """What is kept about one pipeline transaction; times in µs, counts in frames.

    ``min_time_us`` and ``max_time_us`` bound the event times of its frames; ``None`` = a tick.
    ``parameters``: version of the detectors' parameters that were in force.
    ``listening_since_us``: arrival time since which the service had listened without a pause.
    """

    lane: int
    id: int
    epoch: int
    now_us: int
    caught_up: bool
    min_time_us: int | None
    max_time_us: int | None
    received: int
    stored: int
    duplicate: int
    rejected: int
    transitions: int
    parameters: int = 0
    listening_since_us: int = 0


async def write(conn: asyncpg.Connection, row: BatchRow) -> None:
    """Write the row in the caller's transaction; ``EpochLost`` if the lane has another writer."""
    written = await execute(
        conn,
        "write batch",
        queries()["write_batch"],
        *(row.lane, row.id, row.epoch, row.now_us, row.caught_up),
        *(_moment(row.min_time_us), _moment(row.max_time_us)),
        *(row.received, row.stored, row.duplicate, row.rejected, row.transitions),
        *(row.parameters, row.listening_since_us),
    )
    if written != 1:
        raise EpochLost(f"lane {row.lane} has another writer: epoch {row.epoch} is over")


async def was_committed(conn: asyncpg.Connection, lane: int, batch: int) -> bool:
    """Tell whether the batch was committed; ask this after ``CommitUnknown``, on a new connection.

    Its old transaction may still be under way on the server and holds a share lock on the writer's
    row: locking that row first waits for its end, so "no" is final.
    """
    async with transaction(conn, writes=False):
        await fetchrow(conn, "wait for old transaction", queries()["lock_writer"], lane)
        row = await fetchrow(conn, "ask for batch", queries()["batch_exists"], lane, batch)
    return row[0]


async def last_id(conn: asyncpg.Connection, lane: int) -> int:
    """Return the newest batch id of the lane, 0 if there is none."""
    return (await fetchrow(conn, "ask for batch", queries()["last_batch"], lane))[0] or 0


async def after(
    conn: asyncpg.Connection, lane: int, batch: int, limit: int = 10_000
) -> list[BatchRow]:
    """Return at most ``limit`` batches later than ``batch``, in order."""
    rows = await fetch(conn, "list batches", queries()["list_batches"], lane, batch, limit)
    return [_row(row) for row in rows]


async def last_before(conn: asyncpg.Connection, lane: int, now_us: int) -> int:
    """Return the newest batch that was handled before ``now_us``, 0 if there is none."""
    row = await fetchrow(conn, "find batch", queries()["last_batch_before"], lane, now_us)
    return 0 if row is None else row["id"]


async def prune(conn: asyncpg.Connection, lane: int, before_us: int) -> int:
    """Forget batches handled before ``before_us``, never later ones than the snapshot's."""
    last = await last_before(conn, lane, before_us)
    return await execute(conn, "prune batches", queries()["prune_batches"], lane, last)


def bounds_us(rows: Sequence[BatchRow]) -> tuple[int, int] | None:
    """Return the earliest and the latest event time in these batches; None if all are ticks."""
    low = [row.min_time_us for row in rows if row.min_time_us is not None]
    high = [row.max_time_us for row in rows if row.max_time_us is not None]
    return (min(low), max(high)) if low and high else None


def _moment(time_us: int | None) -> Any:
    return None if time_us is None else moment(time_us)


def _row(row: Any) -> BatchRow:
    values = dict(row)
    for bound in ("min_time", "max_time"):
        time = values.pop(bound)
        values[f"{bound}_us"] = None if time is None else micros(time)
    return BatchRow(**values)
