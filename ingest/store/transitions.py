"""Transitions as rows: written with their batch, read back to be compared in recovery.

Numbered within the batch in the order in which they count. Nothing is lost on the way: what is read
equals what was written.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

import asyncpg
import msgspec

from ingest.store.connect import execute, fetch, micros, moment
from ingest.store.sql import queries
from telemetry.columns import column_mask, column_names
from telemetry.findings import Change, ClearReason, Confidence, FindingKind
from telemetry.transitions import Transition

ROWS_PER_STATEMENT: Final = 2_000
"""Rows travel as one JSON text; so many take the event loop some 20 ms."""

_encode = msgspec.json.Encoder().encode


async def write(
    conn: asyncpg.Connection, lane: int, batch: int, transitions: Sequence[Transition]
) -> None:
    """Write the transitions of a batch in the caller's transaction."""
    query = queries()["write_transitions"]
    for first in range(0, len(transitions), ROWS_PER_STATEMENT):
        piece = transitions[first : first + ROWS_PER_STATEMENT]
        rows = _encode([_row(n, t) for n, t in enumerate(piece, first)]).decode()
        await execute(conn, "write transitions", query, lane, batch, rows)


async def of_batches(
    conn: asyncpg.Connection, lane: int, first: int, last: int
) -> dict[int, list[Transition]]:
    """Return the transitions of the batches ``first..last`` by batch, in order."""
    rows = await fetch(conn, "read transitions", queries()["read_transitions"], lane, first, last)
    found: dict[int, list[Transition]] = {}
    for row in rows:
        found.setdefault(row["batch"], []).append(of_row(row))
    return found


def _row(n: int, t: Transition) -> dict[str, Any]:
    return {
        "n": n,
        "elevator_id": t.elevator_id,
        "time": moment(t.t_us),
        "onset": moment(t.onset_us),
        "kind": int(t.kind),
        "kind_now": int(t.kind_now),
        "change": int(t.change),
        "reason": int(t.reason),
        "confidence": int(t.confidence),
        "rule": t.rule,
        "version": t.version,
        "evidence": t.evidence(),
        "thresholds": t.thresholds,
        "parameters": t.parameters,
    }


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
        parameters=row["parameters"],
        suspect=column_names(column_mask(evidence.get("suspect", ()))),
    )
