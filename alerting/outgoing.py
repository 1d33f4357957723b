"""What the dispatcher handles and what it needs from others: values and protocols. Pure.

The dispatcher is their consumer; ``store.Outbox``, ``store.AlarmStore`` and ``client.HttpClient``
satisfy the protocols structurally, and so do the fakes of the tests.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit
from uuid import UUID

from alerting.alarm import Source
from alerting.retry import Step


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message for one endpoint, claimed. ``attempt`` counts from 1, this one included."""

    message_id: UUID
    endpoint: str
    alarm_id: UUID | None
    sequence: int
    type: str
    body: bytes
    attempt: int
    created_us: int
    ended_us: int | None
    """When the alarm ended, None while it is open."""

    @property
    def key(self) -> tuple[UUID, str]:
        """What tells deliveries apart."""
        return (self.message_id, self.endpoint)

    @property
    def over_us(self) -> int | None:
        """From when the time to give up counts."""
        return None if self.ended_us is None else max(self.ended_us, self.created_us)


@dataclass(frozen=True, slots=True)
class Attempted:
    """What came of an attempt, to be marked."""

    delivery: Delivery
    started_us: int
    duration_ms: int
    status: int | None
    error: str | None
    step: Step
    next_us: int | None
    at_us: int
    accepted_by: str | None = None
    """Who took the case, if the reply said so."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What an endpoint answered: a status and the start of a body, or an error and no status."""

    status: int | None = None
    error: str | None = None
    body: bytes = b""


class Clock(Protocol):
    """Reads the time."""

    def now_us(self) -> int:
        """Return µs since epoch, UTC."""
        ...


class Client(Protocol):
    """Makes one POST. A failure is a ``Reply`` with an error, never an exception."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send ``body`` once; redirects are not followed."""
        ...


class OutboxPort(Protocol):
    """What the dispatcher needs of the outbox; each may raise ``StoreUnavailableError``."""

    async def resume(self, now_us: int) -> None:
        """Take over from a sender that is gone."""
        ...

    async def claim(
        self, endpoint: str, limit: int, now_us: int, lease_us: int
    ) -> Sequence[Delivery]:
        """Claim due deliveries."""
        ...

    async def mark(self, attempted: Sequence[Attempted]) -> Sequence[Attempted]:
        """Record attempts; return those to be marked again a moment later."""
        ...

    async def escalate_due(self, now_us: int) -> int:
        """Escalate a round of alarms; 0 = none left."""
        ...

    async def hand_on_due(self, now_us: int) -> int:
        """Hand a round of messages to the next endpoint; 0 = none left."""
        ...

    async def listen(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` on each notification until cancelled or cut off."""
        ...


class AcceptPort(Protocol):
    """What the dispatcher needs when a reply says who took the case."""

    async def accept_all(self, names: Mapping[UUID, str], now_us: int, source: Source) -> int:
        """Accept those that are open and not accepted; return how many that were."""
        ...


def label(url: str) -> str:
    """Return a URL without what may be secret in it, for logs and the API."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{parts.path}"
