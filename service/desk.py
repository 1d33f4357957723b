"""A small dispatch desk for trying out, demos and tests: takes signed messages and accepts cases.

``Desk`` is the receiver: it verifies each request, keeps every one with its receive times, knows a
message that it has had already by its ``webhook-id``, and can be told at run time to fail, hang,
answer slowly, redirect or cut the line. It is a stand-in for the receiving side, not a product: it
forgets everything when it ends. What a person sees of it is in ``service.desk_screen``.

Accepting works both ways that the protocol knows. *By reply*: the 2xx reply carries
``{"accepted_by": …}``, at once and without a key. *By API*: ``POST /v1/alarms/{id}/accept`` with a
dispatcher's key, at any later time; a delay, a key press, a release or a verdict need this one.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Any, Final, Protocol, Self

import aiohttp
from aiohttp import web

from alerting.signature import Signer, Verification
from service.clock import SystemClock

KEPT: Final = 1_000_000
"""Requests kept; a bench of 63,000 alarms fits several times."""

OPEN_TYPES: Final = frozenset(
    {"hoistway.alarm.raised", "hoistway.alarm.updated", "hoistway.alarm.escalated"}
)


class Behaviour(StrEnum):
    """What the desk does with a request; ``slow:2.5`` answers after 2.5 s."""

    OK = "ok"
    HANG = "hang"
    SLOW = "slow"
    REDIRECT = "redirect"
    CUT = "cut"


class Clock(Protocol):
    """Reads the time."""

    def now_us(self) -> int:
        """Return µs since epoch, UTC."""
        ...


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came. ``at_us``: µs since epoch; ``at_s``: monotonic, of the event loop."""

    at_us: int
    at_s: float
    webhook_id: str
    verification: Verification
    event: Mapping[str, Any]
    size: int
    status: int | None
    """What was answered; None = nothing."""
    repeated: bool
    """Whether a message with this ``webhook-id`` had been answered 2xx before."""

    @property
    def type(self) -> str:
        """CloudEvents type."""
        return str(self.event.get("type", ""))

    @property
    def data(self) -> Mapping[str, Any]:
        """Alarm document, or what a service message says."""
        data = self.event.get("data")
        return data if isinstance(data, dict) else {}

    @property
    def alarm_id(self) -> str | None:
        """Alarm that it is about."""
        return self.data.get("alarm_id")


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """How a desk listens and accepts.

    ``accept_as``: name under which cases are taken; None = nobody takes any. ``accept_after_s``:
    None = by the reply, at once; a number = by the API so long after the first message about the
    alarm. ``api_url`` and ``api_key``: where and with which dispatcher's key acts are reported.
    """

    secrets: tuple[str, ...]
    host: str = "127.0.0.1"
    port: int = 0
    accept_as: str | None = None
    accept_after_s: float | None = None
    api_url: str | None = None
    api_key: str | None = field(default=None, repr=False)


class Desk:
    """A running desk; use it as an async context manager."""

    def __init__(
        self,
        settings: DeskSettings,
        clock: Clock | None = None,
        on_message: Callable[[Received], None] | None = None,
    ) -> None:
        self.settings = settings
        self.received: deque[Received] = deque(maxlen=KEPT)
        self.alarms: dict[str, Mapping[str, Any]] = {}
        """Newest document of each alarm, by sequence."""
        self.acts_failed: list[str] = []
        self._signer = Signer.of(settings.secrets)
        self._clock = clock or SystemClock()
        self._on_message = on_message
        self._taken: set[str] = set()
        self._behaviour = Behaviour.OK
        self._status = 200
        self._slow_s = 0.0
        self._changed = asyncio.Event()
        self._news = asyncio.Event()
        self._accepting: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self._port = settings.port

    @property
    def url(self) -> str:
        """Address to be set as a dispatch URL."""
        return f"http://{self.settings.host}:{self._port}/alarms"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=4 * 2**20)
        app.router.add_post("/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.settings.host, self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        if self.settings.api_url:
            key = self.settings.api_key or ""
            self._session = aiohttp.ClientSession(
                headers={"authorization": f"Bearer {key}"},
                timeout=aiohttp.ClientTimeout(total=5),
                trust_env=False,
            )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.behave("503")  # lets hanging requests go
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    def behave(self, how: str) -> None:
        """Change the behaviour: a ``Behaviour``, ``slow:2.5``, or a status like ``500``."""
        word, _, number = how.partition(":")
        if word.isdigit():
            self._behaviour, self._status = Behaviour.OK, int(word)
        else:
            self._behaviour, self._status = Behaviour(word), 200
            self._slow_s = float(number or 10) if self._behaviour is Behaviour.SLOW else 0.0
        self._changed.set()
        self._changed = asyncio.Event()

    def messages(self, kind: str = "", alarm_id: str | None = None) -> Sequence[Received]:
        """Return what was taken (verified, answered 2xx, first time), in order of arrival."""
        return [m for m in self._first_taken() if _is_about(m, kind, alarm_id)]

    def _first_taken(self) -> Iterator[Received]:
        return (m for m in self.received if m.status is not None and _counts(m))

    async def wait_for(self, condition: Callable[["Desk"], bool], timeout_s: float = 10.0) -> None:
        """Wait until ``condition(desk)`` holds; looked at after each request."""
        async with asyncio.timeout(timeout_s):
            while not condition(self):
                news = self._news
                await news.wait()

    async def accept(self, alarm_id: str) -> bool:
        """Take the case by the API."""
        return await self._act(alarm_id, "accept")

    async def release(self, alarm_id: str) -> bool:
        """Report by the API that everybody is free."""
        return await self._act(alarm_id, "release")

    async def false_alarm(self, alarm_id: str) -> bool:
        """Give the verdict that it was false, by the API."""
        return await self._act(alarm_id, "false-alarm")

    def open_alarms(self) -> list[Mapping[str, Any]]:
        """Return the documents of alarms that are not over, oldest onset first."""
        alarms = [a for a in self.alarms.values() if a.get("ended") is None]
        return sorted(alarms, key=lambda a: str(a.get("onset")))

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        at_us, at_s = self._clock.now_us(), asyncio.get_running_loop().time()
        body = await request.read()
        verification = self._signer.verify(request.headers, body, at_us / 1e6)
        event = _event_of(body)
        behaviour = self._behaviour
        status = await self._status_of(behaviour, verification)
        received = Received(
            at_us=at_us,
            at_s=at_s,
            webhook_id=request.headers.get("webhook-id", ""),
            verification=verification,
            event=event,
            size=len(body),
            status=status,
            repeated=request.headers.get("webhook-id", "") in self._taken,
        )
        self._take(received)
        if status is None:
            return await self._leave_unanswered(request, behaviour)
        location = {"location": "/elsewhere"} if behaviour is Behaviour.REDIRECT else {}
        return web.json_response(self._reply(received), status=status, headers=location)

    async def _status_of(self, behaviour: Behaviour, verification: Verification) -> int | None:
        """Behave; return what to answer."""
        if verification is not Verification.OK:
            return 401
        if behaviour is Behaviour.REDIRECT:
            return 307
        if behaviour in (Behaviour.CUT, Behaviour.HANG):
            return None
        if behaviour is Behaviour.SLOW:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._slow_s):
                    await self._changed.wait()
        return self._status

    async def _leave_unanswered(
        self, request: web.Request, behaviour: Behaviour
    ) -> web.StreamResponse:
        if behaviour is Behaviour.HANG:
            await self._changed.wait()
        elif request.transport is not None:
            request.transport.abort()
        return web.Response(status=503)

    def _take(self, received: Received) -> None:
        self.received.append(received)
        if _is_2xx(received.status):
            self._taken.add(received.webhook_id)
            alarm_id = received.alarm_id
            if alarm_id is not None:
                known = self.alarms.get(alarm_id, {})
                if received.data.get("sequence", 0) >= known.get("sequence", 0):
                    self.alarms[alarm_id] = received.data
                self._accept_later(received, alarm_id)
        self._news.set()
        self._news = asyncio.Event()
        if self._on_message is not None:
            self._on_message(received)

    def _reply(self, received: Received) -> dict[str, Any]:
        """Accept by the reply, also when the message is repeated: the first reply may be lost."""
        by_reply = self.settings.accept_as and self.settings.accept_after_s is None
        wanted = received.type in OPEN_TYPES and received.data.get("accepted") is None
        if by_reply and wanted and _is_2xx(received.status):
            return {"accepted_by": self.settings.accept_as}
        return {}

    def _accept_later(self, received: Received, alarm_id: str) -> None:
        after_s = self.settings.accept_after_s
        if self.settings.accept_as is None or after_s is None or alarm_id in self._accepting:
            return
        if received.type in OPEN_TYPES:
            self._accepting.add(alarm_id)
            task = asyncio.get_running_loop().create_task(self._accept_after(alarm_id, after_s))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _accept_after(self, alarm_id: str, after_s: float) -> None:
        await asyncio.sleep(after_s)
        while True:
            if await self._act(alarm_id, "accept", quiet_5xx=True):
                return
            await asyncio.sleep(1.0)  # the service may be restarting

    async def _act(self, alarm_id: str, act: str, *, quiet_5xx: bool = False) -> bool:
        """Call the API; True if it answered for good, also if it refused."""
        if self._session is None:
            self.acts_failed.append(f"{act}: no API address is set (HOISTWAY_API_URL)")
            return True
        url = f"{str(self.settings.api_url).rstrip('/')}/v1/alarms/{alarm_id}/{act}"
        try:
            async with self._session.post(url, json={"note": self._who()}) as response:
                text = _told(await response.text())
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            status, text = 503, str(error)
        if not _is_2xx(status) and not (quiet_5xx and status >= 500):
            self.acts_failed.append(f"{act} {alarm_id}: {status} {text}")
        return status < 500

    def _who(self) -> str:
        return f"desk: {self.settings.accept_as or 'a person'}"


def _counts(message: Received) -> bool:
    verified = message.verification is Verification.OK
    return verified and _is_2xx(message.status) and not message.repeated


def _is_about(message: Received, kind: str, alarm_id: str | None) -> bool:
    return message.type.endswith(kind) and alarm_id in (None, message.alarm_id)


def _is_2xx(status: int | None) -> bool:
    return status is not None and 200 <= status < 300


def _told(answer: str) -> str:
    """Return what the API says about a refusal."""
    try:
        return str(json.loads(answer)["detail"])
    except (ValueError, KeyError, TypeError):
        return answer[:300]


def _event_of(body: bytes) -> Mapping[str, Any]:
    try:
        event = json.loads(body)
    except ValueError:  # a desk shows what came, also what is no JSON
        return {}
    return event if isinstance(event, dict) else {}
