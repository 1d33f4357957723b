"""Dead letters as rows: what could not be decoded or stored, each kept once and counted.

One row per distinct letter (``ingest.dead_letters`` says what one is): topic, SHA-256 of the
payload, index in it, class, key and reason. The same again raises ``times``. Storing one must not
fail because of its content, so texts are cleaned of what PostgreSQL refuses, topics are cut to
what an index holds and large payloads to their beginning.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import asyncpg

from ingest.dead_letters import DeadLetter
from ingest.store.connect import execute, moment
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
