"""Publishes messages of thousands of logical gateways over few connections, and counts exactly.

A batched MQTT 3.1.1 writer over asyncio streams: packets of one call are joined into one write. All
messages of a gateway use one connection, hence keep their order. QoS 1: what is counted as
acknowledged is with the broker, and what is not may be. No broker at the start is an error; later a
lost one is waited for, and what was not acknowledged is sent again.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from zlib import crc32

from simulator.network.messages import Message
from simulator.publishing.connection import Line, PublishError, PublishSettings, Report, address_of
from telemetry.topics import status_topic

__all__ = ["Observer", "PublishError", "PublishSettings", "Publisher", "Report"]


@dataclass(frozen=True, slots=True)
class Observer:
    """Callbacks for measurements; both get messages right after the event."""

    sent: Callable[[Sequence[Message]], None] = lambda _: None
    acknowledged: Callable[[Sequence[Message]], None] = lambda _: None


class Publisher:
    """Use as ``async with Publisher(settings) as publisher``; entering connects.

    Parameters
    ----------
    settings
        How to reach the broker.
    observer
        Callbacks.
    remember_keys
        Keep the keys of acknowledged frames in the report.
    """

    def __init__(
        self,
        settings: PublishSettings,
        observer: Observer | None = None,
        *,
        remember_keys: bool = False,
    ) -> None:
        self.report = Report()
        self._remember = remember_keys
        self._observer = observer or Observer()
        address = address_of(settings)
        self._lines = [
            Line(settings, address, f"{settings.client_id}-{i}", self.report, self._acknowledged)
            for i in range(max(settings.connections, 1))
        ]
        self._line_of: dict[str, Line] = {}
        self._tasks: asyncio.TaskGroup | None = None

    async def __aenter__(self) -> Self:
        """Connect. Raises ``PublishError``."""
        try:
            for line in self._lines:
                await line.open()
        except PublishError:
            for line in self._lines:
                await line.close()
            raise
        self._tasks = await asyncio.TaskGroup().__aenter__()
        self._keepers = [self._tasks.create_task(line.keep()) for line in self._lines]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect; what is in flight stays unacknowledged."""
        for keeper in self._keepers:
            keeper.cancel()
        if self._tasks:
            await self._tasks.__aexit__(kind, error, trace)
        for line in self._lines:
            await line.close()

    async def publish(self, messages: Sequence[Message]) -> None:
        """Send messages; returns when all are written. Waits while too many are in flight."""
        by_line: dict[Line, list[Message]] = {}
        for message in messages:
            by_line.setdefault(self._line(message.topic), []).append(message)
        self.report.messages += len(messages)
        self.report.frames += sum(len(m.keys) for m in messages)
        self.report.without_frames += sum(not m.keys for m in messages)
        if len(by_line) == 1:
            [(line, own)] = by_line.items()
            await line.send(own)
        elif by_line:
            await asyncio.gather(*(line.send(own) for line, own in by_line.items()))
        self._observer.sent(messages)

    async def announce(self, gateways: Iterable[str], status: str, at_us: int) -> None:
        """Publish the retained ``status`` of gateways, ``online`` or ``offline``."""
        await self.publish(
            [Message(status_topic(g), status.encode(), at_us, (), retain=True) for g in gateways]
        )

    async def flush(self, timeout_s: float) -> bool:
        """Wait until everything is acknowledged; false if that took longer than ``timeout_s``."""
        try:
            async with asyncio.timeout(timeout_s):
                for line in self._lines:
                    await line.empty.wait()
        except TimeoutError:
            return False
        return True

    def _line(self, topic: str) -> "Line":
        line = self._line_of.get(topic)
        if line is None:
            gateway = topic.split("/")[2]
            line = self._lines[crc32(gateway.encode()) % len(self._lines)]
            self._line_of[topic] = line
        return line

    def _acknowledged(self, messages: Sequence[Message]) -> None:
        report = self.report
        report.acknowledged_messages += len(messages)
        for message in messages:
            report.acknowledged_frames += len(message.keys)
            if self._remember:
                report.acknowledged.extend(message.keys)
        self._observer.acknowledged(messages)
