"""What the service has said against what its shadow would have said, from the database.

Only batches count that the shadow has taken: before them it said nothing, and later ones it has yet
to see. Moments at which its state began anew are told.
"""

import asyncio
from typing import Any, Final

import asyncpg

from ingest.store import transitions
from service.commands.failures import SETTINGS, CommandError
from service.compare.compared import Compared
from service.database import visit
from service.replay.stored import Choice
from service.settings import load
from service.shadow import runs
from service.shadow.runs import ShadowRun
from service.sql import statements
from service.times import to_datetime
from simulator.scoring.alarms import Seen, SeenAlarm, alarms_of
from simulator.scoring.differences import differences

LONGEST_STATEMENT_S: Final = 600.0


def of_live(choice: Choice, version: int | None) -> Compared:
    """Compare over what the shadow of ``version`` (None = the one set) has taken."""
    return asyncio.run(_of_live(choice, version))


async def _of_live(choice: Choice, version: int | None) -> Compared:
    async with visit(load().database, LONGEST_STATEMENT_S) as conn:
        return await compared(conn, choice, version)


async def compared(conn: asyncpg.Connection, choice: Choice, version: int | None) -> Compared:
    """Compare over a connection; raises ``CommandError`` if there is nothing to compare."""
    run = await _run(conn, version)
    lanes = await conn.fetch(statements()["shadow_standing"], run.version)
    if not lanes:
        raise CommandError(
            f"shadow {run.version} has not begun: `hoistway serve` runs it, see"
            " `hoistway shadow show`"
        )
    bounds_us = (
        max(choice.from_us, *(lane["started_us"] for lane in lanes)),
        min(choice.to_us, *(lane["now_us"] + 1 for lane in lanes)),
    )
    codes = await _codes(conn, choice)
    current = await _alarms(conn, "compare_live", run.version, choice, codes)
    rival = await _alarms(conn, "compare_shadow", run.version, choice, codes)
    return Compared(
        title="live and its shadow",
        candidate={
            "version": run.version,
            "parameters": dict(run.candidate.params),
            "detectors": run.candidate.detectors,
        },
        from_us=bounds_us[0],
        until_us=bounds_us[1],
        found=await asyncio.to_thread(differences, current, rival),
        summary=_summary(await runs.standing(conn, run.version)),
        gaps=await runs.starts(conn, run.version),
    )


async def _run(conn: asyncpg.Connection, version: int | None) -> ShadowRun:
    run = await runs.find(conn, version)
    if run is None and version is None:
        run = await runs.find(conn, await conn.fetchval(statements()["shadow_newest"]) or 0)
    if run is None:
        which = "no shadow was ever set" if version is None else f"there is no shadow {version}"
        raise CommandError(f"{which}; `hoistway shadow set` begins one", SETTINGS)
    return run


async def _codes(conn: asyncpg.Connection, choice: Choice) -> dict[int, str]:
    wanted = list(choice.codes) or None
    codes = {
        row["id"]: row["code"] for row in await conn.fetch(statements()["compare_codes"], wanted)
    }
    if unknown := sorted(set(choice.codes) - set(codes.values())):
        raise CommandError(f"--elevator: {', '.join(unknown)}: not in the registry", SETTINGS)
    return codes


async def _alarms(
    conn: asyncpg.Connection, query: str, version: int, choice: Choice, codes: dict[int, str]
) -> list[SeenAlarm]:
    """Return the alarms raised in the span of event time; they may have ended after it."""
    rows = await conn.fetch(statements()[query], version, to_datetime(choice.from_us), list(codes))
    return await asyncio.to_thread(_reduced, rows, choice.to_us, codes)


def _reduced(rows: list[asyncpg.Record], to_us: int, codes: dict[int, str]) -> list[SeenAlarm]:
    """Reduce rows to alarms; some 20 us a row, hence in a thread where a service waits."""
    seen = alarms_of((Seen(transitions.of_row(row)) for row in rows), codes)
    return [a for a in seen if a.detected_us is not None and a.detected_us < to_us]


def _summary(lanes: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "frames": sum(lane["frames"] for lane in lanes),
        "shadow_step_s": round(sum(lane["step_s"] for lane in lanes), 3),
        "shadow_behind_s": max(lane["behind_s"] for lane in lanes),
        "shadow_detector_failures": sum(lane["detector_failures"] for lane in lanes),
    }
