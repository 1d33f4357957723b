"""The pipeline's edges: who still waits at its end, and silence that was our own."""

import asyncio
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from alerting.changes import Changes
from ingest.decode import decode
from ingest.source import Message, SourceCounters
from service.clock import ManualClock
from service.http.parts import IntakePausedError
from service.lane import LaneResult
from service.metrics import Metrics
from service.pipeline import STALLED_US, SUBMITTED_BYTES, Pipeline
from service.work import Tally, Work


class Fleet:
    def __init__(self) -> None:
        self.listening_since: list[int] = []

    def listen_again(self, now_us: int) -> None:
        self.listening_since.append(now_us)


class Intake:
    """Works on demand; HTTP payloads hang in registration."""

    tick_us = 1_000_000
    max_frames = 8_000

    def __init__(self) -> None:
        self.works: asyncio.Queue[Work] = asyncio.Queue()
        self.decoding = asyncio.Event()
        self.posted_bytes = 0

    async def next_work(self) -> Work:
        return await self.works.get()

    async def make_work(self, messages: list[Message], *_: Any, **__: Any) -> Work:
        self.posted_bytes = sum(len(message.payload) for message in messages)
        self.decoding.set()
        await asyncio.Event().wait()
        raise AssertionError


class Lane:
    """A lane whose database may be gone."""

    number = 0

    def __init__(self) -> None:
        self.writer = SimpleNamespace(failing_since_us=None)
        self.parameters = SimpleNamespace(version=0)
        self.has_database = asyncio.Event()
        self.has_database.set()

    def take_in_new_lifts(self) -> None:
        pass

    async def take_parameters(self, changes: list[Any]) -> None:
        assert changes == []

    async def process(self, work: Work) -> Any:
        await self.has_database.wait()
        return LaneResult(Tally(), Changes(), [])

    async def release_held(self, **_: Any) -> Changes:
        return Changes()


class Registrar:
    async def parameters_after(self, version: int) -> list[Any]:
        return []


class World:
    def __init__(self) -> None:
        self.clock, self.fleet, self.intake, self.lane = ManualClock(), Fleet(), Intake(), Lane()
        source: Any = SimpleNamespace(counters=SourceCounters(), ack=lambda _: None)
        parts: list[Any] = [source, self.intake, [self.lane], self.fleet, Registrar(), self.clock]
        metrics = Metrics(CollectorRegistry(), "0")
        self.pipeline = Pipeline(*parts, metrics)  # type: ignore[arg-type]

    def work(self) -> Work:
        message = Message("hoistway/v1/g/frames", b"[]", self.clock.now_us())
        parts: dict[int, Any] = {0: None}
        return Work([message], decode([message]), parts, self.clock.now_us(), True)


async def turns(n: int = 20) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


async def test_payloads_are_refused_before_the_pipeline_runs():
    with pytest.raises(IntakePausedError):
        async with asyncio.timeout(1):
            await World().pipeline.submit("g", b"[]")


@pytest.mark.parametrize("orderly", [True, False])
async def test_a_sender_whose_payload_is_being_decoded_at_the_end_gets_an_answer(orderly):
    world = World()
    running = asyncio.create_task(world.pipeline.run())
    await turns()
    sending = asyncio.create_task(world.pipeline.submit("g", b"[]"))
    await world.intake.decoding.wait()
    if orderly:
        world.pipeline.stop()
    else:
        running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    with pytest.raises(IntakePausedError):
        async with asyncio.timeout(1):
            await sending


async def test_gateways_that_were_not_heard_while_commits_failed_do_not_count_as_silent():
    world = World()
    running = asyncio.create_task(world.pipeline.run())
    world.lane.has_database.clear()
    for _ in range(5):  # one at the lane, two queued, one that cannot be queued, one to come
        world.intake.works.put_nowait(world.work())
    await turns()
    world.clock.advance(STALLED_US / 1e6)
    world.lane.has_database.set()
    await turns(60)
    assert world.fleet.listening_since == [world.clock.now_us()]
    world.pipeline.stop()
    await running


async def test_posted_payloads_are_bounded_in_bytes_and_taken_in_bounded_works():
    world = World()
    running = asyncio.create_task(world.pipeline.run())
    payload = bytes(1024 * 1024)
    await turns()
    sending = [asyncio.create_task(world.pipeline.submit("g", payload)) for _ in range(40)]
    await turns()
    refused = [task for task in sending if task.done()]
    assert 40 * len(payload) - len(refused) * len(payload) <= SUBMITTED_BYTES + 4 * len(payload)
    assert world.intake.posted_bytes <= 2 * 8_000 * 200
    world.pipeline.stop()
    await running
    answers = await asyncio.gather(*sending, return_exceptions=True)
    assert all(isinstance(answer, IntakePausedError) for answer in answers)
