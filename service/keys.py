"""API keys: made once, shown once, kept as a digest.

A key is ``hwk_<id>_<secret>``: the id finds the row, the secret is 256 random bits, so its SHA-256
is enough (nothing can be guessed) and it is compared in constant time. The name says who acts: it
stands in timelines and the audit log, and for role ``gateway`` it *is* the gateway's name. A
revoked name can be given again, which is how a key is exchanged.
"""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg

from ingest.fleet import is_usable_name
from service.clock import Clock
from service.roles import Caller, Role
from service.sql import statements
from service.times import rfc3339, to_datetime, to_us

PREFIX: Final = "hwk"
SECRET_BYTES: Final = 32
CACHE_MAX_KEYS: Final = 10_000
NAME_MAX_CHARACTERS: Final = 128


class KeyNameError(Exception):
    """The name cannot be used; one line."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key as it is shown, once."""

    id: UUID
    name: str
    role: Role
    token: str


def make(name: str, role: Role) -> NewKey:
    """Make a key; it is nowhere yet."""
    if not is_usable_name(name, NAME_MAX_CHARACTERS):
        raise KeyNameError(f"a key's name has 1 to {NAME_MAX_CHARACTERS} printable characters")
    key_id = uuid4()
    return NewKey(
        key_id, name, role, f"{PREFIX}_{key_id.hex}_{secrets.token_urlsafe(SECRET_BYTES)}"
    )


def digest(token: str) -> bytes:
    """Return what is stored of a key."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


async def create(conn: asyncpg.Connection, key: NewKey, actor: str, now_us: int) -> None:
    """Store a key and audit it; raises ``KeyNameError`` when the name is in use."""
    now = to_datetime(now_us)
    async with conn.transaction():
        made = await conn.fetchval(
            statements()["create_key"], key.id, key.name, key.role, digest(key.token), now
        )
        if made is None:
            raise KeyNameError(
                f"a key named {key.name!r} is in force; give another --name, or revoke it first"
            )
        data = json.dumps({"id": str(key.id), "role": key.role})
        await conn.execute(statements()["audit"], now, actor, "key_created", key.name, data)


async def revoke(conn: asyncpg.Connection, name: str, actor: str, now_us: int) -> bool:
    """Revoke the key of this name and audit it; return whether one was in force."""
    now = to_datetime(now_us)
    async with conn.transaction():
        revoked = await conn.fetchval(statements()["revoke_key"], name, now)
        if revoked is not None:
            data = json.dumps({"id": str(revoked)})
            await conn.execute(statements()["audit"], now, actor, "key_revoked", name, data)
    return revoked is not None


async def listed(conn: asyncpg.Connection) -> list[dict[str, Any]]:
    """Return all keys by name, times as RFC 3339, without their digests."""
    rows = await conn.fetch(statements()["list_keys"])
    times = ("created_at", "revoked_at", "last_used_at")
    return [
        {k: (rfc3339(to_us(v)) if k in times and v else v) for k, v in row.items()} for row in rows
    ]


class KeyRing:
    """Verifies keys against the database, and believes a verified one for ``cache_s`` [s]."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock, cache_s: float) -> None:
        self._pool = pool
        self._clock = clock
        self._cache_us = round(cache_s * 1_000_000)
        self._verified: dict[bytes, tuple[int, Caller]] = {}

    async def verify(self, token: str) -> Caller | None:
        """Return who has this key; None = nobody, or no longer."""
        key_id = _id_of(token)
        if key_id is None:
            return None
        now_us = self._clock.now_us()
        hashed = digest(token)
        known = self._verified.get(hashed)
        if known and now_us - known[0] < self._cache_us:
            return known[1]
        self._verified.pop(hashed, None)
        row = await self._pool.fetchrow(statements()["key_by_id"], key_id)
        if row is None or not hmac.compare_digest(row["hash"], hashed) or row["revoked_at"]:
            return None
        await self._pool.execute(statements()["touch_key"], key_id, to_datetime(now_us))
        caller = Caller(key_id, row["name"], Role(row["role"]))
        if len(self._verified) >= CACHE_MAX_KEYS:
            self._verified.clear()
        self._verified[hashed] = (now_us, caller)
        return caller


def _id_of(token: str) -> UUID | None:
    match token.split("_", 2):
        case [prefix, key_id, secret] if prefix == PREFIX and len(key_id) == 32 and secret:
            try:
                return UUID(key_id)
            except ValueError:
                return None
        case _:
            return None
