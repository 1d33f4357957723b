"""Versions of the detectors' parameters: read in order, written one at a time, never changed.

A version is written under a lock that holds until its transaction ends, so whoever sees version n
sees every one before it: a number alone says what was in force. What the numbers mean to a lift is
decided by ``service.parameters``.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import asyncpg

from ingest.store.connect import execute, fetch, fetchrow, moment
from ingest.store.errors import store_errors
from ingest.store.sql import queries

VERSION_LOCK: Final = 0x484F4950
"""Key of the advisory lock under which a version is written; "HOIP" in ASCII."""

CHANNEL: Final = "hoistway_registry"
"""NOTIFY that makes the process that works read registry and versions again."""


class Scope(StrEnum):
    """For whom something is set; a later one goes before an earlier one."""

    INSTALLATION = "installation"
    """Settings of the process (``HOISTWAY_DETECT_…``)."""
    FLEET = "fleet"
    MODEL = "model"
    LIFT = "lift"


@dataclass(frozen=True, slots=True)
class ParameterChange:
    """What a version set for one subject.

    Parameters
    ----------
    version
        Number, from 1 without gaps.
    scope, subject
        For whom: a model's name, a lift's code, else empty.
    elevator_id
        The lift, in its scope.
    before, after
        All that was and is set for the subject: ``params``; for a lift also ``model`` and
        ``rated_speed_mps``.
    """

    version: int
    scope: Scope
    subject: str
    elevator_id: int | None
    before: Mapping[str, Any]
    after: Mapping[str, Any]


async def at_version(conn: asyncpg.Connection, version: int) -> list[ParameterChange]:
    """Return what made the state at ``version``: the newest change of every subject up to it."""
    rows = await fetch(conn, "read parameters", queries()["parameters_at"], version)
    return [change_of(row) for row in rows]


async def after_version(conn: asyncpg.Connection, version: int) -> list[ParameterChange]:
    """Return the changes of all versions after ``version``, in order."""
    rows = await fetch(conn, "read parameters", queries()["parameters_after"], version)
    return [change_of(row) for row in rows]


async def of_batch(conn: asyncpg.Connection, lane: int, batch: int) -> int:
    """Return the version in force after a batch of a lane; 0 before any."""
    row = await fetchrow(conn, "read parameters", queries()["parameters_of_batch"], lane, batch)
    return row[0]


async def lock(conn: asyncpg.Connection) -> None:
    """Keep other versions from being written until the caller's transaction ends."""
    await execute(conn, "lock parameters", queries()["lock_parameters"], VERSION_LOCK)


async def newest(
    conn: asyncpg.Connection, scope: Scope, subject: str = ""
) -> ParameterChange | None:
    """Return what is in force for a subject; None = nothing was ever set."""
    row = await fetchrow(
        conn, "read parameters", queries()["parameters_newest"], scope.value, subject
    )
    return None if row is None else change_of(row)


async def add_version(
    conn: asyncpg.Connection,
    at_us: int,
    actor: str,
    reason: str,
    changes: Sequence[tuple[Scope, str, int | None, Mapping[str, Any], Mapping[str, Any]]],
) -> int:
    """Write a version of (scope, subject, lift, before, after) and tell; needs ``lock``."""
    q = queries()
    row = await fetchrow(conn, "write parameters", q["add_version"], moment(at_us), actor, reason)
    version = row[0]
    rows = [
        (version, scope.value, subject, elevator_id, json.dumps(before), json.dumps(after))
        for scope, subject, elevator_id, before, after in changes
    ]
    with store_errors("write parameters"):
        await conn.executemany(q["add_parameter_change"], rows)
    lifts = [elevator_id for _, _, elevator_id, _, _ in changes]
    await execute(conn, "tell parameters", q["tell_parameters"], str(lifts[0] or 0))
    return version


def change_of(row: Any) -> ParameterChange:
    """Return the change that a row holds."""
    return ParameterChange(
        version=row["version"],
        scope=Scope(row["scope"]),
        subject=row["subject"],
        elevator_id=row["elevator_id"],
        before=json.loads(row["before"]),
        after=json.loads(row["after"]),
    )
