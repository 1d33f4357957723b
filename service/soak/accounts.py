"""The accounts of a service: every frame is stored, a duplicate, rejected or in flight.

Checked twice: by the metrics of the running process, and by the database, whose batch rows add up
over all processes that ever wrote. Returns faults as sentences instead of raising, so that a caller
sees all of them; no fault is an empty list. Reads only.
"""

import asyncio
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp
import asyncpg

from service.child import ServiceProcess
from service.times import to_us

POLL_S: Final = 0.05
NEVER_LOGGED: Final = ("recovery_differs", "frames_unaccounted", "detector_failed")
"""Events of the log that mean a defect, whatever was done to the service."""
_FAMILIES: Final = {
    "received": "hoistway_frames_received_total",
    "stored": "hoistway_frames_stored_total",
    "duplicate": "hoistway_frames_duplicate_total",
    "rejected": "hoistway_frames_rejected_total",
    "in_flight": "hoistway_frames_in_flight",
}


class SentKey(NamedTuple):
    """A frame as its sender knows it: code of the lift, its own clock [µs], number."""

    code: str
    device_time_us: int
    seq: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """The sum of promise 3, in frames."""

    received: int
    stored: int
    duplicate: int
    rejected: int
    in_flight: int = 0

    @property
    def balances(self) -> bool:
        """Tell whether every frame is accounted for."""
        return self.received == self.stored + self.duplicate + self.rejected + self.in_flight


async def ledger(service: ServiceProcess) -> Ledger:
    """Return the accounts of the running process, of one instant."""
    sums: Counter[str] = Counter()
    for series, value in (await service.metrics()).items():
        sums[series.partition("{")[0]] += round(value)
    return Ledger(**{name: sums[family] for name, family in _FAMILIES.items()})


async def settled(service: ServiceProcess, received: int = 0, timeout_s: float = 30.0) -> Ledger:
    """Wait until at least ``received`` frames came and none is in flight; return the accounts.

    Raises ``TimeoutError`` after ``timeout_s``.
    """
    async with asyncio.timeout(timeout_s):
        while True:
            found = await ledger(service)
            if found.received >= received and not found.in_flight:
                return found
            await asyncio.sleep(POLL_S)


async def written(conn: asyncpg.Connection | asyncpg.Pool) -> Ledger:
    """Return the accounts as the batch rows add up, over all processes that wrote."""
    [row] = await conn.fetch(
        "SELECT coalesce(sum(received), 0) AS received, coalesce(sum(stored), 0) AS stored,"
        " coalesce(sum(duplicate), 0) AS duplicate, coalesce(sum(rejected), 0) AS rejected"
        " FROM batches"
    )
    return Ledger(*(int(row[name]) for name in ("received", "stored", "duplicate", "rejected")))


async def database_faults(conn: asyncpg.Connection | asyncpg.Pool, lanes: int = 1) -> list[str]:
    """Compare batch rows with the rows of frames and dead letters that they speak of."""
    faults = [
        f"batch {row['id']} of lane {row['lane']} does not add up: {dict(row)}"
        for row in await conn.fetch(
            "SELECT * FROM batches WHERE received <> stored + duplicate + rejected LIMIT 5"
        )
    ]
    faults += [
        f"batch {row['batch']} of lane {row['lane']} says {row['stored']} frames stored, "
        f"there are {row['there']}"
        for row in await conn.fetch(
            "WITH f AS (SELECT (elevator_id % $1)::smallint AS lane, batch, count(*) AS there"
            " FROM frames GROUP BY 1, 2)"
            " SELECT coalesce(f.lane, b.lane) AS lane, coalesce(f.batch, b.id) AS batch, b.stored,"
            " coalesce(f.there, 0) AS there FROM batches b"
            " FULL JOIN f ON f.lane = b.lane AND f.batch = b.id"
            " WHERE b.stored IS DISTINCT FROM coalesce(f.there, 0) LIMIT 5",
            lanes,
        )
    ]
    rejected = (await written(conn)).rejected
    kept = await conn.fetchval(
        # Of a payload with thousands of rejects only the first have letters; one counts the rest.
        "SELECT coalesce(sum(times * CASE reason WHEN 'more_rejects'"
        " THEN (detail->>'all')::bigint - (detail->>'kept')::bigint ELSE 1 END), 0)::bigint"
        " FROM dead_letters WHERE class = 'frame'"
    )
    if kept != rejected:
        faults.append(f"batch rows say {rejected} frames rejected, dead letters tell of {kept}")
    second = await conn.fetch(
        "SELECT e.code, f.seq, f.device_time, count(*) AS rows FROM frames f"
        " JOIN elevators e ON e.id = f.elevator_id"
        " GROUP BY 1, 2, 3 HAVING count(*) > 1 LIMIT 5"
    )
    faults += [f"frame {tuple(row)[:3]} has {row['rows']} rows" for row in second]
    return faults


async def process_faults(
    service: ServiceProcess, conn: asyncpg.Connection | asyncpg.Pool
) -> list[str]:
    """Hold a running process to the law; if it alone ever wrote, the database must agree."""
    try:
        found = await settled(service)
    except aiohttp.ClientError as error:
        return [f"the process gives no answer: {error}; its last words:\n{service.last_words()}"]
    faults = [] if found.balances else [f"the process does not add up: {found}"]
    sums = await written(conn)
    others = await conn.fetch(
        "SELECT FROM batches b JOIN writer w USING (lane) WHERE b.epoch <> w.epoch LIMIT 1"
    )
    if not others and sums != found:
        faults.append(f"the process says {found}, the batch rows {sums}")
    return faults


def log_faults(log_path: Path) -> list[str]:
    """Return the lines of a log that must never be there."""
    text = log_path.read_text("utf-8", "replace") if log_path.exists() else ""
    bad = tuple(f'"event": "{event}"' for event in NEVER_LOGGED)
    return [line[:600] for line in text.splitlines() if any(event in line for event in bad)]


async def stored_keys(conn: asyncpg.Connection | asyncpg.Pool) -> set[SentKey]:
    """Return the keys of all stored frames as their senders know them."""
    rows = await conn.fetch(
        "SELECT e.code, f.device_time, f.seq FROM frames f JOIN elevators e ON e.id = f.elevator_id"
    )
    return {SentKey(row["code"], to_us(row["device_time"]), row["seq"]) for row in rows}


async def all_stored(
    conn: asyncpg.Connection | asyncpg.Pool, keys: Collection[SentKey], timeout_s: float = 60.0
) -> None:
    """Wait until there are as many rows as there are different ``keys``; it may be exceeded.

    Returns also when ``timeout_s`` is over: ``key_faults`` then tells what is missing.
    """
    wanted = len(set(keys))
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                [row] = await conn.fetch("SELECT count(*) AS there FROM frames")
                if row["there"] >= wanted:
                    return
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        return


async def key_faults(
    conn: asyncpg.Connection | asyncpg.Pool, keys: Collection[SentKey]
) -> list[str]:
    """Compare what the broker acknowledged with what is stored, frame by frame."""
    sent, stored = set(keys), await stored_keys(conn)
    lost, foreign = sent - stored, stored - sent
    faults = []
    if lost:
        faults.append(f"{len(lost)} acknowledged frames are not stored, as {sorted(lost)[:3]}")
    if foreign:
        faults.append(f"{len(foreign)} stored frames were never sent, as {sorted(foreign)[:3]}")
    return faults
