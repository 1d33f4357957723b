"""The shadow at work: takes committed batches from the database through other rules.

Each lane has the service's own ``LaneCore`` with the run's detectors and parameters, and takes its
batches in order with their recorded instants and versions of parameters, as recovery does; what is
tried out goes before the fleet's values, after those of models and lifts. So equal rules say what
the live service said. What a batch leads to and the place reached are written in one transaction of
the shadow's own, so a crash doubles and loses nothing. A slow shadow falls behind and catches up,
since the frames stay in the table: it has no gap and holds nobody up.

Time passes for quiet lifts at each batch, not ten times a second: a shadow tells later than live by
at most the distance of two batches, with the same event times.
"""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import asyncpg
import numpy as np
import structlog

from ingest import assemble
from ingest.fleet import Fleet
from ingest.store import batches, parameters, recovery, registry
from ingest.store.recovery import StoredBatch
from service.clock import Clock
from service.core import Advanced, LaneCore
from service.parameters import Book, LaneParameters
from service.parameters.known import known_of
from service.recovery import repeat, repeat_parameters
from service.registrar import load_fleet
from service.shadow import memory
from service.shadow.runs import ShadowRun
from service.sql import statements
from service.times import to_datetime
from telemetry.batch import FrameBatch
from telemetry.transitions import Transition

log = structlog.get_logger()
COMMIT_S: Final = 1.0
"""Work since the last transaction after which the place is written [s]."""
SAVE_S: Final = 60.0
"""Distance of two snapshots [s]: what a restart repeats."""


class RunEndedError(Exception):
    """The run is no longer in force."""


@dataclass(slots=True)
class _Pending:
    """What was taken since the last transaction."""

    found: list[tuple[int, list[Transition]]] = field(default_factory=list)
    frames: int = 0
    step_s: float = 0.0
    failures: int = 0
    last_failure: str | None = None


class Follower:
    """One lane of the shadow.

    Parameters
    ----------
    run
        What runs.
    lane, lanes
        Number of this lane, and how many there are.
    new_core
        Makes the state of a lane under the run's rules.
    fleet
        Mirror of the registry, shared by all lanes of this process.
    """

    def __init__(
        self,
        run: ShadowRun,
        lane: int,
        lanes: int,
        new_core: Callable[[], LaneCore],
        fleet: Fleet,
        clock: Clock,
    ) -> None:
        self.run = run
        self.lane = lane
        self._lanes = lanes
        self._new_core = new_core
        self.core = new_core()
        known, trial = known_of(self.core.bank.detectors), run.candidate.params
        self._parameters = LaneParameters(lane, lambda: Book(known, trial))
        self._fleet = fleet
        self._clock = clock
        self._layout = f"shadow={run.version}+{self.core.layout(lanes)}"
        self.batch = 0
        self._now_us = 0
        self._saved_s = 0.0
        self._pending = _Pending()

    async def start(self, conn: asyncpg.Connection) -> None:
        """Come to the state at the place reached, or begin at the newest batch."""
        self._cover()
        place = await conn.fetchrow(statements()["shadow_lane"], self.run.version, self.lane)
        if place is not None and place["lanes"] == self._lanes:
            self.batch, self._now_us = place["batch"], place["now_us"]
            why = await self._go_on(conn, place["snapshot_batch"], place["snapshot_lifts"])
            if why is not None:
                await self._begin_anew(conn, why, known=True)
            return
        self.batch = await batches.last_id(conn, self.lane)
        newest = await batches.after(conn, self.lane, self.batch - 1, 1)
        self._now_us = newest[0].now_us if newest else self._clock.now_us()
        why = "first start" if place is None else f"{self._lanes} lanes instead of {place['lanes']}"
        await self._begin_anew(conn, why, known=False)

    async def _go_on(
        self, conn: asyncpg.Connection, snapshot_batch: int | None, lifts: int
    ) -> str | None:
        """Load the last snapshot and repeat what follows; return why not, None = done."""
        if snapshot_batch is None:
            return "ended before its first snapshot"
        why = await memory.load(conn, self.lane, lifts, self.core, self._fleet, self._layout)
        if why is not None:
            self.core = self._new_core()
            self._cover()
            return why
        await self._repeat(conn, snapshot_batch)
        self._saved_s = time.monotonic()
        return None

    async def _begin_anew(self, conn: asyncpg.Connection, why: str, *, known: bool) -> None:
        """Rebuild the state from the frames of two hours up to the place; record that."""
        since = await recovery.rebuild_from(conn, self.lane, self._now_us)
        memory_us = await self._repeat(conn, since)
        self.core.mark_dirty()
        now = to_datetime(self._clock.now_us())
        async with conn.transaction():
            await self._hold(conn)
            if not known:
                await conn.execute(
                    statements()["shadow_begin"], self.run.version, self.lane, self._lanes,
                    self.batch, self._now_us,
                )  # fmt: skip
            await conn.execute(
                statements()["shadow_start"], self.run.version, self.lane, now, self.batch,
                memory_us, why,
            )  # fmt: skip
        log.info("shadow_began", lane=self.lane, version=self.run.version, because=why)

    async def _repeat(self, conn: asyncpg.Connection, since: int) -> int:
        """Take the batches after ``since`` up to the place; return the instant of the first."""
        first_us = self._now_us
        version = await parameters.of_batch(conn, self.lane, since)
        self._parameters.start(self.core, await parameters.at_version(conn, version))
        async for stored in recovery.batches_after(conn, self.lane, since, self._lanes):
            if stored.row.id > self.batch:
                break
            first_us = min(first_us, stored.row.now_us)
            await self._take(conn, stored)
        self._pending = _Pending()  # said before, or before the start
        return first_us

    async def follow(self, conn: asyncpg.Connection, stopping: asyncio.Event) -> bool:
        """Take the batches that are there; return whether there were any."""
        took, began_s = False, time.monotonic()
        async for stored in recovery.batches_after(conn, self.lane, self.batch, self._lanes):
            if stored.row.id != self.batch + 1 and self.batch:
                await self._note_lost(conn, stored)
            await self._take(conn, stored)
            self.batch, self._now_us = stored.row.id, stored.row.now_us
            took = True
            if time.monotonic() - began_s >= COMMIT_S or stopping.is_set():
                await self._commit(conn)
                began_s = time.monotonic()
                if stopping.is_set():
                    break
                await self._save_if_due(conn)
        if took:
            await self._commit(conn)
        await self._save_if_due(conn)
        return took

    async def save(self, conn: asyncpg.Connection) -> None:
        """Write the state, for the next start."""
        await memory.save(conn, self.run.version, self.lane, self.batch, self.core, self._layout)
        self._saved_s = time.monotonic()

    async def _save_if_due(self, conn: asyncpg.Connection) -> None:
        if time.monotonic() - self._saved_s >= SAVE_S:
            await self.save(conn)

    async def _take(self, conn: asyncpg.Connection, stored: StoredBatch) -> None:
        """Take one batch through the rules, then let its instant pass for quiet lifts."""
        frames = await self._with_rows(conn, stored.frames)
        await self._follow_parameters(conn, stored.row.parameters)
        row, began_s = stored.row, time.perf_counter()
        advanced = [repeat(self.core, frames, row)]
        self.core.adopt(advanced[0])
        if row.caught_up and len(frames):
            tick = repeat(self.core, FrameBatch.empty(), row)
            self.core.adopt(tick)
            advanced.append(tick)
        self._pending.step_s += time.perf_counter() - began_s
        self._pending.frames += len(frames)
        self._note(row.id, advanced)

    async def _follow_parameters(self, conn: asyncpg.Connection, version: int) -> None:
        """Take over what changed live, at the batch at which it counted live."""
        if version > self._parameters.version:
            later = await parameters.after_version(conn, self._parameters.version)
            repeat_parameters(self._parameters, self.core, later, version)
            self._parameters.opened()

    def _note(self, batch: int, advanced: list[Advanced]) -> None:
        found = [t for one in advanced for t in one.transitions]
        if found:
            self._pending.found.append((batch, found))
        failed = [f for one in advanced for f in one.outcome.failed]
        self._pending.failures += len(failed)
        if failed:
            lift = int(self.core.elevator_ids[failed[0].row])
            text = f"{failed[0].detector} on lift {lift}: {failed[0].error}"
            self._pending.last_failure = text
            log.warning("shadow_detector_failed", lane=self.lane, lifts=len(failed), first=text)

    async def _with_rows(self, conn: asyncpg.Connection, frames: FrameBatch) -> FrameBatch:
        """Return the frames with their rows; lifts that are not known yet are loaded."""
        ids, place = np.unique(frames["elevator_id"], return_inverse=True)
        try:
            rows = self._fleet.rows(ids.tolist())
        except KeyError:
            load_fleet(self._fleet, await registry.load(conn))
            rows = self._fleet.rows(ids.tolist())
        self._cover()
        return frames.replace(row=rows[place].astype("i4"))

    def _cover(self) -> None:
        """Give lifts that are new their rows and parameters."""
        if self._fleet.n_rows(self.lane) > self.core.n_lifts:
            self.core.grow(self._fleet.elevator_ids(self.lane), assemble.UNKNOWN_HEAD)
            self._parameters.cover(self.core)

    async def _note_lost(self, conn: asyncpg.Connection, stored: StoredBatch) -> None:
        """Record that batches were forgotten before the shadow came to them."""
        why = f"batches {self.batch + 1} to {stored.row.id - 1} are no longer listed"
        log.warning("shadow_lost_batches", lane=self.lane, because=why)
        await conn.execute(
            statements()["shadow_start"], self.run.version, self.lane,
            to_datetime(self._clock.now_us()), stored.row.id, stored.row.now_us, why,
        )  # fmt: skip

    async def _commit(self, conn: asyncpg.Connection) -> None:
        """Write what was found and the place reached; raises ``RunEndedError``."""
        pending, self._pending = self._pending, _Pending()
        rows = [
            (self.run.version, self.lane, batch, n, *_values(t))
            for batch, found in pending.found
            for n, t in enumerate(found)
        ]
        async with conn.transaction():
            await self._hold(conn)
            if rows:
                await conn.executemany(statements()["shadow_write"], rows)
            await conn.execute(
                statements()["shadow_advance"], self.run.version, self.lane, self.batch,
                self._now_us, pending.frames, len(rows), pending.step_s, pending.failures,
                pending.last_failure,
            )  # fmt: skip

    async def _hold(self, conn: asyncpg.Connection) -> None:
        if await conn.fetchval(statements()["shadow_hold"], self.run.version) is None:
            raise RunEndedError(f"shadow {self.run.version} was cleared")


def _values(t: Transition) -> tuple[object, ...]:
    return (
        *(t.elevator_id, to_datetime(t.t_us), to_datetime(t.onset_us)),
        *(int(t.kind), int(t.kind_now), int(t.change), int(t.reason), int(t.confidence)),
        *(t.rule, t.version, json.dumps(t.evidence()), json.dumps(dict(t.thresholds))),
        t.parameters,
    )
