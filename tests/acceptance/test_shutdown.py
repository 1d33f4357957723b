"""SIGTERM: what was taken is committed and acknowledged, the rest comes again, and it ends in time.

Stopped under load, while somebody is trapped, and while database or broker are gone.
"""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from service.child import ServiceProcess
from service.rig import Rig
from service.soak import accounts
from service.soak.crash import CrashRun, CrashSettings, rig_settings
from service.soak.traffic import TrafficSpec
from service.stack import Stack, open_stack
from simulator.publishing.feed import SteadyLoad
from tests.acceptance.conftest import MakeRig
from tests.conftest import ROOT
from tests.fakes.raw_mqtt import publish_all
from tests.waiting import until

SECOND_US = 1_000_000
CYCLES = 5
DRAIN_S = 3.0
ENDED_WITHIN_S = 10.0
TRAFFIC = TrafficSpec(lifts=12, load_lifts=200, load_frames_per_s=600, seed=6)


@pytest.fixture(scope="module")
def frail_stack() -> Iterator[Stack]:
    """Return services that these tests take away and always give back."""
    with open_stack(ROOT, own=True) as stack:
        yield stack


def last_event(service: ServiceProcess) -> dict[str, Any]:
    """Return the last line of the log."""
    return json.loads(service.last_words(1))


async def stop(service: ServiceProcess) -> float:
    """SIGTERM; return how long it took [s]."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    assert await service.stop(40) == 0, service.last_words()
    return loop.time() - began_s


class StopRun(CrashRun):
    """Stops and starts the service in an orderly way instead of killing it."""

    async def _kill_often(self) -> None:
        self.took_s: list[float] = []
        self.last_lines: list[dict[str, Any]] = []
        for _ in range(CYCLES):
            await self._window()  # somebody is trapped, the hold window is open
            self.took_s.append(await stop(self._service))
            self.last_lines.append(last_event(self._service))
            await self._service.start()
            await self._service.wait_ready()


@pytest.mark.slow
async def test_five_stops_under_load_lose_and_double_nothing(rig: MakeRig) -> None:
    settings = CrashSettings(kills=0, traffic=TRAFFIC, tail_s=1.0)
    wanted = rig_settings(settings)
    made = await rig(
        environment=wanted.environment,
        registrations=wanted.registrations,
        accept_after_s=wanted.accept_after_s,
    )
    run = StopRun(settings, made)
    report = await run.run()
    print(f"stops took {[round(s, 2) for s in run.took_s]} s; published {report.published},"
          f" stored {report.stored}, duplicate {report.duplicate};"
          f" {report.entrapments} entrapments, {report.alarms} alarms")  # fmt: skip
    assert not report.faults, "\n".join(report.faults)
    assert report.stored == report.distinct
    assert report.entrapments >= 3
    assert max(run.took_s) < ENDED_WITHIN_S
    for told in run.last_lines:
        assert told["event"] == "stopped"
        assert told["drained"] is True
        assert told["frames_in_flight"] == 0
        assert told["deliveries_pending"] is not None
        assert told["messages_unacknowledged"] >= 0


async def frail(make_rig: MakeRig, stack: Stack, *, ready: bool = True) -> Rig:
    return await make_rig(
        ready=ready,
        database_url=stack.database_url,
        mqtt_url=stack.mqtt_url,
        environment={"HOISTWAY_INGEST_DRAIN_TIMEOUT_S": str(DRAIN_S)},
    )


@pytest.mark.slow
@pytest.mark.parametrize(("how", "noticed"), [("stop", False), ("freeze", False), ("freeze", True)])
async def test_without_a_database_it_ends_in_time_and_the_frames_come_again(
    rig: MakeRig, frail_stack: Stack, how: str, *, noticed: bool
) -> None:
    made = await frail(rig, frail_stack)
    database = frail_stack.postgres
    assert database is not None
    load = SteadyLoad(50, 1_000, made.clock.now_us())
    first, second = (load.messages_until(made.clock.now_us() + n * SECOND_US) for n in (1, 2))
    await publish_all(made.settings.mqtt_url, [(m.topic, m.payload) for m in first])
    await accounts.settled(made.service, len(first))
    await asyncio.to_thread(getattr(database, how))
    try:
        await publish_all(made.settings.mqtt_url, [(m.topic, m.payload) for m in second])

        async def waits() -> bool:
            return (await accounts.ledger(made.service)).in_flight > 0

        async def knows() -> bool:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"{made.service.http_url}/readyz") as answer,
            ):
                return "database" in await answer.text()

        await until(waits)
        if noticed:  # so something asked the database, and still waits for its answer
            await until(knows)
        took_s = await stop(made.service)
        told = last_event(made.service)
    finally:
        await asyncio.to_thread(database.thaw if how == "freeze" else database.start)
    print(f"database {how}: ended after {took_s:.1f} s: {told}")
    assert took_s < ENDED_WITHIN_S
    assert told["event"] == "stopped"
    assert told["drained"] is False
    assert told["frames_in_flight"] > 0
    assert told["messages_unacknowledged"] >= told["frames_in_flight"]
    await made.service.start()
    await made.service.wait_ready()
    await accounts.settled(made.service, len(second))
    assert await made.count("SELECT count(*) FROM frames") == len(first) + len(second)


async def test_without_a_broker_it_ends_at_once(rig: MakeRig, frail_stack: Stack) -> None:
    made = await frail(rig, frail_stack)
    broker = frail_stack.mosquitto
    assert broker is not None
    await asyncio.to_thread(broker.kill)
    try:
        took_s = await stop(made.service)
    finally:
        await asyncio.to_thread(broker.start)
    assert took_s < DRAIN_S
    assert last_event(made.service)["drained"] is True


async def shows(service: ServiceProcess, words: str) -> None:
    """Wait until the log holds ``words``."""
    await until(lambda: words in service.last_words(100))


@pytest.mark.parametrize("part", ["database", "broker"])
async def test_it_can_be_stopped_while_it_waits_for_its_services(
    rig: MakeRig, frail_stack: Stack, part: str
) -> None:
    made = await frail(rig, frail_stack, ready=False)
    server = frail_stack.postgres if part == "database" else frail_stack.mosquitto
    assert server is not None
    await asyncio.to_thread(server.stop)
    try:
        await made.service.start()
        await shows(made.service, "database_unreachable" if part == "database" else "mqtt_connect")
        took_s = await stop(made.service)
    finally:
        await asyncio.to_thread(server.start)
    assert took_s < DRAIN_S
    assert last_event(made.service)["event"] == "stopped"


async def test_it_can_be_stopped_in_the_middle_of_recovery(
    rig: MakeRig, frail_stack: Stack
) -> None:
    made = await frail(rig, frail_stack, ready=False)
    conn = await made.pool.acquire()
    async with conn.transaction():
        await conn.execute("LOCK TABLE elevators IN ACCESS EXCLUSIVE MODE")  # recovery reads it
        await made.service.start()
        await until(lambda: made.count("SELECT count(*) FROM writer WHERE epoch > 0"))
        took_s = await stop(made.service)
    await made.pool.release(conn)
    assert took_s < DRAIN_S
    assert last_event(made.service)["event"] == "stopped"
