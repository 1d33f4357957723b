"""Snapshots copied piece by piece while batches are committed: recovery finds the same state.

Batches go on between any two pieces, and after the snapshot; then the process is gone. What a new
one recovers must be the state of the old one, byte by byte.
"""

import asyncpg
import numpy as np
import pytest

import service.snapshots
from ingest.store import batches, frames, recovery, registry, transitions
from ingest.store import snapshots as stored_snapshots
from ingest.store.batches import BatchRow
from ingest.store.connect import transaction
from ingest.store.registry import NewElevator
from service.clock import ManualClock
from service.core import LaneCore
from service.lane import Lane
from telemetry.batch import FrameBatch
from tests.integration.test_spine_recovery import World

LIFTS = 7
PIECE = 2
SECOND_US = 1_000_000


@pytest.fixture
async def registered(database_url: str) -> str:
    conn = await asyncpg.connect(database_url)
    gateway = (await registry.register_gateways(conn, ["g"], 1))["g"].id
    lifts = [NewElevator(f"lift {n}", gateway) for n in range(LIFTS)]
    await registry.register_elevators(conn, lifts, 1)
    await conn.close()
    return database_url


class Traffic:
    """Lifts that stand between landings with people, each from another second on."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.rng = np.random.default_rng(seed)
        self.seq = np.zeros(LIFTS, np.int64)
        self.transitions = 0

    async def batch(self) -> None:
        """Commit and adopt seven seconds of a random half of the lifts, then some silence."""
        lane: Lane = self.world.lanes[0]
        now_us = self.world.clock.advance(7)
        chosen = np.flatnonzero(self.rng.random(LIFTS) < 0.5)
        row = np.repeat(chosen, 3)
        nth = np.tile(np.arange(3), len(chosen))
        self.seq[chosen] += 3 + (self.rng.random(len(chosen)) < 0.2)  # now and then one is missing
        time_us = now_us - (3 - nth) * 2 * SECOND_US
        given = FrameBatch.make(
            len(row), row=row, elevator_id=lane.core.elevator_ids[row], gateway_id=1,
            seq=self.seq[row] - 2 + nth, time_us=time_us, device_time_us=time_us,
            received_us=now_us, unit=0, mode=1, car=0, zone=row % 2, door=2, passenger=1,
            speed_mps=0.0, power=0, button=self.rng.random(len(row)) < 0.1, codes=0,
        )  # fmt: skip
        await self._commit(lane, given, now_us)
        await self._commit(lane, FrameBatch.empty(), self.world.clock.advance(9))

    async def _commit(self, lane: Lane, given: FrameBatch, now_us: int) -> None:
        advanced = lane.core.advance(given, now_us, caught_up=True)
        n, number = len(given), lane.last_batch + 1
        bounds = (int(given["time_us"].min()), int(given["time_us"].max())) if n else (None, None)
        row = BatchRow(
            0, number, lane.writer.lease.epoch, now_us, True, *bounds, n, n, 0, 0,
            len(advanced.transitions),
        )  # fmt: skip

        async def write(conn: asyncpg.Connection) -> None:
            async with transaction(conn):
                await batches.write(conn, row)
                await frames.write(conn, advanced.frames, number)
                await transitions.write(conn, 0, number, advanced.transitions)

        if n or advanced.transitions:
            await lane.writer.attempt(write)
            lane.last_batch = number
        lane.core.adopt(advanced)
        self.transitions += len(advanced.transitions)


def state(core: LaneCore, now_us: int) -> dict[str, bytes]:
    """Return what a lane knows once time has passed: ticks that told nothing are not repeated."""
    core.adopt(core.advance(FrameBatch.empty(), now_us, caught_up=True))
    core.mark_dirty()
    [arrays] = core.take_snapshot(LIFTS).values()
    keys = ("order.stored_head_us",)  # learnt from the table instead
    return {name: values.tobytes() for name, values in arrays.items() if name not in keys}


@pytest.mark.parametrize("seed", range(6))
async def test_batches_between_the_pieces_are_neither_lost_nor_doubled(
    registered, monkeypatch, seed
):
    monkeypatch.setattr(service.snapshots, "LIFTS_PER_PIECE", PIECE)
    monkeypatch.setattr(stored_snapshots, "LIFTS_PER_PIECE", PIECE)
    clock = ManualClock()
    first = World(registered, 1, clock)
    await first.start()
    traffic = Traffic(first, seed)
    for _ in range(4):
        await traffic.batch()
    await first.snapshots.write()
    monkeypatch.setattr(service.snapshots, "let_others_work", traffic.batch)
    await traffic.batch()
    await first.snapshots.write()
    monkeypatch.undo()
    monkeypatch.setattr(stored_snapshots, "LIFTS_PER_PIECE", PIECE)
    for _ in range(seed % 3):
        await traffic.batch()
    await first.stop()

    second = World(registered, 1, clock)
    told = []
    monkeypatch.setattr("service.recovery.log.error", lambda event, **_: told.append(event))
    await second.start()
    assert told == []
    now_us = clock.now_us()
    assert state(second.lanes[0].core, now_us) == state(first.lanes[0].core, now_us)
    assert second.lanes[0].last_batch == first.lanes[0].last_batch
    assert traffic.transitions > 0
    await second.stop()


async def test_a_piece_names_the_batch_after_which_it_was_copied(registered, monkeypatch):
    monkeypatch.setattr(service.snapshots, "LIFTS_PER_PIECE", PIECE)
    monkeypatch.setattr(stored_snapshots, "LIFTS_PER_PIECE", PIECE)
    world = World(registered, 1, ManualClock())
    await world.start()
    traffic = Traffic(world, 0)
    await traffic.batch()
    monkeypatch.setattr(service.snapshots, "let_others_work", traffic.batch)
    begun = world.lanes[0].last_batch
    await world.snapshots.write()
    layout = world.lanes[0].core.layout(1)
    found = await world.lanes[0].writer.attempt(lambda c: stored_snapshots.read(c, 0, layout))
    assert isinstance(found, stored_snapshots.Snapshot)
    assert found.head.batch == begun
    assert found.batches[0] == begun
    assert found.batches[3] > found.batches[1] > begun
    later = [b async for b in _later(world.lanes[0], found.head.batch)]
    assert [b.row.id for b in later] == list(range(begun + 1, world.lanes[0].last_batch + 1))
    await world.stop()


async def _later(lane: Lane, batch: int):
    conn = await lane.writer.connection()
    async for stored in recovery.batches_after(conn, 0, batch):
        yield stored
