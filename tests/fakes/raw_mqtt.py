"""A bare MQTT 3.1.1 client over asyncio streams: publishes fast, and receives doing nothing else.

Independent of the client library, so that tests and benches do not measure it with itself.
"""

import asyncio
import struct
from collections.abc import Iterable
from typing import Self
from urllib.parse import unquote, urlsplit

MAX_IN_FLIGHT = 2_000


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("!H", len(raw)) + raw


def packet(command: int, body: bytes) -> bytes:
    size, encoded = len(body), bytearray()
    while True:
        size, low = size >> 7, size & 127
        encoded.append(low | (0x80 if size else 0))
        if not size:
            return bytes([command, *encoded]) + body


def publish_packet(topic: str, payload: bytes, packet_id: int, *, retain: bool = False) -> bytes:
    """Return a PUBLISH with QoS 1, or with QoS 0 if ``packet_id`` is 0."""
    number = struct.pack("!H", packet_id) if packet_id else b""
    return packet(0x30 | (2 if packet_id else 0) | retain, text(topic) + number + payload)


class RawClient:
    """One connection; close it yourself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, url: str, client_id: str, *, clean: bool = True) -> Self:
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 20)
        flags = (2 if clean else 0) | (0xC0 if parts.username else 0)
        body = text("MQTT") + bytes([4, flags]) + struct.pack("!H", 0) + text(client_id)
        if parts.username:
            body += text(unquote(parts.username)) + text(unquote(parts.password or ""))
        writer.write(packet(0x10, body))
        answer = await reader.readexactly(4)
        assert answer[0] == 0x20, answer
        assert answer[3] == 0, f"refused: {answer[3]}"
        return cls(reader, writer)

    async def publish(self, messages: Iterable[tuple[str, bytes]], *, retain: bool = False) -> None:
        """Publish with QoS 1; return when the broker has acknowledged every one."""
        waiting, buffered = 0, bytearray()
        for sent, (topic, payload) in enumerate(messages):
            buffered += publish_packet(topic, payload, sent % 65_535 + 1, retain=retain)
            waiting += 1
            if waiting >= MAX_IN_FLIGHT:
                waiting -= await self._flush(buffered)
        while waiting:
            waiting -= await self._flush(buffered)

    async def _flush(self, buffered: bytearray) -> int:
        self.writer.write(bytes(buffered))
        buffered.clear()
        await self.writer.drain()
        data = await self.reader.readexactly(4)
        more = len(self.reader._buffer) // 4 * 4  # type: ignore[attr-defined] # what lies ready
        if more:
            data += await self.reader.readexactly(more)
        assert data[0] == 0x40, data[:8]
        return len(data) // 4

    async def subscribe(self, topic_filter: str, qos: int = 1) -> None:
        self.writer.write(packet(0x82, b"\x00\x01" + text(topic_filter) + bytes([qos])))
        answer = await self.reader.readexactly(5)
        assert answer[0] == 0x90, answer

    async def close(self) -> None:
        self.writer.write(b"\xe0\x00")
        self.writer.close()
        await self.writer.wait_closed()


async def publish_all(
    url: str, messages: Iterable[tuple[str, bytes]], *, retain: bool = False
) -> None:
    """Publish with QoS 1 over a connection of its own."""
    client = await RawClient.connect(url, "")
    await client.publish(messages, retain=retain)
    await client.close()
