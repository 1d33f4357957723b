"""Frames in a real hypertable: what was written comes back, once, and nothing else."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import numpy as np
import pytest

from ingest.store import connect, frames
from ingest.store.errors import ContentError, KeyStoredAlready
from telemetry.batch import FrameBatch
from telemetry.columns import COLUMNS

DAY_US = 86_400_000_000
START_US = 1_795_000_000_000_000


@pytest.fixture
async def conn(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await connect.open_connection(database_url)
    yield opened
    await opened.close()


def random_frames(seed: int, n: int, days: int = 3) -> FrameBatch:
    """Return frames with distinct keys, random unknowns and values at the ends of their ranges."""
    rng = np.random.default_rng(seed)
    patterns = rng.random((rng.integers(1, 40), len(COLUMNS))) < rng.choice([0.1, 0.5, 0.95])
    pattern = rng.integers(0, len(patterns), n)
    values: dict[str, Any] = {}
    for i, column in enumerate(COLUMNS):
        ends = rng.choice(np.array([column.low, column.high]), n)
        inside = rng.uniform(column.low, column.high, n)
        known = np.where(rng.random(n) < 0.2, ends, inside).astype(column.dtype)
        unknown = np.asarray(column.unknown, column.dtype)
        values[column.name] = np.where(patterns[pattern, i], unknown, known)
    time_us = START_US + rng.integers(0, days * DAY_US, n)
    return FrameBatch.make(
        n,
        elevator_id=rng.integers(1, 20, n),
        gateway_id=rng.integers(1, 2**31 - 1, n),
        time_us=time_us,
        device_time_us=rng.integers(-(10**15), 10**16, n),
        received_us=time_us + rng.integers(-DAY_US, DAY_US, n),
        seq=2**63 - 1 - rng.permutation(n),
        clock=rng.integers(0, 2, n),
        late=rng.random(n) < 0.5,
        quality=rng.integers(0, 2**40, n),
        **values,
    )


def by_key(batch: FrameBatch) -> FrameBatch:
    return batch.take(np.lexsort((batch["seq"], batch["time_us"], batch["elevator_id"])))


def assert_same(got: FrameBatch, wanted: FrameBatch) -> None:
    got, wanted = by_key(got), by_key(wanted)
    for name, values in wanted.columns.items():
        if name != "row":
            assert got[name].dtype == values.dtype, name
            np.testing.assert_array_equal(got[name], values, err_msg=name)


async def everything(conn: asyncpg.Connection, last_batch: int = 10**9) -> frames.StoredFrames:
    return await frames.read_batches(conn, (0, last_batch), (-(2**62), 2**62))


@pytest.mark.parametrize("way", ["direct", "staged", "mixed"])
async def test_random_batches_come_back_as_they_were(conn: asyncpg.Connection, way: str) -> None:
    for seed in range(25):
        batch = random_frames(seed, int(np.random.default_rng(seed).integers(1, 400)))
        doubtful = {
            "direct": np.zeros(len(batch), np.bool_),
            "staged": None,
            "mixed": np.arange(len(batch)) % 3 == 0,
        }[way]
        async with connect.transaction(conn):
            written = await frames.write(conn, batch, seed, doubtful)
        assert written.stored == len(batch)
        assert written.skipped == 0
        assert_same((await frames.read_batches(conn, (seed, seed), (0, 2**62))).frames, batch)
        keys = batch["elevator_id"], batch["time_us"], batch["seq"]
        assert_same((await frames.lookup(conn, *keys)).frames, batch)
        await conn.execute("DELETE FROM frames")


async def test_unknown_is_null_and_zero_is_not(conn: asyncpg.Connection) -> None:
    batch = FrameBatch.make(
        2,
        time_us=START_US,
        seq=np.array([1, 2]),
        car=np.array([0, -1]),
        speed_mps=np.array([0.0, np.nan]),
    )
    async with connect.transaction(conn):
        await frames.write(conn, batch, 1, np.zeros(2, np.bool_))
    rows = await conn.fetch("SELECT car, speed_mps, mode FROM frames ORDER BY seq")
    assert [tuple(row) for row in rows] == [(0, 0.0, None), (None, None, None)]


async def test_doubtful_frames_that_are_stored_are_left_out(conn: asyncpg.Connection) -> None:
    batch = random_frames(1, 300)
    async with connect.transaction(conn):
        await frames.write(conn, batch.take(slice(0, 100)), 1)
    changed = batch.replace(quality=batch["quality"] + 1)
    async with connect.transaction(conn):
        written = await frames.write(conn, changed, 2)
    assert written == frames.Written(direct=0, staged=300, skipped=100)
    assert written.stored == 200
    stored = await everything(conn)
    assert len(stored.frames) == 300
    first = stored.frames.take(stored.batch == 1)
    assert_same(first, batch.take(slice(0, 100)))


async def test_two_doubtful_writes_in_one_transaction_do_not_mix(conn: asyncpg.Connection) -> None:
    batch = random_frames(1, 60)
    async with connect.transaction(conn):
        one = await frames.write(conn, batch.take(slice(0, 40)), 1)
        two = await frames.write(conn, batch.take(slice(30, 60)), 2)
    assert (one.stored, two.stored, two.skipped) == (40, 20, 10)
    assert len((await everything(conn)).frames) == 60


async def test_a_sure_frame_that_is_stored_is_told_apart_from_bad_content(
    conn: asyncpg.Connection,
) -> None:
    batch = random_frames(1, 10)
    async with connect.transaction(conn):
        await frames.write(conn, batch, 1)
    with pytest.raises(KeyStoredAlready):
        async with connect.transaction(conn):
            await frames.write(conn, batch, 2, np.zeros(10, np.bool_))
    assert set((await everything(conn)).batch.tolist()) == {1}


async def test_lookup_finds_only_what_has_the_whole_key(conn: asyncpg.Connection) -> None:
    batch = random_frames(3, 50, days=90)
    async with connect.transaction(conn):
        await frames.write(conn, batch, 1)
    times = batch["time_us"].copy()
    times[::2] += 1
    times[1] = 2**63 - 1
    found = await frames.lookup(conn, batch["elevator_id"], times, batch["seq"])
    wanted = batch.take(np.arange(3, 50, 2))
    assert_same(found.frames, wanted)
    assert set(found.batch.tolist()) == {1}
    none = np.empty(0, np.int64)
    assert len((await frames.lookup(conn, none, none, none)).frames) == 0


async def test_batches_are_read_in_the_order_in_which_they_were_handled(
    conn: asyncpg.Connection,
) -> None:
    for number in (1, 2, 3):
        async with connect.transaction(conn):
            await frames.write(conn, random_frames(number, 80), number)
    span = START_US, START_US + 3 * DAY_US
    read = await frames.read_batches(conn, (2, 3), span)
    f = read.frames
    order = np.lexsort((f["seq"], f["time_us"], f["received_us"], f["elevator_id"], read.batch))
    assert order.tolist() == list(range(160))
    assert set(read.batch.tolist()) == {2, 3}
    odd = await frames.read_batches(conn, (1, 3), span, lane=1, lanes=2)
    even = await frames.read_batches(conn, (1, 3), span, lane=0, lanes=2)
    assert set((odd.frames["elevator_id"] % 2).tolist()) == {1}
    assert len(odd.frames) + len(even.frames) == 240


async def test_heads_are_the_newest_stored_times(conn: asyncpg.Connection) -> None:
    batch = random_frames(5, 200, days=40)
    async with connect.transaction(conn):
        await frames.write(conn, batch, 1)
    heads = await frames.stored_heads(conn, [*range(1, 20), 777])
    wanted = {
        lift: int(batch["time_us"][batch["elevator_id"] == lift].max())
        for lift in set(batch["elevator_id"].tolist())
    }
    assert heads == wanted


async def test_the_frames_at_fault_are_found_and_only_those(conn: asyncpg.Connection) -> None:
    batch = random_frames(2, 200)
    times = batch["time_us"].copy()
    times[[17, 120]] = 2**62
    bad = batch.replace(time_us=times)
    with pytest.raises(ContentError):
        async with connect.transaction(conn):
            await frames.write(conn, bad, 1)
    found = await frames.unstorable(conn, bad)
    assert [index for index, _ in found] == [17, 120]
    assert all("9999" in reason for _, reason in found)
    assert len((await everything(conn)).frames) == 0
    assert await frames.unstorable(conn, batch) == []
    good = np.delete(np.arange(200), [17, 120])
    async with connect.transaction(conn):
        await frames.write(conn, bad.take(good), 1)
    assert len((await everything(conn)).frames) == 198


async def test_what_the_server_refuses_is_content_and_is_found(conn: asyncpg.Connection) -> None:
    await conn.execute("ALTER TABLE frames ADD CHECK (passenger < 500)")
    batch = FrameBatch.make(
        64, time_us=START_US + np.arange(64), passenger=np.where(np.arange(64) == 41, 999, 1)
    )
    with pytest.raises(ContentError) as caught:
        async with connect.transaction(conn):
            await frames.write(conn, batch, 1, np.zeros(64, np.bool_))
    assert caught.value.sqlstate == "23514"
    assert not isinstance(caught.value, KeyStoredAlready)
    assert [index for index, _ in await frames.unstorable(conn, batch)] == [41]


async def test_a_rolled_back_write_leaves_nothing_and_the_connection_works(
    conn: asyncpg.Connection,
) -> None:
    batch = random_frames(7, 20)

    async def fail_halfway() -> None:
        async with connect.transaction(conn):
            await frames.write(conn, batch, 1)
            raise RuntimeError("a detector")

    with pytest.raises(RuntimeError, match="a detector"):
        await fail_halfway()
    assert len((await everything(conn)).frames) == 0
    async with connect.transaction(conn):
        assert (await frames.write(conn, batch, 1)).stored == 20
