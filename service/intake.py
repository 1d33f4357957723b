"""Intake: messages in, decoded and routed work out.

Gathers what arrives within a window, decodes it in slices that let the event loop breathe, and
registers lifts and gateways that were never seen. Acknowledges nothing. Work for HTTP senders goes
the same way.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import structlog

from ingest.decode import FRAME_BYTES, DecodedBatch, decode, join, slices
from ingest.fleet import Fleet
from ingest.source import FrameSource, Message
from service.clock import Clock
from service.http.parts import SubmitResult
from service.metrics import Metrics
from service.registrar import Registrar
from service.work import Work
from telemetry.topics import frames_topic

log = structlog.get_logger()

CLOCK_JUMP_SUSPENDS_S: Final = 90.0
"""So long after the clock jumped ahead no time passes for quiet lifts [s].

By then live lifts have told two heartbeats or more, and their time counts from an arrival of after
the jump. Otherwise the next tick would add the jump to all of them and complete every window.
"""


@dataclass(frozen=True, slots=True)
class IntakeTimes:
    """How long and how much is gathered."""

    window_s: float
    max_frames: int
    tick_s: float
    slice_frames: int


class Intake:
    """Makes ``Work``; used by the pipeline's intake tasks only."""

    def __init__(
        self,
        source: FrameSource,
        fleet: Fleet,
        registrar: Registrar,
        clock: Clock,
        metrics: Metrics,
        times: IntakeTimes,
    ) -> None:
        self._source = source
        self._fleet = fleet
        self._registrar = registrar
        self._clock = clock
        self._metrics = metrics
        self._times = times

    @property
    def tick_us(self) -> int:
        """How often time passes for quiet lifts [µs]."""
        return round(self._times.tick_s * 1e6)

    @property
    def max_frames(self) -> int:
        """About how many frames one work holds at most."""
        return self._times.max_frames

    async def next_work(self) -> Work:
        """Gather messages for one window, or nothing for one tick interval.

        Cancelling loses nothing: what was read is not acknowledged and comes again.
        """
        messages: list[Message] = []
        # Read the clock before looking: whatever is not found arrives after this instant.
        until_us = self._clock.now_us()
        try:
            async with asyncio.timeout(self._times.tick_s):
                messages = await self._read(self._times.max_frames)
        except TimeoutError:
            return await self._tick(until_us)
        await asyncio.sleep(self._times.window_s)
        emptied = False
        while not emptied and (room := self._times.max_frames - _weight(messages)) > 0:
            until_us = self._clock.now_us()
            emptied = self._source.state.waiting_messages == 0
            if not emptied:
                messages += await self._read(room)
        if not emptied:
            until_us = messages[-1].received_us
        caught_up = emptied and self._source.state.caught_up
        return await self.make_work(messages, until_us, caught_up=caught_up)

    async def _tick(self, until_us: int) -> Work:
        now_us = self._clock.now_us()
        state = self._source.state
        if state.waiting_messages == 0:
            until_us = now_us
        return await self.make_work([], until_us, caught_up=state.caught_up)

    async def make_work(
        self,
        messages: Sequence[Message],
        until_us: int,
        *,
        caught_up: bool,
        submissions: dict[int, asyncio.Future[SubmitResult]] | None = None,
    ) -> Work:
        """Decode and route ``messages``."""
        decoded = []
        for piece in slices(messages, self._times.slice_frames):
            decoded.append(decode(piece))
            await asyncio.sleep(0)
        batch = join(decoded)
        self._count(batch)
        wanted = self._fleet.wanted(batch.decoded, batch.gateways)
        await self._registrar.register(wanted, {said.gateway for said in batch.statuses})
        work = Work(
            messages=messages,
            batch=batch,
            parts={},
            until_us=until_us,
            caught_up=caught_up,
            letters=list(batch.letters),
            rejected=Counter(batch.rejected_by_reason),
            submissions=submissions or {},
            clock_jumped=self._clock_jumped(),
        )
        self._route(work)
        return work

    def _clock_jumped(self) -> bool:
        """Tell whether the clock jumped ahead a short time ago."""
        now_us, jump = self._clock.now_us(), self._clock.jump
        return jump is not None and now_us - jump.at_us < CLOCK_JUMP_SUSPENDS_S * 1e6

    async def _read(self, frames: int) -> list[Message]:
        return await self._source.read(frames, frames * FRAME_BYTES)

    def _count(self, batch: DecodedBatch) -> None:
        self._metrics.received.inc(batch.received)
        self._metrics.in_flight.inc(batch.received)
        self._metrics.unknown_keys.inc(batch.unknown_keys.total())
        for (key, reason), count in batch.flawed_by_reason.items():
            self._metrics.fields_rejected.labels(key=key, reason=reason).inc(count)

    def _route(self, work: Work) -> None:
        """Split the frames by lane; what has no lift is rejected here."""
        batch = work.batch
        if not len(batch):
            return
        ids = {name: self._fleet.gateway_id(name) for name in set(batch.gateways)}
        gateway_ids = np.array([ids[name] for name in batch.gateways], "i4")
        routed = self._fleet.route(batch.decoded, gateway_ids, batch.received_us)
        for refused in routed.rejects:
            reason = str(refused.reason)
            work.letters.append(work.letter(int(refused.index), reason))
            work.rejected[reason] += 1
            work.note(int(refused.index), reason)
        work.parts = {part.lane: part for part in routed.parts}


def _weight(messages: Sequence[Message]) -> int:
    """Return about how many frames these messages hold, judged by their size."""
    return sum(map(likely_frames, messages))


def likely_frames(message: Message) -> int:
    """Return about how many frames a message holds, judged by its size."""
    return 1 + len(message.payload) // FRAME_BYTES


def posted(gateway: str, payload: bytes, received_us: int) -> Message:
    """Return a payload that came over HTTP as a message of its gateway."""
    return Message(frames_topic(gateway), payload, received_us)
