"""A frame source in memory, for tests of the pipeline, with the manners of the MQTT one.

``ScriptedSession`` is the broker's side: what was published and not acknowledged. It passes the
same contract tests as the real adapter, so a pipeline that works with it works with MQTT.
"""

import asyncio
from collections.abc import Sequence
from typing import Self

from ingest.mqtt_buffer import UnreadBuffer
from ingest.mqtt_window import AckLedger
from ingest.source import (
    NO_TOKEN,
    Clock,
    Message,
    NotConnectedError,
    SourceCounters,
    SourceState,
)


class ScriptedSession:
    """A broker's session: ``unacked`` in order of publication; survives every source."""

    def __init__(self) -> None:
        self.unacked: list[tuple[str, bytes]] = []
        self.acked: list[tuple[str, bytes]] = []
        self.published: list[tuple[str, bytes, int, bool]] = []
        self._source: ScriptedSource | None = None

    def publish(self, topic: str, payload: bytes, qos: int = 1) -> None:
        """Publish as a gateway does."""
        if qos:
            self.unacked.append((topic, payload))
        if self._source is not None:
            self._source.receive(topic, payload, qos)

    def attach(self, source: "ScriptedSource | None") -> None:
        """Deliver to ``source`` from now on, everything unacknowledged first."""
        self._source = source
        for topic, payload in self.unacked if source is not None else ():
            source.receive(topic, payload, 1)

    def settle(self, count: int) -> None:
        """Take the acknowledgement of the oldest ``count`` messages."""
        self.acked += self.unacked[:count]
        del self.unacked[:count]


class ScriptedSource:
    """Satisfies ``ingest.source.FrameSource``. ``lose`` and ``restore`` cut the connection."""

    def __init__(
        self, session: ScriptedSession, clock: Clock, *, buffer_messages: int = 20_000
    ) -> None:
        self._session, self._clock = session, clock
        self._buffer = UnreadBuffer(buffer_messages, 16 * 1024 * 1024)
        self._socket: list[tuple[str, bytes, int]] = []  # sent by the broker, not read yet
        self._ledger = AckLedger()
        self._next_receipt = 1
        self._counters = SourceCounters()
        self._arrived = asyncio.Event()
        self._connected = self._paused = False
        self._since_us = 0
        self.caught_up: bool | None = None
        """Say so instead of working it out; ``None`` = connected, not paused, nothing waiting."""
        self.problem: str | None = None

    async def __aenter__(self) -> Self:
        self.restore()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._connected = False
        self._session.attach(None)

    @property
    def counters(self) -> SourceCounters:
        return self._counters

    @property
    def state(self) -> SourceState:
        idle = self._connected and not self._paused and not self._buffer and not self._socket
        return SourceState(
            connected=self._connected,
            since_us=self._since_us,
            subscribed=self._connected,
            paused=self._paused,
            caught_up=idle if self.caught_up is None else self.caught_up,
            unresponsive=False,
            waiting_messages=len(self._buffer),
            waiting_bytes=self._buffer.size_bytes,
            unacked=self._next_receipt - self._ledger.head,
            window_full=False,
            window_messages=None,
            session_present=self._counters.connections > 1,
            taken_over=False,
            problem=None if self._connected else self.problem or "connection lost",
        )

    async def read(self, max_messages: int, max_bytes: int) -> list[Message]:
        while not self._buffer:
            self._arrived.clear()
            await self._arrived.wait()
        messages = self._buffer.take(max_messages, max_bytes)
        self._read_socket()
        return messages

    def ack(self, messages: Sequence[Message]) -> None:
        packet_ids, stale = self._ledger.settle(messages)
        self._counters.stale_acks += stale
        if self._connected:
            self._counters.acks += len(packet_ids)
            self._session.settle(len(packet_ids))

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._read_socket()

    async def publish(self, topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> None:
        if not self._connected:
            raise NotConnectedError(f"nothing published to {topic}: {self.state.problem}")
        self._session.published.append((topic, payload, qos, retain))

    def lose(self) -> None:
        """Lose the connection, and with it what was not read from it."""
        self._connected = False
        self._socket.clear()
        self._session.attach(None)
        self._counters.losses += 1
        self._since_us = self._clock.now_us()
        self._ledger.start(self._next_receipt)

    def restore(self) -> None:
        """Connect again: what was not acknowledged comes again."""
        self._connected = True
        self._since_us = self._clock.now_us()
        self._counters.reconnects += self._counters.connections > 0
        self._counters.connections += 1
        self._ledger.start(self._next_receipt)
        self._session.attach(self)

    def receive(self, topic: str, payload: bytes, qos: int) -> None:
        """Take what the session delivers."""
        self._socket.append((topic, payload, qos))
        self._read_socket()

    def _read_socket(self) -> None:
        taken = 0
        for topic, payload, qos in self._socket:
            if self._paused or self._buffer.is_full:
                break
            token = self._next_receipt << 16 | 1 if qos else NO_TOKEN
            self._next_receipt += qos
            message = Message(topic, payload, self._clock.now_us(), token)
            self._buffer.add([message], len(payload))
            self._counters.received_messages += 1
            self._counters.received_bytes += len(payload)
            self._counters.qos0_messages += not qos
            taken += 1
        del self._socket[:taken]
        if taken:
            self._arrived.set()
