"""Blindness is announced: service messages outside the outbox (promise 13).

Unable to commit, or cut off from the broker, for 15 s: ``hoistway.service.degraded`` goes to every
endpoint, signed like alarms, and is retried until taken; ``.restored`` follows when it is over.
``hoistway.service.alive`` every 60 s, so that a desk notices a service that is gone altogether.

The database may be what is missing, so nothing here touches it: a restart forgets what it had to
say and says it anew if it is still so. Each endpoint has a queue of its own, in order and
bounded.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from uuid import uuid5

import structlog

from alerting import retry
from alerting.alarm import ALARM_NAMESPACE
from alerting.dispatcher import CONTENT_TYPE
from alerting.message import envelope, rfc3339
from alerting.outgoing import Client, Clock, Reply, label
from alerting.retry import AttemptResult, RetryParams
from alerting.signature import Signer

log = structlog.get_logger()

QUEUE_LENGTH: Final = 64
"""Messages kept per endpoint that does not answer; the oldest go first."""


class Cause(StrEnum):
    """What the service is cut off from."""

    DATABASE = "database"
    BROKER = "broker"


class ServiceMessage(StrEnum):
    """What is announced; the text is the CloudEvents type."""

    DEGRADED = "hoistway.service.degraded"
    RESTORED = "hoistway.service.restored"
    ALIVE = "hoistway.service.alive"


Health = Callable[[], Mapping[Cause, int]]
"""Returns since when [µs] each cause lasts; a cause that is missing is fine."""


@dataclass(frozen=True, slots=True)
class AnnounceSettings:
    """When to announce. ``instance`` tells several services of one desk apart."""

    endpoints: tuple[str, ...]
    instance: str = "hoistway"
    after_us: int = 15_000_000
    alive_us: int = 60_000_000
    check_s: float = 1.0
    retry: RetryParams = field(default_factory=RetryParams)


@dataclass(frozen=True, slots=True)
class _Announcement:
    identity: str
    type: ServiceMessage
    body: bytes


_SIGNATURE_REMEDY: Final = "HOISTWAY_DISPATCH_SECRET must be the secret of that endpoint"


class _Queue:
    """What one endpoint has not taken yet, in order."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.waiting: deque[_Announcement] = deque(maxlen=QUEUE_LENGTH)
        self.filled = asyncio.Event()
        self.failing = False

    def put(self, announcement: _Announcement) -> None:
        if announcement.type is ServiceMessage.ALIVE and self.waiting:
            return  # what waits says more, and an old sign of life says nothing
        self.waiting.append(announcement)
        self.filled.set()

    def note(self, announcement: _Announcement, result: AttemptResult, reply: Reply) -> None:
        """Log when the endpoint begins to fail and when it is well again, signs of life too."""
        failed = result is not AttemptResult.RECEIVED
        if failed and not self.failing:
            remedy = _SIGNATURE_REMEDY if reply.status in (401, 403) else None
            log.warning(
                "announcement_failed",
                endpoint=label(self.endpoint),
                type=announcement.type.value,
                result=result.value,
                status=reply.status,
                error=reply.error,
                remedy=remedy,
            )
        elif self.failing and not failed:
            log.info("announcement_taken", endpoint=label(self.endpoint))
        self.failing = failed


_TEXT: Final = {
    (ServiceMessage.DEGRADED, Cause.DATABASE): (
        "监测服务无法写入数据库：在恢复之前不会产生新的报警。",
        "The monitoring service cannot write to its database: no new alarm until restored.",
    ),
    (ServiceMessage.DEGRADED, Cause.BROKER): (
        "监测服务与消息服务器断开：在恢复之前收不到电梯数据。",
        "The monitoring service is cut off from its broker: no telemetry until restored.",
    ),
    (ServiceMessage.RESTORED, Cause.DATABASE): (
        "监测服务已恢复写入数据库。",
        "The monitoring service can write to its database again.",
    ),
    (ServiceMessage.RESTORED, Cause.BROKER): (
        "监测服务已重新连接消息服务器。",
        "The monitoring service is connected to its broker again.",
    ),
}
_ALIVE_TEXT: Final = ("监测服务运行中。", "The monitoring service is alive.")


class Announcer:
    """Watches the service's health and tells every endpoint; runs until cancelled."""

    def __init__(
        self,
        client: Client,
        signer: Signer,
        clock: Clock,
        health: Health,
        settings: AnnounceSettings,
    ) -> None:
        self._client = client
        self._signer = signer
        self._clock = clock
        self._health = health
        self._settings = settings
        self._queues = [_Queue(e) for e in dict.fromkeys(settings.endpoints)]
        self.announced: dict[Cause, int] = {}
        """Causes announced and not over, with since when [µs]."""

    async def run(self) -> None:
        """Watch and tell until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            for queue in self._queues:
                group.create_task(self._tell(queue))

    async def _watch(self) -> None:
        alive_due_us = self._clock.now_us()
        while True:
            now_us = self._clock.now_us()
            self._compare(self._health(), now_us)
            if now_us >= alive_due_us:
                self._put(ServiceMessage.ALIVE, None, now_us, now_us)
                alive_due_us = now_us + self._settings.alive_us
            await asyncio.sleep(self._settings.check_s)

    def _compare(self, blind: Mapping[Cause, int], now_us: int) -> None:
        for cause, since_us in blind.items():
            if cause not in self.announced and now_us - since_us >= self._settings.after_us:
                self.announced[cause] = since_us
                log.error("service_degraded", cause=cause.value, since=rfc3339(since_us))
                self._put(ServiceMessage.DEGRADED, cause, since_us, now_us)
        for cause in [c for c in self.announced if c not in blind]:
            since_us = self.announced.pop(cause)
            log.info("service_restored", cause=cause.value, since=rfc3339(since_us))
            self._put(ServiceMessage.RESTORED, cause, since_us, now_us)

    def _put(self, kind: ServiceMessage, cause: Cause | None, since_us: int, now_us: int) -> None:
        name = f"service/{self._settings.instance}/{kind}/{cause}/{since_us}"
        identity = uuid5(ALARM_NAMESPACE, name)
        data = self._data(kind, cause, since_us, now_us)
        body = envelope(identity, kind.value, now_us, self._settings.instance, data)
        for queue in self._queues:
            queue.put(_Announcement(str(identity), kind, body))

    def _data(
        self, kind: ServiceMessage, cause: Cause | None, since_us: int, now_us: int
    ) -> dict[str, Any]:
        zh, en = _TEXT[kind, cause] if cause is not None else _ALIVE_TEXT
        return {
            "instance": self._settings.instance,
            "cause": cause,
            "since": rfc3339(since_us) if cause is not None else None,
            "lasted_s": round((now_us - since_us) / 1e6, 3) if cause is not None else None,
            "degraded": sorted(c.value for c in self.announced),
            "text": {"zh": zh, "en": en},
        }

    async def _tell(self, queue: _Queue) -> None:
        """Send what waits for one endpoint, in order, each until it is taken."""
        attempt = 0
        while True:
            await queue.filled.wait()
            if not queue.waiting:
                queue.filled.clear()
                continue
            head = queue.waiting[0]
            started_us = self._clock.now_us()
            reply = await self._attempt(queue.endpoint, head, started_us)
            result = retry.classify(reply.status, reply.error)
            queue.note(head, result, reply)
            attempt += 1
            # A sign of life is not repeated: the next one says the same and is true.
            if result is AttemptResult.RECEIVED or head.type is ServiceMessage.ALIVE:
                if queue.waiting and queue.waiting[0] is head:
                    queue.waiting.popleft()
                attempt = 0
                continue
            wait_us = retry.delay_us(attempt, head.identity, self._settings.retry)
            await asyncio.sleep(max(0, started_us + wait_us - self._clock.now_us()) / 1e6)

    async def _attempt(self, endpoint: str, announcement: _Announcement, now_us: int) -> Reply:
        body = announcement.body
        headers = {
            "content-type": CONTENT_TYPE,
            **self._signer.headers(announcement.identity, now_us // 1_000_000, body),
        }
        reply = Reply(error="timeout")
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.retry.attempt_us / 1e6):
                reply = await self._client.post(endpoint, headers, body)
        return reply
