"""The one transaction: everything that a batch of a lane leads to, or nothing of it.

Batch row (which checks the writer's epoch), frames, clock runs, floor labels, bindings, gateway
status, dead letters, transitions, alarms with timeline and outbox. Owns no rule.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import asyncpg
import numpy as np

from alerting.changes import Changes
from alerting.history import Context
from alerting.store import AlarmStore
from ingest.assemble import ClockRunRow
from ingest.dead_letters import DeadLetter
from ingest.decode import GatewayStatus
from ingest.store import batches, dead_letters, frames, registry, transitions
from ingest.store.batches import BatchRow
from ingest.store.connect import transaction
from ingest.store.registry import ClockRun, FloorLabel
from telemetry.batch import FrameBatch
from telemetry.transitions import Transition


@dataclass(frozen=True, slots=True)
class LaneBatch:
    """What one transaction of a lane writes."""

    row: BatchRow
    frames: FrameBatch
    transitions: Sequence[Transition] = ()
    contexts: Mapping[int, Context] = field(default_factory=dict)
    letters: Sequence[DeadLetter] = ()
    clock_runs: Sequence[ClockRunRow] = ()
    bindings: Sequence[tuple[int, int]] = ()
    floors: Sequence[tuple[int, int, str]] = ()
    statuses: Sequence[GatewayStatus] = ()
    opens_version: bool = False
    """Whether it is the first one under new parameters, which is written in any case."""

    def at_epoch(self, epoch: int) -> "LaneBatch":
        """Return it as a batch of this epoch of the writer."""
        return replace(self, row=replace(self.row, epoch=epoch))

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to write: a tick that yields nothing is no transaction."""
        something = (self.frames, self.transitions, self.letters, self.statuses, self.bindings)
        return (
            self.opens_version or self.row.received > 0 or any(len(part) > 0 for part in something)
        )


async def commit(
    conn: asyncpg.Connection,
    batch: LaneBatch,
    alarms: AlarmStore,
    decided_us: int,
    *,
    doubt_all: bool = False,
) -> tuple[Changes, int]:
    """Write ``batch`` in one transaction; return the alarm changes and how many frames were there.

    ``decided_us``: the time now, at which alarms are raised; the batch's own ``now_us`` is bound to
    what has arrived and may lie behind after an outage.
    ``doubt_all``: any frame may be stored already (after ``KeyStoredAlready``). Raises what
    ``ingest.store.errors`` names; after anything but ``CommitUnknown`` nothing was written.
    """
    doubtful = np.full(len(batch.frames), doubt_all)
    async with transaction(conn):
        await batches.write(conn, batch.row)
        skipped = 0
        if len(batch.frames):
            skipped = (await frames.write(conn, batch.frames, batch.row.id, doubtful)).skipped
        await _write_registry(conn, batch)
        await dead_letters.write(conn, batch.letters)
        changes = Changes()
        if batch.transitions:
            await transitions.write(conn, batch.row.lane, batch.row.id, batch.transitions)
            changes = await alarms.apply(conn, list(batch.transitions), batch.contexts, decided_us)
    return changes, skipped


async def _write_registry(conn: asyncpg.Connection, batch: LaneBatch) -> None:
    if batch.clock_runs:
        await registry.add_clock_runs(conn, [_clock_run(run) for run in batch.clock_runs])
    if batch.floors:
        await registry.add_floor_labels(conn, [FloorLabel(*floor) for floor in batch.floors])
    if batch.bindings:
        await registry.bind_by_first_use(conn, dict(batch.bindings))
    for said in batch.statuses:
        await registry.set_gateway_status(conn, said.gateway, said.status, said.received_us)


def _clock_run(row: ClockRunRow) -> ClockRun:
    return ClockRun(
        elevator_id=row.elevator_id,
        gateway_id=row.gateway_id,
        run=row.run,
        first_device_time_us=row.first_device_time_us,
        offset_us=row.offset_us,
        started_received_us=row.started_received_us,
    )
