"""Another number of lanes than before: the state of every lift moves to its new lane.

Lifts and the numbers of batches belong to lanes, so batches from before cannot be repeated with
other lanes. After a stop in order they need not be: the last snapshot of every lane *is* the state,
and it is kept by lift. After a crash it is not, so the start is refused with the remedy: once with
the old number, stopped in order, and nothing is lost.
"""

import asyncpg

from ingest.store import batches, snapshots
from ingest.store.snapshots import Snapshot
from service.core import LaneCore, lanes_of
from service.settings import SettingsError

SETTING = "HOISTWAY_INGEST_LANES"


async def lanes_before(conn: asyncpg.Connection) -> int | None:
    """Return with how many lanes the newest snapshot was written; ``None`` if there is none."""
    written_in = await snapshots.newest_layout(conn)
    return None if written_in is None else lanes_of(written_in)


async def take_over_state(
    conn: asyncpg.Connection, core: LaneCore, number: int, before: int, now: int
) -> int:
    """Load the lifts of lane ``number`` of ``now`` from all lanes of ``before``.

    Returns the highest batch number of any lane: the new lane counts on from there, because frames
    of a lift that moved keep the numbers of its old lane. Raises ``SettingsError`` if the last stop
    was not in order.
    """
    highest = 0
    for old in range(before):
        last = await batches.last_id(conn, old)
        found = await snapshots.read(conn, old, core.layout(before))
        if not isinstance(found, Snapshot) or {found.head.batch, *found.batches.values()} != {last}:
            raise SettingsError(
                f"{SETTING} is {now}, but the state in the database was written with {before} and"
                f" not stopped in order; start once with {SETTING}={before}, stop it, then change"
            )
        highest = max(highest, last)
        for arrays in found.pieces.values():
            core.restore_share(arrays, number, now)
    core.mark_dirty()
    return highest


async def forget_lanes(conn: asyncpg.Connection, first: int, end: int) -> None:
    """Drop the snapshots of lanes that no longer are, once the new ones are written."""
    for lane in range(first, end):
        await snapshots.drop(conn, lane)
