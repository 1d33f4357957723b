"""Frames into the hypertable and out of it.

Writing is idempotent by the key (elevator_id, time, seq). Frames that are ahead of their lift's
head go by COPY straight into the hypertable; doubtful ones, which may be stored, through the
session's staging table and ``ON CONFLICT DO NOTHING``. If a "new" frame turns out to be stored
the transaction fails with ``KeyStoredAlready``: look it up and write it as doubtful.

Reading gives ``FrameBatch`` with ``row`` 0: rows are the reader's own business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import asyncpg
import numpy as np
from numpy.typing import NDArray

from ingest.store.connect import MAX_TIME_US, MIN_TIME_US, affected, fetch, micros, moment
from ingest.store.copy_binary import decode_frames, encode_frames
from ingest.store.errors import ContentError, store_errors
from ingest.store.layout import STORED, StoredColumn, memory_dtype, select_list
from ingest.store.sql import queries
from telemetry.batch import FrameBatch

STAGING: Final = "frames_staging"


@dataclass(frozen=True, slots=True)
class Written:
    """How many frames went which way; ``skipped`` were doubtful and turned out to be stored."""

    direct: int
    staged: int
    skipped: int

    @property
    def stored(self) -> int:
        """Rows that are new in the table."""
        return self.direct + self.staged - self.skipped


@dataclass(frozen=True, slots=True)
class StoredFrames:
    """Frames from the table and the batch of each, shape (n,)."""

    frames: FrameBatch
    batch: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LiftSpan:
    """Where the frames of a lift begin and end [µs]; ``unit`` as they tell it, 0 = not told."""

    first_us: int
    last_us: int
    first_arrival_us: int
    last_arrival_us: int
    unit: int


async def write(
    conn: asyncpg.Connection,
    frames: FrameBatch,
    batch: int,
    doubtful: NDArray[np.bool_] | None = None,
) -> Written:
    """Write frames in the caller's transaction; ``doubtful`` (n,): the key may be stored already.

    ``None`` means that all are doubtful. Cancelled or failed, the transaction is to be rolled back.
    """
    if doubtful is None:
        doubtful = np.ones(len(frames), np.bool_)
    sure = frames if not doubtful.any() else frames.take(~doubtful)
    unsure = frames.take(doubtful)
    if len(sure):
        await _copy(conn, "frames", sure, batch)
    if not len(unsure):
        return Written(len(sure), 0, 0)
    with store_errors("make staging table"):
        await conn.execute(queries()["make_staging"])
    await _copy(conn, STAGING, unsure, batch)
    with store_errors("merge staged frames"):
        status = await conn.execute(queries()["merge_staging"])
    return Written(len(sure), len(unsure), len(unsure) - affected(status))


async def unstorable(conn: asyncpg.Connection, frames: FrameBatch) -> list[tuple[int, str]]:
    """Find the frames whose content the database refuses: (index, reason), by halving.

    Runs in a transaction of its own that is always rolled back, so nothing is stored by asking.
    """
    with store_errors("begin"):
        outer = conn.transaction()
        await outer.start()
    try:
        return await _halve(conn, frames, np.arange(len(frames)))
    finally:
        with store_errors("rollback"):
            await outer.rollback()


async def lookup(
    conn: asyncpg.Connection,
    elevator_id: NDArray[np.int64],
    time_us: NDArray[np.int64],
    seq: NDArray[np.int64],
) -> StoredFrames:
    """Return the stored frames that have one of these keys (arrays of equal length), whole."""
    possible = (time_us >= MIN_TIME_US) & (time_us <= MAX_TIME_US)
    times = [moment(us) for us in time_us[possible].tolist()]
    if not times:
        return _from_records([])
    records = await fetch(
        conn,
        "look frames up",
        _query("lookup_frames"),
        elevator_id[possible].tolist(),
        times,
        seq[possible].tolist(),
        min(times),
        max(times),
    )
    return _from_records(records)


async def read_batches(
    conn: asyncpg.Connection,
    batches: tuple[int, int],
    times_us: tuple[int, int],
    lane: int = 0,
    lanes: int = 1,
) -> StoredFrames:
    """Return the frames of the batches ``first..last`` of a lane, both inclusive.

    ``times_us`` (inclusive) prunes the chunks. Order: batch, lift, arrival, time, seq.
    """
    first_us, last_us = times_us
    return await _copy_out(
        conn,
        "read_batches",
        *batches,
        moment(max(first_us, MIN_TIME_US)),
        moment(min(last_us, MAX_TIME_US)),
        lanes,
        lane,
    )


async def spans(
    conn: asyncpg.Connection, elevator_ids: Sequence[int], times_us: tuple[int, int]
) -> dict[int, LiftSpan]:
    """Return where the frames of each of these lifts begin and end, for those that have any.

    ``times_us``: event times, the second exclusive.
    """
    low, high = map(moment, times_us)
    rows = await fetch(conn, "look spans up", queries()["spans"], list(elevator_ids), low, high)
    return {
        row["elevator_id"]: LiftSpan(
            micros(row["first"]),
            micros(row["last"]),
            micros(row["first_arrival"]),
            micros(row["last_arrival"]),
            row["unit"] or 0,
        )
        for row in rows
    }


async def read_span(
    conn: asyncpg.Connection, elevator_ids: Sequence[int], times_us: tuple[int, int]
) -> FrameBatch:
    """Return the frames of these lifts in a span of event time, the second end exclusive.

    In no order.
    """
    low, high = map(moment, times_us)
    return (await _copy_out(conn, "read_span", list(elevator_ids), low, high)).frames


async def stored_heads(conn: asyncpg.Connection, elevator_ids: Sequence[int]) -> dict[int, int]:
    """Return the newest stored event time [µs] of each of these lifts that has a frame."""
    rows = await fetch(conn, "read heads", queries()["stored_heads"], list(elevator_ids))
    return {row["id"]: micros(row["time"]) for row in rows}


async def _copy(conn: asyncpg.Connection, table: str, frames: FrameBatch, batch: int) -> None:
    names, pieces = encode_frames(frames, batch)

    async def source() -> Any:
        for piece in pieces:
            yield piece

    with store_errors(f"copy to {table}"):
        await conn.copy_to_table(table, source=source(), columns=names, format="binary")


async def _copy_out(conn: asyncpg.Connection, name: str, *args: Any) -> StoredFrames:
    data = bytearray()

    async def sink(piece: bytes) -> None:
        data.extend(piece)

    with store_errors(name):
        await conn.copy_from_query(_query(name), *args, output=sink, format="binary")
    return StoredFrames(*decode_frames(data))


async def _halve(
    conn: asyncpg.Connection, frames: FrameBatch, index: NDArray[np.int64]
) -> list[tuple[int, str]]:
    if not len(index):
        return []
    with store_errors("savepoint"):
        part = conn.transaction()
        await part.start()
    try:
        await write(conn, frames.take(index), 0)
    except ContentError as error:
        with store_errors("rollback to savepoint"):
            await part.rollback()
        if len(index) == 1:
            return [(int(index[0]), str(error))]
        middle = len(index) // 2
        found = await _halve(conn, frames, index[:middle])
        return found + await _halve(conn, frames, index[middle:])
    with store_errors("rollback to savepoint"):
        await part.rollback()
    return []


@cache
def _query(name: str) -> str:
    return queries()[name].replace("{columns}", select_list("f"))


def _from_records(records: Sequence[Any]) -> StoredFrames:
    columns = {
        stored.source: _column(stored, [record[i] for record in records])
        for i, stored in enumerate(STORED)
    }
    batch = columns.pop("batch")
    return StoredFrames(FrameBatch.make(len(records), **columns), batch)


def _column(stored: StoredColumn, values: list[Any]) -> NDArray[Any]:
    if stored.is_time:
        values = [micros(value) for value in values]
    return np.array(values, memory_dtype(stored))
