"""State of a shadow lane in the database: pieces of arrays, named after the batch they follow.

Written between two rounds by the one process that runs the shadow, all changed pieces and the
batch's number in one transaction. What cannot be read, or is of another run or layout, is no state:
the shadow then begins anew from the frames of two hours, and says so.
"""

import asyncpg
import numpy as np

from ingest.fleet import Fleet
from ingest.store.snapshots import LIFTS_PER_PIECE, checksum, pack, pieces_for, unpack
from service.core import LaneCore
from service.sql import statements


async def save(
    conn: asyncpg.Connection, version: int, lane: int, batch: int, core: LaneCore, layout: str
) -> None:
    """Write what changed since the last call; the state is that after ``batch``."""
    rows = []
    for piece, arrays in core.take_snapshot(LIFTS_PER_PIECE).items():
        data = pack(arrays)
        rows.append((lane, piece, layout, checksum(layout, data), data))
    async with conn.transaction():
        await conn.executemany(statements()["shadow_snapshot_piece"], rows)
        await conn.execute(statements()["shadow_snapshot_of"], version, lane, batch, core.n_lifts)


async def load(
    conn: asyncpg.Connection, lane: int, lifts: int, core: LaneCore, fleet: Fleet, layout: str
) -> str | None:
    """Load the state into ``core``; return why not, None = loaded. Raises nothing for bad bytes."""
    pieces = await conn.fetch(statements()["shadow_pieces"], lane)
    wanted = pieces_for(lifts)
    if not {row["piece"] for row in pieces} >= set(range(wanted)) or not wanted:
        return "no whole snapshot"
    for row in pieces[:wanted]:
        if row["layout"] != layout:
            return "its snapshot is of other rules"
        if row["checksum"] != checksum(layout, row["data"]):
            return "its snapshot is damaged"
        arrays = unpack(row["data"])
        ids = arrays.pop("elevator_ids")
        core.restore_piece(fleet.rows(ids.tolist()).astype(np.intp), arrays)
    core.mark_dirty()  # rows may have moved between pieces
    return None
