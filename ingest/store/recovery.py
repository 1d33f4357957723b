"""What recovery reads: the batches after a snapshot, in order, with frames and transitions.

Algorithm and reasons: docs/adr/0005-recovery.md. This module only reads; stepping the frames and
comparing the transitions is the service's work.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg
import numpy as np

from ingest.store import batches, frames, transitions
from ingest.store.batches import BatchRow
from telemetry.batch import FrameBatch
from telemetry.transitions import Transition

FRAMES_PER_READ: Final = 50_000
"""Frames in memory at a time: some 20 MB."""

BATCHES_PER_READ: Final = 1_000

REBUILD_SPAN_US: Final = 2 * 3600 * 1_000_000
"""Without a readable snapshot the state is rebuilt from this much (DESIGN section 7)."""


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """One committed batch: ``frames`` by lift, arrival, time, seq; ``transitions`` in order."""

    row: BatchRow
    frames: FrameBatch
    transitions: Sequence[Transition]


async def rebuild_from(conn: asyncpg.Connection, lane: int, now_us: int) -> int:
    """Return the batch after which to read when there is no readable snapshot."""
    return await batches.last_before(conn, lane, now_us - REBUILD_SPAN_US)


async def batches_after(
    conn: asyncpg.Connection, lane: int, batch: int, lanes: int = 1
) -> AsyncIterator[StoredBatch]:
    """Give the lane's committed batches after ``batch``, in order, in bounded memory."""
    while rows := await batches.after(conn, lane, batch, BATCHES_PER_READ):
        for group in _groups(rows):
            async for stored in _read(conn, lane, lanes, group):
                yield stored
        batch = rows[-1].id


def _groups(rows: Sequence[BatchRow]) -> list[list[BatchRow]]:
    groups: list[list[BatchRow]] = [[]]
    count = 0
    for row in rows:
        if groups[-1] and count + row.stored > FRAMES_PER_READ:
            groups.append([])
            count = 0
        groups[-1].append(row)
        count += row.stored
    return groups


async def _read(
    conn: asyncpg.Connection, lane: int, lanes: int, group: Sequence[BatchRow]
) -> AsyncIterator[StoredBatch]:
    first, last = group[0].id, group[-1].id
    said = await transitions.of_batches(conn, lane, first, last)
    found = frames.StoredFrames(FrameBatch.empty(), np.empty(0, np.int64))
    span_us = batches.bounds_us(group)
    if span_us is not None:
        found = await frames.read_batches(conn, (first, last), span_us, lane, lanes)
    for row in group:
        start, end = np.searchsorted(found.batch, (row.id, row.id + 1))
        part = found.frames.take(slice(int(start), int(end)))
        yield StoredBatch(row, part, said.get(row.id, []))
