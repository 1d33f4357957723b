"""The reads of recovery, against a real server: every later batch once, in order."""

import asyncio

import numpy as np
import pytest

from ingest.dead_letters import DeadLetter
from ingest.store import (
    batches,
    connect,
    dead_letters,
    frames,
    recovery,
    registry,
    transitions,
    writer_lock,
)
from ingest.store.registry import NewElevator
from telemetry.batch import FrameBatch
from telemetry.findings import Change, ClearReason, Confidence, FindingKind
from telemetry.transitions import Transition
from tests.integration.store_rigs import START_US, Open, commit, row


def said(elevator_id: int, n: int) -> Transition:
    return Transition(
        elevator_id=elevator_id,
        t_us=START_US + n,
        onset_us=START_US,
        kind=FindingKind.ALARM_BUTTON,
        kind_now=FindingKind.ALARM_BUTTON,
        change=Change.RAISED,
        reason=ClearReason.NONE,
        confidence=Confidence.CERTAIN,
        last_seen_us=START_US,
        rule="alarm_button",
        version="1",
        criteria={"pressed": True},
        values={"presses": n},
        thresholds={},
    )


def frames_of(number: int, n: int) -> FrameBatch:
    rng = np.random.default_rng(number)
    return FrameBatch.make(
        n,
        elevator_id=rng.integers(1, 9, n),
        time_us=START_US + rng.integers(-3, 4, n) * 86_400_000_000 + np.arange(n),
        received_us=START_US + number,
        seq=1000 * number + np.arange(n),
        mode=1,
    )


@pytest.mark.parametrize(("frames_per_read", "batches_per_read"), [(50_000, 1000), (60, 3), (1, 1)])
async def test_recovery_reads_every_later_batch_once_in_order(
    opened: Open, monkeypatch: pytest.MonkeyPatch, frames_per_read: int, batches_per_read: int
) -> None:
    monkeypatch.setattr(recovery, "FRAMES_PER_READ", frames_per_read)
    monkeypatch.setattr(recovery, "BATCHES_PER_READ", batches_per_read)
    conn = await opened()
    await writer_lock.acquire(conn, 0, lambda: None)
    lifts = await registry.register_elevators(conn, [NewElevator("x", None)], START_US)
    lift = lifts["x"].id
    written: dict[int, FrameBatch] = {}
    for number in range(1, 11):
        size = 0 if number % 4 == 0 else 10 * number
        batch = frames_of(number, size)
        written[number] = batch
        spoken = [said(lift, number)] if number % 3 == 0 else []
        low = int(batch["time_us"].min()) if size else None
        high = int(batch["time_us"].max()) if size else None
        counts = {"stored": size, "transitions": len(spoken)}
        async with connect.transaction(conn):
            one = row(number, min_time_us=low, max_time_us=high, **counts)
            await batches.write(conn, one)
            await frames.write(conn, batch, number)
            await transitions.write(conn, 0, number, spoken)
    read = [stored async for stored in recovery.batches_after(conn, 0, 2)]
    assert [stored.row.id for stored in read] == list(range(3, 11))
    for stored in read:
        number = stored.row.id
        batch = written[number]
        f = batch.take(
            np.lexsort((batch["seq"], batch["time_us"], batch["received_us"], batch["elevator_id"]))
        )
        for name in ("elevator_id", "time_us", "seq", "mode"):
            np.testing.assert_array_equal(stored.frames[name], f[name])
        assert list(stored.transitions) == ([said(lift, number)] if number % 3 == 0 else [])
    assert [s async for s in recovery.batches_after(conn, 0, 10)] == []


async def test_rebuilding_starts_two_hours_back(opened: Open) -> None:
    conn = await opened()
    await writer_lock.acquire(conn, 0, lambda: None)
    hour_us = 3_600_000_000
    for number, hours in ((1, 3), (2, 2.5), (3, 1), (4, 0)):
        await commit(conn, row(number, now_us=START_US - int(hours * hour_us)))
    assert await recovery.rebuild_from(conn, 0, START_US) == 2
    assert await recovery.rebuild_from(conn, 1, START_US) == 0


async def test_lanes_write_side_by_side_into_the_same_new_chunks(opened: Open) -> None:
    async def run_lane(lane: int) -> None:
        conn = await opened()
        lease = await writer_lock.acquire(conn, lane, lambda: None)
        for number in range(1, 16):
            mixed = frames_of(number, 40)
            mine = mixed.take(mixed["elevator_id"] % 2 == lane)
            letters = [letter_of(n) for n in (range(5) if lane else reversed(range(5)))]
            async with connect.transaction(conn):
                await batches.write(conn, row(number, lease.epoch, lane=lane))
                await frames.write(conn, mine, number, np.arange(len(mine)) % 2 == 0)
                await dead_letters.write(conn, letters)

    await asyncio.gather(run_lane(0), run_lane(1))
    conn = await opened()
    assert await conn.fetchval("SELECT count(*) FROM frames") == 15 * 40
    assert await conn.fetchval("SELECT count(*) FROM dead_letters") == 5
    assert await conn.fetchval("SELECT sum(times) FROM dead_letters") == 150
    for lane in (0, 1):
        read = [s async for s in recovery.batches_after(conn, lane, 0, lanes=2)]
        assert [s.row.id for s in read] == list(range(1, 16))
        lifts = np.concatenate([s.frames["elevator_id"] for s in read])
        assert set((lifts % 2).tolist()) == {lane}


def letter_of(index: int) -> DeadLetter:
    return DeadLetter("frame", "bad_time", "t", b"\1" * 32, index, "", 1, b"x", {}, START_US)


async def test_a_batch_over_four_hundred_days_is_one_transaction(opened: Open) -> None:
    conn = await opened()
    n = 800
    time_us = START_US - np.arange(n) % 400 * 86_400_000_000
    batch = FrameBatch.make(n, elevator_id=1, time_us=time_us, seq=np.arange(n))
    async with connect.transaction(conn):
        await frames.write(conn, batch, 1, np.zeros(n, np.bool_))
    found = await frames.lookup(conn, batch["elevator_id"], batch["time_us"], batch["seq"])
    assert len(found.frames) == n
    assert await frames.stored_heads(conn, [1]) == {1: START_US}
