"""Recovery: from the newest snapshot and the batches after it to the state before the crash.

The batches go through the same ``LaneCore.advance`` as live ones, each with its recorded instants
and ``caught_up`` and under the parameters of its recorded version. The transitions so derived must
equal the stored ones and are not written again; a difference is an ERROR and the database wins:
alarms are as the table has them.
"""

from dataclasses import dataclass
from typing import Final

import asyncpg
import numpy as np
import structlog
from numpy.typing import NDArray

from alerting.store import AlarmStore
from detectors.bank import LayoutMismatch
from ingest import assemble
from ingest.assemble import ClockRunRow
from ingest.fleet import Fleet
from ingest.store import batches, parameters, recovery, registry, snapshots
from ingest.store.batches import BatchRow
from ingest.store.frames import stored_heads
from ingest.store.parameters import ParameterChange
from ingest.store.recovery import StoredBatch
from ingest.store.snapshots import Snapshot, Unreadable
from service.clock import Clock
from service.core import Advanced, LaneCore
from service.lane import Lane
from service.later_pieces import LaterPieces
from service.parameters import LaneParameters
from service.relaning import lanes_before, take_over_state
from telemetry.batch import FrameBatch
from telemetry.findings import FindingKind

log = structlog.get_logger()
BEHIND_US: Final = 60_000_000
"""A state that is further ahead of the clock than this is brought back to it [µs]."""


@dataclass(slots=True)
class Recovered:
    """What recovery did."""

    from_batch: int = 0
    batches: int = 0
    frames: int = 0
    transitions: int = 0
    differences: int = 0
    newest_us: int = assemble.NO_TIME
    """The latest instant that the state knows of."""


class Recovery:
    """Brings lanes back; reads only."""

    def __init__(self, fleet: Fleet, alarms: AlarmStore, lanes: int, clock: Clock) -> None:
        self._fleet = fleet
        self._alarms = alarms
        self._lanes = lanes
        self._clock = clock
        self.lanes_before: int | None = None
        """Set if the state came from another number of lanes: a snapshot must follow at once."""
        self.behind_us = 0
        """Set if a state was brought back to the clock: a snapshot must follow at once."""

    async def run(self, lane: Lane, runs: list[registry.ClockRun]) -> Recovered:
        """Restore ``lane``; the fleet has been loaded. Tries again without end."""
        return await lane.writer.attempt(lambda conn: self._restore(conn, lane, runs))

    async def _restore(
        self, conn: asyncpg.Connection, lane: Lane, runs: list[registry.ClockRun]
    ) -> Recovered:
        lane.start_over(assemble.UNKNOWN_HEAD)
        mine = [_clock_run(run) for run in runs if run.elevator_id % self._lanes == lane.number]
        done = Recovered()
        done.from_batch, later = await self._start(conn, lane, done)
        core = lane.core
        rows = self._fleet.rows([run.elevator_id for run in mine]).tolist()
        later.absorb_runs(list(zip(rows, mine, strict=True)))
        changes = await self._start_parameters(conn, lane, done.from_batch)
        async for stored in recovery.batches_after(conn, lane.number, done.from_batch, self._lanes):
            later.reach(stored.row.id - 1)
            repeat_parameters(lane.parameters, core, changes, stored.row.parameters)
            self._repeat(lane, stored, later, done)
        later.reach()
        core.mark_dirty()  # rows may have moved between pieces, so the next one is written whole
        await self._learn_silences(conn, core)
        await self._learn_heads(conn, core)
        # A lane that has lifts of others has no batch of that number itself.
        lane.last_batch = max(done.from_batch, await batches.last_id(conn, lane.number))
        held = await self._alarms.held_elevator_ids(conn)
        lane.held = {i for i in held if i % self._lanes == lane.number}
        self._meet_the_clock(lane, done)
        log.info("lane_recovered", lane=lane.number, lifts=core.n_lifts, from_batch=done.from_batch,
                 batches=done.batches, frames=done.frames, transitions=done.transitions,
                 differences=done.differences)  # fmt: skip
        return done

    async def _start(
        self, conn: asyncpg.Connection, lane: Lane, done: Recovered
    ) -> tuple[int, LaterPieces]:
        """Load the snapshot if it can be used; return the batch after which to read.

        What of the snapshot is of a later batch is returned with it.
        """
        before = await lanes_before(conn)
        if before is not None and before != self._lanes:
            log.info("lanes_changed", lane=lane.number, before=before, now=self._lanes)
            self.lanes_before = before
            moved = await take_over_state(conn, lane.core, lane.number, before, self._lanes)
            return moved, self._pieces(lane.core)
        found = await snapshots.read(conn, lane.number, lane.core.layout(self._lanes))
        if isinstance(found, Snapshot):
            try:
                later = self._pieces(lane.core, found)
            except (LayoutMismatch, KeyError, ValueError) as error:
                found = Unreadable(found.head.batch, f"does not fit: {error}")
                lane.start_over(assemble.UNKNOWN_HEAD)
            else:
                done.newest_us = found.head.at_us
                return found.head.batch, later
        if isinstance(found, Unreadable):
            log.warning("snapshot_unreadable", lane=lane.number, reason=found.reason,
                        will="rebuild from the last two hours")  # fmt: skip
        since = await recovery.rebuild_from(conn, lane.number, self._clock.now_us())
        return since, self._pieces(lane.core)

    async def _start_parameters(
        self, conn: asyncpg.Connection, lane: Lane, batch: int
    ) -> list[ParameterChange]:
        """Set the parameters that were in force after ``batch``; return later changes."""
        version = await parameters.of_batch(conn, lane.number, batch)
        lane.parameters.start(lane.core, await parameters.at_version(conn, version))
        return await parameters.after_version(conn, version)

    def _pieces(self, core: LaneCore, snapshot: Snapshot | None = None) -> LaterPieces:
        """Put back what is of the head's batch; return the rest."""

        def rows_of(elevator_ids: list[int]) -> NDArray[np.intp]:
            return self._fleet.rows(elevator_ids).astype(np.intp)

        if snapshot is None:
            return LaterPieces(core, rows_of, {}, {}, 0)
        return LaterPieces(core, rows_of, snapshot.pieces, snapshot.batches, snapshot.head.batch)

    def _repeat(self, lane: Lane, stored: StoredBatch, later: LaterPieces, done: Recovered) -> None:
        """Take one committed batch through the core again, for the lifts that are in."""
        core = lane.core
        rows = self._fleet.rows(stored.frames["elevator_id"].tolist())
        frames = later.without(stored.frames.replace(row=rows.astype("i4")))
        core.absorb(frames)
        advanced = repeat(core, frames, stored.row)
        core.adopt(advanced)
        lane.parameters.opened()
        lane.saw(stored.row.now_us)
        done.newest_us = max(done.newest_us, stored.row.now_us)
        done.batches += 1
        done.frames += len(frames)
        done.transitions += len(stored.transitions)
        said, derived = map(later.of_those_in, (stored.transitions, advanced.transitions))
        if derived != said:
            done.differences += 1
            log.error("recovery_differs", lane=lane.number, batch=stored.row.id,
                      stored=[str(t) for t in said][:5],
                      derived=[str(t) for t in derived][:5])  # fmt: skip

    def _meet_the_clock(self, lane: Lane, done: Recovered) -> None:
        """Bring a state from after now back to now: otherwise its waits end only then."""
        now_us = self._clock.now_us()
        newest_us = max(done.newest_us, assemble.newest_arrival_us(lane.core.order))
        if newest_us - now_us <= BEHIND_US:
            return
        lane.set_clock_back(newest_us - now_us, now_us)
        self.behind_us = max(self.behind_us, newest_us - now_us)
        log.error("clock_behind_state", lane=lane.number,
                  by_s=round((newest_us - now_us) / 1e6, 1),
                  will="count the state's arrivals as that much earlier")  # fmt: skip

    async def _learn_silences(self, conn: asyncpg.Connection, core: LaneCore) -> None:
        """Ask the alarms which lifts have been silent since before what was read.

        Nothing else knows, and the alarm of a silence that no detector knows would never end.
        """
        unknown = core.rows_with_unknown_head()
        ids = [int(i) for i in core.elevator_ids[unknown]]
        since = await self._alarms.active_since(conn, ids, FindingKind.TERMINAL_SILENT)
        if since:
            rows = self._fleet.rows(list(since)).astype(np.intp)
            core.set_silent(rows, np.array(list(since.values()), "i8"), self._clock.now_us())

    async def _learn_heads(self, conn: asyncpg.Connection, core: LaneCore) -> None:
        """Ask the table for the newest frame of lifts that nothing so far told about."""
        unknown = core.rows_with_unknown_head()
        if not len(unknown):
            return
        ids = [int(i) for i in core.elevator_ids[unknown]]
        heads = await stored_heads(conn, ids)
        heads_us = [heads.get(i, assemble.NOTHING_STORED) for i in ids]
        core.set_stored_heads(unknown, np.array(heads_us, "i8"))


def repeat(core: LaneCore, frames: FrameBatch, row: BatchRow) -> Advanced:
    """Advance by frames, or by time alone, as it was done for a committed batch."""
    return core.advance(
        frames,
        row.now_us,
        caught_up=row.caught_up,
        listening_since_us=row.listening_since_us,
    )


def repeat_parameters(
    lane: LaneParameters, core: LaneCore, later: list[ParameterChange], version: int
) -> None:
    """Take over what changed up to the version of the next batch, as it was done live."""
    due = [c for c in later if lane.version < c.version <= version]
    if due:
        lane.take(core, due)


def _clock_run(run: registry.ClockRun) -> ClockRunRow:
    return ClockRunRow(
        elevator_id=run.elevator_id,
        gateway_id=run.gateway_id,
        run=run.run,
        first_device_time_us=run.first_device_time_us,
        offset_us=run.offset_us,
        started_received_us=run.started_received_us,
    )
