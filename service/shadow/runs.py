"""Shadow runs: which parameters or detectors run as a shadow, since when, by whose will.

At most one is in force. Setting another ends it; both are audited. A run has a version, under which
everything that it said stays.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from service.backtest.candidate import Candidate, CandidateError, registered
from service.sql import statements
from service.times import rfc3339, to_datetime, to_us

CHANGE_LOCK: Final = 0x484F4953
"""Key of the advisory lock under which the run in force is exchanged; "HOIS" in ASCII."""


@dataclass(frozen=True, slots=True)
class ShadowRun:
    """One run; times in µs."""

    version: int
    candidate: Candidate
    set_at_us: int
    set_by: str
    cleared_at_us: int | None
    cleared_by: str | None

    def document(self) -> dict[str, Any]:
        """Return it as JSON types."""
        cleared_us = self.cleared_at_us
        return {
            "version": self.version,
            "parameters": dict(self.candidate.params),
            "candidate": self.candidate.detectors,
            "set_at": rfc3339(self.set_at_us),
            "set_by": self.set_by,
            "cleared_at": None if cleared_us is None else rfc3339(cleared_us),
            "cleared_by": self.cleared_by,
        }


def checked(params: Mapping[str, Any], candidate: str) -> Candidate:
    """Return what is to run. Raises ``CandidateError``: only registered detectors may."""
    if candidate:
        registered(candidate)
    chosen = Candidate(dict(params), candidate)
    if not params and not candidate:
        raise CandidateError("nothing is other than live: give parameters, a candidate, or both")
    chosen.rules()
    return chosen


async def begin(
    conn: asyncpg.Connection,
    candidate: Candidate,
    actor: str,
    now_us: int,
    *,
    anew: bool = True,
) -> int:
    """Put a run in force instead of the one before; return its version.

    If it is the same as the one in force, that one goes on unless ``anew``.
    """
    now = to_datetime(now_us)
    parameters = json.dumps(dict(candidate.params))
    async with conn.transaction():
        await conn.execute(statements()["lock_shadow"], CHANGE_LOCK)
        before = await find(conn)
        if before is not None and before.candidate == candidate and not anew:
            return before.version
        await _end(conn, actor, now_us)
        version: Any = await conn.fetchval(
            statements()["shadow_set"], parameters, candidate.detectors, now, actor
        )
        data = json.dumps({"parameters": dict(candidate.params), "candidate": candidate.detectors})
        await conn.execute(
            statements()["audit"], now, actor, "shadow_set", f"shadow {version}", data
        )
    return version


async def end(conn: asyncpg.Connection, actor: str, now_us: int) -> int | None:
    """End the run in force; return its version, None = none was."""
    async with conn.transaction():
        await conn.execute(statements()["lock_shadow"], CHANGE_LOCK)
        return await _end(conn, actor, now_us)


async def _end(conn: asyncpg.Connection, actor: str, now_us: int) -> int | None:
    now = to_datetime(now_us)
    version = await conn.fetchval(statements()["shadow_clear"], now, actor)
    if version is not None:
        await conn.execute(statements()["shadow_forget"])
        await conn.execute(
            statements()["audit"], now, actor, "shadow_cleared", f"shadow {version}", "{}"
        )
    return version


async def find(
    conn: asyncpg.Connection | asyncpg.Pool, version: int | None = None
) -> ShadowRun | None:
    """Return the run of a version, None = the one in force."""
    row = await conn.fetchrow(statements()["shadow_run"], version)
    return None if row is None else of_row(row)


def of_row(row: Any) -> ShadowRun:
    """Return the run that a row holds."""
    cleared = row["cleared_at"]
    return ShadowRun(
        version=row["version"],
        candidate=Candidate(json.loads(row["parameters"]), row["candidate"]),
        set_at_us=to_us(row["set_at"]),
        set_by=row["set_by"],
        cleared_at_us=None if cleared is None else to_us(cleared),
        cleared_by=row["cleared_by"],
    )


async def standing(conn: asyncpg.Connection | asyncpg.Pool, version: int) -> list[dict[str, Any]]:
    """Return how far the lanes of a run are, and what they cost."""
    rows = await conn.fetch(statements()["shadow_standing"], version)
    return [
        {
            "lane": row["lane"],
            "since": rfc3339(row["started_us"]),
            "until": rfc3339(row["now_us"]),
            "behind_s": max(0, (row["live_us"] or row["now_us"]) - row["now_us"]) / 1e6,
            "frames": row["frames"],
            "transitions": row["transitions"],
            "step_s": round(row["step_s"], 3),
            "detector_failures": row["failures"],
            "last_failure": row["last_failure"],
        }
        for row in rows
    ]


async def starts(conn: asyncpg.Connection | asyncpg.Pool, version: int) -> list[dict[str, Any]]:
    """Return when its state began anew, and since when it remembered at that moment."""
    rows = await conn.fetch(statements()["shadow_starts"], version)
    return [
        {
            "lane": row["lane"],
            "at": rfc3339(to_us(row["at"])),
            "remembers_since": rfc3339(row["memory_from_us"]),
            "because": row["reason"],
        }
        for row in rows
    ]
