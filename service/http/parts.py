"""What the API needs of the rest: protocols that the real parts satisfy structurally.

``service.app`` fills ``Parts``; tests fill it with fakes. The API never reaches around them.
"""

from asyncio import Task
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from service.clock import Clock
from service.metrics import Metrics
from service.parameters import Changed, Known, Wanted
from service.readiness import Readiness
from service.roles import Caller
from service.settings import HttpSettings
from service.shadow.store import Case, Place, SaidFilter

Document = dict[str, Any]
"""A JSON object."""


@dataclass(frozen=True, slots=True)
class SubmitResult:
    """What became of a payload after the commit, in frames."""

    stored: int
    duplicate: int
    rejected: Sequence[tuple[int, str]] = ()
    """(index in the payload, -1 = the payload itself; reason)."""


class IntakePausedError(Exception):
    """Nothing can be taken now; the text says why. The caller may try again later."""


class Intake(Protocol):
    """The pipeline, as the API sees it."""

    async def submit(self, gateway: str, payload: bytes) -> SubmitResult:
        """Take a payload as if ``gateway`` had published it; return after the commit.

        Raises ``IntakePausedError`` when nothing can be committed now. Cancellation (the API waits
        only so long) gives up waiting, not the frames.
        """
        ...

    async def reload(self, elevator_ids: Iterable[int]) -> None:
        """Read the registration of these lifts again: it was changed."""
        ...


class KeyRing(Protocol):
    """API keys."""

    async def verify(self, token: str) -> Caller | None:
        """Return who has this key; None = nobody, or no longer."""
        ...


class Fleet(Protocol):
    """The registry and what is stored per lift."""

    async def list_elevators(
        self,
        after: int,
        limit: int,
        *,
        confirmed: bool | None = None,
        gateway: str | None = None,
        sticker: str | None = None,
    ) -> list[Document]:
        """Return a page of lifts by id."""
        ...

    async def elevator(self, code: str) -> Document | None:
        """Return one lift with the time of its newest frame."""
        ...

    async def register(
        self,
        code: str,
        changes: Mapping[str, Any],
        actor: str,
        now_us: int,
        *,
        whole: bool,
        reason: str = "",
    ) -> int | None:
        """Change what the registry says and audit it; return the lift's id, None = no such lift.

        A ``whole`` registration creates the lift if need be and replaces its parameters.
        """
        ...

    async def frames(
        self, elevator_id: int, since_us: int, until_us: int, after: tuple[int, int], limit: int
    ) -> bytes:
        """Return a page of frames as a JSON object."""
        ...

    async def list_gateways(self, after: int, limit: int) -> list[Document]:
        """Return a page of gateways by id."""
        ...


class Parameters(Protocol):
    """The detectors' parameters, as the API sees them."""

    @property
    def known(self) -> Mapping[str, Known]:
        """Parameters that there are."""
        ...

    async def change(
        self, wanted: Wanted, actor: str, now_us: int, *, dry_run: bool = False
    ) -> Changed | None:
        """Set parameters, all or nothing; None = no such lift."""
        ...

    async def effective(self, code: str) -> Document | None:
        """Return what is in force for a lift, each value with its origin."""
        ...

    async def overview(self) -> Document:
        """Return what there is, and what is set for fleet and models."""
        ...

    async def model(self, name: str) -> Document:
        """Return what is set for a model."""
        ...

    async def versions(
        self, before: int, limit: int, *, scope: str | None = None, subject: str | None = None
    ) -> list[Document]:
        """Return a page of versions, newest first."""
        ...

    async def version(self, number: int) -> Document | None:
        """Return one version."""
        ...


class Shadow(Protocol):
    """Other rules beside the live ones, as the API sees them."""

    async def show(self, version: int | None = None) -> Document | None:
        """Return a run with its state; without a version the one in force, or that there is none.

        None = no run has this version.
        """
        ...

    async def runs(self, before: int, limit: int) -> list[Document]:
        """Return a page of runs, newest first."""
        ...

    async def put(
        self, params: Mapping[str, float], candidate: str, actor: str, now_us: int
    ) -> Document:
        """Let this run from now on; raises ``ShadowRefusedError``."""
        ...

    async def clear(self, actor: str, now_us: int) -> int | None:
        """End the run in force; return its version, None = none was."""
        ...

    async def said(self, which: SaidFilter, after: Place | None, limit: int) -> list[Document]:
        """Return a page of what a run would have said, by event time."""
        ...

    async def differences(
        self, which: SaidFilter, after: Case | None, limit: int
    ) -> tuple[Document, list[tuple[Case, Document]]]:
        """Return what a comparison with live comes to, and a page of the cases that differ."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One dead letter with its bytes."""

    id: int
    of_frame: bool
    reason: str
    topic: str
    raw: bytes
    size: int
    document: Document


class DeadLetters(Protocol):
    """What could not be taken."""

    async def list_dead_letters(
        self,
        before: int,
        limit: int,
        *,
        reason: str | None = None,
        class_: str | None = None,
        topic: str | None = None,
        since_us: int | None = None,
    ) -> list[Document]:
        """Return a page of dead letters, newest first."""
        ...

    async def dead_letter(self, letter_id: int) -> DeadLetter | None:
        """Return one dead letter."""
        ...

    async def mark_replayed(self, letter_id: int, actor: str, now_us: int) -> None:
        """Remember that it was submitted again, and audit it."""
        ...


class Act(StrEnum):
    """What a person can do to an alarm."""

    ACCEPT = "accept"
    RELEASE = "release"
    FALSE_ALARM = "false-alarm"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmFilter:
    """Which alarms to list, newest onset first; None does not filter."""

    state: str | None = None
    is_open: bool | None = None
    is_past: bool | None = None
    kind: str | None = None
    finding_class: str | None = None
    elevator: str | None = None
    since: datetime | None = None
    after: tuple[datetime, UUID] | None = None
    """Onset and id of the last alarm of the page before."""
    limit: int = 100


class Alarms(Protocol):
    """Alarms, as the API sees them."""

    async def list_alarms(self, wanted: AlarmFilter) -> list[Document]:
        """Return a page of alarms; each holds ``id`` and ``onset`` at least."""
        ...

    async def alarm(self, alarm_id: UUID) -> Document | None:
        """Return one alarm with ``timeline`` and ``deliveries``."""
        ...

    async def act(
        self, alarm_id: UUID, act: Act, who: str, note: str | None, now_us: int
    ) -> Document | None:
        """Do it; return the alarm as it is then, None = no such alarm.

        Doing it again changes nothing. Raises ``ActRefusedError`` if the alarm's state forbids it.
        """
        ...


class ActRefusedError(Exception):
    """The alarm's state does not allow this act; the text says which state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything that the API is made of."""

    settings: HttpSettings
    body_max_bytes: int
    clock: Clock
    metrics: Metrics
    readiness: Readiness
    intake: Intake
    keys: KeyRing
    fleet: Fleet
    alarms: Alarms
    dead_letters: DeadLetters
    parameters: Parameters
    shadow: Shadow
    version: str
    abandoned: set[Task[Any]] = field(default_factory=set)
    """Requests that were answered 503 and have not ended yet."""
