"""Two rigs for one contract: the MQTT source on a real Mosquitto, and the scripted one."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Protocol
from urllib.parse import urlsplit

from ingest.mqtt_settings import MqttSettings
from ingest.mqtt_source import MqttSource, delete_session
from ingest.source import FrameSource, Message
from service.clock import SystemClock
from tests.fakes.raw_mqtt import RawClient, publish_all
from tests.fakes.scripted_source import ScriptedSession, ScriptedSource
from tests.fakes.tcp_proxy import TcpProxy
from tests.waiting import until

CLOCK = SystemClock()
WAIT_S = 20.0
TOPIC = "hoistway/v1/gw-1/frames"
STATUS = "hoistway/v1/gw-1/status"


class Rig(Protocol):
    """What a contract test may do."""

    def source(self, buffer_messages: int = 20_000) -> contextlib.AbstractAsyncContextManager:
        """Return a source of the rig's session, not yet entered."""
        ...

    async def publish(self, payloads: list[bytes], topic: str = TOPIC, qos: int = 1) -> None:
        """Publish as a gateway; return when the broker has them."""
        ...

    async def cut(self, source: FrameSource) -> None:
        """Cut the connection; return when the source has seen that."""
        ...

    async def restore(self, source: FrameSource) -> None:
        """Let the source connect again; return when it has."""
        ...


class ScriptedRig:
    """The fake."""

    def __init__(self) -> None:
        self.session = ScriptedSession()

    def source(self, buffer_messages: int = 20_000) -> ScriptedSource:
        return ScriptedSource(self.session, CLOCK, buffer_messages=buffer_messages)

    async def publish(self, payloads: list[bytes], topic: str = TOPIC, qos: int = 1) -> None:
        for payload in payloads:
            self.session.publish(topic, payload, qos)

    async def cut(self, source: ScriptedSource) -> None:
        source.lose()

    async def restore(self, source: ScriptedSource) -> None:
        source.restore()


class MqttRig:
    """The real adapter, with a proxy between it and the broker."""

    def __init__(self, url: str, proxy: TcpProxy, protocol: str = "3.1.1") -> None:
        self.url, self.proxy = url, proxy
        parts = urlsplit(url)
        account = parts.netloc.rpartition("@")[0]
        self.settings = MqttSettings(
            url=f"mqtt://{account}@127.0.0.1:{proxy.port}",
            client_id=f"test-{uuid.uuid4().hex[:8]}",
            protocol=protocol,  # type: ignore[arg-type]
            start_timeout_s=0.0,
            backoff_min_s=0.05,
            backoff_max_s=0.1,
            settle_s=0.3,
        )

    def source(self, buffer_messages: int = 20_000) -> MqttSource:
        return MqttSource(replace(self.settings, buffer_messages=buffer_messages), CLOCK)

    async def publish(self, payloads: list[bytes], topic: str = TOPIC, qos: int = 1) -> None:
        if qos:
            await publish_all(self.url, [(topic, payload) for payload in payloads])
            return
        async with plain_publisher(self.url) as client:
            for payload in payloads:
                client.writer.write(qos0(topic, payload))
            await client.publish([("other", b"a fence")])

    async def cut(self, source: MqttSource) -> None:
        self.proxy.refusing = True
        losses = source.counters.losses
        self.proxy.cut()
        await until(lambda: source.counters.losses > losses)

    async def restore(self, source: MqttSource) -> None:
        self.proxy.refusing = False
        # Not "subscribed": with a full buffer the answer to SUBSCRIBE waits until somebody reads.
        await until(lambda: source.state.connected)


def qos0(topic: str, payload: bytes) -> bytes:
    from tests.fakes.raw_mqtt import publish_packet

    return publish_packet(topic, payload, 0)


@contextlib.asynccontextmanager
async def plain_publisher(url: str) -> AsyncIterator[RawClient]:
    client = await RawClient.connect(url, "")
    yield client
    await client.close()


@contextlib.asynccontextmanager
async def mqtt_rig(url: str, protocol: str = "3.1.1") -> AsyncIterator[MqttRig]:
    """Give a rig with a session of its own, which is deleted at the end."""
    parts = urlsplit(url)
    async with TcpProxy(str(parts.hostname), int(parts.port or 0)) as proxy:
        rig = MqttRig(url, proxy, protocol)
        try:
            yield rig
        finally:
            proxy.refusing = False
            proxy.flow()
            await delete_session(rig.settings, CLOCK)


async def read_count(source: FrameSource, count: int, *, ack: bool = False) -> list[Message]:
    """Read exactly ``count`` messages."""
    got: list[Message] = []
    async with asyncio.timeout(WAIT_S):
        while len(got) < count:
            part = await source.read(count - len(got), 1 << 30)
            got += part
            if ack:
                source.ack(part)
    return got


def payloads(messages: list[Message]) -> list[bytes]:
    return [message.payload for message in messages]


def numbered(count: int, start: int = 0) -> list[bytes]:
    return [b"%d" % i for i in range(start, start + count)]
