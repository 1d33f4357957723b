"""The frame source over MQTT: one session, kept over connections, acknowledged only when told.

Decides when to read the socket, when to reconnect, what is owed to the broker and whether the
stream is caught up. Leaves packets and the client library to ``mqtt_connection``, decoding to
``decode`` and gathering of batches to the pipeline. Invariants: messages are handed out in receipt
order and never dropped; PUBACKs leave in receipt order and only after ``ack``; what is buffered is
bounded, because the socket is not read beyond it; a lost connection is a state, not an error.
"""

import asyncio
import contextlib
import random
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import structlog

from ingest.mqtt_buffer import UnreadBuffer
from ingest.mqtt_connection import Connection
from ingest.mqtt_library import check_library
from ingest.mqtt_settings import CLIENT_ID, MqttSettings, address
from ingest.mqtt_window import AckLedger, WindowWatch
from ingest.source import (
    BrokerUnreachableError,
    Clock,
    Message,
    NotConnectedError,
    PermanentSourceError,
    SourceCounters,
    SourceError,
    SourceState,
    SubscriptionError,
)

log = structlog.get_logger(__name__)

STABLE_S: Final = 30.0
"""A connection that lived so long [s] ends back-off and the suspicion of a take-over."""
TAKE_OVER_LOSSES: Final = 3
"""So many short connections in a row, each accepted and then closed by the broker: with one client
id this is what a second client does. A broker in trouble refuses connections in between."""


class MqttSource:
    """``async with MqttSource(settings, clock) as source``; structurally a ``FrameSource``.

    Entering connects and subscribes; it raises a ``SourceError`` for what retrying cannot mend and
    for a broker that stays unreachable over ``start_timeout_s``. Leaving sends what was
    acknowledged and disconnects; the session stays with the broker.
    """

    def __init__(self, settings: MqttSettings, clock: Clock) -> None:
        check_library()
        self._settings, self._clock = settings, clock
        self._where = address(settings)
        self._counters = SourceCounters()
        self._ledger = AckLedger()
        self._watch = WindowWatch(settings.window_messages)
        self._connection: Connection | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._buffer = UnreadBuffer(settings.buffer_messages, settings.buffer_bytes)
        self._arrived, self._ready = asyncio.Event(), asyncio.Event()
        self._paused = self._was_full = self._subscribed = self._taken_over = False
        self._problem: str | None = "not connected yet"
        self._since_us = 0
        self._settled_from_s = self._connected_s = 0.0
        self._short_lives = self._attempts = 0
        self._next_receipt = 1

    async def __aenter__(self) -> Self:
        """Connect and subscribe."""
        self._loop = asyncio.get_running_loop()
        self._since_us = self._clock.now_us()
        deadline_s = self._deadline_s()
        connection = await self._first_connection(deadline_s)
        self._keeper = asyncio.create_task(self._keep(connection), name="mqtt source")
        self._keeper.add_done_callback(lambda _: (self._arrived.set(), self._ready.set()))
        try:
            await self._wait_ready(deadline_s)
        except BaseException:  # also when cancelled: nobody calls __aexit__ after a failed enter
            await self._leave()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Send the acknowledgements that were given and disconnect."""
        await self._leave()

    async def _leave(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    # What the pipeline uses

    @property
    def counters(self) -> SourceCounters:
        """Totals; live, read only."""
        return self._counters

    @property
    def state(self) -> SourceState:
        """The state now."""
        connection, watch = self._connection, self._watch
        unacked = self._unacked()
        silent_s = 0.0 if connection is None else connection.silent_s()
        # After this process was busy for long, the answer may lie unread.
        unresponsive = (
            connection is not None
            and self._subscribed
            and silent_s > self._settings.unresponsive_s
            and not connection.has_data()
        )
        if unresponsive:  # what the broker still holds is as unknown as after a lost connection
            self._settled_from_s = self._loop.time()
        return SourceState(
            connected=connection is not None,
            since_us=self._since_us,
            subscribed=self._subscribed,
            paused=self._paused,
            caught_up=self._caught_up(),
            unresponsive=unresponsive,
            waiting_messages=len(self._buffer),
            waiting_bytes=self._buffer.size_bytes,
            unacked=unacked,
            window_full=watch.is_full(unacked),
            window_messages=watch.window,
            session_present=connection is not None and connection.session_present,
            taken_over=self._taken_over and not self._is_stable(),
            problem=self._told_problem(silent_s if unresponsive else 0.0),
        )

    async def read(self, max_messages: int, max_bytes: int) -> list[Message]:
        """Wait for a message; return those that wait, in receipt order, within the bounds."""
        while not self._buffer:
            self._raise_if_over()
            self._arrived.clear()
            await self._arrived.wait()
        messages = self._buffer.take(max_messages, max_bytes)
        self._regulate()
        return messages

    def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge: what these messages held is stored. One socket write for all."""
        self._note_window()
        packet_ids, stale = self._ledger.settle(messages)
        self._counters.stale_acks += stale
        if packet_ids and self._connection is not None:
            self._counters.acks += len(packet_ids)
            self._connection.send_pubacks(packet_ids)

    def pause(self) -> None:
        """Stop reading; the connection stays, and so does what was received but not read."""
        self._paused = True
        self._regulate()

    def resume(self) -> None:
        """Read again."""
        if self._paused:
            self._settled_from_s = self._loop.time()
        self._paused = False
        self._regulate()

    async def publish(self, topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> None:
        """Publish; with QoS 1 return when the broker has taken it, else raise ``SourceError``.

        While the source is paused the broker's answer is not read: then ``NotConnectedError``
        after ``answer_timeout_s`` means "not confirmed".
        """
        if self._connection is None:
            raise NotConnectedError(f"nothing published to {topic}: {self._problem}")
        await self._connection.publish(topic, payload, qos, retain=retain)

    # Reading

    def _deliver(self, messages: list[Message]) -> None:
        counters, size = self._counters, 0
        for message in messages:
            size += len(message.payload)
            counters.qos0_messages += not message.token
            counters.retained_messages += message.retained
            counters.oversize_messages += message.oversize is not None
        counters.received_messages += len(messages)
        counters.received_bytes += size
        self._buffer.add(messages, size)
        self._arrived.set()
        self._regulate()

    def _regulate(self) -> None:
        """Read the socket unless paused or full."""
        full = self._buffer.is_full
        if full and not self._was_full:
            self._counters.full_stops += 1
            self._ready.set()
        if self._was_full and not full:
            self._settled_from_s = self._loop.time()
        self._was_full = full
        if self._connection is not None:
            self._connection.set_reading(not (full or self._paused))

    def _raise_if_over(self) -> None:
        if self._keeper is None or self._keeper.cancelled():
            raise NotConnectedError("the source is closed")
        if self._keeper.done():
            self._keeper.result()

    def _unacked(self) -> int:
        return 0 if self._connection is None else self._connection.next_receipt - self._ledger.head

    def _note_window(self) -> None:
        known = self._watch.window
        self._watch.note(self._unacked(), self._loop.time())
        if self._watch.is_found and self._watch.window != known:
            log.warning(
                "mqtt_window_found",
                window_messages=self._watch.window,
                remedy="set max_inflight_messages of the broker to 0 or two batches",
            )

    def _caught_up(self) -> bool:
        connection = self._connection
        if connection is None or not self._subscribed or self._paused or self._was_full:
            return False
        busy_s = max(self._settled_from_s, self._watch.full_at_s)
        return (
            self._loop.time() - busy_s >= self._settings.settle_s
            and not self._watch.is_full(self._unacked())
            and not self._buffer
            and not connection.has_data()
        )

    def _told_problem(self, silent_s: float) -> str | None:
        if self._taken_over and not self._is_stable():
            return (
                f"another client seems to use the client id {self._settings.client_id!r} and takes"
                f" the session over; stop it or set {CLIENT_ID} to a name of its own"
            )
        if silent_s:
            return f"{self._where.shown} has said nothing for {silent_s:.0f} s"
        return self._problem

    # Connecting

    def _deadline_s(self) -> float:
        limit_s = self._settings.start_timeout_s
        return float("inf") if limit_s is None else self._loop.time() + limit_s

    async def _first_connection(self, deadline_s: float) -> Connection:
        while True:
            try:
                return await self._connect()
            except PermanentSourceError:
                raise
            except SourceError as error:
                wait_s = self._backoff_s()
                if self._loop.time() + wait_s > deadline_s:
                    raise
                log.warning("mqtt_connect_failed", error=str(error), retry_s=round(wait_s, 1))
                await asyncio.sleep(wait_s)

    async def _wait_ready(self, deadline_s: float) -> None:
        """Wait for the SUBACK, or until a backlog before it fills the buffer."""
        limit_s = max(self._settings.answer_timeout_s, deadline_s - self._loop.time())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), None if limit_s == float("inf") else limit_s)
        self._raise_if_over()
        if not self._ready.is_set() and not self._buffer:
            raise BrokerUnreachableError(
                self._problem or f"{self._where.shown} does not answer SUBSCRIBE"
            )

    async def _connect(self) -> Connection:
        connection = Connection(
            self._settings,
            self._where,
            self._clock,
            self._deliver,
            first_receipt=self._next_receipt,
        )
        self._ledger.start(self._next_receipt)
        try:
            await connection.open()
        except BaseException:  # also when cancelled: receipts already given out are never reused
            self._next_receipt = connection.next_receipt
            connection.abandon("not accepted")
            raise
        self._connected(connection)
        return connection

    def _connected(self, connection: Connection) -> None:
        self._connection = connection
        self._connected_s = self._settled_from_s = self._loop.time()
        self._since_us = self._clock.now_us()
        self._problem = "waiting for the answer to SUBSCRIBE"
        if self._counters.connections:
            self._counters.reconnects += 1
            if not connection.session_present:
                self._counters.sessions_lost += 1
                log.error(
                    "mqtt_session_lost",
                    client_id=self._settings.client_id,
                    meaning="the broker forgot what it had queued; look for gaps in seq",
                )
        self._counters.connections += 1
        log.info(
            "mqtt_connected",
            broker=self._where.shown,
            client_id=self._settings.client_id,
            session_present=connection.session_present,
        )
        self._regulate()

    async def _keep(self, connection: Connection) -> None:
        """Subscribe, wait for the loss, reconnect; without end. Raises only at the start."""
        while True:
            try:
                await connection.subscribe()
                self._subscribed, self._problem = True, None
                self._settled_from_s = self._loop.time()
                self._ready.set()
            except SubscriptionError as error:
                if not self._ready.is_set():
                    raise
                connection.abandon(str(error))
            except NotConnectedError:
                pass  # the loss is looked at next
            await asyncio.wait({connection.lost})  # cancelling this leaves the connection alone
            self._lose(connection, connection.lost.result())
            connection = await self._reconnect()

    def _lose(self, connection: Connection, reason: str) -> None:
        self._connection, self._subscribed = None, False
        self._next_receipt = connection.next_receipt
        self._ledger.start(self._next_receipt)
        self._since_us = self._clock.now_us()
        self._problem = f"connection to {self._where.shown} lost: {reason}"
        self._counters.losses += 1
        if self._is_stable():
            self._short_lives = self._attempts = 0
            self._taken_over = False
        self._short_lives = self._short_lives + 1 if connection.hung_up else 0
        if connection.taken_over or self._short_lives >= TAKE_OVER_LOSSES:
            self._suspect_take_over()
        log.warning("mqtt_connection_lost", broker=self._where.shown, reason=reason)

    def _suspect_take_over(self) -> None:
        self._counters.take_overs += 1
        if not self._taken_over:
            log.error("mqtt_session_taken_over", client_id=self._settings.client_id)
        self._taken_over = True

    def _is_stable(self) -> bool:
        return self._loop.time() - self._connected_s > STABLE_S

    async def _reconnect(self) -> Connection:
        while True:
            await asyncio.sleep(self._backoff_s())
            try:
                return await self._connect()
            except SourceError as error:
                self._short_lives = 0
                if str(error) != self._problem:
                    log.warning("mqtt_connect_failed", error=str(error))
                self._problem = str(error)

    def _backoff_s(self) -> float:
        """Return the next wait: doubled each time up to the cap, then shortened by up to half."""
        doubled_s = self._settings.backoff_min_s * 2 ** min(self._attempts, 16)
        self._attempts += 1
        return min(doubled_s, self._settings.backoff_max_s) * random.SystemRandom().uniform(0.5, 1)


async def delete_session(settings: MqttSettings, clock: Clock) -> None:
    """Delete the session of this client id, with all that the broker holds for it."""
    where = address(settings)
    connection = Connection(settings, where, clock, lambda _: None, first_receipt=1, clean=True)
    try:
        await connection.open()
    finally:
        await connection.close()
