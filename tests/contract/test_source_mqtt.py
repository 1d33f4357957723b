"""The MQTT source on a real Mosquitto: crashes, pauses, outages, backlogs, second clients."""

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from ingest.mqtt_source import MqttSource, delete_session
from ingest.source import BrokerUnreachableError
from service.stack import Stack, open_stack
from tests.conftest import ROOT
from tests.contract.source_rigs import (
    CLOCK,
    TOPIC,
    MqttRig,
    mqtt_rig,
    numbered,
    payloads,
    read_count,
)
from tests.fakes.raw_mqtt import publish_all
from tests.waiting import until

PUBACK = 0x40
PINGREQ = b"\xc0\x00"

HOLDER = """
import asyncio, sys
from ingest.mqtt_settings import MqttSettings
from ingest.mqtt_source import MqttSource
from service.clock import SystemClock

async def hold(url, client_id):
    async with MqttSource(MqttSettings(url=url, client_id=client_id), SystemClock()) as source:
        got = []
        print("ready", flush=True)
        while len(got) < 200:
            got += await source.read(200, 1 << 30)
        source.ack(got[:40])
        await source.publish("hoistway/v1/x/other", b"the acknowledgements before this are sent")
        print("holding", flush=True)
        await asyncio.sleep(600)

asyncio.run(hold(*sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def broker() -> Iterator[Stack]:
    with open_stack(ROOT, own=True, services=frozenset({"mosquitto"})) as stack:
        yield stack


@pytest.fixture
async def rig(broker: Stack) -> AsyncIterator[MqttRig]:
    async with mqtt_rig(broker.mqtt_url) as made:
        yield made


@pytest.fixture
def mortal() -> Iterator[Stack]:
    """Return a broker that the test may stop, kill and freeze."""
    with open_stack(ROOT, own=True, services=frozenset({"mosquitto"})) as stack:
        yield stack


async def test_all_160_unacknowledged_messages_come_back_after_sigkill(broker: Stack) -> None:
    async with mqtt_rig(broker.mqtt_url) as rig:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", HOLDER, broker.mqtt_url, rig.settings.client_id,
            stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert process.stdout is not None
        await _line(process.stdout, b"ready")
        await rig.publish(numbered(200))
        await _line(process.stdout, b"holding")
        process.send_signal(signal.SIGKILL)
        await process.wait()
        async with rig.source() as source:
            assert payloads(await read_count(source, 160)) == numbered(160, start=40)


async def _line(stream: asyncio.StreamReader, wanted: bytes) -> None:
    async with asyncio.timeout(30):
        while (line := await stream.readline()).strip() != wanted:
            assert line, "the process ended"


async def test_leaving_sends_the_acknowledgements_though_more_lies_unread(rig: MqttRig) -> None:
    async with rig.source(buffer_messages=10) as source:
        await rig.publish([b"%d " % i + b"w" * 20_000 for i in range(1_000)])
        source.ack(await read_count(source, 7))
    async with rig.source() as source:
        (message,) = await read_count(source, 1)
        assert message.payload[:2] == b"7 "


async def test_acknowledgements_of_a_batch_leave_in_one_write(rig: MqttRig) -> None:
    async with rig.source() as source:
        await rig.publish(numbered(500))
        got = await read_count(source, 500)
        assert not any(piece[0] == PUBACK for piece in rig.proxy.sent)
        before = len(rig.proxy.sent)
        source.ack(got)
        await until(lambda: sum(map(len, rig.proxy.sent[before:])) >= 2_000)
        pieces = [p for p in rig.proxy.sent[before:] if p[0] == PUBACK]
        assert len(pieces) == 1
        ids = [int.from_bytes(pieces[0][i + 2 : i + 4], "big") for i in range(0, 2_000, 4)]
        assert ids == [m.token & 0xFFFF for m in got]


@pytest.mark.slow
async def test_pause_of_six_keepalives_keeps_the_connection(rig: MqttRig) -> None:
    """As 60 s with a keepalive of 10 s; the broker hangs up after 1.5 keepalives of silence."""
    settings = replace(rig.settings, keepalive_s=2.0)
    async with MqttSource(settings, CLOCK) as source:
        source.pause()
        await rig.publish([b"z" * 1_000] * 5_000)
        await asyncio.sleep(12.5)
        assert source.state.connected
        assert not source.state.unresponsive
        source.resume()
        assert len(await read_count(source, 5_000)) == 5_000
        assert (source.counters.losses, source.counters.connections) == (0, 1)
        assert rig.proxy.accepted == 1


async def test_broker_that_stops_while_reading_is_paused_is_noticed(mortal: Stack) -> None:
    assert mortal.mosquitto is not None
    async with mqtt_rig(mortal.mqtt_url) as rig, rig.source() as source:
        source.pause()
        await asyncio.to_thread(mortal.mosquitto.stop)
        await until(lambda: not source.state.connected)
        await asyncio.to_thread(mortal.mosquitto.start)
        await until(lambda: source.state.connected)
        source.resume()
        await rig.publish([b"after"])
        assert payloads(await read_count(source, 1)) == [b"after"]


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_restarted_broker_is_found_again_and_nothing_is_lost(mortal: Stack, how: str) -> None:
    broker = mortal.mosquitto
    assert broker is not None
    async with mqtt_rig(mortal.mqtt_url) as rig, rig.source() as source:
        await rig.publish(numbered(20))
        old = await read_count(source, 20)
        if how == "kill":
            await asyncio.to_thread(_saved, broker)
        await asyncio.to_thread(getattr(broker, how))
        await until(lambda: not source.state.connected)
        assert source.state.problem
        source.ack(old)
        await asyncio.to_thread(broker.start)
        assert payloads(await read_count(source, 20, ack=True)) == numbered(20)
        assert source.counters.sessions_lost == 0
        assert source.counters.stale_acks == 20


def _saved(broker) -> None:  # type: ignore[no-untyped-def]
    """Make Mosquitto write its store now, as it does every ``autosave_interval``."""
    import time

    store = broker.directory / "store" / "mosquitto.db"
    before = store.stat().st_mtime_ns if store.exists() else 0
    os.kill(broker.pid, signal.SIGUSR1)
    for _ in range(200):
        if store.exists() and store.stat().st_mtime_ns > before:
            return
        time.sleep(0.05)
    raise AssertionError("Mosquitto did not save its store")


async def test_forgotten_session_is_told(mortal: Stack) -> None:
    async with mqtt_rig(mortal.mqtt_url) as rig, rig.source() as source:
        rig.proxy.refusing = True
        rig.proxy.cut()
        await until(lambda: not source.state.connected)
        direct = replace(rig.settings, url=mortal.mqtt_url)
        await delete_session(direct, CLOCK)
        rig.proxy.refusing = False
        await until(lambda: source.state.subscribed)
        assert source.counters.sessions_lost == 1
        assert not source.state.session_present
        await rig.publish([b"after"])
        assert payloads(await read_count(source, 1)) == [b"after"]


async def test_hanging_broker_shows_at_once_and_is_given_up_later(rig: MqttRig) -> None:
    settings = replace(rig.settings, keepalive_s=3.0, unresponsive_s=1.0)
    async with MqttSource(settings, CLOCK) as source:
        rig.proxy.stall()
        await until(lambda: source.state.unresponsive)
        assert "said nothing" in str(source.state.problem)
        await until(lambda: source.counters.losses > 0)
        rig.proxy.cut()
        rig.proxy.flow()
        await until(lambda: source.state.subscribed)
        await rig.publish([b"after"])
        assert payloads(await read_count(source, 1)) == [b"after"]


async def test_hanging_broker_leaves_nobody_caught_up(rig: MqttRig) -> None:
    settings = replace(rig.settings, unresponsive_s=1.0)
    async with MqttSource(settings, CLOCK) as source:
        await until(lambda: source.state.caught_up)
        rig.proxy.stall()
        await until(lambda: source.state.unresponsive)
        assert not source.state.caught_up
        rig.proxy.flow()
        await until(lambda: not source.state.unresponsive)
        assert not source.state.caught_up  # what it held back may still be on its way
        await until(lambda: source.state.caught_up)
        assert source.counters.losses == 0


async def test_backlog_larger_than_the_buffer_comes_whole_and_in_order(rig: MqttRig) -> None:
    async with rig.source():
        pass
    await rig.publish([b"%d" % i + b" " * 1_000 for i in range(3_000)])
    async with rig.source(buffer_messages=50) as source:
        assert not source.state.caught_up
        got = await read_count(source, 3_000, ack=True)
        assert [int(p) for p in payloads(got)] == list(range(3_000))
        await until(lambda: source.state.caught_up)
        assert source.state.subscribed
        assert source.counters.full_stops > 1


async def test_backlog_above_the_brokers_limit_costs_what_the_broker_dropped() -> None:
    with open_stack(
        ROOT, own=True, services=frozenset({"mosquitto"}),
        mosquitto_settings={"max_queued_messages": "100", "max_inflight_messages": "20"},
    ) as stack:  # fmt: skip
        async with mqtt_rig(stack.mqtt_url) as rig:
            async with rig.source():
                pass
            await rig.publish(numbered(500))
            async with rig.source() as source:
                got = await read_count(source, 100, ack=True)
                assert payloads(got)[:100] == numbered(100)
                # The rest is lost in the broker; only gaps in seq tell. The source goes on.
                await rig.publish([b"after"])
                while b"after" not in payloads(got):
                    got += await read_count(source, 1, ack=True)


async def test_small_window_of_the_broker_is_found_and_means_not_caught_up() -> None:
    with open_stack(
        ROOT, own=True, services=frozenset({"mosquitto"}),
        mosquitto_settings={"max_inflight_messages": "20"},
    ) as stack:  # fmt: skip
        async with mqtt_rig(stack.mqtt_url) as rig, rig.source() as source:
            source.pause()
            await rig.publish(numbered(4_000))
            source.resume()
            taken = 0
            while source.state.window_messages is None:
                await until(lambda: source.state.waiting_messages == 20)
                taken += 20
                source.ack(await source.read(1_000, 1 << 30))
            assert source.state.window_messages == 20
            assert not source.state.caught_up
            await read_count(source, 4_000 - taken, ack=True)
            await until(lambda: source.state.caught_up)


async def test_flood_while_paused_stays_within_bounds(rig: MqttRig) -> None:
    async with rig.source(buffer_messages=1_000) as source:
        await publish_all(rig.url, ((TOPIC, b"f" * 200) for _ in range(20_000)))
        await until(lambda: source.state.waiting_messages >= 1_000)
        source.pause()
        waiting = source.state.waiting_messages
        assert waiting < 1_000 + 65_536 // 200
        await publish_all(rig.url, ((TOPIC, b"f" * 200) for _ in range(5_000)))
        assert source.state.waiting_messages == waiting
        source.resume()
        assert len(await read_count(source, 25_000, ack=True)) == 25_000


async def test_second_client_with_the_same_id_is_noticed(rig: MqttRig) -> None:
    async with rig.source() as source:
        other = MqttSource(rig.settings, CLOCK)
        async with other:
            await until(lambda: source.state.taken_over and other.state.taken_over)
            told = str(source.state.problem)
            assert "HOISTWAY_MQTT_CLIENT_ID" in told
            assert source.counters.take_overs > 0


async def test_take_over_is_told_at_once_by_mqtt_5(broker: Stack) -> None:
    async with mqtt_rig(broker.mqtt_url, "5") as rig, rig.source() as source:
        slow = replace(rig.settings, backoff_min_s=5.0, backoff_max_s=5.0)
        async with MqttSource(slow, CLOCK):
            await until(lambda: source.state.taken_over)
            assert source.counters.take_overs >= 1


async def test_retained_frame_is_a_message_like_any_other(rig: MqttRig) -> None:
    topic = f"hoistway/v1/{uuid.uuid4().hex}/frames"
    await publish_all(rig.url, [(topic, b"[]")], retain=True)
    try:
        async with rig.source() as source:
            (message,) = [m for m in await read_count(source, 1) if m.topic == topic]
            assert message.retained
            assert message.token
            assert source.counters.retained_messages == 1
            source.ack([message])
    finally:
        await publish_all(rig.url, [(topic, b"")], retain=True)


async def test_start_without_a_broker_retries_and_then_says_so(rig: MqttRig) -> None:
    rig.proxy.refusing = True
    settings = replace(rig.settings, start_timeout_s=0.5)
    with pytest.raises(BrokerUnreachableError, match="HOISTWAY_MQTT_URL"):
        await MqttSource(settings, CLOCK).__aenter__()
    assert rig.proxy.accepted > 2


async def test_start_waits_for_a_broker_that_comes_up(rig: MqttRig) -> None:
    rig.proxy.refusing = True
    source = MqttSource(replace(rig.settings, start_timeout_s=None), CLOCK)
    entering = asyncio.ensure_future(source.__aenter__())
    await until(lambda: rig.proxy.accepted > 2)
    rig.proxy.refusing = False
    await entering
    assert source.state.subscribed
    await source.__aexit__(None, None, None)


async def test_cancelled_start_leaves_nothing_behind(rig: MqttRig) -> None:
    rig.proxy.stall()
    entering = asyncio.ensure_future(rig.source().__aenter__())
    await until(lambda: rig.proxy.accepted == 1)
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    rig.proxy.flow()
