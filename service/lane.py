"""One lane at work: from arrivals to a committed batch, and only then to new state.

Strictly one batch at a time. Everything that is computed stays pending until the commit is known
to have happened; a batch whose outcome is unknown is asked for by its id before it is tried again.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import asyncpg
import numpy as np
import structlog
from numpy.typing import NDArray

from alerting.changes import Changes
from alerting.history import Context
from alerting.store import AlarmStore
from ingest import assemble
from ingest.assemble import Settled
from ingest.fleet import Fleet, Resolved
from ingest.store import batches, frames
from ingest.store.batches import BatchRow
from ingest.store.connect import transaction
from ingest.store.errors import CommitUnknown, ContentError, KeyStoredAlready
from ingest.store.parameters import ParameterChange
from ingest.store.writer_lock import check_epoch
from service import floors
from service.clock import Clock
from service.commit import LaneBatch, commit
from service.core import Advanced, LaneCore
from service.metrics import Metrics, Rejected, RetryCause
from service.parameters import LaneParameters
from service.work import Tally, Work
from service.writer import Writer
from telemetry.batch import FrameBatch
from telemetry.transitions import Transition

log = structlog.get_logger()
DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class LaneResult:
    """What became of a lane's part of the work."""

    tally: Tally
    changes: Changes
    transitions: list[Transition]


class Lane:
    """State and writer of one lane. Cancelling ``process`` leaves the state as it was."""

    def __init__(
        self,
        number: int,
        new_core: Callable[[], LaneCore],
        fleet: Fleet,
        writer: Writer,
        alarms: AlarmStore,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self.number = number
        self._new_core = new_core
        self.core = new_core()
        self.writer = writer
        self.parameters = LaneParameters(number)
        self.last_batch = 0
        self.frames_stored = 0
        self.held: set[int] = set()
        """Lifts with alarms that wait because the lift is catching up."""
        self._fleet = fleet
        self._alarms = alarms
        self._metrics = metrics
        self._clock = clock
        self._last_now_us = 0

    def start_over(self, stored_head_us: int) -> None:
        """Forget the state, for recovery; every registered lift gets a fresh row."""
        self.core = self._new_core()
        self.parameters.start(self.core)
        self.held = set()
        self._last_now_us = 0
        self.take_in_new_lifts(stored_head_us)

    def saw(self, now_us: int) -> None:
        """Note that a batch of that instant was taken in, in recovery."""
        self._last_now_us = max(self._last_now_us, now_us)

    def set_clock_back(self, by_us: int, now_us: int) -> None:
        """Bring the recovered state back by ``by_us`` [µs], to the clock's ``now_us``."""
        self.core.set_clock_back(by_us)
        self._last_now_us = now_us

    def take_in_new_lifts(self, stored_head_us: int = assemble.NOTHING_STORED) -> None:
        """Give lifts that were registered meanwhile their rows."""
        if self._fleet.n_rows(self.number) > self.core.n_lifts:
            self.core.grow(self._fleet.elevator_ids(self.number), stored_head_us)
            self.parameters.cover(self.core)

    async def take_parameters(self, changes: Iterable[ParameterChange]) -> LaneResult | None:
        """Take over versions of parameters; returns after the batch that records it, if any."""
        self.parameters.take(self.core, changes)
        return await self.process(Work.nothing()) if self.parameters.marked else None

    async def process(self, work: Work) -> LaneResult:
        """Settle this lane's part of ``work``; returns after the commit."""
        self.take_in_new_lifts()
        resolved = self._resolve(work)
        excluded: dict[int, str] = {}
        while True:
            pending = await self._prepare(work, resolved, excluded)
            try:
                changes = await self._commit(pending)
            except ContentError as error:
                await self._exclude(pending, error, excluded)
                continue
            self.writer.end_hold()
            return self._adopt(pending, changes)

    def _resolve(self, work: Work) -> Resolved | None:
        arrivals = work.parts.get(self.number)
        if arrivals is None:
            return None
        # What lay in a queue while a tick moved on counts as having arrived with the tick, so that
        # recovery, which reads arrival times from the table, decides the same.
        held_up = arrivals.frames.replace(
            received_us=np.maximum(arrivals.frames["received_us"], self._last_now_us)
        )
        return self._fleet.resolve(replace(arrivals, frames=held_up))

    async def _prepare(
        self, work: Work, resolved: Resolved | None, excluded: Mapping[int, str]
    ) -> "_Pending":
        """Compute everything that the transaction will write."""
        now_us = max(work.until_us, self._last_now_us)
        if resolved is None:
            advanced = self._advance(FrameBatch.empty(), now_us, work)
            return self._pending(work, None, None, advanced, Tally(), [])
        kept = np.setdiff1d(np.arange(len(resolved.frames)), list(excluded))
        arrived = resolved.frames if not excluded else resolved.frames.take(kept)
        index = resolved.index[kept] if excluded else resolved.index
        key_plan = assemble.plan(self.core.order, arrived)
        known = FrameBatch.empty()
        if len(key_plan.seqs):
            keys = (key_plan.elevator_ids, key_plan.times_us, key_plan.seqs)
            found = await self.writer.attempt(lambda conn: frames.lookup(conn, *keys))
            known = found.frames
        settled = assemble.settle(self.core.order, key_plan, known)
        advanced = self._advance(settled.frames, now_us, work)
        tally, letters = self._account(work, resolved, settled, index, excluded)
        return self._pending(work, resolved, settled, advanced, tally, letters, kept)

    def _advance(self, frames_now: FrameBatch, now_us: int, work: Work) -> Advanced:
        with self._metrics.detect_s.time():
            return self.core.advance(
                frames_now, now_us, caught_up=work.moves_quiet_lifts,
                listening_since_us=work.listening_since_us,
            )  # fmt: skip

    def _account(
        self,
        work: Work,
        resolved: Resolved,
        settled: Settled,
        index: NDArray[Any],
        excluded: Mapping[int, str],
    ) -> tuple[Tally, list[Any]]:
        """Count every arrived frame once, and write a dead letter for each that is not stored."""
        tally = Tally(stored=len(settled.frames), duplicate=len(settled.duplicates))
        letters = []

        def reject(frame: int, reason: str, detail: dict[str, Any] | None = None) -> None:
            letters.append(work.letter(frame, reason, detail))
            tally.rejected[reason] += 1
            work.note(frame, reason)

        for refused in resolved.rejects:
            reject(int(refused.index), str(refused.reason))
        for position, error in excluded.items():
            reject(int(resolved.index[position]), Rejected.UNSTORABLE, {"error": error})
        for conflict in settled.conflicts:
            frame = int(index[conflict.index])
            reject(frame, Rejected.CONFLICTING_FRAME, {"stored": dict(conflict.stored)})
        for position in settled.duplicates:
            work.note(int(index[position]), DUPLICATE)
        return tally, letters

    def _pending(
        self,
        work: Work,
        resolved: Resolved | None,
        settled: Settled | None,
        advanced: Advanced,
        tally: Tally,
        letters: list[Any],
        kept: NDArray[Any] | None = None,
    ) -> "_Pending":
        first = self.number == 0
        if first:  # what could not be decoded has no lift, so it goes with the first lane
            tally.rejected.update(work.rejected)
            letters = [*work.letters, *letters]
        stored = advanced.frames
        times = stored["time_us"]
        row = BatchRow(
            lane=self.number,
            id=self.last_batch + 1,
            epoch=0,  # the writer's epoch of the moment is put in at each attempt
            now_us=advanced.now_us, caught_up=advanced.caught_up,
            min_time_us=int(times.min()) if len(stored) else None,
            max_time_us=int(times.max()) if len(stored) else None,
            received=tally.settled, stored=tally.stored, duplicate=tally.duplicate,
            rejected=tally.rejected.total(),
            transitions=len(advanced.transitions),
            parameters=self.parameters.version, listening_since_us=advanced.listening_since_us,
        )  # fmt: skip
        batch = LaneBatch(
            row=row,
            frames=stored,
            transitions=advanced.transitions,
            contexts=self.contexts(
                {t.elevator_id for t in advanced.transitions},
                advanced,
                {(i, key): label for i, key, label in resolved.floors} if resolved else {},
            ),
            letters=letters,
            clock_runs=settled.clock_runs if settled else (),
            bindings=resolved.bindings if resolved else (),
            floors=resolved.floors if resolved else (),
            statuses=work.batch.statuses if first else (),
            opens_version=self.parameters.marked,
        )
        return _Pending(resolved, settled, advanced, tally, batch, kept)

    def contexts(
        self,
        elevator_ids: set[int],
        advanced: Advanced | None,
        new_floors: Mapping[tuple[int, int], str] = MappingProxyType({}),
    ) -> dict[int, Context]:
        """Return what is known about these lifts at the moment of a decision.

        ``new_floors``: labels by (lift, key) that this very batch brings and the mirror lacks.
        """
        if not elevator_ids:
            return {}
        ids = np.array(sorted(elevator_ids), "i8")
        rows = self._fleet.rows(ids.tolist())
        order = self.core.order
        ordered = advanced.ordered if advanced else None
        now_us = advanced.now_us if advanced else self._last_now_us
        caught_up = advanced.caught_up if advanced else True
        holding = assemble.holding(order, rows, now_us, caught_up=caught_up, ordered=ordered)
        lag_us = assemble.lag_us(order, rows, ordered)
        seen_us = assemble.last_seen_us(order, rows, ordered)
        keys = floors.seen(advanced.transitions if advanced else ())
        labels = {i: {k: self._floor(i, k, new_floors) for k in keys[i]} for i in keys}
        return {
            i: Context(
                holding=bool(holding[n]),
                lag_us=int(lag_us[n]),
                last_seen_us=int(seen_us[n]),
                floor=next(reversed(labels[i].values()), None) if i in labels else None,
                floors=labels.get(i, {}),
            )
            for n, i in enumerate(ids.tolist())
        }

    def _code(self, row: int) -> str:
        """Return what people call a lift; its key in the database tells them nothing."""
        return self._fleet.lift(int(self.core.elevator_ids[row])).code

    def _floor(self, elevator_id: int, key: int, new: Mapping[tuple[int, int], str]) -> str | None:
        return new.get((elevator_id, key)) or self._fleet.floor_label(elevator_id, key)

    async def _commit(self, pending: "_Pending") -> Changes:
        """Write the pending batch once, whatever happens on the way."""
        if not pending.batch.is_needed:
            return Changes()
        doubt_all = False
        while True:
            write = partial(self._write, pending.batch, doubt_all=doubt_all)
            try:
                changes, skipped = await self.writer.attempt(write)
            except KeyStoredAlready as error:
                log.exception("key_stored_already", lane=self.number, error=str(error))
                doubt_all = True
            except CommitUnknown:
                if await self._was_committed(pending.batch.row.id):
                    # What it decided is in the table only: perhaps that alarms wait.
                    self.held.update(t.elevator_id for t in pending.batch.transitions)
                    return Changes()
            else:
                pending.tally.stored -= skipped
                pending.tally.duplicate += skipped
                return changes

    async def _write(
        self, batch: LaneBatch, conn: asyncpg.Connection, *, doubt_all: bool
    ) -> tuple[Changes, int]:
        stamped = batch.at_epoch(self.writer.lease.epoch)
        with self._metrics.commit_s.time():
            return await commit(
                conn, stamped, self._alarms, self._clock.now_us(), doubt_all=doubt_all
            )

    async def _was_committed(self, batch_id: int) -> bool:
        return await self.writer.attempt(
            lambda conn: batches.was_committed(conn, self.number, batch_id)
        )

    async def _exclude(
        self, pending: "_Pending", error: ContentError, excluded: dict[int, str]
    ) -> None:
        """Find the frames that the database refuses, so that the next attempt is without them."""
        self._metrics.batch_retries.labels(cause=RetryCause.CONTENT).inc()
        found = await self.writer.attempt(lambda c: frames.unstorable(c, pending.batch.frames))
        if not found or pending.settled is None or pending.kept is None:
            # No frame is at fault, so the defect is ours: nothing is given up, nothing is read.
            await self.writer.hold(error)
            return
        for position, reason in found:
            excluded[int(pending.kept[pending.settled.index[position]])] = reason
        log.warning("frames_unstorable", lane=self.number, frames=len(found))

    def _adopt(self, pending: "_Pending", changes: Changes) -> LaneResult:
        """Make the committed batch the state."""
        self.core.adopt(pending.advanced, pending.settled)
        if pending.resolved is not None:
            self._fleet.adopt(pending.resolved)
            self._metrics.floors_refused.inc(pending.resolved.floors_dropped)
        for said in pending.batch.statuses:
            gateway = self._fleet.gateway_id(said.gateway)
            if gateway >= 0:
                self._fleet.hear(gateway, said.received_us)
        self._last_now_us = pending.advanced.now_us
        self.frames_stored += pending.tally.stored
        if pending.batch.is_needed:
            self.last_batch = pending.batch.row.id
            self.parameters.opened()
        self.note_held(changes)
        for failure in pending.advanced.outcome.failed:
            self._metrics.detector_failures.inc()
            log.error("detector_failed", elevator=self._code(failure.row),
                      detector=failure.detector, error=failure.error)  # fmt: skip
        for row in pending.advanced.ordered.unreliable_rows:
            log.warning("seq_unreliable", elevator=self._code(row),
                        means="gaps in seq no longer make its frames wait")  # fmt: skip
        self._metrics.late.inc(int(np.count_nonzero(pending.advanced.frames["late"])))
        return LaneResult(pending.tally, changes, pending.advanced.transitions)

    def note_held(self, changes: Changes) -> None:
        """Remember which lifts have alarms that wait."""
        self.held.update(alarm.elevator_id for alarm in changes.alarms.values() if alarm.held)

    async def release_held(self, *, caught_up: bool) -> Changes:
        """Dispatch the alarms that waited, of lifts that no longer catch up."""
        if not self.held:
            return Changes()
        ids = np.array(sorted(self.held), "i8")
        rows = self._fleet.rows(ids.tolist())
        order, seen_us = self.core.order, self._last_now_us
        free = ~assemble.holding(order, rows, seen_us, caught_up=caught_up)
        ready = [int(i) for i in ids[free]]
        if not ready:
            return Changes()
        contexts, now_us = self.contexts(set(ready), None), self._clock.now_us()

        async def write(conn: asyncpg.Connection) -> Changes:
            async with transaction(conn):
                await check_epoch(conn, self.number, self.writer.lease.epoch)
                return await self._alarms.release_held(conn, ready, contexts, now_us)

        try:
            changes = await self.writer.attempt(write)
        except CommitUnknown:
            return Changes()  # asked again next time: released alarms are no longer held
        self.held.difference_update(ready)
        self.note_held(changes)
        return changes


@dataclass(slots=True)
class _Pending:
    """Everything computed for one attempt."""

    resolved: Resolved | None
    settled: Settled | None
    advanced: Advanced
    tally: Tally
    batch: LaneBatch
    kept: NDArray[Any] | None
