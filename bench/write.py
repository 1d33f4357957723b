"""How fast frames are written and read, beside raw COPY of the same rows in the same run.

    .venv/bin/python bench/write.py [--frames 200000] [--batch 5000] [--lifts 2000]

Uses a database of its own on the server of the environment or of `make stack`, and drops it. The
machine is noisy: read the ratios.
"""

import argparse
import asyncio
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from ingest.store import batches, connect, frames, recovery, writer_lock  # noqa: E402
from ingest.store.batches import BatchRow  # noqa: E402
from ingest.store.copy_binary import encode_frames  # noqa: E402
from migrations.run import upgrade  # noqa: E402
from service.database import database_at  # noqa: E402
from service.stack import open_stack  # noqa: E402
from telemetry.batch import FrameBatch  # noqa: E402

START_US = 1_795_000_000_000_000
PLAIN = """
    CREATE TABLE plain (LIKE frames);
    ALTER TABLE plain ADD PRIMARY KEY (elevator_id, time, seq);
"""


def make_frames(n: int, lifts: int, first_seq: int) -> FrameBatch:
    """Return frames as a lift terminal sends them: 13 values told, two patterns of unknowns."""
    rng = np.random.default_rng(first_seq)
    time_us = START_US + (first_seq + np.arange(n)) * 100
    presence = rng.random(n) < 0.7
    return FrameBatch.make(
        n,
        elevator_id=1 + rng.permutation(np.arange(n) % lifts),
        gateway_id=1,
        time_us=time_us,
        device_time_us=time_us,
        received_us=time_us + 40_000,
        seq=first_seq + np.arange(n),
        unit=0,
        mode=1,
        car=rng.integers(0, 2, n),
        direction=rng.integers(0, 3, n),
        zone=rng.integers(0, 2, n),
        floor=rng.integers(0, 30, n),
        door=rng.integers(0, 7, n),
        passenger=np.where(presence, rng.integers(0, 2, n), -1),
        speed_mps=rng.normal(0, 1, n),
        load_pct=np.where(presence, rng.uniform(0, 100, n), np.nan),
        power=0,
        button=0,
        codes=0,
    )


async def copy_raw(
    conn: asyncpg.Connection, table: str, names: list[str], pieces: list[bytes]
) -> None:
    """COPY bytes that were made before."""

    async def source() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    await conn.copy_to_table(table, source=source(), columns=names, format="binary")


async def rate(name: str, n: int, work: Callable[[], Awaitable[object]]) -> float:
    """Run ``work``, print frames per second and our own CPU time per frame."""
    wall, cpu = time.perf_counter(), time.process_time()
    await work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{name:<58}{n / wall:>10,.0f} frames/s {cpu / n * 1e6:>7.2f} µs CPU/frame")
    return n / wall


async def measure(url: str, total: int, size: int, lifts: int) -> None:
    """Measure on the migrated, empty database at ``url``."""
    conn = await connect.open_connection(url)
    await conn.execute(PLAIN)
    lease = await writer_lock.acquire(conn, 0, lambda: None)
    given = [make_frames(size, lifts, first) for first in range(0, total, size)]
    total = size * len(given)

    async def encode() -> None:
        for number, batch in enumerate(given):
            encode_frames(batch, number)

    async def raw(table: str) -> None:
        for names, pieces in encoded:
            await copy_raw(conn, table, names, pieces)

    async def ours(doubtful: bool) -> None:
        for batch in given:
            number = await batches.last_id(conn, 0) + 1
            bounds = int(batch["time_us"].min()), int(batch["time_us"].max())
            counts = (size, size, 0, 0, 0)
            row = BatchRow(0, number, lease.epoch, START_US, True, *bounds, *counts)
            async with connect.transaction(conn):
                await batches.write(conn, row)
                await frames.write(conn, batch, number, np.full(size, doubtful))

    async def read() -> None:
        async for stored in recovery.batches_after(conn, 0, 0):
            assert len(stored.frames) == size

    encoded = [encode_frames(batch, number) for number, batch in enumerate(given)]
    bytes_each = sum(len(piece) for _, pieces in encoded for piece in pieces) / total
    print(f"{total:,} frames of {lifts:,} lifts in batches of {size:,}, {bytes_each:.0f} B each")
    await rate("encode alone", total, encode)
    plain = await rate("raw COPY into a plain table with the key", total, lambda: raw("plain"))
    hyper = await rate("raw COPY into the hypertable", total, lambda: raw("frames"))
    await conn.execute("TRUNCATE frames")
    direct = await rate("ours, sure frames, with batch row and commit", total, lambda: ours(False))
    await rate("recovery: read all back by batch", total, read)
    await conn.execute("TRUNCATE frames, batches")
    staged = await rate("ours, doubtful frames, through staging", total, lambda: ours(True))
    again = await rate("ours, doubtful frames that are all stored", total, lambda: ours(True))
    print(
        f"ratios: ours/raw hypertable {direct / hyper:.2f}, ours/raw plain {direct / plain:.2f},"
        f" staged/direct {staged / direct:.2f}, all duplicates/direct {again / direct:.2f}"
    )
    await conn.close()


async def with_database(url: str, work: Callable[[str], Awaitable[None]]) -> None:
    """Run ``work`` on a migrated database that exists only for it."""
    name = f"bench_{uuid.uuid4().hex[:12]}"
    admin = await asyncpg.connect(url)
    await admin.execute(f'CREATE DATABASE "{name}"')
    own = database_at(url, name)
    try:
        await asyncio.to_thread(upgrade, own)
        await work(own)
    finally:
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await admin.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=5_000)
    parser.add_argument("--lifts", type=int, default=2_000)
    given = parser.parse_args()
    with open_stack(ROOT) as stack:
        asyncio.run(
            with_database(
                stack.database_url,
                lambda url: measure(url, given.frames, given.batch, given.lifts),
            )
        )


if __name__ == "__main__":
    main()
