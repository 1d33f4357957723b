"""What an uninterrupted run would have found: the stored frames through a fresh core.

Two derivations. ``repeated`` takes the committed batches through a core that never saw a snapshot,
each with its recorded ``now_us`` and version of parameters: it must come to the stored transitions
exactly. ``uninterrupted`` forgets the batches and takes every frame that was stepped in the order
of its lift, as if it had come in time: the findings must be the same, whatever happened to the
process meanwhile (promises 5 and 8). Reads only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import asyncpg
import numpy as np

from ingest import assemble
from ingest.assemble import AssembleParams
from ingest.fleet import Fleet
from ingest.store import parameters, recovery, registry
from service.core import LaneCore
from service.parameters import LaneParameters
from service.recovery import repeat, repeat_parameters
from service.registrar import load_fleet
from telemetry.batch import FrameBatch
from telemetry.findings import FINDINGS, Change, ClearReason, FindingKind
from telemetry.transitions import Transition

UNDECIDED_US: Final = 1_000_000
"""Open doors are believed after they stood open for so long (``release_hold_s``)."""
LONGEST_BRIDGE_US: Final = 120_000_000
"""Other findings end at the instant at which their condition did, and that is known so much later
at most."""


class Found(NamedTuple):
    """A transition reduced to what is promised: who, what, when."""

    elevator_id: int
    t_us: int
    kind: FindingKind
    change: Change
    onset_us: int


@dataclass(slots=True)
class Backtest:
    """Stored transitions and how two derivations compare with them."""

    batches: int = 0
    frames: int = 0
    late: int = 0
    stored: list[Transition] = field(default_factory=list)
    differing_batches: list[int] = field(default_factory=list)
    derived: list[Transition] = field(default_factory=list)
    last_frame_us: dict[int, int] = field(default_factory=dict)
    """Event time of each lift's newest frame."""

    def faults(self) -> list[str]:
        """Say what differs."""
        faults = []
        if self.differing_batches:
            faults.append(
                f"{len(self.differing_batches)} batches repeat to other transitions than stored: "
                f"{self.differing_batches[:5]}"
            )
        there = _heard(_found(self.stored))
        wanted = {
            f for f in _heard(_found(self.derived)) if f in there or f.t_us <= self._decided_us(f)
        }
        faults += [f"stored, yet not found by an uninterrupted run: {f}" for f in there - wanted]
        faults += [f"found by an uninterrupted run, yet not stored: {f}" for f in wanted - there]
        return faults

    def _decided_us(self, found: Found) -> int:
        """Return up to when frames alone decide: later, time passes by ticks, until the end."""
        known_us = self.last_frame_us.get(found.elevator_id, 0)
        life_safety = FINDINGS[found.kind].life_safety
        return known_us - (UNDECIDED_US if life_safety else LONGEST_BRIDGE_US)


async def backtest(conn: asyncpg.Connection, lane: int = 0, lanes: int = 1) -> Backtest:
    """Derive the transitions of one lane anew, both ways."""
    found = await registry.load(conn)
    fleet = Fleet(lanes)
    load_fleet(fleet, found)
    core = fresh_core(fleet, lane)
    judged, later = LaneParameters(lane), await parameters.after_version(conn, 0)
    judged.start(core)
    result, parts, now_us = Backtest(), [FrameBatch.empty()], 0
    async for batch in recovery.batches_after(conn, lane, 0, lanes):
        rows = fleet.rows(batch.frames["elevator_id"].tolist()).astype("i4")
        frames = batch.frames.replace(row=rows)
        repeat_parameters(judged, core, later, batch.row.parameters)
        core.absorb(frames)
        advanced = repeat(core, frames, batch.row)
        core.adopt(advanced)
        judged.opened()
        if list(advanced.transitions) != list(batch.transitions):
            result.differing_batches.append(batch.row.id)
        result.batches += 1
        result.stored += batch.transitions
        parts.append(frames)
        now_us = max(now_us, batch.row.now_us)
    frames = FrameBatch.concat(parts)
    result.frames = len(frames)
    result.late = int(np.count_nonzero(frames["late"]))
    for elevator_id, t_us in zip(
        frames["elevator_id"].tolist(), frames["time_us"].tolist(), strict=True
    ):
        known_us = result.last_frame_us.get(elevator_id, t_us)
        result.last_frame_us[elevator_id] = max(known_us, t_us)
    newest = fresh_core(fleet, lane)
    LaneParameters(lane).start(newest, later)
    result.derived = uninterrupted(newest, frames, now_us)
    return result


def uninterrupted(core: LaneCore, frames: FrameBatch, now_us: int) -> list[Transition]:
    """Step all frames that were not late, in event order, each arriving as late as the newest did.

    So a lift's time passes at the end as it did: a clock that leads does so by ticks as well.
    """
    stepped = frames.take(np.flatnonzero(~frames["late"]))
    order = np.lexsort((stepped["seq"], stepped["time_us"], stepped["row"]))
    stepped = stepped.take(order)
    newest = np.searchsorted(stepped["row"], stepped["row"], side="right") - 1
    lag_us = (stepped["received_us"] - stepped["time_us"])[newest]
    stepped = stepped.replace(received_us=stepped["time_us"] + lag_us)
    core.absorb(stepped)
    end_us = max(now_us, int(stepped["time_us"].max(initial=0)))
    advanced = core.advance(stepped, end_us, caught_up=True)
    core.adopt(advanced)
    last = core.advance(FrameBatch.empty(), end_us, caught_up=True)
    return [*advanced.transitions, *last.transitions]


def fresh_core(fleet: Fleet, lane: int) -> LaneCore:
    """Return a core of the lane's lifts, which has seen nothing."""
    core = LaneCore(AssembleParams(), {})
    core.grow(fleet.elevator_ids(lane), assemble.NOTHING_STORED)
    return core


def _heard(found: set[Found]) -> set[Found]:
    """Leave out silence: it asks whether we listened, and only the batches know that."""
    return {f for f in found if f.kind is not FindingKind.TERMINAL_SILENT}


def _found(transitions: Sequence[Transition]) -> set[Found]:
    """Return the findings; what a tick raised and a later frame refuted was none."""
    refuted = {
        (t.elevator_id, t.kind, t.onset_us)
        for t in transitions
        if t.change is Change.CLEARED and t.reason is ClearReason.LATE_EVIDENCE
    }
    return {
        Found(t.elevator_id, t.t_us, t.kind, t.change, t.onset_us)
        for t in transitions
        if t.change is not Change.UPDATED and (t.elevator_id, t.kind, t.onset_us) not in refuted
    }
