"""A broker that answers as told: for refusals and breaches that a real one does not commit."""

import asyncio
from collections.abc import Sequence
from typing import Self

CONNACK = b"\x20\x02\x00\x00"
SUBACK = b"\x90\x04\x00\x01\x01\x01"
CONNECT, SUBSCRIBE, DISCONNECT = 0x10, 0x80, 0xE0


class ScriptedBroker:
    """Sends ``connack`` after CONNECT, ``suback`` after SUBSCRIBE, then each of ``then``."""

    def __init__(
        self, connack: bytes = CONNACK, suback: bytes = SUBACK, then: Sequence[bytes] = ()
    ) -> None:
        self._connack, self._suback, self._then = connack, suback, then
        self.connects = 0
        self.received = b""
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"mqtt://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client hung up
        finally:
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command = 0
        while command != DISCONNECT:
            head = await reader.readexactly(2)
            command, length = head[0] & 0xF0, head[1] & 127
            if head[1] > 127:
                length |= (await reader.readexactly(1))[0] << 7
            body = await reader.readexactly(length)
            self.received += head + body
            self._answer(command, body, writer)
            await writer.drain()

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
