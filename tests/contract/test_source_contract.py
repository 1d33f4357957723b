"""What every frame source promises; the fake earns its trust here."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator

import pytest

from ingest.source import NO_TOKEN, NotConnectedError
from service.stack import Stack, open_stack
from tests.conftest import ROOT
from tests.contract.source_rigs import (
    CLOCK,
    STATUS,
    TOPIC,
    Rig,
    ScriptedRig,
    mqtt_rig,
    numbered,
    payloads,
    read_count,
)
from tests.waiting import until

MANY = 1 << 30


@pytest.fixture(scope="module")
def broker() -> Iterator[Stack]:
    with open_stack(ROOT, own=True, services=frozenset({"mosquitto"})) as stack:
        yield stack


@pytest.fixture(params=["scripted", "mqtt 3.1.1", "mqtt 5"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    if request.param == "scripted":
        yield ScriptedRig()
        return
    stack: Stack = request.getfixturevalue("broker")
    async with mqtt_rig(stack.mqtt_url, request.param.removeprefix("mqtt ")) as real:
        yield real


async def test_messages_come_in_order_with_their_arrival(rig: Rig) -> None:
    async with rig.source() as source:
        before_us = CLOCK.now_us()
        await rig.publish(numbered(50))
        await rig.publish([b"online"], STATUS)
        got = await read_count(source, 51)
        assert payloads(got) == [*numbered(50), b"online"]
        assert [m.topic for m in got] == [TOPIC] * 50 + [STATUS]
        assert all(before_us <= m.received_us <= CLOCK.now_us() for m in got)
        assert source.counters.received_messages == 51


async def test_only_what_was_acknowledged_is_gone_after_a_restart(rig: Rig) -> None:
    async with rig.source() as source:
        await rig.publish(numbered(30))
        got = await read_count(source, 20)
        source.ack(got[:12])
    async with rig.source() as source:
        again = await read_count(source, 18)
        assert payloads(again) == numbered(18, start=12)
        source.ack(again)
        assert source.state.unacked == 0
    async with rig.source() as source:
        await rig.publish([b"next"])
        assert payloads(await read_count(source, 1)) == [b"next"]


async def test_acknowledgements_leave_in_receipt_order_each_once(rig: Rig) -> None:
    async with rig.source() as source:
        await rig.publish(numbered(10))
        got = await read_count(source, 10)
        source.ack(got[5:])
        assert source.counters.acks == 0
        source.ack(got[1:5])
        assert source.counters.acks == 0
        source.ack(got[:1])
        assert source.counters.acks == 10
        source.ack(got[3:4])
        assert (source.counters.acks, source.counters.stale_acks) == (10, 1)
    async with rig.source() as source:
        await rig.publish([b"next"])
        assert payloads(await read_count(source, 1)) == [b"next"]


async def test_lost_connection_brings_everything_again_and_old_acks_are_void(rig: Rig) -> None:
    async with rig.source() as source:
        await rig.publish(numbered(5))
        old = await read_count(source, 5)
        reader = asyncio.ensure_future(source.read(MANY, MANY))
        await rig.cut(source)
        assert not source.state.connected
        assert not source.state.caught_up
        assert source.state.problem
        source.ack(old)
        await rig.publish(numbered(3, start=5))
        await rig.restore(source)
        got = await reader
        new = got + await read_count(source, 8 - len(got))
        assert payloads(new) == numbered(8)
        assert source.state.unacked == 8
        source.ack(old)
        assert source.counters.stale_acks == 10
        assert source.counters.acks == 0
        assert (source.counters.losses, source.counters.reconnects) == (1, 1)
        source.ack(new)
        assert source.counters.acks == 8
        await until(lambda: source.state.problem is None)


async def test_paused_source_keeps_its_connection_and_reads_nothing(rig: Rig) -> None:
    async with rig.source() as source:
        source.pause()
        await rig.publish(numbered(20))
        assert source.state.paused
        assert not source.state.caught_up
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await source.read(MANY, MANY)
        assert source.state.waiting_messages == 0
        source.resume()
        assert payloads(await read_count(source, 20)) == numbered(20)
        assert source.counters.losses == 0


async def test_read_keeps_its_bounds_and_cancellation_loses_nothing(rig: Rig) -> None:
    async with rig.source() as source:
        waiting = asyncio.ensure_future(source.read(MANY, MANY))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        await rig.publish([b"x" * 100] * 5)
        await until(lambda: source.state.waiting_messages == 5)
        assert source.state.waiting_bytes == 500
        assert len(await source.read(2, MANY)) == 2
        assert len(await source.read(MANY, 250)) == 2
        assert len(await source.read(MANY, 1)) == 1
        assert source.state.waiting_bytes == 0


async def test_full_buffer_stops_reading_and_loses_nothing(rig: Rig) -> None:
    async with rig.source(buffer_messages=10) as source:
        await rig.publish([b"y" * 10_000] * 400)
        await until(lambda: source.state.waiting_messages >= 10)
        await asyncio.sleep(0.1)
        assert source.state.waiting_messages < 20
        assert not source.state.caught_up
        got = await read_count(source, 400, ack=True)
        assert {len(m.payload) for m in got} == {10_000}
        assert source.state.unacked == 0


async def test_message_without_guarantee_needs_no_acknowledgement(rig: Rig) -> None:
    async with rig.source() as source:
        await rig.publish([b"fleeting"], qos=0)
        (message,) = await read_count(source, 1)
        assert message.token == NO_TOKEN
        source.ack([message])
        assert source.counters.acks == 0
        assert source.counters.qos0_messages == 1
        assert source.state.unacked == 0


async def test_caught_up_only_with_nothing_waiting(rig: Rig) -> None:
    async with rig.source() as source:
        await until(lambda: source.state.caught_up)
        await rig.publish([b"1"])
        await until(lambda: source.state.waiting_messages == 1)
        assert not source.state.caught_up
        source.ack(await read_count(source, 1))
        assert source.state.caught_up
        source.pause()
        assert not source.state.caught_up
        source.resume()
        await until(lambda: source.state.caught_up)


async def test_publish_reaches_the_broker_or_says_that_it_did_not(rig: Rig) -> None:
    async with rig.source() as source:
        await source.publish(STATUS, b"online", qos=1, retain=False)
        await rig.cut(source)
        with pytest.raises(NotConnectedError):
            await source.publish(STATUS, b"online")


async def test_nothing_is_lost_over_random_cuts_and_restarts(rig: Rig) -> None:
    rng, stored, count = random.Random(20_261_122), set[bytes](), 0
    for _ in range(8):
        async with rig.source(buffer_messages=rng.choice([5, 20_000, 20_000, 20_000])) as source:
            held = []
            for _ in range(rng.randint(1, 4)):
                new = rng.randint(1, 60)
                await rig.publish(numbered(new, start=count))
                count += new
                if rng.random() < 0.5:
                    await rig.cut(source)
                    await rig.restore(source)
                held += await source.read(rng.randint(1, 80), MANY)
                done = rng.randint(0, len(held))
                stored |= set(payloads(held[:done]))
                source.ack(held[:done])
                del held[:done]
    await rig.publish([b"the last"])
    async with rig.source() as source:
        while b"the last" not in stored:
            messages = await source.read(MANY, MANY)
            stored |= set(payloads(messages))
            source.ack(messages)
    assert stored == {*numbered(count), b"the last"}
