"""Since when which version judged: by batches where they are listed, by the clock before."""

from collections.abc import AsyncIterator

import asyncpg
import numpy as np
import pytest

from ingest.store import batches, writer_lock
from ingest.store import frames as store
from ingest.store.batches import BatchRow
from ingest.store.connect import open_connection, transaction
from ingest.store.parameters import Scope
from service.parameters import ParameterStore, Wanted, history
from service.parameters.history import History, Opening, largest
from telemetry.batch import FrameBatch

START_US = 1_780_000_000_000_000
SECOND_US = 1_000_000
END_US = START_US + 1_000 * SECOND_US
WINDOW = "at_landing_window_s"


class Stored:
    """Versions and batches of some lanes, without a service."""

    def __init__(self, conn: asyncpg.Connection) -> None:
        self.conn = conn
        self.epochs: dict[int, int] = {}

    async def change(self, at_s: int, scope: Scope, subject: str, value: float | None) -> None:
        wanted = Wanted(scope, subject, {WINDOW: value})
        await ParameterStore(self.conn).change(wanted, "me", START_US + at_s * SECOND_US)

    async def batch(
        self, number: int, at_s: int, version: int, *, lane: int = 0, frames_us: tuple = ()
    ) -> None:
        """Write a batch whose frames, of lift 1, arrived at ``frames_us``; without any, a tick."""
        n, now_us = len(frames_us), START_US + at_s * SECOND_US
        times = np.array(frames_us, "i8")
        frames = FrameBatch.make(
            n, elevator_id=1, gateway_id=1, seq=times % 1_000_000_007, time_us=times,
            device_time_us=times, received_us=times,
        )  # fmt: skip
        bounds = (int(times.min()), int(times.max())) if n else (None, None)
        epoch = self.epochs[lane]
        row = BatchRow(
            lane, number, epoch, now_us, True, *bounds, n, n, 0, 0, 0, parameters=version
        )
        async with transaction(self.conn):
            await batches.write(self.conn, row)
            await store.write(self.conn, frames, number)

    async def read(self, from_s: int = 0) -> History:
        return await history.read(self.conn, START_US + from_s * SECOND_US, END_US)


@pytest.fixture
async def stored(database_url: str) -> AsyncIterator[Stored]:
    conn = await open_connection(database_url)
    locked = await open_connection(database_url)
    made = Stored(conn)
    await conn.execute("INSERT INTO gateways (name) VALUES ('gw')")
    await conn.execute("INSERT INTO elevators (code, model) VALUES ('A', 'KONE'), ('B', 'OTIS')")
    for lane in (0, 1):
        made.epochs[lane] = (await writer_lock.acquire(locked, lane, lambda: None)).epoch
    yield made
    conn.terminate()
    locked.terminate()


def opened(at_s: float, version: int, lane: int = 0) -> Opening:
    return Opening(START_US + round(at_s * SECOND_US), lane, version)


async def test_nothing_was_ever_set(stored: Stored) -> None:
    assert await stored.read() == History()


async def test_without_batches_the_clock_tells(stored: Stored) -> None:
    await stored.change(-5, Scope.FLEET, "", 50)
    await stored.change(7, Scope.FLEET, "", 40)
    found = await stored.read()
    assert (found.first, found.openings) == ((1,), (opened(7, 2),))
    assert [c.after["params"][WINDOW] for c in found.changes] == [50, 40]
    assert found.moved(SECOND_US).openings == (opened(8, 2),)


async def test_a_batch_of_its_own_tells_the_instant(stored: Stored) -> None:
    await stored.change(-5, Scope.FLEET, "", 50)
    await stored.batch(1, 1, 1, frames_us=(START_US + 500_000,))
    await stored.change(3, Scope.FLEET, "", 40)
    await stored.batch(2, 4, 2)
    await stored.batch(3, 5, 2, frames_us=(START_US + 4_500_000,))
    found = await stored.read()
    assert (found.first, found.openings) == ((1,), (opened(4, 2),))
    assert (await stored.read(from_s=4)).first == (2,)


async def test_a_change_without_a_batch_of_its_own_came_behind_the_batch_before(
    stored: Stored,
) -> None:
    await stored.batch(1, 1, 0, frames_us=(START_US + 500_000,))
    await stored.change(2, Scope.MODEL, "XIZI", 40)
    await stored.batch(2, 5, 1, frames_us=(START_US + 4_500_000,))
    assert (await stored.read()).openings == (opened(1, 1),)


async def test_frames_of_that_very_instant_came_before(stored: Stored) -> None:
    await stored.batch(1, 1, 0, frames_us=(START_US + 500_000, START_US + SECOND_US))
    await stored.change(2, Scope.FLEET, "", 40)
    await stored.batch(2, 1, 1)
    assert (await stored.read()).openings == (opened(1.000001, 1),)


async def test_batches_that_are_no_longer_listed_are_replaced_by_the_clock(stored: Stored) -> None:
    for n, value in enumerate((50, 40, 30)):
        await stored.change(10 * n + 5, Scope.FLEET, "", value)
    await stored.batch(7, 21, 2)
    await stored.batch(8, 27, 3)
    found = await stored.read()
    assert (found.first, found.openings) == ((0,), (opened(5, 1), opened(15, 2), opened(27, 3)))


async def test_lanes_take_a_version_each_at_its_own_instant(stored: Stored) -> None:
    await stored.batch(1, 1, 0)
    await stored.batch(1, 1, 0, lane=1)
    await stored.change(2, Scope.FLEET, "", 40)
    await stored.batch(2, 3, 1)
    await stored.batch(2, 4, 1, lane=1)
    found = await stored.read()
    assert (found.first, found.openings) == ((0, 0), (opened(3, 1), opened(4, 1, lane=1)))


async def test_the_largest_value_of_a_span_is_found_by_lift(stored: Stored) -> None:
    await stored.change(1, Scope.MODEL, "KONE", 90)
    await stored.change(2, Scope.FLEET, "", 50)
    await stored.change(3, Scope.LIFT, "B", 70)
    await stored.change(4, Scope.MODEL, "KONE", None)
    await stored.change(5, Scope.LIFT, "B", 65)
    assert largest(await stored.read(), [1, 2]) == {1: {WINDOW: 60}, 2: {WINDOW: 70}}
    assert largest(await stored.read(from_s=5), [1, 2]) == {1: {WINDOW: 50}, 2: {WINDOW: 65}}
