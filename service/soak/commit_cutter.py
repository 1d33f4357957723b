"""A TCP proxy before the database that cuts a lane's connection in the middle of its COMMIT.

Three ways, as a dying network has them: the COMMIT never leaves, half of it leaves, or it arrives
and is done but its answer does not come back. Armed for one cut at a time; only connections that
copied rows since the arming are cut, so it is always a batch that is at stake.
"""

import asyncio
import contextlib
from enum import StrEnum
from typing import Final, Self

COMMIT: Final = b"COMMIT"
COPY: Final = b"COPY "
READ_BYTES: Final = 1 << 16


class Cut(StrEnum):
    """What becomes of the COMMIT."""

    UNSENT = "the COMMIT does not leave"
    HALF = "half of the COMMIT leaves"
    UNANSWERED = "the COMMIT is done, the answer is lost"


class CommitCutter:
    """``async with CommitCutter(host, port) as proxy``; the service connects to ``proxy.port``."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._armed: Cut | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.cut = asyncio.Event()
        """Set when the armed cut was made."""

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close everything."""
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def arm(self, how: Cut) -> None:
        """Cut the next COMMIT of a batch."""
        self.cut = asyncio.Event()
        self._armed = how

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            away_reader, away_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        line = _Line(writer, away_writer)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._forth(reader, line))
                both.create_task(_back(away_reader, line))
        finally:
            for each in (writer, away_writer):
                each.close()

    async def _forth(self, reader: asyncio.StreamReader, line: "_Line") -> None:
        copied = False
        with contextlib.suppress(OSError):
            while data := await reader.read(READ_BYTES):
                armed = self._armed
                copied = armed is not None and (copied or COPY in data)
                if armed is not None and copied and COMMIT in data:
                    await self._cut(armed, data, line)
                    return
                line.server.write(data)
                await line.server.drain()
        line.server.close()

    async def _cut(self, how: Cut, data: bytes, line: "_Line") -> None:
        self._armed = None
        if how is Cut.UNANSWERED:
            line.deaf = True
            line.server.write(data)
            await line.server.drain()
            await line.answered.wait()
        elif how is Cut.HALF:
            line.server.write(data[: data.index(COMMIT) + len(COMMIT) // 2])
            await line.server.drain()
        self.cut.set()
        line.abort()


class _Line:
    """One connection through the proxy."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client = client
        self.server = server
        self.deaf = False
        """What the server answers is swallowed."""
        self.answered = asyncio.Event()

    def abort(self) -> None:
        """Reset both sides, as a dying network does."""
        for writer in (self.client, self.server):
            writer.transport.abort()


async def _back(reader: asyncio.StreamReader, line: _Line) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(READ_BYTES):
            if line.deaf:
                line.answered.set()
                continue
            line.client.write(data)
            await line.client.drain()
    line.answered.set()
    line.client.close()
