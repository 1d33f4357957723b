"""Dead letters as rows: what could not be decoded or stored, counted, listed, replayed.

One row per distinct letter (``ingest.dead_letters`` says what one is): topic, SHA-256 of the
payload, index in it, class, key and reason. The same again raises ``times``. Storing one must not
fail because of its content, so texts are cleaned of what PostgreSQL refuses, topics are cut to
what an index holds and large payloads to their beginning.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg

from ingest.dead_letters import DeadLetter
from ingest.store.connect import MAX_TIME_US, execute, fetch, fetchrow, micros, moment
from ingest.store.sql import queries

WHOLE_UP_TO_BYTES: Final = 1 << 20
"""Payloads up to this size are kept whole."""

KEPT_BYTES: Final = 64 << 10
"""Of larger ones this much is kept, with size and digest."""

TOPIC_BYTES: Final = 1024
KEY_BYTES: Final = 512
REASON_BYTES: Final = 128
"""Where texts are cut: together they must fit into an index entry of some 2,700 bytes."""

LARGEST_INT_BITS: Final = 1024
"""Integers beyond are described, not spelled: JSON numbers of thousands of digits help nobody."""

DEEPEST: Final = 20
"""Nesting of ``detail`` beyond this is cut off."""


@dataclass(frozen=True, slots=True)
class KeptDeadLetter:
    """A row of the table; ``raw`` is None in lists; ``kept`` bytes of ``size`` are there."""

    id: int
    cls: str
    reason: str
    topic: str
    sha256: bytes
    index: int
    key: str
    size: int
    kept: int
    detail: dict[str, Any]
    received_us: int
    last_us: int
    times: int
    replayed_us: int | None
    raw: bytes | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters to list; ``before`` = (last_us, id) of the last one seen."""

    reason: str | None = None
    cls: str | None = None
    replayed: bool = True
    before: tuple[int, int] = (MAX_TIME_US, 2**63 - 1)


async def write(conn: asyncpg.Connection, letters: Sequence[DeadLetter]) -> None:
    """Keep dead letters in the caller's transaction; known ones only count."""
    if not letters:
        return
    merged: dict[tuple[Any, ...], list[Any]] = {}
    for letter in letters:
        _merge(merged, letter)
    # Lanes that write the same letters must lock them in the same order.
    rows = [merged[key] for key in sorted(merged)]
    columns = [list(column) for column in zip(*rows, strict=True)]
    await execute(conn, "write dead letters", queries()["write_dead_letters"], *columns)


async def listed(
    conn: asyncpg.Connection, chosen: Filter = Filter(), limit: int = 100
) -> list[KeptDeadLetter]:
    """Return dead letters without their bytes, the last repeated first."""
    last_us, last_id = chosen.before
    rows = await fetch(
        conn,
        "list dead letters",
        queries()["list_dead_letters"],
        *(moment(last_us), last_id, chosen.reason, chosen.cls, chosen.replayed, limit),
    )
    return [_kept(row) for row in rows]


async def show(conn: asyncpg.Connection, letter_id: int) -> KeptDeadLetter | None:
    """Return one dead letter with its bytes."""
    row = await fetchrow(conn, "show dead letter", queries()["show_dead_letter"], letter_id)
    return None if row is None else _kept(row)


async def mark_replayed(conn: asyncpg.Connection, ids: Sequence[int], now_us: int) -> int:
    """Note that these were sent again; return how many there are."""
    query = queries()["mark_replayed"]
    return await execute(conn, "mark dead letters", query, list(ids), moment(now_us))


async def counts(conn: asyncpg.Connection) -> list[tuple[str, str, int, int]]:
    """Return (class, reason, distinct letters, times) for each class and reason."""
    rows = await fetch(conn, "count dead letters", queries()["count_dead_letters"])
    return [tuple(row) for row in rows]


def clean(text: str, limit_bytes: int) -> str:
    """Return the text as PostgreSQL can hold it: no NUL, no lone surrogates, not too long."""
    data = text.replace("\0", "\ufffd").encode("utf-8", "replace")
    return data[:limit_bytes].decode("utf-8", "ignore")


def json_safe(value: Any, depth: int = 0) -> Any:
    """Return the value with everything replaced that jsonb does not hold."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return clean(value, KEPT_BYTES)
    if isinstance(value, int):
        bits = value.bit_length()
        return value if bits <= LARGEST_INT_BITS else f"integer of {bits} bits"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return _json_safe_container(value, depth)


def _json_safe_container(value: Any, depth: int) -> Any:
    if depth >= DEEPEST:
        return "nested too deeply"
    if isinstance(value, Mapping):
        return {
            clean(str(json_safe(k, depth + 1)), KEY_BYTES): json_safe(v, depth + 1)
            for k, v in value.items()
        }
    if isinstance(value, list | tuple):
        return [json_safe(v, depth + 1) for v in value]
    return clean(repr(value), KEPT_BYTES)


def _merge(merged: dict[tuple[Any, ...], list[Any]], letter: DeadLetter) -> None:
    topic, key = clean(letter.topic, TOPIC_BYTES), clean(letter.key, KEY_BYTES)
    reason = clean(letter.reason, REASON_BYTES)
    identity = (topic, letter.sha256, letter.index, letter.cls, key, reason)
    received = moment(letter.received_us)
    known = merged.get(identity)
    if known is not None:
        known[9] = min(known[9], received)
        known[10] = max(known[10], received)
        known[11] += 1
        return
    whole = len(letter.raw) <= WHOLE_UP_TO_BYTES
    kept = bytes(letter.raw if whole else letter.raw[:KEPT_BYTES])
    merged[identity] = [
        *(letter.cls, reason, topic, letter.sha256, letter.index, key, letter.size, kept),
        json.dumps(json_safe(letter.detail)),
        *(received, received, 1),
    ]


def _kept(row: Any) -> KeptDeadLetter:
    values = dict(row)
    replayed: datetime | None = values.pop("replayed_at")
    return KeptDeadLetter(
        cls=values.pop("class"),
        detail=json.loads(values.pop("detail")),
        received_us=micros(values.pop("received_at")),
        last_us=micros(values.pop("last_at")),
        replayed_us=None if replayed is None else micros(replayed),
        **values,
    )
