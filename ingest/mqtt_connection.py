"""One connection to the broker, from CONNECT to its loss; never used again.

aiomqtt and the paho client in it do CONNECT, SUBSCRIBE, PUBLISH and their answers. This module owns
the socket: it reads, takes messages out before paho sees them, sends PUBACKs only when told,
stops reading without losing the connection, and keeps the ping clock itself. The library's private
names that this needs are listed in ``mqtt_library`` and checked before the first use.

Everything runs on the event loop's thread, except opening the socket.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

import aiomqtt

from ingest.mqtt_faults import (
    REFUSED_PROTOCOL,
    refusal,
    tls_fault,
    wrong_protocol,
)
from ingest.mqtt_library import make_client
from ingest.mqtt_packets import (
    DISCONNECT_PACKET,
    PINGREQ_PACKET,
    PUBACK,
    PublishSplitter,
    pubacks,
)
from ingest.mqtt_settings import URL, Address, MqttSettings
from ingest.mqtt_socket import PIECE_BYTES, BufferedSocket, open_socket
from ingest.source import (
    BrokerUnreachableError,
    CertificateError,
    Clock,
    Message,
    NotConnectedError,
    SourceError,
    SubscriptionError,
)
from telemetry.topics import FRAMES_FILTER, STATUS_FILTER

T = TypeVar("T")

CONNACK: Final = 0x20
TAKEN_OVER: Final = 142  # MQTT 5 DISCONNECT: session taken over
PING_PARTS: Final = 3
"""Pings per keepalive: two may be lost."""
GOODBYE_S: Final = 2.0
"""Longest wait for the broker to hang up after DISCONNECT [s]."""
MAX_PING_WAIT_S: Final = 1.5
"""Longest time between pings [s]: a broker that hangs must show within 5 s."""


class Connection:
    """A connection in the making, alive or lost.

    ``lost`` is done, with the reason in words, as soon as the connection is no more; ``hung_up``
    tells whether the broker closed it without a word. ``clean`` asks for no session: an old one of
    the same client id is deleted.
    """

    def __init__(
        self,
        settings: MqttSettings,
        where: Address,
        clock: Clock,
        deliver: Callable[[list[Message]], None],
        *,
        first_receipt: int,
        clean: bool = False,
    ) -> None:
        self._settings, self._where, self._clock, self._deliver = settings, where, clock, deliver
        self._loop = asyncio.get_running_loop()
        self._mqtt5 = settings.protocol == "5"
        self._clean = clean
        self._splitter = PublishSplitter(
            first_receipt, mqtt5=self._mqtt5, max_payload_bytes=settings.max_payload_bytes
        )
        self.lost: asyncio.Future[str] = self._loop.create_future()
        self.session_present = self.taken_over = self.hung_up = False
        self._closed = self._greeted = False
        self._socket: BufferedSocket | None = None
        self._fault: SourceError | None = None
        self._reading = True
        self._is_registered = False
        self._heard_s = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._client = make_client(settings, where, clean=clean)
        self._paho: Any = self._client._client  # noqa: SLF001 (PRIVATE_NAMES)
        self._hook()

    def _hook(self) -> None:
        client = self._paho
        client.manual_ack_set(True)
        client.on_message = None
        client._create_socket = self._create_socket  # noqa: SLF001 (PRIVATE_NAMES)
        client.on_socket_open = lambda _client, _data, link: self._from_thread(self._attach, link)
        client.on_socket_close = lambda _client, _data, link: self._detach(link)
        client.on_socket_register_write = lambda *_: self._from_thread(self._want_write)
        client.on_socket_unregister_write = self._on_written
        client.on_disconnect = self._on_disconnect
        accepted = client.on_connect

        def on_connect(a: Any, b: Any, flags: Any, reason: Any, properties: Any) -> None:
            self.session_present = bool(flags.session_present)
            self._fault = refusal(reason, properties, self._settings, self._where)
            accepted(a, b, flags, reason, properties)

        client.on_connect = on_connect

    def _create_socket(self) -> BufferedSocket:
        """Open the socket, in a worker thread; keep the fault, for aiomqtt would hide its type."""
        try:
            return open_socket(self._settings, self._where)
        except SourceError as error:
            self._fault = error
            raise OSError(str(error)) from error

    def _from_thread(self, call: Callable[..., None], *args: Any) -> None:
        self._loop.call_soon_threadsafe(call, *args)

    async def open(self) -> None:
        """Connect; return when the broker has accepted, else raise a ``SourceError``."""
        entering = asyncio.ensure_future(self._client.__aenter__())
        try:
            await asyncio.wait({entering, self.lost}, return_when=asyncio.FIRST_COMPLETED)
            if self._fault is not None:
                raise self._fault
            if not entering.done():
                raise BrokerUnreachableError(
                    f"{self._where.shown} hung up during CONNECT ({self.lost.result()});"
                    f" check that {URL} names an MQTT listener, and TLS or not as it wants"
                )
            entering.result()
        except aiomqtt.MqttError as error:
            raise BrokerUnreachableError(
                f"{self._where.shown} does not answer CONNECT ({error}); check {URL}"
            ) from error
        finally:
            await _cancelled(entering)
            self._look_at_refusal()
        if not self._clean:
            self._tick()

    def _look_at_refusal(self) -> None:
        """Take the library's own word of a refusal, which we have told already, off its hands.

        Else asyncio would log, whenever memory is next tidied up, that nobody asked for it.
        """
        connected = self._client._connected  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        if connected.done() and not connected.cancelled():
            connected.exception()

    @property
    def next_receipt(self) -> int:
        """Number that the next message to be acknowledged will get."""
        return self._splitter.next_receipt

    async def subscribe(self) -> None:
        """Subscribe; return with the SUBACK, which may lie behind a long backlog."""
        filters = [(FRAMES_FILTER, 1), (STATUS_FILTER, 1)]
        granted = await self._unless_lost(self._client.subscribe(filters, timeout=math.inf))
        for (wanted, _), reason in zip(filters, granted, strict=True):
            if getattr(reason, "value", reason) != 1:
                raise SubscriptionError(
                    f"{self._where.shown} refuses to subscribe {wanted} with QoS 1 ({reason});"
                    f" give the account in {URL} the right to read it"
                )

    async def publish(self, topic: str, payload: bytes, qos: int, *, retain: bool) -> None:
        """Publish; return when the broker has it. Raises ``NotConnectedError``."""
        await self._unless_lost(self._client.publish(topic, payload, qos, retain))

    async def _unless_lost(self, call: Awaitable[T]) -> T:
        """Await an answer of the broker; a lost connection gives none."""
        answer = asyncio.ensure_future(call)
        try:
            await asyncio.wait({answer, self.lost}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise NotConnectedError(f"{self._where.shown}: {self.lost.result()}")
            return answer.result()
        except aiomqtt.MqttError as error:
            raise NotConnectedError(f"{self._where.shown}: {error}") from error
        finally:
            await _cancelled(answer)

    def send_pubacks(self, packet_ids: Sequence[int]) -> None:
        """Send the acknowledgements in one write."""
        self._queue(pubacks(packet_ids))

    def _queue(self, packets: bytes) -> None:
        if not self.lost.done():
            # The kind is for the library's own book-keeping, of which a PUBACK has none.
            self._paho._packet_queue(PUBACK, packets, 0, 1)  # noqa: SLF001 (PRIVATE_NAMES)

    async def close(self) -> None:
        """Say goodbye, acknowledgements before it, and wait for the broker to hang up.

        Closing first would not do: a socket closed with unread data in it is reset, and the reset
        overtakes acknowledgements on their way. The session stays.
        """
        if not self.lost.done() and self._socket is not None:
            self._deliver = _ignore
            if self._timer is not None:
                self._timer.cancel()
            self._queue(DISCONNECT_PACKET)
            self.set_reading(True)
            await asyncio.wait({self.lost}, timeout=GOODBYE_S)
        self.abandon("closed")

    def abandon(self, reason: str) -> None:
        """Drop the connection at once, as a crash would."""
        self._closed = True
        self._paho._sock_close()  # noqa: SLF001 (PRIVATE_NAMES)
        self._set_lost(reason)

    # Reading

    def set_reading(self, wanted: bool) -> None:
        """Read the socket or let it be; the connection lives either way."""
        if wanted and not self._reading:
            self._heard_s = self._loop.time()
        self._reading = wanted
        self._register()

    def has_data(self) -> bool:
        """Tell whether the socket holds something unread."""
        return self._socket is not None and self._socket.has_data()

    def silent_s(self) -> float:
        """Return for how long the broker has said nothing although it was listened to [s]."""
        return self._loop.time() - self._heard_s if self._reading else 0.0

    def _register(self) -> None:
        link = self._socket
        if link is None or link.fileno() < 0 or self._reading == self._is_registered:
            return
        self._is_registered = self._reading
        if self._reading:
            self._loop.add_reader(link.fileno(), self._readable)
            self._loop.call_soon(self._readable)  # TLS may hold data that no event tells of
        else:
            self._loop.remove_reader(link.fileno())

    def _readable(self) -> None:
        """Read one piece; with TLS as many records as lie ready, up to the same size."""
        link, left = self._socket, PIECE_BYTES
        while link is not None and self._is_registered and left > 0:
            try:
                piece = link.receive(left)
            except BlockingIOError:
                return
            except OSError as error:
                self._broken(link, error)
                return
            if not piece:
                self.hung_up = True
                self._end(link, "the broker closed the connection")
                return
            self._take(link, piece)
            left -= len(piece)
            if not link.pending():
                return
        if link is not None and self._is_registered:
            self._loop.call_soon(self._readable)

    def _take(self, link: BufferedSocket, piece: bytes) -> None:
        self._heard_s = self._loop.time()
        if not self._greeted and piece[0] != CONNACK:
            self._end(link, "what answers there is no MQTT broker")
            return
        self._greeted = True
        messages, others = self._splitter.feed(piece, self._clock.now_us())
        if others:
            if others[0] == CONNACK and others[3:4] == bytes([REFUSED_PROTOCOL[0]]):
                self._fault = wrong_protocol(self._settings, self._where)  # the library is silent
            link.inbox += others
            self._let_library_read(link)
        if messages:
            self._deliver(messages)
        if self._splitter.fault is not None:
            self._end(link, f"protocol error: {self._splitter.fault}")

    def _let_library_read(self, link: BufferedSocket) -> None:
        try:
            while link.inbox and not self.lost.done():
                self._paho.loop_read()
        except Exception as error:  # noqa: BLE001  # a bad answer makes the library raise anything
            link.inbox = b""
            self._end(link, f"protocol error: {error!r}")

    def _broken(self, link: BufferedSocket, error: OSError) -> None:
        self.hung_up = isinstance(error, ConnectionResetError)
        fault = tls_fault(error, self._where.shown) if self._where.tls else None
        if isinstance(fault, CertificateError) and self._fault is None:
            self._fault = fault
        self._end(link, error.strerror or str(error))

    def _end(self, link: BufferedSocket, why: str) -> None:
        """Let the client library see the end of the stream: it closes and reports."""
        link.error = link.error or why
        link.ended = True
        self._paho.loop_read()
        self._set_lost(link.error)

    # The library's calls

    def _attach(self, link: BufferedSocket) -> None:
        if self._closed:
            link.close()
            return
        self._socket = link
        self._heard_s = self._loop.time()
        self._register()

    def _detach(self, link: BufferedSocket) -> None:
        if self._loop.is_closed() or link.fileno() < 0:
            return
        self._loop.remove_reader(link.fileno())
        self._loop.remove_writer(link.fileno())
        self._is_registered = False

    def _want_write(self) -> None:
        if self._socket is not None and self._socket.fileno() >= 0:
            self._loop.add_writer(self._socket.fileno(), self._paho.loop_write)

    def _on_written(self, _client: Any, _data: Any, link: BufferedSocket) -> None:
        if not self._loop.is_closed() and link.fileno() >= 0:
            self._loop.remove_writer(link.fileno())

    def _on_disconnect(self, _client: Any, _data: Any, flags: Any, reason: Any, _more: Any) -> None:
        self.taken_over = flags.is_disconnect_packet_from_server and reason.value == TAKEN_OVER
        if flags.is_disconnect_packet_from_server:
            self._set_lost(f"the broker disconnected: {reason}")
        else:
            error = None if self._socket is None else self._socket.error
            self._set_lost(error or f"protocol error: {reason}")

    def _set_lost(self, reason: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self.lost.done():
            self.lost.set_result(reason)

    # The ping clock

    def _tick(self) -> None:
        """Ask the broker for a sign of life, also while its answers are not read."""
        if self.lost.done() or self._socket is None:
            return
        wait_s = min(self._settings.keepalive_s / PING_PARTS, MAX_PING_WAIT_S)
        self._timer = self._loop.call_later(wait_s, self._tick)
        if not self._reading and self._socket.is_gone():
            self.abandon("the broker closed the connection while reading was paused")
        elif self.silent_s() > self._settings.keepalive_s and not self.has_data():
            self.abandon(f"the broker was silent for {self._settings.keepalive_s:g} s")
        else:
            self._queue(PINGREQ_PACKET)


def _ignore(_messages: list[Message]) -> None:
    """Take messages that nobody will read: unacknowledged, they come again."""


async def _cancelled(task: asyncio.Future[Any]) -> None:
    """Cancel and wait, so that no task and no exception is left without an owner."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()
