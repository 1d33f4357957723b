"""Fakes of everything that the API is made of, and a client for it."""

from collections.abc import Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx2
from prometheus_client import CollectorRegistry

from ingest.store.parameters import Scope
from service.clock import ManualClock
from service.http import IntakePausedError, Parts, SubmitResult, make_app
from service.http.parts import Act, ActRefusedError, AlarmFilter, DeadLetter
from service.metrics import Metrics
from service.parameters import KNOWN, Changed, Known, Wanted
from service.parameters.store import check
from service.readiness import Board
from service.roles import Caller, Role
from service.settings import HttpSettings
from service.shadow.store import Case, Place, SaidFilter, wanted

ALARM = UUID("11111111-1111-4111-8111-111111111111")
CODE = "31103301102014075069"


@dataclass
class FakeIntake:
    result: SubmitResult = field(default_factory=lambda: SubmitResult(1, 0))
    paused: str | None = None
    submitted: list[tuple[str, bytes]] = field(default_factory=list)
    reloaded: list[int] = field(default_factory=list)
    fault: Exception | None = None

    async def submit(self, gateway: str, payload: bytes) -> SubmitResult:
        if self.fault is not None:
            raise self.fault
        if self.paused is not None:
            raise IntakePausedError(self.paused)
        self.submitted.append((gateway, payload))
        return self.result

    async def reload(self, elevator_ids: Iterable[int]) -> None:
        self.reloaded += elevator_ids


@dataclass
class FakeKeys:
    """Knows one key per role: the token is the role's name."""

    callers: dict[str, Caller] = field(
        default_factory=lambda: {r.value: Caller(uuid4(), f"a {r.value}", r) for r in Role}
    )

    async def verify(self, token: str) -> Caller | None:
        return self.callers.get(token)


@dataclass
class FakeFleet:
    lifts: dict[str, dict[str, Any]] = field(default_factory=lambda: {CODE: {"id": 1}})
    registered: list[tuple[str, Mapping[str, Any], str, bool]] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)

    async def list_elevators(self, after: int, limit: int, **filters: Any) -> list[dict[str, Any]]:
        self.asked.append((after, limit, filters))
        return [lift for lift in self.lifts.values() if lift["id"] > after][:limit]

    async def elevator(self, code: str) -> dict[str, Any] | None:
        return self.lifts.get(code)

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
        if code not in self.lifts:
            if not whole:
                return None
            self.lifts[code] = {"id": len(self.lifts) + 1}
        self.registered.append((code, changes, actor, whole))
        return self.lifts[code]["id"]

    async def frames(self, *asked: Any) -> bytes:
        self.asked.append(asked)
        return b'{"frames":[],"next":null}'

    async def list_gateways(self, after: int, limit: int) -> list[dict[str, Any]]:
        return [{"id": 1, "name": "gw"}]


@dataclass
class FakeAlarms:
    documents: dict[UUID, dict[str, Any]] = field(
        default_factory=lambda: {
            ALARM: {"alarm_id": str(ALARM), "onset": "2026-11-22T08:00:00Z", "state": "raised"}
        }
    )
    acts: list[tuple[UUID, Act, str, str | None]] = field(default_factory=list)
    wanted: list[AlarmFilter] = field(default_factory=list)
    refusal: str | None = None

    async def list_alarms(self, wanted: AlarmFilter) -> list[dict[str, Any]]:
        self.wanted.append(wanted)
        return list(self.documents.values())[: wanted.limit]

    async def alarm(self, alarm_id: UUID) -> dict[str, Any] | None:
        return self.documents.get(alarm_id)

    async def act(
        self, alarm_id: UUID, act: Act, who: str, note: str | None, now_us: int
    ) -> dict[str, Any] | None:
        if self.refusal is not None:
            raise ActRefusedError(self.refusal)
        self.acts.append((alarm_id, act, who, note))
        return self.documents.get(alarm_id)


@dataclass
class FakeParameters:
    known: dict[str, Known] = field(default_factory=lambda: dict(KNOWN))
    wanted: list[tuple[Wanted, str, bool]] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)

    async def change(
        self, wanted: Wanted, actor: str, now_us: int, *, dry_run: bool = False
    ) -> Changed | None:
        check(wanted, self.known)
        if wanted.scope is Scope.LIFT and wanted.subject != CODE:
            return None
        self.wanted.append((wanted, actor, dry_run))
        return Changed(None if dry_run else 7, {}, {}, 1, dry_run)

    async def effective(self, code: str) -> dict[str, Any] | None:
        return {"elevator": code} if code == CODE else None

    async def overview(self) -> dict[str, Any]:
        return {"version": 7}

    async def model(self, name: str) -> dict[str, Any]:
        return {"model": name}

    async def versions(self, before: int, limit: int, **filters: Any) -> list[dict[str, Any]]:
        self.asked.append((before, limit, filters))
        return [{"version": n} for n in (7, 6) if n < before][:limit]

    async def version(self, number: int) -> dict[str, Any] | None:
        return {"version": number} if number <= 7 else None


@dataclass
class FakeShadow:
    """A shadow in memory; three findings in one second, and three differences."""

    version: int | None = 3
    put_: list[tuple[dict[str, float], str, str]] = field(default_factory=list)
    cleared: list[str] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)
    fault: Exception | None = None

    async def show(self, version: int | None = None) -> dict[str, Any] | None:
        if version is not None and version > 3:
            return None
        return {"version": version or self.version, "state": "running"}

    async def runs(self, before: int, limit: int) -> list[dict[str, Any]]:
        return [{"version": n} for n in (3, 2, 1) if n < before][:limit]

    async def put(
        self, params: Mapping[str, float], candidate: str, actor: str, now_us: int
    ) -> dict[str, Any]:
        wanted(params, candidate)
        self.put_.append((dict(params), candidate, actor))
        return {"version": 4, "state": "starting"}

    async def clear(self, actor: str, now_us: int) -> int | None:
        self.cleared.append(actor)
        return self.version

    async def said(
        self, which: SaidFilter, after: Place | None, limit: int
    ) -> list[dict[str, Any]]:
        self.asked.append((which, after))
        first = 0 if after is None else after[3] + 1
        return [
            {"time": "2026-11-22T08:00:00Z", "lane": 0, "batch": 5, "n": n} for n in range(first, 3)
        ][:limit]

    async def differences(
        self, which: SaidFilter, after: Case | None, limit: int
    ) -> tuple[dict[str, Any], list[tuple[Case, dict[str, Any]]]]:
        if self.fault is not None:
            raise self.fault
        self.asked.append((which, after))
        cases = [((n, 1, "a.b"), {"elevator": "a.b"}) for n in range(3)]
        left = [case for case in cases if after is None or case[0] > after]
        return {"version": which.version}, left[:limit]


@dataclass
class FakeDeadLetters:
    letters: dict[int, DeadLetter] = field(default_factory=dict)
    replayed: list[tuple[int, str]] = field(default_factory=list)

    async def list_dead_letters(self, before: int, limit: int, **_: Any) -> list[dict[str, Any]]:
        return [letter.document for letter in self.letters.values()][:limit]

    async def dead_letter(self, letter_id: int) -> DeadLetter | None:
        return self.letters.get(letter_id)

    async def mark_replayed(self, letter_id: int, actor: str, now_us: int) -> None:
        self.replayed.append((letter_id, actor))


class Api:
    """The API over fakes; ``client`` is a context manager."""

    def __init__(self, **settings: Any) -> None:
        self.clock = ManualClock()
        self.board = Board(self.clock, ())
        self.intake, self.keys, self.fleet = FakeIntake(), FakeKeys(), FakeFleet()
        self.alarms, self.letters = FakeAlarms(), FakeDeadLetters()
        self.parameters, self.shadow = FakeParameters(), FakeShadow()
        self.metrics = Metrics(CollectorRegistry(), "test")
        self.app = make_app(
            Parts(
                settings=HttpSettings(**settings),
                body_max_bytes=1024,
                clock=self.clock,
                metrics=self.metrics,
                readiness=self.board,
                intake=self.intake,
                keys=self.keys,
                fleet=self.fleet,
                alarms=self.alarms,
                dead_letters=self.letters,
                parameters=self.parameters,
                shadow=self.shadow,
                version="test",
            )
        )

    def client(self, role: str | None = None) -> httpx2.AsyncClient:
        return client_of(self.app, role)


def client_of(app: Any, key: str | None = None) -> httpx2.AsyncClient:
    headers = {"X-API-Key": key} if key else {}
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://hoistway", headers=headers)


@asynccontextmanager
async def running(api: Api, role: str | None = None):
    async with api.client(role) as client:
        yield client


def letter(**changes: Any) -> DeadLetter:
    """Return a dead letter of a frame from a foreign gateway."""
    given = {
        "id": 7, "of_frame": True, "reason": "foreign_gateway",
        "topic": "hoistway/v1/gw%2F1/frames",
        "raw": b"{}", "size": 2, "document": {"id": 7},
    }  # fmt: skip
    return DeadLetter(**{**given, **changes})


def api_with_letter() -> Api:
    """Return an API that holds one dead letter, number 7."""
    api = Api()
    api.letters.letters[7] = letter()
    return api
