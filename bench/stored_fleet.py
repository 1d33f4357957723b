"""Comparing rules over stored frames: how many times faster than time, with 1,000 lifts.

    .venv/bin/python -m bench stored_fleet [--lifts 1000] [--hours 3] [--workers 2]

A morning of `city-weekday` (from 07:00, field network, faults and look-alikes as there) is stored
in a database of its own through the key stage, as the service would; then `hoistway compare` reads
it with other parameters. Printed: size, time, frames/s, times real time; for all lifts and for one.
"""

import argparse
import asyncio
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import asyncpg
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.write import with_database  # noqa: E402
from ingest import assemble  # noqa: E402
from ingest.assemble import LaneState  # noqa: E402
from ingest.store import frames as store  # noqa: E402
from ingest.store.connect import transaction  # noqa: E402
from service.backtest.candidate import Candidate  # noqa: E402
from service.backtest.memory import KeyMemory  # noqa: E402
from service.backtest.sources import Changes  # noqa: E402
from service.compare import trial  # noqa: E402
from service.replay.stored import Choice  # noqa: E402
from service.stack import open_stack  # noqa: E402
from simulator.batches import Batcher  # noqa: E402
from simulator.scenarios.build import build  # noqa: E402
from simulator.scenarios.reader import load  # noqa: E402
from simulator.source import RegistryRow  # noqa: E402

STEP_US = 60_000_000
HOUR_US = 3_600_000_000
SEVEN_US = 7 * HOUR_US
OTHER = {"between_landings_window_s": 25, "at_landing_window_s": 45}


async def register(conn: asyncpg.Connection, registry: list[RegistryRow]) -> None:
    """Make the lifts, with ids 1 ... n in the order of the fleet."""
    await conn.execute("INSERT INTO gateways (id, name) VALUES (1, 'bench')")
    rows = [
        (i, r.code, int(r.unit), r.model, r.rated_speed_mps, json.dumps(dict(r.params)))
        for i, r in enumerate(registry, 1)
    ]
    await conn.executemany(
        "INSERT INTO elevators (id, code, unit, model, rated_speed_mps, params, gateway_id)"
        " VALUES ($1, $2, $3, $4, $5, $6, 1)",
        rows,
    )


async def fill(conn: asyncpg.Connection, lifts: int, hours: float) -> int:
    """Store a morning of a fleet; return the number of frames."""
    changes = Changes(lifts=lifts, lasts_us=SEVEN_US + round(hours * HOUR_US))
    built = build(load("city-weekday").changed(changes.apply).scenario)
    source = built.source()
    registry = source.registry()
    await register(conn, registry)
    units = range(len(registry))
    batcher = Batcher(units, [r.unit for r in registry], [1] * len(registry))
    keys, memory = LaneState(), KeyMemory()
    keys.grow(len(registry), assemble.NOTHING_STORED)
    until_us, stored = built.start_us, 0
    while until_us < built.end_us:
        until_us = min(until_us + STEP_US, built.end_us)
        arrived = source.arrived_until(until_us)
        if until_us <= built.start_us + SEVEN_US:
            continue
        batch = batcher.batch(arrived)
        plan = assemble.plan(keys, batch)
        settled = assemble.settle(keys, plan, memory.find(plan))
        memory.keep(settled.frames, until_us)
        ordered = assemble.advance(keys, settled.frames, until_us)
        assemble.adopt(keys, ordered, settled)
        frames = settled.frames.replace(elevator_id=settled.frames["row"].astype("i8") + 1)
        async with transaction(conn):
            await store.write(conn, frames, 1, np.ones(len(frames), bool))
        stored += len(frames)
    return stored


async def measure(url: str, lifts: int, hours: float, workers: int) -> None:
    conn = await asyncpg.connect(url)
    stored = await fill(conn, lifts, hours)
    await conn.execute("ANALYZE frames")
    code = await conn.fetchval("SELECT code FROM elevators ORDER BY id LIMIT 1")
    await conn.close()
    print(f"{stored:,} frames of {lifts:,} lifts and their stairs in {hours:g} h are stored")
    os.environ["HOISTWAY_DATABASE_URL"] = url
    candidate = Candidate(OTHER)
    for title, codes in ((f"{lifts:,} lifts", ()), ("1 lift", (code,))):
        compared = await asyncio.to_thread(
            trial.of_stored, replace(Choice(), codes=codes), 0.0, candidate, workers
        )
        print(f"{title}: {compared.summary}; {len(compared.found)} differences")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lifts", type=int, default=1_000)
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    with open_stack(ROOT) as stack:
        asyncio.run(
            with_database(
                stack.database_url,
                lambda url: measure(url, given.lifts, given.hours, given.workers),
            )
        )


if __name__ == "__main__":
    main()
