"""What a broker does with sessions and queues, found out by behaviour, for ``hoistway doctor``.

Brokers do not tell their limits, so this tries them: it leaves a session, publishes into its queue,
comes back and counts. Topic and client ids are its own (``hoistway/doctor/…``, which no service
subscribes to) and the session is deleted at the end. A hand-written subset of MQTT 3.1.1: the point
is to see the window before any acknowledgement, which client libraries hide.
"""

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from typing import Final, Self

from ingest.mqtt_packets import PublishSplitter, pubacks
from ingest.mqtt_settings import Address, MqttSettings, address, tls_context
from ingest.source import CredentialsError, Message, SourceError, SubscriptionError

MESSAGES: Final = 1_200
"""Queued by the trial: more than Mosquitto's default of 1,000, and quick."""
IDLE_S: Final = 1.0
"""Nothing more for this long means that the broker waits for us."""
ANSWER_S: Final = 5.0
SYS_TOPICS: Final = ("$SYS/broker/version", "$SYS/broker/publish/messages/dropped")

CONNACK: Final = 0x20
PUBACK: Final = 0x40
SUBACK: Final = 0x90
FAILED_SUBACK: Final = 0x80


@dataclass(frozen=True, slots=True)
class Findings:
    """What was seen. ``window`` and ``queued`` are lower bounds when they equal ``tried``."""

    version: str | None
    dropped: int | None
    session_kept: bool
    window: int
    queued: int
    tried: int


async def examine(settings: MqttSettings, trial: str) -> Findings:
    """Try the broker; ``trial`` makes names unique. Raises ``SourceError`` or ``OSError``."""
    where = address(settings)
    context = tls_context(settings) if where.tls else None
    topic, client = f"hoistway/doctor/{trial}", f"hoistway-doctor-{trial}"
    async with Visit(where, context, client, clean=True) as visit:
        told = await visit.read_retained(SYS_TOPICS)
    async with Visit(where, context, client, clean=False) as visit:
        await visit.subscribe(topic)
    try:
        async with Visit(where, context, f"{client}-sender", clean=True) as visit:
            await visit.publish(topic, MESSAGES)
        async with Visit(where, context, client, clean=False) as visit:
            kept = visit.session_present
            window, queued = await visit.drain()
    finally:
        async with Visit(where, context, client, clean=True):
            pass  # a clean connection deletes the session
    dropped = told.get(SYS_TOPICS[1])
    return Findings(
        version=told.get(SYS_TOPICS[0]),
        dropped=int(dropped) if dropped and dropped.isdigit() else None,
        session_kept=kept,
        window=window,
        queued=queued,
        tried=MESSAGES,
    )


class Visit:
    """One connection of MQTT 3.1.1, from CONNECT to DISCONNECT."""

    def __init__(
        self, where: Address, context: ssl.SSLContext | None, client: str, *, clean: bool
    ) -> None:
        self._where, self._context, self._client, self._clean = where, context, client, clean
        self._splitter = PublishSplitter(1, mqtt5=False, max_payload_bytes=65_536)
        self._messages: list[Message] = []
        self._others = b""
        self.session_present = False

    async def __aenter__(self) -> Self:
        """Connect."""
        async with asyncio.timeout(ANSWER_S):
            self._reader, self._writer = await asyncio.open_connection(
                self._where.host, self._where.port, ssl=self._context
            )
            self._writer.write(self._connect_packet())
            answer = await self._packet(CONNACK)
        if answer[3] != 0:
            self._writer.close()
            raise CredentialsError(
                f"{self._where.shown} refuses the account; check user and password in"
                " HOISTWAY_MQTT_URL"
            )
        self.session_present = bool(answer[2] & 1)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect; the session stays unless it was a clean one."""
        with contextlib.suppress(OSError):
            self._writer.write(b"\xe0\x00")
            self._writer.close()
            await self._writer.wait_closed()

    async def subscribe(self, *topics: str) -> None:
        """Subscribe with QoS 1."""
        body = b"\x00\x01" + b"".join(_text(topic) + b"\x01" for topic in topics)
        self._writer.write(_packet(0x82, body))
        async with asyncio.timeout(ANSWER_S):
            answer = await self._packet(SUBACK)
        if FAILED_SUBACK in answer[4:]:
            raise SubscriptionError(f"{self._where.shown} lets this account not read {topics[0]}")

    async def read_retained(self, topics: tuple[str, ...]) -> dict[str, str]:
        """Return what the broker keeps under ``topics``; empty if it tells nothing."""
        with contextlib.suppress(SourceError):
            await self.subscribe(*topics)
        await self._until_idle()
        return {m.topic: m.payload.decode("utf-8", "replace") for m in self._messages}

    async def publish(self, topic: str, count: int) -> None:
        """Publish ``count`` messages with QoS 1 and wait for their acknowledgements."""
        head = _text(topic)
        for packet_id in range(1, count + 1):
            self._writer.write(_packet(0x32, head + packet_id.to_bytes(2, "big") + b"x"))
        await self._writer.drain()
        async with asyncio.timeout(4 * ANSWER_S):
            for _ in range(count):
                await self._packet(PUBACK)

    async def drain(self) -> tuple[int, int]:
        """Return how many messages come before any is acknowledged, and how many in all."""
        await self._until_idle()
        window = len(self._messages)
        acknowledged = 0
        while acknowledged < len(self._messages):
            fresh = self._messages[acknowledged:]
            self._writer.write(pubacks(m.token & 0xFFFF for m in fresh))
            acknowledged += len(fresh)
            await self._until_idle()
        return window, acknowledged

    async def _until_idle(self) -> None:
        with contextlib.suppress(TimeoutError):
            while True:
                async with asyncio.timeout(IDLE_S):
                    await self._read()

    async def _packet(self, kind: int) -> bytes:
        """Return the next packet of ``kind``; all others but PUBLISH are passed over."""
        while True:
            while len(self._others) >= 2:
                packet, self._others = _first(self._others)
                if packet[0] & 0xF0 == kind:
                    return packet
            await self._read()

    async def _read(self) -> None:
        piece = await self._reader.read(65_536)
        if not piece:
            raise ConnectionResetError("the broker closed the connection")
        messages, others = self._splitter.feed(piece, 0)
        self._messages += messages
        self._others += others

    def _connect_packet(self) -> bytes:
        where = self._where
        flags = 0x02 if self._clean else 0
        body = _text(self._client)
        if where.username is not None:
            flags |= 0x80
            body += _text(where.username)
        if where.password is not None:
            flags |= 0x40
            body += _text(where.password)
        return _packet(0x10, _text("MQTT") + b"\x04" + bytes([flags]) + b"\x00\x3c" + body)


def _text(text: str) -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(2, "big") + raw


def _packet(kind: int, body: bytes) -> bytes:
    """Frame a packet; none here is longer than 16,383 bytes."""
    length = len(body)
    size = bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])
    return bytes([kind]) + size + body


def _first(data: bytes) -> tuple[bytes, bytes]:
    """Split off the first packet; acknowledgements are shorter than 128 bytes."""
    end = 2 + data[1]
    return data[:end], data[end:]
