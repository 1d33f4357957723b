"""The loop: gather, decode, settle, detect, commit, adopt, acknowledge.

Two intake tasks (MQTT and HTTP) put work into a queue of two; one task takes it out and lets the
lanes process it. Nothing is acknowledged before every lane has committed. When a commit cannot be
made the queue fills, the intake stops reading, and the broker keeps what is not acknowledged.

Holds no threshold and no rule about alarms. ``received = stored + duplicate + rejected + in
flight`` is kept here: both sides change between two awaits.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from typing import Final

import structlog

from alerting.changes import Changes
from ingest.fleet import Fleet
from ingest.source import FrameSource, Message
from service.clock import Clock
from service.http.parts import IntakePausedError, SubmitResult
from service.intake import Intake, likely_frames, posted
from service.lane import Lane, LaneResult
from service.listening import Listening
from service.metrics import Metrics, Queue
from service.registrar import Registrar
from service.work import Tally, Work

log = structlog.get_logger()
WORKS_QUEUED: Final = 2
"""Works waiting for the lanes: one being decoded while one is committed is all that helps."""
SUBMISSIONS_QUEUED: Final = 256
"""HTTP payloads waiting; above, the sender gets 503 with Retry-After."""
SUBMITTED_BYTES: Final = 16 * 1024 * 1024
"""Bytes of HTTP payloads waiting; above, the same."""
STALLED_US: Final = 10_000_000
"""An intake that took longer for one round did not hear the gateways meanwhile [µs]."""
PAUSED_AFTER_US: Final = 2_000_000
"""A commit failing for this long makes HTTP senders go away instead of hanging [µs]."""


class Pipeline:
    """Intake, lanes and acknowledgement; ``run`` ends by ``stop`` or a lost epoch."""

    def __init__(
        self,
        source: FrameSource,
        intake: Intake,
        lanes: Sequence[Lane],
        fleet: Fleet,
        registrar: Registrar,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._source = source
        self._intake = intake
        self._lanes = lanes
        self._fleet = fleet
        self._registrar = registrar
        self._clock = clock
        self._metrics = metrics
        self._works: asyncio.Queue[Work | None] = asyncio.Queue(WORKS_QUEUED)
        self._submissions: asyncio.Queue[tuple[Message, asyncio.Future[SubmitResult]]]
        self._submissions = asyncio.Queue(SUBMISSIONS_QUEUED)
        self._submitted_bytes = 0
        self._answers: set[asyncio.Future[SubmitResult]] = set()
        self._changed_lifts: set[int] = set()
        self._ticked_us = 0
        self._caught_up = False
        self._running = False
        self._stopping = asyncio.Event()
        self._in_flight = 0
        self._connections = source.counters.connections
        self._listening = Listening(clock.now_us(), self._connections)
        metrics.bind_queue(Queue.LANE_BATCHES, WORKS_QUEUED, self._works.qsize)
        metrics.bind_queue(Queue.SUBMITTED, SUBMISSIONS_QUEUED, self._submissions.qsize)

    async def run(self) -> None:
        """Work until ``stop``; raises ``EpochLost`` when another process writes."""
        self._running = True
        self._note_listening(caught_up=False)
        try:
            async with asyncio.TaskGroup() as tasks:
                intakes = [
                    tasks.create_task(self._take_messages(), name="intake-mqtt"),
                    tasks.create_task(self._take_submissions(), name="intake-http"),
                ]
                tasks.create_task(self._process(), name="lanes")
                await self._stopping.wait()
                for intake in intakes:
                    intake.cancel()  # what they hold is not acknowledged: it comes again
                await asyncio.wait(intakes)
                await self._works.put(None)
        finally:
            self._running = False
            self._refuse_the_rest()

    def stop(self) -> None:
        """Take nothing more; ``run`` returns when what was taken is committed."""
        self._stopping.set()

    @property
    def in_flight(self) -> int:
        """Frames received and not settled."""
        return self._in_flight

    async def submit(self, gateway: str, payload: bytes) -> SubmitResult:
        """Take a payload over HTTP; returns after the commit. Giving up waiting loses nothing."""
        if self._stopping.is_set():
            raise IntakePausedError("the service is stopping")
        if not self._running:
            raise IntakePausedError("the service is starting, or stands by")
        since = [lane.writer.failing_since_us for lane in self._lanes]
        now_us = self._clock.now_us()
        if any(s is not None and now_us - s > PAUSED_AFTER_US for s in since):
            raise IntakePausedError("the database cannot be written to")
        answer: asyncio.Future[SubmitResult] = asyncio.get_running_loop().create_future()
        if self._submissions.full() or self._submitted_bytes >= SUBMITTED_BYTES:
            raise IntakePausedError("too many payloads are waiting")
        self._submissions.put_nowait((posted(gateway, payload, now_us), answer))
        self._submitted_bytes += len(payload)
        self._answers.add(answer)
        answer.add_done_callback(self._answers.discard)
        return await asyncio.shield(answer)

    async def reload(self, elevator_ids: Iterable[int]) -> None:
        """Read the registry again before the next work: a person changed these lifts."""
        self.note_changed(elevator_ids)

    def note_changed(self, elevator_ids: Iterable[int]) -> None:
        """Note lifts that a person changed, here or at another process."""
        self._changed_lifts.update(elevator_ids)

    async def _take_messages(self) -> None:
        while True:
            began_us = self._clock.now_us()
            work = await self._intake.next_work()
            self._caught_up = work.caught_up
            work.listening_since_us = self._note_listening(caught_up=work.caught_up)
            self._in_flight += work.batch.received
            if work.is_tick and not self._works.empty():
                continue  # time passes with the work that waits
            await self._works.put(work)
            if (now_us := self._clock.now_us()) - began_us >= STALLED_US:
                self._fleet.listen_again(now_us)  # silence was ours, not the gateways'

    def _note_listening(self, *, caught_up: bool) -> int:
        connections = self._source.counters.connections
        return self._listening.note(self._clock.now_us(), connections, caught_up=caught_up)

    async def _take_submissions(self) -> None:
        while True:
            taken = [await self._submissions.get()]
            weight = likely_frames(taken[0][0])
            while not self._submissions.empty() and weight < self._intake.max_frames:
                taken.append(self._submissions.get_nowait())
                weight += likely_frames(taken[-1][0])
            self._submitted_bytes -= sum(len(message.payload) for message, _ in taken)
            work = await self._intake.make_work(
                [message for message, _ in taken],
                0,  # says nothing about what the other source still holds
                caught_up=self._caught_up,
                submissions={i: answer for i, (_, answer) in enumerate(taken)},
            )
            work.listening_since_us = self._listening.since_us
            self._in_flight += work.batch.received
            await self._works.put(work)

    async def _process(self) -> None:
        await self._take_parameters()  # what was changed since the last batch of the life before
        while (work := await self._works.get()) is not None:
            if self._changed_lifts:
                await self._reload()
            await self._settle(work)
            await self._tick_after(work)

    def _refuse_the_rest(self) -> None:
        """Let nobody wait for a commit that this process will not make."""
        for answer in tuple(self._answers):
            if not answer.done():
                answer.set_exception(IntakePausedError("the service is stopping"))

    async def _tick_after(self, work: Work) -> None:
        """Let time pass for quiet lifts although others keep talking."""
        now_us = self._clock.now_us()
        if work.is_tick:
            self._ticked_us = now_us
        elif work.until_us and now_us - self._ticked_us >= self._intake.tick_us:
            self._ticked_us = now_us
            await self._settle(work.tick_after())

    async def _reload(self) -> None:
        changed, self._changed_lifts = self._changed_lifts, set()
        await self._registrar.reload()
        await self._take_parameters()
        log.info("registry_reloaded", changed=len(changed))

    async def _take_parameters(self) -> None:
        """Give the detectors the newest parameters, between two batches of every lane."""
        version = min(lane.parameters.version for lane in self._lanes)
        changes = await self._registrar.parameters_after(version)
        for lane in self._lanes:
            lane.take_in_new_lifts()
            later = [c for c in changes if c.version > lane.parameters.version]
            result = await lane.take_parameters(later)
            if result is not None:
                self._count_changes(result)

    async def _settle(self, work: Work) -> None:
        """Bring one work through the lanes, then acknowledge it."""
        if self._source.counters.connections != self._connections:
            self._connections = self._source.counters.connections
            self._fleet.listen_again(self._clock.now_us())
        concerned = self._concerned(work)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(lane.process(work)) for lane in concerned]
        tally = Tally()
        for result in (task.result() for task in running):
            tally.add(result.tally)
            self._count_changes(result)
        # No await from here to the acknowledgement: the law holds at every scrape.
        self._count(work, tally)
        self._source.ack([m for m in work.messages if m.token])
        self._answer(work)
        for lane in concerned:
            self._count_outcomes(await lane.release_held(caught_up=work.caught_up))

    def _concerned(self, work: Work) -> list[Lane]:
        """Return the lanes that have something to do: all at a tick, the first for dead letters."""
        if work.is_tick:
            return list(self._lanes)
        extra = bool(work.letters or work.batch.statuses or work.rejected)
        return [
            lane
            for lane in self._lanes
            if lane.number in work.parts or (extra and lane.number == 0)
        ]

    def _count(self, work: Work, tally: Tally) -> None:
        self._metrics.stored.inc(tally.stored)
        self._metrics.duplicate.inc(tally.duplicate)
        for reason, count in tally.rejected.items():
            self._metrics.rejected.labels(reason=reason).inc(count)
        self._in_flight -= work.batch.received
        self._metrics.in_flight.dec(work.batch.received)
        if tally.settled != work.batch.received:
            log.error("frames_unaccounted", received=work.batch.received, settled=tally.settled)
        if work.messages:
            self._metrics.batches.inc()
            self._metrics.batch_frames.observe(work.batch.received)
            waited_us = self._clock.now_us() - min(m.received_us for m in work.messages)
            self._metrics.stored_s.observe(max(0, waited_us) / 1e6)

    def _count_changes(self, result: LaneResult) -> None:
        for t in result.transitions:
            labels = {"kind": t.kind.slug, "change": t.change.name.lower()}
            self._metrics.transitions.labels(**labels).inc()
        self._count_outcomes(result.changes)

    def _count_outcomes(self, changes: Changes) -> None:
        for outcome, count in changes.outcomes.items():
            self._metrics.alarm_decisions.labels(outcome=outcome).inc(count)

    def _answer(self, work: Work) -> None:
        for position, result in work.results().items() if work.submissions else ():
            answer = work.submissions[position]
            with contextlib.suppress(asyncio.InvalidStateError):  # the sender is gone
                answer.set_result(result)
