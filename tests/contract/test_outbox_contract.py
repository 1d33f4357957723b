"""What the dispatcher leans on, of the real outbox and of the one in memory alike."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

import pytest

from alerting.alarm import Source, alarm_id
from alerting.outgoing import AcceptPort, Attempted, Delivery, OutboxPort
from alerting.retry import Step
from tests.fakes.alerting_outbox import MemoryOutbox
from tests.fakes.alerting_values import BARE, LIFT, T0, Book, S, press
from tests.integration.outbox_rigs import opened

URL = "http://one.invalid"
NOW = T0 + 60 * S


class Subject:
    """An outbox with messages 1, 2 of one alarm and 1 of another, both due at ``NOW``."""

    def __init__(self, outbox: OutboxPort, alarms: AcceptPort) -> None:
        self.outbox = outbox
        self.alarms = alarms

    async def claim(self, limit: int = 10, at_s: float = 0) -> list[Delivery]:
        at_us = NOW + round(at_s * S)
        return list(await self.outbox.claim(URL, limit, at_us, 30 * S))

    async def mark(self, delivery: Delivery, step: Step, at_s: float = 0) -> None:
        at_us = NOW + round(at_s * S)
        next_us = at_us + 10 * S if step is Step.RETRY else None
        attempted = Attempted(delivery, at_us, 1, 500, None, step, next_us, at_us)
        assert not await self.outbox.mark([attempted])


@asynccontextmanager
async def in_memory(_url: str) -> AsyncIterator[Subject]:
    outbox = MemoryOutbox()
    book = Book()
    book.fold([press(0), press(1), press(2, lift=8)])
    for message in book.messages:
        name = str(message.alarm.elevator_id)
        added = outbox.add(URL, NOW, name, message.alarm.sequence)
        outbox.rows[-1].delivery = replace(added, alarm_id=message.alarm.id)
    yield Subject(outbox, outbox)


@asynccontextmanager
async def in_database(url: str) -> AsyncIterator[Subject]:
    async with opened(url, URL) as rig:
        await rig.apply(press(0), press(1), press(2, lift=8), now_us=NOW)
        yield Subject(rig.outbox, rig.alarms)


@pytest.fixture(params=[in_memory, in_database])
def opening(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Subject]:
    """Return how to open one; the database is made here, outside of the event loop."""
    needs_database = request.param is in_database
    url = request.getfixturevalue("database_url") if needs_database else ""
    return request.param(url)


@pytest.fixture
async def subject(opening: AbstractAsyncContextManager[Subject]) -> AsyncIterator[Subject]:
    async with opening as opened_subject:
        yield opened_subject


async def test_only_the_first_message_of_an_alarm_is_claimed(subject: Subject) -> None:
    claimed = await subject.claim()
    assert [d.sequence for d in claimed] == [1, 1]
    assert {d.attempt for d in claimed} == {1}
    assert not await subject.claim()


async def test_the_limit_holds(subject: Subject) -> None:
    assert len(await subject.claim(limit=1)) == 1
    assert len(await subject.claim(limit=5)) == 1


@pytest.mark.parametrize("step", [Step.DELIVERED, Step.GIVE_UP])
async def test_settling_the_first_makes_the_second_due(subject: Subject, step: Step) -> None:
    for delivery in await subject.claim():
        await subject.mark(delivery, step)
    (second,) = await subject.claim()
    assert second.sequence == 2
    await subject.mark(second, step)
    assert not await subject.claim(at_s=10_000)


async def test_a_retry_is_due_at_its_time_and_blocks_the_next(subject: Subject) -> None:
    first = {d.alarm_id: d for d in await subject.claim()}
    for delivery in first.values():
        await subject.mark(delivery, Step.RETRY)
    assert not await subject.claim(at_s=9.9)
    again = await subject.claim(at_s=10)
    assert {d.message_id for d in again} == {d.message_id for d in first.values()}
    assert {d.attempt for d in again} == {2}


async def test_a_lease_runs_out(subject: Subject) -> None:
    first = await subject.claim()
    assert not await subject.claim(at_s=29)
    assert {d.key for d in await subject.claim(at_s=30)} == {d.key for d in first}


async def test_resuming_takes_over_at_once(subject: Subject) -> None:
    first = await subject.claim()
    await subject.outbox.resume(NOW + S)
    assert {d.key for d in await subject.claim(at_s=1)} == {d.key for d in first}


async def test_accepting_counts_those_that_were_not(subject: Subject) -> None:
    kind = press(0).kind
    names = {alarm_id(LIFT.code, kind, T0): "a", alarm_id(BARE.code, kind, T0 + 2 * S): "b"}
    assert await subject.alarms.accept_all(names, NOW, Source.REPLY) == 2
    assert await subject.alarms.accept_all(names, NOW, Source.REPLY) == 0
