"""One connection to the broker: what is in flight on it, and how it survives a loss.

A message stays in flight until its PUBACK. After a lost connection everything in flight is sent
again first, in order, marked as possible duplicates. Failures of the first connection are raised,
later ones are waited out.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from simulator.network.messages import FrameKey, Message
from simulator.publishing import packets

URL_SETTING: Final = "HOISTWAY_MQTT_URL"
MAX_IN_FLIGHT: Final = 60_000
"""Packet ids are 16 bits wide."""
CLOSING_S: Final = 1.0
"""Longest wait for a connection to close [s]."""
_RETRY_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0)


class PublishError(Exception):
    """The broker cannot be used; one line that names the setting or the remedy."""


@dataclass(frozen=True, slots=True)
class PublishSettings:
    """How to reach the broker.

    Parameters
    ----------
    url
        ``mqtt://user:password@host:port`` or ``mqtts://…``.
    connections
        Connections to share the gateways.
    client_id
        Prefix; connection ``i`` is ``<client_id>-<i>``.
    in_flight
        Most unacknowledged messages of a connection; more wait.
    keepalive_s
        Keepalive of MQTT.
    connect_timeout_s
        For TCP, TLS and CONNACK together.
    ca_file
        Certificate authority for ``mqtts``; ``None`` = those of the system.
    cert_file, key_file
        Client certificate for ``mqtts``; ``None`` = none, or the key stands in ``cert_file``.
    username, password
        Used if the URL names none.
    """

    url: str
    connections: int = 2
    client_id: str = "hoistway-simulator"
    in_flight: int = 5_000
    keepalive_s: int = 30
    connect_timeout_s: float = 5.0
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    username: str | None = None
    password: str | None = None


@dataclass(slots=True)
class Report:
    """What was published so far.

    ``frames`` counts copies too; ``acknowledged`` are the keys of all frames in acknowledged
    messages, in order of the PUBACKs, if the publisher was told to remember them.
    """

    messages: int = 0
    frames: int = 0
    without_frames: int = 0
    acknowledged_messages: int = 0
    acknowledged_frames: int = 0
    reconnects: int = 0
    resent: int = 0
    last_error: str = ""
    acknowledged: list[FrameKey] = field(default_factory=list)

    @property
    def unacknowledged_messages(self) -> int:
        """Messages that the broker has not confirmed."""
        return self.messages - self.acknowledged_messages


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker is, read from its URL."""

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None


class Line:
    """One connection and what is in flight on it."""

    def __init__(
        self,
        settings: PublishSettings,
        address: Address,
        client_id: str,
        report: Report,
        acknowledged: Callable[[Sequence[Message]], None],
    ) -> None:
        self._settings = settings
        self._address = address
        self._client_id = client_id
        self._report = report
        self._acknowledged = acknowledged
        self._limit = min(settings.in_flight, MAX_IN_FLIGHT)
        self._in_flight: dict[int, Message] = {}
        self._last_id = 0
        self._topics: dict[str, bytes] = {}
        self._up = asyncio.Event()
        self._room = asyncio.Event()
        self._turn = asyncio.Lock()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.empty = asyncio.Event()
        self.empty.set()

    async def open(self) -> None:
        """Connect and send again what is in flight. Raises ``PublishError``."""
        settings, address = self._settings, self._address
        where = f"{address.host}:{address.port}"
        try:
            async with asyncio.timeout(settings.connect_timeout_s):
                tls = _tls(settings) if address.tls else None
                self._reader, self._writer = await asyncio.open_connection(
                    address.host, address.port, ssl=tls
                )
                self._writer.write(
                    packets.connect(
                        self._client_id, settings.keepalive_s, address.user, address.password
                    )
                )
                connack = await self._reader.readexactly(4)
        except TimeoutError as error:
            await self.close()
            raise PublishError(
                f"no answer from the MQTT broker {where}; see {URL_SETTING}"
            ) from error
        except asyncio.IncompleteReadError as error:
            await self.close()
            raise PublishError(
                f"{where} closed the connection instead of answering; is {URL_SETTING} "
                "an MQTT broker, and mqtts:// if it wants TLS?"
            ) from error
        except ssl.SSLError as error:
            raise PublishError(
                f"cannot reach the MQTT broker {where} with TLS ({error.reason}); check the "
                f"certificate authority and {URL_SETTING}"
            ) from error
        except OSError as error:
            how = " with TLS" if address.tls else ""
            raise PublishError(
                f"cannot reach the MQTT broker {where}{how} ({error.strerror or error}); start it "
                f"or set {URL_SETTING}"
            ) from error
        if connack[0] != packets.CONNACK_TYPE or connack[3]:
            await self.close()
            why = packets.REFUSALS.get(connack[3], "it is no MQTT broker")
            raise PublishError(f"{where}: {why}; check {URL_SETTING}")
        await self._resend()
        self._up.set()

    async def _resend(self) -> None:
        if self._in_flight and self._writer:
            self._report.resent += len(self._in_flight)
            self._writer.write(
                b"".join(self._packet(pid, m, again=True) for pid, m in self._in_flight.items())
            )

    async def keep(self) -> None:
        """Read acknowledgements for ever; after a loss connect again."""
        while True:
            try:
                await self._read()
            except (OSError, packets.BrokenStreamError, EOFError) as error:
                self._report.last_error = str(error) or type(error).__name__
            self._up.clear()
            await self.close()
            self._report.reconnects += 1
            await self._reopen()

    async def _reopen(self) -> None:
        attempt = 0
        while True:
            try:
                await self.open()
            except PublishError as error:
                self._report.last_error = str(error)
                await asyncio.sleep(_RETRY_S[min(attempt, len(_RETRY_S) - 1)])
                attempt += 1
            else:
                return

    async def _read(self) -> None:
        """Read until the connection is lost."""
        if self._reader is None or self._writer is None:
            raise ConnectionResetError("not connected")
        buffer = bytearray()
        unanswered = False
        while True:
            try:
                async with asyncio.timeout(self._settings.keepalive_s / 2):
                    piece = await self._reader.read(65_536)
            except TimeoutError:
                if unanswered:
                    raise ConnectionResetError("the broker does not answer pings") from None
                self._writer.write(packets.PINGREQ)
                unanswered = True
                continue
            if not piece:
                raise EOFError("the broker closed the connection")
            unanswered = False
            buffer += piece
            self._take(buffer)

    def _take(self, buffer: bytearray) -> None:
        done: list[Message] = []
        for kind, body in packets.split(buffer):
            if kind == packets.PUBACK_TYPE:
                message = self._in_flight.pop(int.from_bytes(body[:2], "big"), None)
                if message is not None:
                    done.append(message)
        if done:
            self._acknowledged(done)
            self._room.set()
            if not self._in_flight:
                self.empty.set()

    async def send(self, messages: Sequence[Message]) -> None:
        """Write messages in order, as fast as acknowledgements make room."""
        async with self._turn:
            position = 0
            while position < len(messages):
                await self._up.wait()
                room = self._limit - len(self._in_flight)
                if room <= 0:
                    self._room.clear()
                    await self._room.wait()
                    continue
                part = messages[position : position + room]
                position += len(part)
                await self._write(part)

    async def _write(self, part: Sequence[Message]) -> None:
        self.empty.clear()
        joined = b"".join([self._packet(self._register(m), m, again=False) for m in part])
        try:
            if self._writer:
                self._writer.write(joined)
                await self._writer.drain()
        except OSError as error:
            # in flight already: keep() notices the loss and sends it again
            self._report.last_error = str(error)

    def _register(self, message: Message) -> int:
        pid = self._last_id % 65_535 + 1
        while pid in self._in_flight:
            pid = pid % 65_535 + 1
        self._last_id = pid
        self._in_flight[pid] = message
        return pid

    def _packet(self, pid: int, message: Message, *, again: bool) -> bytes:
        topic = self._topics.get(message.topic)
        if topic is None:
            topic = self._topics[message.topic] = message.topic.encode()
        return packets.publish(topic, message.payload, pid, duplicate=again, retain=message.retain)

    async def close(self) -> None:
        """Close the connection if there is one, within ``CLOSING_S``."""
        writer, self._reader, self._writer = self._writer, None, None
        if writer is None:
            return
        if self._up.is_set():
            writer.write(packets.DISCONNECT)
        self._up.clear()
        writer.close()
        try:
            async with asyncio.timeout(CLOSING_S):
                await writer.wait_closed()
        except (OSError, TimeoutError) as error:
            # closing a lost connection fails as the connection did; it is gone either way
            self._report.last_error = self._report.last_error or str(error)
            writer.transport.abort()


def _tls(settings: PublishSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ca_file)
    if settings.cert_file is not None:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    return context


def address_of(settings: PublishSettings) -> Address:
    """Read the broker's URL. Raises ``PublishError``."""
    try:
        parts = urlsplit(settings.url)
        port = parts.port
    except ValueError as error:
        raise PublishError(f"{URL_SETTING}: {error}") from error
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise PublishError(f"{URL_SETTING} must be mqtt://[user:password@]host[:port] or mqtts://…")
    tls = parts.scheme == "mqtts"
    return Address(
        parts.hostname,
        port or (8883 if tls else 1883),
        tls,
        settings.username if parts.username is None else unquote(parts.username),
        settings.password if parts.password is None else unquote(parts.password),
    )
