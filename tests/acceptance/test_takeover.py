"""A second process takes over: no window, onset or alarm shows it."""

import os
import signal
from collections.abc import AsyncIterator

import aiohttp
import pytest

from ingest.store.writer_lock import LOCK_CLASS
from service.child import ServiceProcess, free_port
from service.rig import Rig
from service.soak import accounts
from tests.acceptance.conftest import MakeRig, Open
from tests.acceptance.stories import BETWEEN, RAISED, alarms, instant, lift, settle, wait_for
from tests.acceptance.terminal import RIDES, SECOND_US, STUCK
from tests.waiting import until


@pytest.fixture
async def standby(rig: MakeRig) -> AsyncIterator[tuple[Rig, ServiceProcess]]:
    """Return a rig whose service works, and a second process that stands by."""
    made = await rig(registrations=[lift("A")], accept_as=None)
    log_path = made.service.log_path.with_name("standby.log")
    second = ServiceProcess(made.service.environment, log_path, http_port=free_port())
    first = made.service
    await second.start()
    try:
        await until(lambda: says(second, "standby"))
        yield made, second
        # what is judged at the end is who works then
        assert made.service is second
        assert accounts.log_faults(first.log_path) == []
    finally:
        for process in (first, second):
            if process is not made.service:
                await process.kill()


async def test_a_standby_takes_over_in_the_middle_of_a_window(
    standby: tuple[Rig, ServiceProcess], terminal: Open
) -> None:
    made, second = standby
    a = await terminal(made, "A")
    t = made.clock.now_us() // 1000 * 1000
    await a.tell(t - 1 * SECOND_US, RIDES)
    await a.tell(t, STUCK)
    await settle(made, a)
    await made.service.kill()
    await second.wait_ready()
    made.service = second
    await a.tell(t + 2 * SECOND_US, STUCK)
    [raised] = await wait_for(made, RAISED)
    assert instant(raised.data["onset"]) == t
    assert instant(raised.data["detected"]) == t + 3 * SECOND_US
    await settle(made, a)
    assert await alarms(made) == [("A", BETWEEN, t, "raised")]
    assert await made.count("SELECT count(DISTINCT epoch) FROM batches") == 2


async def test_a_frozen_writer_that_wakes_up_writes_nothing_more(
    standby: tuple[Rig, ServiceProcess], terminal: Open
) -> None:
    made, second = standby
    first, a = made.service, await terminal(made, "A")
    t = made.clock.now_us() // 1000 * 1000
    await a.tell(t - 1 * SECOND_US, RIDES)
    await settle(made, a)
    os.kill(first.pid, signal.SIGSTOP)
    await a.tell(t, STUCK)  # lies in the socket of the frozen one
    lock = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    assert await made.count(f"{lock} AND classid = $1", LOCK_CLASS)
    await second.wait_ready()
    made.service = second
    os.kill(first.pid, signal.SIGCONT)
    for step in range(1, 20):
        await a.tell(t + step * 200_000, STUCK)
        await settle(made, a)
    [raised] = await wait_for(made, RAISED)
    assert instant(raised.data["onset"]) == t
    await settle(made, a)
    assert await alarms(made) == [("A", BETWEEN, t, "raised")]
    written = await made.pool.fetch("SELECT epoch, min(id), max(id) FROM batches GROUP BY 1")
    (_, _, before), (_, after, _) = sorted(tuple(row) for row in written)
    assert before < after, "the old writer wrote between the new one's batches"


async def says(service: ServiceProcess, cause: str) -> bool:
    try:
        async with (
            aiohttp.ClientSession(trust_env=False) as session,
            session.get(f"{service.http_url}/readyz") as answer,
        ):
            return answer.status == 503 and cause in await answer.text()
    except aiohttp.ClientError:
        return False
