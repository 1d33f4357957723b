"""Publishing to a real broker: exact accounts, also when the broker goes away in the middle."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest

from service.clock import SystemClock
from service.stack import Stack, open_stack
from simulator.network.messages import FrameKey, Message
from simulator.network.spec import NOISY_NETWORK, NetworkSpec
from simulator.publishing.feed import FleetFeed, SteadyLoad
from simulator.publishing.live import run_live, start_of_run
from simulator.publishing.publish import Observer, Publisher, PublishError, PublishSettings
from simulator.scenarios.presets import random_fleet
from telemetry.wire import decode

ROOT = Path(__file__).parents[2]
START_US = 1_774_314_000_000_000
SECOND_US = 1_000_000


@pytest.fixture(scope="module")
def broker() -> Iterator[Stack]:
    """A broker of our own, for it is stopped and killed here."""
    with open_stack(ROOT, own=True, services=frozenset({"mosquitto"})) as stack:
        yield stack


class Inbox:
    """Everything that reached a subscriber."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self.retained: dict[str, bytes] = {}
        self._more = asyncio.Event()

    def take(self, topic: str, payload: bytes) -> None:
        self.payloads.append(payload)
        self.retained[topic] = payload
        self._more.set()

    def frames(self) -> Counter[tuple[str, int, int]]:
        got: Counter[tuple[str, int, int]] = Counter()
        for payload in self.payloads:
            decoded = decode(payload)
            times, seqs = decoded.columns["time_us"].tolist(), decoded.columns["seq"].tolist()
            got.update(zip(decoded.elevators, times, seqs, strict=True))
        return got

    async def until(self, n: int) -> None:
        while len(self.payloads) < n:
            self._more.clear()
            await self._more.wait()


@asynccontextmanager
async def subscribed(url: str, topic: str) -> AsyncIterator[Inbox]:
    from urllib.parse import urlsplit

    at = urlsplit(url)
    inbox = Inbox()
    async with aiomqtt.Client(
        at.hostname or "", at.port or 1883, username=at.username, password=at.password
    ) as client:
        await client.subscribe(topic, qos=1)

        async def take() -> None:
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                inbox.take(message.topic.value, message.payload)

        task = asyncio.create_task(take())
        yield inbox
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def expected(codes: list[str], keys: list[FrameKey]) -> Counter[tuple[str, int, int]]:
    return Counter((codes[key.lift], key.device_time_us, key.seq) for key in keys)


async def test_what_is_acknowledged_is_what_arrives(broker):
    feed = FleetFeed(random_fleet(3, START_US, 60), NOISY_NETWORK, 3)
    async with (
        subscribed(broker.mqtt_url, "hoistway/v1/+/frames") as inbox,
        Publisher(PublishSettings(broker.mqtt_url, 3), remember_keys=True) as publisher,
    ):
        await publisher.publish(feed.messages_until(START_US + 60 * SECOND_US))
        await publisher.publish(feed.rest())
        assert await publisher.flush(20)
        await asyncio.wait_for(inbox.until(publisher.report.messages), 20)
    report = publisher.report
    assert report.unacknowledged_messages == 0
    assert report.acknowledged_frames == report.frames >= feed.frames
    assert inbox.frames() == expected(list(feed.fleet.codes), report.acknowledged)


async def test_frames_of_a_gateway_keep_their_order(broker):
    load = SteadyLoad(40, 4000, START_US, code_prefix="ORD", gateway_prefix="ord-")
    async with (
        subscribed(broker.mqtt_url, "hoistway/v1/+/frames") as inbox,
        Publisher(PublishSettings(broker.mqtt_url, 4, in_flight=100)) as publisher,
    ):
        await publisher.publish(load.messages_until(START_US + SECOND_US))
        assert await publisher.flush(20)
        await asyncio.wait_for(inbox.until(4000), 20)
    seen: dict[str, int] = {}
    for payload in inbox.payloads:
        frame = decode(payload)
        seq = int(frame.columns["seq"][0])
        assert seq == seen.get(frame.elevators[0], -1) + 1
        seen[frame.elevators[0]] = seq
    assert len(seen) == 40


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_broker_restart_in_the_middle_loses_nothing_unacknowledged(broker, how):
    load = SteadyLoad(50, 2000, START_US, code_prefix=f"R{how}", gateway_prefix=f"r{how}-")
    begun = asyncio.Event()

    def seen(messages) -> None:
        begun.set()

    settings = PublishSettings(broker.mqtt_url, 2, f"restart-{how}", in_flight=200)
    async with Publisher(settings, Observer(acknowledged=seen), remember_keys=True) as publisher:
        sending = asyncio.create_task(
            publisher.publish(load.messages_until(START_US + 5 * SECOND_US))
        )
        await begun.wait()
        await asyncio.to_thread(getattr(broker.mosquitto, how))
        before = len(publisher.report.acknowledged)
        await asyncio.to_thread(broker.mosquitto.start)
        await asyncio.wait_for(sending, 30)
        assert await publisher.flush(30)
    report = publisher.report
    assert report.reconnects >= 1
    assert before < 10_000
    assert report.resent > 0
    assert report.unacknowledged_messages == 0
    # exactly once each, although in flight messages were sent twice
    assert sorted(report.acknowledged) == sorted(set(report.acknowledged))
    assert len(report.acknowledged) == load.frames == 10_000


async def test_while_the_broker_is_away_nothing_counts_as_acknowledged(broker):
    async with Publisher(
        PublishSettings(broker.mqtt_url, 1, "away"), remember_keys=True
    ) as publisher:
        await asyncio.to_thread(broker.mosquitto.stop)
        load = SteadyLoad(5, 100, START_US, code_prefix="AWAY", gateway_prefix="away-")
        sending = asyncio.create_task(publisher.publish(load.messages_until(START_US + SECOND_US)))
        assert not await publisher.flush(0.3) or not sending.done()
        assert publisher.report.acknowledged == []
        await asyncio.to_thread(broker.mosquitto.start)
        await asyncio.wait_for(sending, 20)
        assert await publisher.flush(20)
    assert publisher.report.acknowledged_frames == 100


async def test_status_is_retained(broker):
    async with Publisher(PublishSettings(broker.mqtt_url)) as publisher:
        await publisher.announce(["st-1", "st 2"], "online", START_US)
        assert await publisher.flush(10)
    async with subscribed(broker.mqtt_url, "hoistway/v1/+/status") as inbox:
        await asyncio.wait_for(inbox.until(2), 10)
    assert inbox.retained["hoistway/v1/st-1/status"] == b"online"
    assert inbox.retained["hoistway/v1/st%202/status"] == b"online"


async def test_a_live_run_keeps_time(broker):
    clock = SystemClock()
    start_us = start_of_run(clock.now_us(), 0, 1)
    feed = FleetFeed(random_fleet(2, start_us, 60), NetworkSpec(), 2)
    late: list[int] = []

    def sent(messages: list[Message]) -> None:
        now_us = clock.now_us()
        late.extend(now_us - m.due_us for m in messages)

    async with Publisher(PublishSettings(broker.mqtt_url), Observer(sent=sent)) as publisher:
        last = await run_live(
            feed, publisher, clock, start_us=start_us, end_us=start_us + SECOND_US, speed=2.0
        )
        assert await publisher.flush(10)
    assert last.event_us == start_us + SECOND_US
    assert 450_000 <= last.elapsed_us < 10_000_000
    assert last.frames == feed.frames > 0


def test_a_fast_run_begins_so_that_it_ends_now():
    assert start_of_run(10_000_000, 60, 1) == 10_000_000
    assert start_of_run(100_000_000, 40_000_000, 4) == 70_000_000


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda url: url.replace("mqtt://", "http://"), "must be mqtt://"),
        (lambda url: "mqtt://127.0.0.1:1", "cannot reach the MQTT broker 127.0.0.1:1"),
        (lambda url: "mqtt://127.0.0.1:99999", "Port out of range"),
        (lambda url: url.replace(":", ":wrong", 2).replace(":wrong//", "://"), "does not let"),
        (lambda url: url.replace("mqtt://", "mqtts://"), "with TLS"),
    ],
)
async def test_what_cannot_be_reached_is_one_clear_line(broker, spoil, says):
    with pytest.raises(PublishError) as refused:
        async with Publisher(PublishSettings(spoil(broker.mqtt_url), connect_timeout_s=5)):
            pass
    text = str(refused.value)
    assert says in text
    assert "HOISTWAY_MQTT_URL" in text
    assert "\n" not in text


@asynccontextmanager
async def peer(answer: bytes | None) -> AsyncIterator[str]:
    """Serve one client: hang up after its first bytes, or say ``answer`` and stay silent."""
    served = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if answer is not None:
            writer.write(answer)
            await reader.read()
        writer.close()
        await writer.wait_closed()
        served.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await served.wait()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (None, "closed the connection instead of answering"),
        (b"", "no answer from the MQTT broker"),
        (b"HTTP/1.1 400", "it is no MQTT broker"),
    ],
)
async def test_something_else_than_a_broker_is_named(answer, says):
    async with peer(answer) as url:
        with pytest.raises(PublishError, match=says):
            async with Publisher(PublishSettings(url, connect_timeout_s=0.3)):
                pass
