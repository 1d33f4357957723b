"""Dead letters as API and CLI show them, and their replay through the running service.

Replay goes through the API of the running service (``POST /v1/dead-letters/<id>/replay``) and not
through the broker: only the service may say under which gateway a payload counts, the broker's
access rules rightly forbid to publish under another's name, and the answer comes after the commit.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

import asyncpg

from service.http.parts import DeadLetter, Document
from service.registry import plain
from service.sql import statements
from service.times import to_datetime

FIRST: Final = 2**63 - 1
"""Greater than every id: where a list begins."""


class DeadLetterStore:
    """Dead letters in the database."""

    def __init__(self, pool: asyncpg.Pool | asyncpg.Connection) -> None:
        self._pool = pool

    async def list_dead_letters(
        self,
        before: int,
        limit: int,
        *,
        reason: str | None = None,
        class_: str | None = None,
        topic: str | None = None,
        since_us: int | None = None,
    ) -> list[Document]:
        """Return a page of dead letters, newest first."""
        since = None if since_us is None else to_datetime(since_us)
        rows = await self._pool.fetch(
            statements()["list_dead_letters"], before, reason, class_, topic, since, limit
        )
        return [_document(row) for row in rows]

    async def dead_letter(self, letter_id: int) -> DeadLetter | None:
        """Return one dead letter."""
        row = await self._pool.fetchrow(statements()["dead_letter"], letter_id)
        if row is None:
            return None
        raw = bytes(row["raw"])
        return DeadLetter(
            id=row["id"],
            of_frame=row["class"] == "frame",
            reason=row["reason"],
            topic=row["topic"],
            raw=raw,
            size=row["size"],
            document={**_document(row), **_bytes(raw)},
        )

    async def mark_replayed(self, letter_id: int, actor: str, now_us: int) -> None:
        """Remember that it was submitted again, and audit it."""
        now = to_datetime(now_us)
        await self._pool.execute(statements()["mark_replayed"], letter_id, now)
        await self._pool.execute(
            statements()["audit"], now, actor, "dead_letter_replayed", str(letter_id), "{}"
        )


def _document(row: Mapping[str, Any]) -> Document:
    document = plain({k: v for k, v in row.items() if k != "raw"})
    document["detail"] = json.loads(row["detail"])
    return document


def _bytes(raw: bytes) -> Document:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    return {"text": text, "base64": base64.b64encode(raw).decode("ascii")}
