"""A broker that answers as told: for refusals and breaches that a real one does not commit."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Self

CONNACK = b"\x20\x02\x00\x00"
SUBACK = b"\x90\x04\x00\x01\x01\x01"
CONNECT, SUBSCRIBE = 0x10, 0x80


class ScriptedBroker:
    """Sends ``connack`` after CONNECT, ``suback`` after SUBSCRIBE, then each of ``then``."""

    def __init__(
        self, connack: bytes = CONNACK, suback: bytes = SUBACK, then: Sequence[bytes] = ()
    ) -> None:
        self._connack, self._suback, self._then = connack, suback, then
        self.connects = 0
        self.received = b""
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"mqtt://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(2)
                length = head[1] & 127
                if head[1] > 127:
                    length |= (await reader.readexactly(1))[0] << 7
                body = await reader.readexactly(length)
                self.received += head + body
                self._answer(head[0] & 0xF0, body, writer)
                await writer.drain()
        writer.close()

    def _answer(self, command: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        if command == CONNECT:
            self.connects += 1
            writer.write(self._connack)
        elif command == SUBSCRIBE:
            answer = bytearray(self._suback)
            answer[2:4] = body[:2]
            writer.write(answer)
            for piece in self._then:
                writer.write(piece)
