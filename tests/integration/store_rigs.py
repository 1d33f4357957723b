"""Batches as tests of the store write them."""

from collections.abc import Awaitable, Callable

import asyncpg

from ingest.store import batches, connect
from ingest.store.batches import BatchRow

START_US = 1_795_000_000_000_000
Open = Callable[[], Awaitable[asyncpg.Connection]]


def row(number: int, epoch: int = 1, **changes: object) -> BatchRow:
    values: dict[str, object] = {
        "lane": 0,
        "id": number,
        "epoch": epoch,
        "now_us": START_US + number,
        "caught_up": number % 2 == 0,
        "min_time_us": START_US,
        "max_time_us": START_US + 1000,
        "received": 5,
        "stored": 4,
        "duplicate": 1,
        "rejected": 0,
        "transitions": 0,
        **changes,
    }
    return BatchRow(**values)  # pyright: ignore[reportArgumentType] - typed by the fields


async def commit(conn: asyncpg.Connection, batch: BatchRow) -> None:
    async with connect.transaction(conn):
        await batches.write(conn, batch)
