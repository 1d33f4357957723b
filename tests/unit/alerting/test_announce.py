"""Blindness is announced (promise 13), in virtual time."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from alerting.announce import QUEUE_LENGTH, Announcer, AnnounceSettings, Cause
from alerting.signature import Signer, Verification
from tests.fakes.alerting_outbox import FakeClient, LoopClock
from tests.fakes.alerting_values import T0, S

pytestmark = [pytest.mark.looptime, pytest.mark.asyncio]

ONE, TWO = "http://one", "http://two"
SIGNER = Signer((b"0" * 32,))


@asynccontextmanager
async def announcing(client: FakeClient, blind: dict[Cause, int]) -> AsyncIterator[Announcer]:
    settings = AnnounceSettings(endpoints=(ONE, TWO))
    announcer = Announcer(client, SIGNER, LoopClock(), lambda: blind, settings)
    task = asyncio.create_task(announcer.run())
    yield announcer
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def told(client: FakeClient, word: str, url: str = ONE) -> list[tuple[float, dict[str, Any]]]:
    events = [(round(s.at_s), json.loads(s.body)) for s in client.sent if s.url == url]
    return [(at, e) for at, e in events if e["type"] == f"hoistway.service.{word}"]


async def test_alive_every_60_s_to_every_endpoint() -> None:
    client = FakeClient()
    async with announcing(client, {}):
        await asyncio.sleep(185)
    for url in (ONE, TWO):
        assert [at for at, _ in told(client, "alive", url)] == [0, 60, 120, 180]
    assert len({e["id"] for _, e in told(client, "alive")}) == 4
    assert all(
        SIGNER.verify(s.headers, s.body, T0 / S + s.at_s) is Verification.OK for s in client.sent
    )


@pytest.mark.parametrize("cause", Cause)
async def test_blind_for_15_s_is_told_once_and_so_is_its_end(cause: Cause) -> None:
    client, blind = FakeClient(), {}
    async with announcing(client, blind) as announcer:
        await asyncio.sleep(10)
        blind[cause] = T0 + 10 * S
        await asyncio.sleep(14)
        assert not announcer.announced
        await asyncio.sleep(100)
        assert announcer.announced == {cause: T0 + 10 * S}
        blind.clear()
        await asyncio.sleep(5)
    for url in (ONE, TWO):
        ((degraded_s, degraded),) = told(client, "degraded", url)
        ((restored_s, restored),) = told(client, "restored", url)
        assert degraded_s == pytest.approx(25, abs=1)
        assert restored_s == pytest.approx(124, abs=1)
        assert degraded["data"]["cause"] == restored["data"]["cause"] == cause.value
        assert degraded["data"]["since"] == "2026-11-22T08:00:10.000000Z"
        assert degraded["data"]["degraded"] == [cause.value]
        assert degraded["data"]["text"]["zh"]


async def test_a_short_cut_is_not_told() -> None:
    client, blind = FakeClient(), {Cause.BROKER: T0}
    async with announcing(client, blind):
        await asyncio.sleep(13.5)
        blind.clear()
        await asyncio.sleep(60)
    assert not told(client, "degraded")
    assert not told(client, "restored")


async def test_it_is_retried_until_taken_in_order_with_one_id() -> None:
    status = 503
    client, blind = FakeClient(lambda url: status if url == ONE else 200), {Cause.DATABASE: T0}
    async with announcing(client, blind):
        await asyncio.sleep(100)
        blind.clear()
        await asyncio.sleep(20)
        status = 200
        await asyncio.sleep(40)
    degraded = told(client, "degraded")
    assert len(degraded) > 5
    assert len({e["id"] for _, e in degraded}) == 1
    assert len(told(client, "restored")) == 1
    assert told(client, "restored")[0][0] >= degraded[-1][0]
    assert len(told(client, "degraded", TWO)) == 1


async def test_a_desk_that_never_answers_costs_bounded_memory() -> None:
    client, blind = FakeClient(lambda _: None), {}
    async with announcing(client, blind) as announcer:
        for n in range(3 * QUEUE_LENGTH):
            blind[Cause.BROKER] = T0 + n * 20 * S
            await asyncio.sleep(18)
            blind.clear()
            await asyncio.sleep(2)
        assert all(len(q.waiting) <= QUEUE_LENGTH for q in announcer._queues)
