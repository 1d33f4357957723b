"""What forgetting old rows costs the writer: commits with and without, and rows deleted a second.

    .venv/bin/python -m bench retention [--shadow 2000000] [--attempts 1000000] [--for 60]

A database of its own is filled with findings of shadows and attempts of delivery that are all too
old. A writer stores frames at a steady rate, as a lane does, for as long without the service's
retention as beside it. Printed: its commits, and what was forgotten meanwhile.
"""

import argparse
import asyncio
import sys
import time
from datetime import timedelta
from pathlib import Path

import asyncpg
import numpy as np
from prometheus_client import CollectorRegistry

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.write import START_US, make_frames, with_database  # noqa: E402
from ingest.store import batches, connect, frames, writer_lock  # noqa: E402
from ingest.store.batches import BatchRow  # noqa: E402
from ingest.store.writer_lock import Lease  # noqa: E402
from service.clock import ManualClock  # noqa: E402
from service.metrics import Forgotten, Metrics  # noqa: E402
from service.retention import Retention  # noqa: E402
from service.settings import RetentionSettings  # noqa: E402
from service.stack import open_stack  # noqa: E402
from service.times import to_datetime  # noqa: E402

LIFTS = 1_000
FRAMES = 100
COMMITS_PER_S = 20
SLICE_S = 5.0
OLD = to_datetime(START_US) - timedelta(days=2000)
EVIDENCE = (
    '{"criteria": {"sensed": true, "code_02": null, "tells_closing": true},'
    ' "values": {"car": 0, "door": 1, "zone": 1, "floor": 12, "mode": 1, "passenger": 0,'
    ' "speed_mps": 0.0, "reopened": 3}}'
)
FILL_SHADOW = """
    INSERT INTO shadow_transitions SELECT 1, 0, g, 0, 1 + g % 1000, $1::timestamptz
        + g * interval '1 second', $1::timestamptz, 11, 11, 1, 0, 0, 'door_faults', '1',
        $2::jsonb, '{"window_us": 30000000}', 0
    FROM generate_series(1, $3::bigint) g
"""
FILL_ATTEMPTS = (
    """
    INSERT INTO alarms (id, elevator_id, family, kind, kind_now, onset, detected, raised_at, state,
        level, finding_active, held, past, confidence, presses, evidence, rule, sequence, ended_at)
    SELECT md5(g::text)::uuid, 1 + g % 1000, 'entrapment', 1, 1, $1::timestamptz + g * interval
        '1 minute', $1::timestamptz, $1::timestamptz, 'ended', 1, false, false, false, 0, 0, '{}',
        '{}', 1, $1::timestamptz + g * interval '1 minute'
    FROM generate_series(1, $2::bigint / 20) g
    """,
    """
    INSERT INTO deliveries (message_id, endpoint, alarm_id, sequence, type, body, created_at, state)
    SELECT md5(g::text)::uuid, 'https://desk', md5((1 + g / 5)::text)::uuid, g % 5, 't', '{}',
        $1::timestamptz, 'delivered'
    FROM generate_series(1, $2::bigint / 4 - 5) g
    """,
    """
    INSERT INTO delivery_attempts
    SELECT message_id, endpoint, n, $1::timestamptz + random() * interval '300 days', 12, 200, NULL
    FROM deliveries, generate_series(1, 4) n WHERE created_at = $1 AND $2::bigint > 0
    """,
)


async def fill(url: str, shadow: int, attempts: int) -> None:
    """Store rows that are older than anything is kept for."""
    conn = await asyncpg.connect(url)
    await conn.execute(
        "INSERT INTO elevators (code) SELECT g::text FROM generate_series(1, 1000) g"
    )
    await conn.execute(
        "INSERT INTO shadow_runs (parameters, candidate, set_at, set_by)"
        " VALUES ('{}', '', now(), 'bench')"
    )
    await conn.execute(FILL_SHADOW, OLD, EVIDENCE, shadow)
    for statement in FILL_ATTEMPTS:
        await conn.execute(statement, OLD, attempts)
    await conn.execute("VACUUM ANALYZE")
    await conn.execute("CHECKPOINT")
    await conn.close()


class Writer:
    """Stores a batch of frames, and its row, at a steady rate."""

    def __init__(self, conn: asyncpg.Connection, lease: Lease) -> None:
        self._conn = conn
        self._lease = lease
        self._number = 0

    async def write_for(self, seconds: float) -> list[float]:
        """Return how long each transaction took [s]."""
        took_s, begin_s = [], time.perf_counter()
        for n in range(round(seconds * COMMITS_PER_S)):
            await asyncio.sleep(begin_s + n / COMMITS_PER_S - time.perf_counter())
            batch = make_frames(FRAMES, LIFTS, self._number * FRAMES)
            self._number += 1
            bounds = int(batch["time_us"].min()), int(batch["time_us"].max())
            counts = (FRAMES, FRAMES, 0, 0, 0)
            row = BatchRow(0, self._number, self._lease.epoch, START_US, True, *bounds, *counts)
            start_s = time.perf_counter()
            async with connect.transaction(self._conn):
                await batches.write(self._conn, row)
                await frames.write(self._conn, batch, self._number, np.zeros(FRAMES, bool))
            took_s.append(time.perf_counter() - start_s)
        return took_s


async def measure(url: str, shadow: int, attempts: int, seconds: float) -> None:
    """Measure on the migrated, empty database at ``url``."""
    await fill(url, shadow, attempts)
    print(f"{shadow:,} findings of shadows and about {attempts:,} attempts, all too old;"
          f" {COMMITS_PER_S} commits of {FRAMES} frames a second")  # fmt: skip
    conn = await connect.open_connection(url)
    writer = Writer(conn, await writer_lock.acquire(conn, 0, lambda: None))
    await writer.write_for(SLICE_S)  # warm
    async with asyncpg.create_pool(url, min_size=0, max_size=2) as pool:
        for table, settings in (
            (Forgotten.SHADOW_TRANSITIONS, RetentionSettings(delivery_attempts_days=None)),
            (Forgotten.DELIVERY_ATTEMPTS, RetentionSettings(shadow_days=None)),
        ):
            metrics = Metrics(CollectorRegistry(), "0")
            retention = Retention(pool, ManualClock(START_US), metrics, settings)
            await compare(writer, retention, seconds)
            show_forgotten(metrics, table, seconds)
    await conn.close()


async def compare(writer: Writer, retention: Retention, seconds: float) -> None:
    """Write in turns alone and beside retention, so that other load meets both."""
    alone_s, beside_s = [], []
    for _ in range(max(round(seconds / SLICE_S), 1)):
        alone_s += await writer.write_for(SLICE_S)
        forgetting = asyncio.create_task(retention.forget())
        beside_s += await writer.write_for(SLICE_S)
        forgetting.cancel()
        await asyncio.gather(forgetting, return_exceptions=True)
    show("commits alone", alone_s)
    show("commits beside retention", beside_s)


def show(title: str, took_s: list[float]) -> None:
    p50, p99, most = (1000 * q for q in np.quantile(took_s, (0.5, 0.99, 1)))
    print(f"{title:<26} p50 {p50:5.1f} ms  p99 {p99:5.1f} ms  max {most:6.1f} ms")


def show_forgotten(metrics: Metrics, table: Forgotten, seconds: float) -> None:
    def total(name: str) -> float:
        name = f"hoistway_retention_{name}"
        return metrics.registry.get_sample_value(name, {"table": table}) or 0

    rows, deletes = total("rows_total"), total("delete_seconds_count")
    each_ms = 1000 * total("delete_seconds_sum") / max(deletes, 1)
    print(f"  {table}: {rows:,.0f} rows forgotten, {rows / seconds:,.0f} a second, in"
          f" {deletes:,.0f} deletes of {each_ms:.1f} ms", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shadow", type=int, default=2_000_000)
    parser.add_argument("--attempts", type=int, default=1_000_000)
    parser.add_argument("--for", dest="seconds", type=float, default=60)
    given = parser.parse_args()
    with open_stack(ROOT) as stack:
        asyncio.run(
            with_database(
                stack.database_url,
                lambda url: measure(url, given.shadow, given.attempts, given.seconds),
            )
        )


if __name__ == "__main__":
    main()
