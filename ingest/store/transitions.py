"""Transitions as rows: written with their batch, read back to be compared in recovery.

Numbered within the batch in the order in which they count. Nothing is lost on the way: what is read
equals what was written.
"""

import json
from collections.abc import Sequence
from typing import Any

import asyncpg

from ingest.store.connect import fetch, micros, moment
from ingest.store.errors import store_errors
from ingest.store.sql import queries
from telemetry.findings import Change, ClearReason, Confidence, FindingKind
from telemetry.transitions import Transition


async def write(
    conn: asyncpg.Connection, lane: int, batch: int, transitions: Sequence[Transition]
) -> None:
    """Write the transitions of a batch in the caller's transaction."""
    if not transitions:
        return
    rows = [(lane, batch, n, *_values(t)) for n, t in enumerate(transitions)]
    with store_errors("write transitions"):
        await conn.executemany(queries()["write_transitions"], rows)


async def of_batches(
    conn: asyncpg.Connection, lane: int, first: int, last: int
) -> dict[int, list[Transition]]:
    """Return the transitions of the batches ``first..last`` by batch, in order."""
    rows = await fetch(conn, "read transitions", queries()["read_transitions"], lane, first, last)
    found: dict[int, list[Transition]] = {}
    for row in rows:
        found.setdefault(row["batch"], []).append(of_row(row))
    return found


def _values(t: Transition) -> tuple[Any, ...]:
    return (
        *(t.elevator_id, moment(t.t_us), moment(t.onset_us)),
        *(int(t.kind), int(t.kind_now), int(t.change), int(t.reason), int(t.confidence)),
        *(t.rule, t.version, json.dumps(t.evidence()), json.dumps(dict(t.thresholds))),
    )


def of_row(row: Any) -> Transition:
    """Return the transition that a row of the table holds."""
    evidence = json.loads(row["evidence"])
    return Transition(
        elevator_id=row["elevator_id"],
        t_us=micros(row["time"]),
        onset_us=micros(row["onset"]),
        kind=FindingKind(row["kind"]),
        kind_now=FindingKind(row["kind_now"]),
        change=Change(row["change"]),
        reason=ClearReason(row["reason"]),
        confidence=Confidence(row["confidence"]),
        last_seen_us=evidence["last_seen_us"],
        rule=row["rule"],
        version=row["version"],
        criteria=evidence["criteria"],
        values=evidence["values"],
        thresholds=json.loads(row["thresholds"]),
    )
