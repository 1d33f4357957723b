"""Sends what the outbox holds until it is taken, and runs the timers of alarms.

One outlet per endpoint claims due deliveries (at most 32 in flight, 5 s each), one task marks what
came of them, one runs escalation and failover, one listens for NOTIFY; all of them poll as well,
so a lost notification costs half a second and no alarm. What follows an attempt is decided in
``retry``, what an escalation does in ``decisions``, order and leases are kept by the outbox.

Delivery is at least once: an attempt is marked after it was made, under the same ``webhook-id``.
A database that is gone is asked again without end; results wait in memory, bounded by what is
claimed. Cancellation and ``stop`` lose nothing: what was not marked is due again after the lease
or a start.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, TypeVar
from uuid import UUID

import structlog

from alerting import retry
from alerting.alarm import Source
from alerting.errors import StoreUnavailableError
from alerting.outgoing import (
    AcceptPort,
    Attempted,
    Client,
    Clock,
    Delivery,
    OutboxPort,
    Reply,
    label,
)
from alerting.outlet import Outlet, Pause, wait
from alerting.retry import AttemptResult, RetryParams, Step
from alerting.signature import Signer

log = structlog.get_logger()

T = TypeVar("T")

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class DispatchSettings:
    """How the dispatcher works. ``endpoints``: the primary first.

    ``in_flight``: attempts under way per endpoint. ``poll_s``: how often the outbox is asked
    without a notification. ``lease_us``: when a claim of a dead sender is due again; longer than
    an attempt. ``drain_s``: how long a stop waits for attempts under way and their marks.
    """

    endpoints: tuple[str, ...]
    retry: RetryParams = field(default_factory=RetryParams)
    in_flight: int = 32
    poll_s: float = 0.5
    lease_us: int = 30_000_000
    drain_s: float = 6.0


@dataclass(slots=True)
class DispatchCounts:
    """What happened since the start, for metrics; labels are the enums' values."""

    attempts: Counter[AttemptResult] = field(default_factory=Counter)
    steps: Counter[Step] = field(default_factory=Counter)
    escalated: int = 0
    handed_on: int = 0
    accepted_by_reply: int = 0
    store_failures: int = 0


class Dispatcher:
    """The sending side of the service; ``run`` returns after ``stop``."""

    def __init__(
        self,
        outbox: OutboxPort,
        alarms: AcceptPort,
        client: Client,
        signer: Signer,
        clock: Clock,
        settings: DispatchSettings,
    ) -> None:
        self.counts = DispatchCounts()
        self._outbox = outbox
        self._alarms = alarms
        self._client = client
        self._signer = signer
        self._clock = clock
        self._settings = settings
        self._outlets = [Outlet(e) for e in dict.fromkeys(settings.endpoints)]
        self._stopping = asyncio.Event()
        self._results: list[Attempted] = []
        self._to_mark = asyncio.Event()
        self._all_marked = asyncio.Event()
        self._unsettled: set[tuple[UUID, str]] = set()
        self._failing: set[str] = set()  # steps that the database refuses just now
        self._down: set[str] = set()  # endpoints that failed last

    @property
    def in_flight(self) -> dict[str, int]:
        """Attempts under way, by endpoint, for a gauge."""
        return {label(outlet.endpoint): len(outlet.tasks) for outlet in self._outlets}

    def stop(self) -> None:
        """Claim nothing more; ``run`` returns when what is under way is settled."""
        self._stopping.set()

    async def run(self) -> None:
        """Send until stopped."""
        async with asyncio.TaskGroup() as group:
            work = group.create_task(self._work())
            await self._stopping.wait()
            left = await self._drain()
            work.cancel()
        log.info("dispatcher_stopped", unmarked=left)

    async def _work(self) -> None:
        await self._insist("resume", lambda: self._outbox.resume(self._clock.now_us()))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._run_timers())
            group.create_task(self._mark_results())
            for outlet in self._outlets:
                group.create_task(self._send(outlet, group))

    async def _drain(self) -> int:
        """Let attempts and marks finish; return how many stay unmarked (they come again)."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_s):
                for outlet in self._outlets:
                    while outlet.tasks:
                        await asyncio.wait(outlet.tasks)
                if self._results:
                    await self._all_marked.wait()
        return len(self._unsettled)

    async def _send(self, outlet: Outlet, group: asyncio.TaskGroup) -> None:
        """Keep one endpoint's slots busy with what is due."""
        limit = self._settings.in_flight
        while not self._stopping.is_set():
            outlet.wake.clear()
            await outlet.paced(limit)
            # Unmarked results count too, so that a database outage bounds them.
            room = min(limit - len(outlet.tasks), 4 * limit - len(self._results))
            claimed = await self._claim(outlet, room) if room > 0 else []
            for delivery in claimed:
                self._unsettled.add(delivery.key)
                task = group.create_task(self._attempt(outlet, delivery))
                outlet.tasks.add(task)
                task.add_done_callback(lambda t: self._finished(outlet, t))
            if room <= 0 or len(claimed) < room:
                wait_s = outlet.wait_s(self._clock.now_us(), self._settings.poll_s)
                await wait(outlet.wake, wait_s)

    def _finished(self, outlet: Outlet, task: asyncio.Task[None]) -> None:
        outlet.tasks.discard(task)
        outlet.wake.set()

    async def _claim(self, outlet: Outlet, room: int) -> list[Delivery]:
        now_us = self._clock.now_us()
        claimed = await self._once(
            f"claim {label(outlet.endpoint)}",
            lambda: self._outbox.claim(outlet.endpoint, room, now_us, self._settings.lease_us),
        )
        # A lease can run out while its result waits to be marked: that one is not sent again.
        return [d for d in claimed or () if d.key not in self._unsettled]

    async def _attempt(self, outlet: Outlet, delivery: Delivery) -> None:
        """Make one attempt and leave its result to be marked."""
        started_us = self._clock.now_us()
        headers = {
            "content-type": CONTENT_TYPE,
            **self._signer.headers(
                str(delivery.message_id), started_us // 1_000_000, delivery.body
            ),
        }
        reply = await self._post(delivery, headers)
        at_us = self._clock.now_us()
        result = retry.classify(reply.status, reply.error)
        decision = retry.decide(
            result,
            delivery.attempt,
            started_us,
            at_us,
            delivery.over_us,
            str(delivery.message_id),
            self._settings.retry,
        )
        outlet.note(result)
        self.counts.attempts[result] += 1
        self.counts.steps[decision.step] += 1
        self._note(delivery, result, decision.step, reply)
        name = retry.accepted_by(reply.body) if result is AttemptResult.RECEIVED else None
        self._all_marked.clear()
        self._results.append(
            Attempted(
                delivery=delivery,
                started_us=started_us,
                duration_ms=(at_us - started_us) // 1000,
                status=reply.status,
                error=reply.error,
                step=decision.step,
                next_us=decision.next_us,
                at_us=at_us,
                accepted_by=name,
            )
        )
        self._to_mark.set()

    async def _post(self, delivery: Delivery, headers: dict[str, str]) -> Reply:
        try:
            async with asyncio.timeout(self._settings.retry.attempt_us / 1e6):
                return await self._client.post(delivery.endpoint, headers, delivery.body)
        except TimeoutError:
            return Reply(error="timeout")

    def _note(self, delivery: Delivery, result: AttemptResult, step: Step, reply: Reply) -> None:
        """Log when an endpoint begins to fail and when it is well again, and what is given up."""
        known = {
            "endpoint": label(delivery.endpoint),
            "alarm_id": str(delivery.alarm_id),
            "message_id": str(delivery.message_id),
        }
        if step is Step.GIVE_UP:
            log.error("delivery_given_up", **known, error=reply.error, status=reply.status)
        elif step is Step.RETRY and delivery.endpoint not in self._down:
            self._down.add(delivery.endpoint)
            log.warning(
                "endpoint_failed",
                **known,
                result=result.value,
                error=reply.error,
                status=reply.status,
            )
        elif step is Step.DELIVERED and delivery.endpoint in self._down:
            self._down.discard(delivery.endpoint)
            log.info("endpoint_recovered", **known)

    async def _mark_results(self) -> None:
        """Record what came of attempts, in bulk, in the order in which they ended."""
        while True:
            await self._to_mark.wait()
            self._to_mark.clear()
            batch = list(self._results)
            if not batch:
                continue
            # Accepted first: a crash in between repeats the message, and with it the acceptance.
            await self._accept(batch)
            busy = await self._insist("mark", lambda b=batch: self._outbox.mark(b))
            self._settle(batch, busy)
            if busy:
                # The pipeline holds those alarms just now; its transaction is short.
                await asyncio.sleep(0.01)
                self._to_mark.set()
            if not self._results:
                self._all_marked.set()

    def _settle(self, batch: Sequence[Attempted], busy: Sequence[Attempted]) -> None:
        again = {a.delivery.key for a in busy}
        self._results = [*busy, *self._results[len(batch) :]]
        outlets = {outlet.endpoint: outlet for outlet in self._outlets}
        for attempted in batch:
            key = attempted.delivery.key
            if key not in again:
                self._unsettled.discard(key)
                outlet = outlets[attempted.delivery.endpoint]
                if attempted.next_us is not None:
                    outlet.expect(attempted.next_us)
                outlet.wake.set()

    async def _accept(self, batch: Sequence[Attempted]) -> None:
        """Enter what replies said about who took the case."""
        names = {
            a.delivery.alarm_id: a.accepted_by
            for a in batch
            if a.accepted_by is not None and a.delivery.alarm_id is not None
        }
        if names:
            now_us = self._clock.now_us()
            self.counts.accepted_by_reply += await self._insist(
                "accept", lambda: self._alarms.accept_all(names, now_us, Source.REPLY)
            )

    async def _run_timers(self) -> None:
        """Escalate and hand on what is due, in rounds, until there is no more; then wait."""
        while True:
            self.counts.handed_on += await self._rounds("hand on", self._outbox.hand_on_due)
            self.counts.escalated += await self._rounds("escalate", self._outbox.escalate_due)
            await asyncio.sleep(self._settings.poll_s)

    async def _rounds(self, what: str, one_round: Callable[[int], Awaitable[int]]) -> int:
        total = 0
        while done := await self._once(what, lambda: one_round(self._clock.now_us())):
            total += done
            self._wake_all()
        return total

    async def _listen(self) -> None:
        pause_s = Pause()
        while True:
            try:
                await self._outbox.listen(self._notified)
            except StoreUnavailableError as error:
                self._failed("listen", error)
                await asyncio.sleep(pause_s.next())

    def _notified(self) -> None:
        self._recovered("listen")
        self._wake_all()

    def _wake_all(self) -> None:
        for outlet in self._outlets:
            outlet.wake.set()

    async def _once(self, what: str, call: Callable[[], Awaitable[T]]) -> T | None:
        """Do it, or note that the database is gone and leave it to the next round."""
        try:
            result = await call()
        except StoreUnavailableError as error:
            self._failed(what, error)
            return None
        self._recovered(what)
        return result

    async def _insist(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        """Do it, as often as it takes."""
        pause_s = Pause()
        while True:
            try:
                result = await call()
            except StoreUnavailableError as error:
                self._failed(what, error)
                await asyncio.sleep(pause_s.next())
            else:
                self._recovered(what)
                return result

    def _failed(self, what: str, error: StoreUnavailableError) -> None:
        self.counts.store_failures += 1
        if what not in self._failing:
            self._failing.add(what)
            log.error("dispatch_store_failed", step=what, error=str(error))

    def _recovered(self, what: str) -> None:
        if what in self._failing:
            self._failing.discard(what)
            log.info("dispatch_store_recovered", step=what)
