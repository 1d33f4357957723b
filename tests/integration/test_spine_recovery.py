"""Recovery against a real database: another number of lanes, and numbers that go on."""

import asyncpg
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from alerting.store import AlarmStore
from alerting.store.alarms import StoreSettings
from ingest.assemble import AssembleParams
from ingest.fleet import Fleet
from ingest.store import batches, registry
from ingest.store.batches import BatchRow
from ingest.store.connect import ConnectOptions, transaction
from ingest.store.registry import NewElevator
from service.clock import ManualClock
from service.core import LaneCore
from service.lane import Lane
from service.metrics import Metrics
from service.readiness import Board
from service.recovery import Recovery
from service.registrar import load_fleet
from service.relaning import forget_lanes
from service.settings import SettingsError
from service.snapshots import Snapshots, SnapshotTimes
from service.writer import RetryTimes, Writer
from telemetry.batch import FrameBatch
from telemetry.findings import Change, FindingKind

LIFTS = 5
HOUR_US = 3_600_000_000


class World:
    """The lanes of one process over a database."""

    def __init__(self, database_url: str, lanes: int, clock: ManualClock) -> None:
        self.clock = clock
        self.metrics = Metrics(CollectorRegistry(), "0")
        self.fleet = Fleet(lanes=lanes)
        self.alarms = AlarmStore(StoreSettings(endpoints=()))
        self.lanes = [
            Lane(n, self._core, self.fleet, self._writer(n, database_url), self.alarms,
                 self.metrics, clock)
            for n in range(lanes)
        ]  # fmt: skip
        self.snapshots = Snapshots(
            self.lanes, database_url, ConnectOptions(), clock, self.metrics,
            SnapshotTimes(10, 1_000, 48 * 3600),
        )  # fmt: skip

    def _core(self) -> LaneCore:
        return LaneCore(AssembleParams(), {})

    def _writer(self, number: int, database_url: str) -> Writer:
        times, board = RetryTimes(0.01, 0.1), Board(self.clock, ())
        return Writer(
            number, database_url, ConnectOptions(), times, board, self.metrics, self.clock
        )

    async def start(self) -> None:
        for lane in self.lanes:
            await lane.writer.take_over()
        found = await self.lanes[0].writer.attempt(registry.load)
        load_fleet(self.fleet, found)
        self.recovery = Recovery(self.fleet, self.alarms, len(self.lanes), self.clock)
        for lane in self.lanes:
            await self.recovery.run(lane, found.clock_runs)

    async def stop(self) -> None:
        for lane in self.lanes:
            await lane.writer.close()

    async def store(self, lane: Lane, elevator_ids: list[int], seq: int) -> None:
        """Commit and adopt a batch of one frame of each lift."""
        now_us, n = self.clock.advance(1), len(elevator_ids)
        frames = frames_of(self, elevator_ids, now_us, seq)
        advanced = lane.core.advance(frames, now_us, caught_up=True)

        async def write(conn: asyncpg.Connection) -> None:
            row = BatchRow(
                lane.number, lane.last_batch + 1, lane.writer.lease.epoch, now_us, True,
                now_us, now_us, n, n, 0, 0, 0,
            )  # fmt: skip
            async with transaction(conn):
                await batches.write(conn, row)

        await lane.writer.attempt(write)
        lane.core.adopt(advanced)
        lane.last_batch += 1


@pytest.fixture
async def registered(database_url: str) -> str:
    conn = await asyncpg.connect(database_url)
    gateway = (await registry.register_gateways(conn, ["g"], 1))["g"].id
    lifts = [NewElevator(f"lift {n}", gateway) for n in range(LIFTS)]
    await registry.register_elevators(conn, lifts, 1)
    await conn.close()
    return database_url


def frames_of(world: World, elevator_ids: list[int], now_us: int, seq: int = 1) -> FrameBatch:
    """Return a frame of each of these lifts."""
    return FrameBatch.make(
        len(elevator_ids), row=world.fleet.rows(elevator_ids), elevator_id=np.array(elevator_ids),
        gateway_id=1, seq=seq, time_us=now_us, device_time_us=now_us, received_us=now_us,
    )  # fmt: skip


async def told(
    world: World, quiet_s: float = 0, frames: FrameBatch | None = None
) -> list[tuple[Change, int]]:
    """Let frames come, or time pass; return what was told of silences, with alarms kept."""
    lane, now_us = world.lanes[0], world.clock.advance(quiet_s)
    batch = FrameBatch.empty() if frames is None else frames
    advanced = lane.core.advance(batch, now_us, caught_up=True)
    silences = [t for t in advanced.transitions if t.kind is FindingKind.TERMINAL_SILENT]

    async def write(conn: asyncpg.Connection) -> None:
        async with transaction(conn):
            await world.alarms.apply(conn, silences, {}, now_us)

    await lane.writer.attempt(write)
    lane.core.adopt(advanced)
    return [(t.change, t.elevator_id) for t in silences]


async def execute(database_url: str, sql: str) -> list[asyncpg.Record]:
    conn = await asyncpg.connect(database_url)
    try:
        return await conn.fetch(sql)
    finally:
        await conn.close()


def heads(world: World) -> dict[int, int]:
    """Return the seq of each lift's head in the order stage."""
    return {
        int(i): int(seq)
        for lane in world.lanes
        for i, seq in zip(lane.core.elevator_ids, lane.core.order.order.heads["seq"], strict=True)
    }


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (2, 3), (3, 2)])
async def test_the_state_moves_to_another_number_of_lanes(registered, before, after):
    clock = ManualClock()
    first = World(registered, before, clock)
    await first.start()
    for seq in (1, 2):
        for lane in first.lanes:
            await first.store(lane, [int(i) for i in lane.core.elevator_ids], seq)
    await first.snapshots.write()
    await first.stop()

    second = World(registered, after, clock)
    await second.start()
    assert second.recovery.lanes_before == before
    assert heads(second) == heads(first)
    highest = max(lane.last_batch for lane in first.lanes)
    assert {lane.last_batch for lane in second.lanes} == {highest}
    await second.snapshots.write()
    await second.lanes[0].writer.attempt(lambda conn: forget_lanes(conn, after, before))
    for lane in second.lanes:
        await second.store(lane, [int(i) for i in lane.core.elevator_ids], 3)
    await second.stop()

    third = World(registered, after, clock)
    await third.start()
    assert third.recovery.lanes_before is None
    assert {lane.last_batch for lane in third.lanes} == {highest + 1}
    await third.stop()


async def test_after_a_crash_another_number_of_lanes_is_refused_with_the_remedy(registered):
    clock = ManualClock()
    first = World(registered, 1, clock)
    await first.start()
    await first.store(first.lanes[0], [1, 2], 1)
    await first.snapshots.write()
    await first.store(first.lanes[0], [1, 2], 2)
    await first.stop()

    second = World(registered, 2, clock)
    with pytest.raises(SettingsError, match="start once with HOISTWAY_INGEST_LANES=1, stop it"):
        await second.start()
    await second.stop()


async def test_numbers_of_batches_go_on_after_days_of_silence(registered):
    clock = ManualClock()
    first = World(registered, 1, clock)
    await first.start()
    await first.store(first.lanes[0], [1, 2], 1)
    await first.store(first.lanes[0], [1, 2], 2)
    await first.snapshots.write()
    await first.stop()
    for _ in range(2):
        clock.advance(72 * 3600)
        again = World(registered, 1, clock)
        await again.start()
        assert again.lanes[0].last_batch == 2
        await again.snapshots.write()
        await again.stop()


@pytest.mark.parametrize("open_still", [True, False])
async def test_an_alarm_of_a_silence_from_before_a_rebuild_ends_with_the_next_frame(
    registered, open_still
):
    clock = ManualClock()
    first = World(registered, 1, clock)
    await first.start()
    lane = first.lanes[0]
    await first.store(lane, [1, 2], 1)
    assert [change for change, *_ in await told(first, quiet_s=60)] == [Change.RAISED] * 2
    clock.advance(3 * 3600)
    await first.stop()
    if not open_still:  # a person has ended the alarms
        await execute(registered, "UPDATE alarms SET ended_at = onset, state = 'ended'")

    second = World(registered, 1, clock)  # there is no snapshot that it could read
    await second.start()
    assert await told(second, quiet_s=120) == []
    frames = frames_of(second, [1, 3], clock.now_us())
    assert await told(second, frames=frames) == [(Change.CLEARED, 1)]
    active = await execute(registered, "SELECT elevator_id FROM alarms WHERE finding_active")
    assert [row["elevator_id"] for row in active] == [2]
    await second.stop()


async def test_state_from_after_now_is_brought_back_to_the_clock_once(registered):
    first = World(registered, 1, ManualClock())
    await first.start()
    for seq in (1, 2):
        await first.store(first.lanes[0], [1, 2], seq)
    await first.snapshots.write()
    await first.stop()
    stopped_us = first.clock.now_us()

    clock = ManualClock(stopped_us - HOUR_US)
    second = World(registered, 1, clock)
    await second.start()
    assert second.recovery.behind_us == HOUR_US
    assert heads(second) == heads(first)
    before_us = first.lanes[0].core.order.order.heads["arrival_us"][:2]
    arrival_us = second.lanes[0].core.order.order.heads["arrival_us"][:2]
    assert (arrival_us == before_us - HOUR_US).all()
    await second.snapshots.write()
    await second.stop()

    third = World(registered, 1, clock)
    await third.start()
    assert third.recovery.behind_us == 0
    assert heads(third) == heads(second)
    back = third.lanes[0].core.order.order.heads["arrival_us"]
    assert (back == second.lanes[0].core.order.order.heads["arrival_us"]).all()
    await third.stop()


async def test_a_clock_that_is_a_little_behind_changes_nothing(registered):
    first = World(registered, 1, ManualClock())
    await first.start()
    await first.store(first.lanes[0], [1, 2], 1)
    await first.snapshots.write()
    await first.stop()
    second = World(registered, 1, ManualClock(first.clock.now_us() - 60_000_000))
    await second.start()
    assert second.recovery.behind_us == 0
    await second.stop()
