"""The dispatcher in virtual time: slots, retries, order, outages, acceptance, stopping."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from alerting.dispatcher import Dispatcher, DispatchSettings
from alerting.outgoing import Reply
from alerting.retry import AttemptResult
from alerting.signature import Signer, Verification
from tests.fakes.alerting_outbox import FakeClient, LoopClock, MemoryOutbox
from tests.fakes.alerting_values import T0, S

pytestmark = [pytest.mark.looptime, pytest.mark.asyncio]

ONE, TWO = "http://one", "http://two"
SIGNER = Signer((b"0" * 32,))


@asynccontextmanager
async def running(outbox: MemoryOutbox, client: FakeClient) -> AsyncIterator[Dispatcher]:
    settings = DispatchSettings(endpoints=(ONE, TWO))
    dispatcher = Dispatcher(outbox, outbox, client, SIGNER, LoopClock(), settings)
    task = asyncio.create_task(dispatcher.run())
    yield dispatcher
    dispatcher.stop()
    await task


async def test_a_notification_sends_at_once_signed() -> None:
    outbox, client = MemoryOutbox(), FakeClient()
    async with running(outbox, client):
        await asyncio.sleep(10.2)
        delivery = outbox.add(ONE, LoopClock().now_us())
        await asyncio.sleep(0.05)
    (sent,) = client.sent
    assert sent.at_s == pytest.approx(10.2, abs=0.01)
    assert sent.headers["webhook-id"] == str(delivery.message_id)
    assert SIGNER.verify(sent.headers, sent.body, T0 / S + 10) is Verification.OK
    assert outbox.rows[0].state == "delivered"


async def test_without_a_notification_the_poll_finds_it() -> None:
    outbox, client = MemoryOutbox(), FakeClient()
    async with running(outbox, client):
        await asyncio.sleep(10.2)
        outbox.wake = None
        outbox.add(ONE, LoopClock().now_us())
        await asyncio.sleep(1)
    assert client.times() == [pytest.approx(10.5, abs=0.3)]


async def test_a_failing_endpoint_is_asked_at_the_times_of_the_contract() -> None:
    outbox, client = MemoryOutbox(), FakeClient(lambda _: 500)
    outbox.add(ONE, T0)
    async with running(outbox, client):
        await asyncio.sleep(140)
    times = client.times()
    gaps = [round(b - a, 1) for a, b in pairwise(times)]
    assert gaps[:7] == pytest.approx([0, 1, 2, 5, 10, 20, 30], abs=0.15)
    assert all(26.8 < g < 33.2 for g in gaps[7:])
    assert len({s.headers["webhook-id"] for s in client.sent}) == 1


async def test_a_hanging_endpoint_is_cut_after_five_seconds_and_asked_from_the_start() -> None:
    outbox, client = MemoryOutbox(), FakeClient(lambda _: None)
    outbox.add(ONE, T0)
    async with running(outbox, client) as dispatcher:
        await asyncio.sleep(41)
    # 5 s each; 10 s after the start of the fifth attempt comes the sixth.
    assert client.times() == pytest.approx([0, 5, 10, 15, 20, 30], abs=0.3)
    assert dispatcher.counts.attempts[AttemptResult.TIMED_OUT] == 6


async def test_endpoints_and_alarms_never_wait_for_each_other() -> None:
    outbox, client = MemoryOutbox(), FakeClient(lambda url: None if url == ONE else 200)
    for n in range(10):
        outbox.add(ONE, T0, f"a{n}")
        outbox.add(TWO, T0, f"b{n}")
    async with running(outbox, client):
        await asyncio.sleep(1)
        assert len(client.times(TWO)) == len(client.times(ONE)) == 10


async def test_32_in_flight_per_endpoint() -> None:
    outbox, client = MemoryOutbox(), FakeClient(takes_s=0.5)
    for n in range(200):
        outbox.add(ONE, T0, f"a{n}")
    async with running(outbox, client):
        await asyncio.sleep(10)
    assert client.most_open == 32
    assert len(client.sent) == 200


async def test_a_dead_endpoint_with_a_long_queue_is_asked_32_times_a_second() -> None:
    alive = False
    outbox = MemoryOutbox()
    client = FakeClient(lambda url: 200 if alive or url == TWO else 500)
    for n in range(300):
        outbox.add(ONE, T0, f"a{n}")
    async with running(outbox, client):
        await asyncio.sleep(20)
        assert 500 < len(client.times(ONE)) < 720
        outbox.add(TWO, LoopClock().now_us(), "other")
        await asyncio.sleep(0.1)
        assert len(client.times(TWO)) == 1
        alive = True
        await asyncio.sleep(35)
        assert all(r.state == "delivered" for r in outbox.rows)


async def test_messages_of_one_alarm_go_one_after_the_other() -> None:
    failures = iter([500, 500, 200, 500, 200, 200])
    outbox, client = MemoryOutbox(), FakeClient(lambda _: next(failures))
    for n in (3, 1, 2):
        outbox.add(ONE, T0, sequence=n)
    async with running(outbox, client):
        await asyncio.sleep(30)
    assert [s.body.decode()[-3] for s in client.sent] == ["1", "1", "1", "2", "2", "3"]


async def test_results_survive_a_database_outage_and_are_not_sent_again() -> None:
    outbox, client = MemoryOutbox(), FakeClient(takes_s=1)
    for n in range(40):
        outbox.add(ONE, T0, f"a{n}")
    async with running(outbox, client) as dispatcher:
        await asyncio.sleep(0.5)
        outbox.down = True
        await asyncio.sleep(120)
        assert dispatcher.counts.store_failures > 10
        assert len(client.sent) == 32
        outbox.down = False
        await asyncio.sleep(10)
        assert all(r.state == "delivered" for r in outbox.rows)
    assert len(client.sent) == 40


async def test_starts_without_a_database_and_goes_on_when_it_comes() -> None:
    outbox, client = MemoryOutbox(down=True), FakeClient()
    outbox.add(ONE, T0)
    async with running(outbox, client):
        await asyncio.sleep(60)
        assert not client.sent
        outbox.down = False
        await asyncio.sleep(6)
        assert len(client.sent) == 1


async def test_alarms_in_use_are_marked_a_moment_later() -> None:
    outbox, client = MemoryOutbox(busy_marks=3), FakeClient()
    outbox.add(ONE, T0)
    async with running(outbox, client):
        await asyncio.sleep(0.5)
        assert outbox.rows[0].state == "delivered"
    assert len(client.sent) == 1


async def test_a_reply_accepts_before_the_message_is_marked() -> None:
    reply = Reply(status=200, body=b'{"accepted_by": "desk 3"}')
    outbox, client = MemoryOutbox(busy_marks=10**9), FakeClient(lambda _: reply)
    delivery = outbox.add(ONE, T0)
    async with running(outbox, client) as dispatcher:
        await asyncio.sleep(0.5)
        assert outbox.accepted == {delivery.alarm_id: "desk 3"}
        assert dispatcher.counts.accepted_by_reply == 1
        outbox.busy_marks = 0


async def test_a_failed_reply_accepts_nothing() -> None:
    reply = Reply(status=500, body=b'{"accepted_by": "desk 3"}')
    outbox, client = MemoryOutbox(), FakeClient(lambda _: reply)
    outbox.add(ONE, T0)
    async with running(outbox, client):
        await asyncio.sleep(3)
    assert not outbox.accepted


async def test_timers_run_while_nothing_is_sent() -> None:
    outbox, client = MemoryOutbox(escalations=[T0 + 180 * S, T0 + 360 * S]), FakeClient()
    async with running(outbox, client) as dispatcher:
        await asyncio.sleep(370)
    assert client.times(TWO) == pytest.approx([180, 360], abs=0.6)
    assert dispatcher.counts.escalated == 2


async def test_stop_waits_for_attempts_under_way_and_claims_no_more() -> None:
    outbox, client = MemoryOutbox(), FakeClient(takes_s=2)
    outbox.add(ONE, T0)
    async with running(outbox, client):
        await asyncio.sleep(1)
        outbox.add(ONE, T0, "later", 1)
        await asyncio.sleep(0.1)
    assert [r.state for r in outbox.rows] == ["delivered", "delivered"]
    assert asyncio.get_running_loop().time() == pytest.approx(3, abs=0.2)


async def test_stop_without_a_database_ends_in_time() -> None:
    outbox, client = MemoryOutbox(), FakeClient()
    outbox.add(ONE, T0)
    async with running(outbox, client):
        await asyncio.sleep(0.005)
        outbox.down = True
        await asyncio.sleep(20)
        before_s = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - before_s < 7


async def test_stop_before_the_database_ever_came_ends_in_time() -> None:
    outbox, client = MemoryOutbox(down=True), FakeClient()
    async with running(outbox, client):
        await asyncio.sleep(20)
        before_s = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - before_s < 7
