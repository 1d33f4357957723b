"""Batches, epochs and unknown commits, against a real server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from ingest.store import (
    batches,
    connect,
    snapshots,
    writer_lock,
)
from ingest.store.errors import CommitUnknown, ContentError, EpochLost, Unavailable
from ingest.store.snapshots import Head
from service.stack import Stack
from tests.integration.store_rigs import START_US, Open, commit, row
from tests.waiting import until


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
