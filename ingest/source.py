"""What a frame source gives and tells: messages, state, counters, faults.

The vocabulary between the MQTT adapter, the decoder and the pipeline; no I/O, no clock. A source
promises: messages come in receipt order; nothing is acknowledged before ``ack``; acknowledgements
leave in receipt order, whatever order ``ack`` is called in; a lost connection is no exception but a
state, and whatever was not acknowledged comes again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

MAX_RAW_BYTES: Final = 1024 * 1024
"""Payloads up to this size are kept whole, [B]; the broker's ``message_size_limit`` is the same."""
HEAD_BYTES: Final = 64 * 1024
"""What is kept of a larger payload, [B]."""
NO_TOKEN: Final = 0
"""Token of a message that needs no acknowledgement (QoS 0)."""


class Oversize(msgspec.Struct, frozen=True):
    """Of a payload above the limit only the head is kept: its full size [B] and its digest."""

    size: int
    sha256: bytes


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message as it came.

    ``token`` stands for the acknowledgement owed to one connection, ``NO_TOKEN`` if none is.
    ``payload`` is the head only if ``oversize`` is set.
    """

    topic: str
    payload: bytes
    received_us: int
    token: int = NO_TOKEN
    retained: bool = False
    oversize: Oversize | None = None


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source at one instant.

    ``caught_up``: connected, subscribed and resumed for 2 s, nothing waiting here or in the socket,
    and the acknowledgement window was not full within those 2 s.
    ``unresponsive``: connected and read, but the broker has said nothing for some seconds although
    it was asked. ``problem``: one line for people, ``None`` while all is well.
    """

    connected: bool
    since_us: int
    subscribed: bool
    paused: bool
    caught_up: bool
    unresponsive: bool
    waiting_messages: int
    waiting_bytes: int
    unacked: int
    window_full: bool
    window_messages: int | None
    session_present: bool
    taken_over: bool
    problem: str | None


@dataclass(slots=True)
class SourceCounters:
    """Totals since the process started."""

    received_messages: int = 0
    received_bytes: int = 0
    qos0_messages: int = 0
    """Messages without delivery guarantee: lost if this process dies before it stores them."""
    retained_messages: int = 0
    oversize_messages: int = 0
    acks: int = 0
    stale_acks: int = 0
    """Acknowledgements of an older connection, not sent: the broker delivers those again."""
    connections: int = 0
    reconnects: int = 0
    losses: int = 0
    sessions_lost: int = 0
    """Reconnects at which the broker no longer knew the session: what it queued is gone."""
    take_overs: int = 0
    full_stops: int = 0
    """Times that reading stopped because the buffer was full."""


class Clock(Protocol):
    """What a source needs of a clock."""

    def now_us(self) -> int:
        """Return the time, µs since 1970-01-01 UTC."""
        ...


class FrameSource(Protocol):
    """What the pipeline needs of a source."""

    @property
    def state(self) -> SourceState:
        """The state now."""
        ...

    @property
    def counters(self) -> SourceCounters:
        """Totals; live, read only."""
        ...

    async def read(self, max_messages: int, max_bytes: int) -> list[Message]:
        """Wait for a message and return those that wait, in receipt order, within the bounds.

        At least one is returned, also if it is larger than ``max_bytes``. Cancellation loses
        nothing. A lost connection never raises; a fault that retrying cannot mend does.
        """
        ...

    def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge: what these messages held is stored."""
        ...

    def pause(self) -> None:
        """Stop reading; the connection stays."""
        ...

    def resume(self) -> None:
        """Read again."""
        ...

    async def publish(self, topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> None:
        """Publish; with QoS 1 return when the broker has taken it, else raise ``SourceError``."""
        ...


class SourceError(Exception):
    """A fault of the source in one line that names the setting or the remedy."""


class TransientSourceError(SourceError):
    """Trying again may help."""


class PermanentSourceError(SourceError):
    """Trying again with the same settings cannot help."""


class BrokerUnreachableError(TransientSourceError):
    """Nobody answers at the broker's address, or not as an MQTT broker does."""


class NotConnectedError(TransientSourceError):
    """Something was to be published while there is no connection, or it was cut meanwhile."""


class SettingError(PermanentSourceError):
    """A setting cannot be used."""


class CredentialsError(PermanentSourceError):
    """The broker refuses the account."""


class CertificateError(PermanentSourceError):
    """TLS: the broker's certificate is not trusted, or ours is refused."""


class SessionError(PermanentSourceError):
    """The broker does not give the session that the promises need."""


class SubscriptionError(PermanentSourceError):
    """The broker refuses the subscription."""


class ClientLibraryError(PermanentSourceError):
    """The installed MQTT client library is not the one this adapter was written for."""
