"""The socket under the MQTT client: opened with clear errors, read by us, not by the client.

The client library reads byte by byte; here the event loop reads pieces of up to 64 KiB, messages
are taken out, and what is left for the library waits in ``inbox``.
"""

import contextlib
import select
import socket
import ssl
from typing import Final

from ingest.mqtt_faults import tls_fault, unreachable
from ingest.mqtt_settings import URL, Address, MqttSettings, tls_context
from ingest.source import SettingError

PIECE_BYTES: Final = 64 * 1024
"""The most that is read before the event loop gets its turn, [B]."""

_GONE: Final = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)


class BufferedSocket:
    """What the client library takes for its socket."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._tls = isinstance(link, ssl.SSLSocket)
        self.inbox = b""
        self.ended = False
        self.error: str | None = None
        """Why the socket failed, in words."""

    def receive(self, most_bytes: int) -> bytes:
        """Read from the network; ``BlockingIOError`` if nothing is there, ``OSError`` if broken."""
        try:
            return self._link.recv(most_bytes)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None

    def pending(self) -> int:
        """Return how many bytes TLS has decoded already; no event tells of those."""
        return self._link.pending() if isinstance(self._link, ssl.SSLSocket) else 0

    def has_data(self) -> bool:
        """Tell whether a read would find something now."""
        return self.pending() > 0 or bool(self._poll(select.POLLIN))

    def is_gone(self) -> bool:
        """Tell whether the other side has hung up, though unread data may wait."""
        return bool(self._poll(getattr(select, "POLLRDHUP", 0)) & _GONE)

    def _poll(self, events: int) -> int:
        if self._link.fileno() < 0:
            return 0
        poll = select.poll()
        poll.register(self._link, events)
        return sum(seen for _, seen in poll.poll(0))

    def recv(self, size: int) -> bytes:
        """Give the library the next bytes of its inbox."""
        if self.inbox:
            part, self.inbox = self.inbox[:size], self.inbox[size:]
            return part
        if self.ended:
            return b""
        raise BlockingIOError

    def send(self, data: bytes | bytearray) -> int:
        """Send for the library; TLS's wishes to wait are passed on as they are."""
        try:
            return self._link.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError as error:
            self.error = self.error or str(error)
            raise

    def fileno(self) -> int:
        """Return the descriptor, -1 once closed."""
        return self._link.fileno()

    def setblocking(self, flag: bool) -> None:
        """Set the mode of the socket."""
        self._link.setblocking(flag)

    def close(self) -> None:
        """Close; unsent data may be lost."""
        self._link.close()


def open_socket(settings: MqttSettings, where: Address) -> BufferedSocket:
    """Connect, with TLS if the URL says so. Blocks up to the connect timeout.

    Raises ``BrokerUnreachableError``, ``CertificateError`` or ``SettingError``.
    """
    context = tls_context(settings) if where.tls else None
    try:
        link = socket.create_connection((where.host, where.port), settings.connect_timeout_s)
    except OSError as error:
        raise unreachable(error, where.shown) from error
    except UnicodeError as error:
        raise SettingError(f"{URL} names no usable host: {error}") from error
    with contextlib.ExitStack() as unless_done:
        unless_done.callback(link.close)
        _tune(link, settings)
        if context is not None:
            link = _secure(link, context, where)
        unless_done.pop_all()
    return BufferedSocket(link)


def _tune(link: socket.socket, settings: MqttSettings) -> None:
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # A peer that no longer answers is noticed even while nothing is read here.
        dead_ms = int(settings.keepalive_s * 2000)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, dead_ms)


def _secure(link: socket.socket, context: ssl.SSLContext, where: Address) -> ssl.SSLSocket:
    secured: ssl.SSLSocket | None = None
    try:
        secured = context.wrap_socket(
            link, server_hostname=where.host, do_handshake_on_connect=False
        )
        secured.do_handshake()
    except OSError as error:
        if secured is not None:
            secured.close()
        raise tls_fault(error, where.shown) from error
    return secured
