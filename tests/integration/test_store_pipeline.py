"""Batches, epochs, unknown commits and the reads of recovery, against a real server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

import asyncpg
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
    snapshots,
    transitions,
    writer_lock,
)
from ingest.store.batches import BatchRow
from ingest.store.errors import CommitUnknown, ContentError, EpochLost, Unavailable
from ingest.store.registry import NewElevator
from ingest.store.snapshots import Head
from service.stack import Stack
from telemetry.batch import FrameBatch
from telemetry.findings import Change, ClearReason, Confidence, FindingKind
from telemetry.transitions import Transition
from tests.waiting import until

START_US = 1_795_000_000_000_000

Open = Callable[[], Awaitable[asyncpg.Connection]]


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[Open]:
    connections: list[asyncpg.Connection] = []

    async def one_more() -> asyncpg.Connection:
        connections.append(await connect.open_connection(database_url))
        return connections[-1]

    yield one_more
    for conn in connections:
        conn.terminate()
    # Aborted transports close in the loop's next turn.
    await asyncio.sleep(0)


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


async def waiters(conn: asyncpg.Connection) -> int:
    return await conn.fetchval(
        """SELECT count(*) FROM pg_stat_activity
           WHERE datname = current_database() AND wait_event_type = 'Lock'"""
    )


async def until_somebody_waits(conn: asyncpg.Connection) -> None:
    await until(lambda: waiters(conn))


async def test_batches_come_back_in_order(opened: Open) -> None:
    conn = await opened()
    await writer_lock.acquire(conn, 0, lambda: None)
    await writer_lock.acquire(conn, 1, lambda: None)
    rows = [row(1), row(2, min_time_us=None, max_time_us=None, stored=0), row(5)]
    for one in rows:
        await commit(conn, one)
    await commit(conn, row(9, lane=1))
    assert await batches.after(conn, 0, 0) == rows
    assert await batches.after(conn, 0, 1, limit=1) == rows[1:2]
    assert await batches.last_id(conn, 0) == 5
    assert await batches.last_id(conn, 7) == 0
    assert await batches.last_before(conn, 0, START_US + 5) == 2
    assert await batches.last_before(conn, 0, START_US) == 0
    assert batches.bounds_us(rows) == (START_US, START_US + 1000)
    assert batches.bounds_us(rows[1:2]) is None
    assert await batches.prune(conn, 0, START_US + 5) == 2
    assert await batches.after(conn, 0, 0) == rows[2:]


async def test_batches_that_the_snapshot_does_not_hold_are_never_forgotten(opened: Open) -> None:
    conn = await opened()
    lease = await writer_lock.acquire(conn, 0, lambda: None)
    for number in (1, 2, 3, 4):
        await commit(conn, row(number))
    await snapshots.write(conn, lease, Head(2, START_US, 0, "v1"), {})
    assert await batches.prune(conn, 0, START_US + 10**9) == 2
    assert [one.id for one in await batches.after(conn, 0, 0)] == [3, 4]


async def test_a_second_process_stands_by_and_takes_over(opened: Open) -> None:
    first, second = await opened(), await opened()
    lease = await writer_lock.acquire(first, 0, lambda: None)
    other_lane = await writer_lock.acquire(second, 1, lambda: None)
    standby = asyncio.Event()
    waiting = asyncio.create_task(writer_lock.acquire(second, 0, standby.set, poll_s=0.01))
    await asyncio.wait_for(standby.wait(), 10)
    assert not waiting.done()
    assert other_lane.lane == 1  # other lanes are nobody's business
    await commit(first, row(1, lease.epoch))
    first.terminate()
    await asyncio.wait_for(lease.lost.wait(), 10)
    taken = await asyncio.wait_for(waiting, 10)
    assert (lease.epoch, taken.epoch, taken.lane) == (1, 2, 0)
    assert not taken.lost.is_set()


async def test_a_waiting_process_can_be_cancelled(opened: Open) -> None:
    first, second = await opened(), await opened()
    await writer_lock.acquire(first, 0, lambda: None)
    ready = asyncio.Event()
    waiting = asyncio.create_task(writer_lock.acquire(second, 0, ready.set, poll_s=60))
    await asyncio.wait_for(ready.wait(), 10)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_releasing_frees_the_lane_at_once(opened: Open) -> None:
    first, second = await opened(), await opened()
    lease = await writer_lock.acquire(first, 0, lambda: None)
    await writer_lock.release(first, lease)
    taken = await writer_lock.acquire(second, 0, lambda: pytest.fail("lane is free"))
    assert taken.epoch == 2


async def test_the_old_writer_can_commit_nothing_after_a_takeover(opened: Open) -> None:
    old, new = await opened(), await opened()
    lease = await writer_lock.acquire(old, 0, lambda: None)
    await writer_lock.release(old, lease)
    await writer_lock.acquire(new, 0, lambda: None)
    with pytest.raises(EpochLost):
        await commit(old, row(1, lease.epoch))
    with pytest.raises(EpochLost):
        await writer_lock.check_epoch(old, 0, lease.epoch)
    with pytest.raises(EpochLost):
        await commit(old, row(1, lane=3))
    assert await batches.last_id(new, 0) == 0


async def test_a_takeover_waits_for_the_transaction_under_way(opened: Open) -> None:
    old, new, watcher = await opened(), await opened(), await opened()
    lease = await writer_lock.acquire(old, 0, lambda: None)
    await writer_lock.release(old, lease)
    async with connect.transaction(old):
        await batches.write(old, row(1, lease.epoch))
        takeover = asyncio.create_task(writer_lock.acquire(new, 0, lambda: None))
        await until_somebody_waits(watcher)
        assert not takeover.done()
    assert (await takeover).epoch == 2
    assert await batches.last_id(new, 0) == 1


async def test_a_takeover_that_cannot_begin_its_epoch_keeps_no_lock(
    database_url: str, opened: Open
) -> None:
    old = await opened()
    lease = await writer_lock.acquire(old, 0, lambda: None)
    await writer_lock.release(old, lease)
    impatient = connect.ConnectOptions(command_timeout_s=0.2)
    new = await connect.open_connection(database_url, impatient)
    async with connect.transaction(old):
        await batches.write(old, row(1, lease.epoch))
        with pytest.raises(Unavailable):
            await writer_lock.acquire(new, 0, lambda: None)
    assert new.is_closed()
    third = await opened()
    async with asyncio.timeout(10):
        assert (await writer_lock.acquire(third, 0, lambda: None, poll_s=0.01)).epoch >= 2


async def test_the_same_batch_twice_is_refused(opened: Open) -> None:
    conn = await opened()
    await writer_lock.acquire(conn, 0, lambda: None)
    await commit(conn, row(1))
    with pytest.raises(ContentError):
        await commit(conn, row(1))


@asynccontextmanager
async def cut_at_commit(database_url: str, *, forward: bool) -> AsyncIterator[str]:
    """Give a URL whose connection breaks at COMMIT, after or before the server gets to see it."""
    parts = urlsplit(database_url)

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)

    async def serve(reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        answers, server = await asyncio.open_connection(parts.hostname, parts.port)
        answering = asyncio.create_task(pump(answers, client))
        while (data := await reader.read(65536)) and b"COMMIT;" not in data:
            server.write(data)
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
        if forward and data:
            server.write(data)
            await answers.read(65536)
        for writer in (client, server):
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()
        done.set()

    done = asyncio.Event()
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        netloc = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}"
        yield urlunsplit(parts._replace(netloc=netloc))
        await asyncio.wait_for(done.wait(), 10)


@pytest.mark.parametrize("forward", [True, False])
async def test_a_connection_cut_in_commit_is_unknown_and_asking_settles_it(
    database_url: str, opened: Open, forward: bool
) -> None:
    direct = await opened()
    await writer_lock.acquire(direct, 0, lambda: None)
    async with cut_at_commit(database_url, forward=forward) as url:
        conn = await connect.open_connection(url)
        with pytest.raises(CommitUnknown) as caught:
            await commit(conn, row(1))
        assert caught.value.__cause__ is not None
        assert conn.is_closed()
    assert await batches.was_committed(direct, 0, 1) is forward
    if not forward:
        await commit(direct, row(1))
        assert await batches.was_committed(direct, 0, 1)


async def test_asking_waits_until_the_old_transaction_has_ended(opened: Open) -> None:
    old, new, watcher = await opened(), await opened(), await opened()
    await writer_lock.acquire(new, 0, lambda: None)
    async with connect.transaction(old):
        await batches.write(old, row(1))
        asking = asyncio.create_task(batches.was_committed(new, 0, 1))
        await until_somebody_waits(watcher)
        assert not asking.done()
    assert await asking


async def test_a_stopped_server_is_unavailable_and_comes_back(own_stack: Stack) -> None:
    server = own_stack.postgres
    if server is None:
        pytest.skip("the database comes from outside: it is not ours to stop")
    conn = await connect.open_connection(own_stack.database_url)
    await asyncio.to_thread(server.kill)
    with pytest.raises(Unavailable):
        async with connect.transaction(conn):
            await connect.fetch(conn, "ask", "SELECT 1")
    with pytest.raises(Unavailable):
        await connect.open_connection(own_stack.database_url)
    await asyncio.to_thread(server.start)
    again = await connect.open_connection(own_stack.database_url)
    assert await again.fetchval("SHOW synchronous_commit") == "on"
    await again.close()


async def test_a_hanging_server_is_noticed_and_nothing_waits_for_a_rollback(
    own_stack: Stack,
) -> None:
    server = own_stack.postgres
    if server is None:
        pytest.skip("the database comes from outside: it is not ours to freeze")
    patient = connect.ConnectOptions(connect_timeout_s=20)
    hasty = connect.ConnectOptions(command_timeout_s=0.5)
    timed = await connect.open_connection(own_stack.database_url, hasty)
    cancelled = await connect.open_connection(own_stack.database_url, patient)

    async def ask(conn: asyncpg.Connection) -> None:
        async with connect.transaction(conn):
            await asyncio.to_thread(server.freeze)
            await connect.fetch(conn, "ask", "SELECT 1")

    try:
        async with asyncio.timeout(15):
            with pytest.raises(Unavailable, match="ask"):
                await ask(timed)
            await asyncio.to_thread(server.thaw)
            asking = asyncio.create_task(ask(cancelled))
            await asyncio.wait([asking], timeout=0.5)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
    finally:
        await asyncio.to_thread(server.thaw)
    assert timed.is_closed()
    assert cancelled.is_closed()
    again = await connect.open_connection(own_stack.database_url)
    await again.close()


async def test_a_url_of_another_kind_is_one_clear_line() -> None:
    with pytest.raises(Unavailable, match="postgresql://user:pw@host:port/db"):
        await connect.open_connection("mysql://a/b")


async def test_a_cancelled_transaction_leaves_no_locks(opened: Open) -> None:
    conn, other = await opened(), await opened()
    await writer_lock.acquire(other, 0, lambda: None)
    inside = asyncio.Event()

    async def hang() -> None:
        async with connect.transaction(conn):
            await batches.write(conn, row(1))
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await asyncio.wait_for(inside.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not await batches.was_committed(other, 0, 1)
    await commit(conn, row(1))


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
