"""Parameters in the database: read, changed all or nothing, versioned, audited.

A change is one transaction: the version with who, when, why, what was and what is, the registry's
copy of a lift's own, the audit log, and the NOTIFY that makes the working process take it over.
Nothing is written if one key or value is wrong, or if nothing would be different. What a value is
worth to a lift is decided in ``book``.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, cast

import asyncpg

from ingest.store import parameters as stored
from ingest.store.connect import transaction
from ingest.store.parameters import Scope
from service.parameters.book import Book
from service.parameters.known import FACTS, KNOWN, Known, problem_of
from service.sql import statements
from service.times import rfc3339, to_datetime, to_us

Document = dict[str, Any]
Params = dict[str, float]
REASON_LENGTH: Final = 2_000


class ParametersRefusedError(Exception):
    """Parameters that cannot be used; nothing was changed. The text says for whom, key, range."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems[:5]))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be set: None takes a key back to what applies without it."""

    scope: Scope
    subject: str
    params: Mapping[str, float | None]
    reason: str = ""

    def __str__(self) -> str:
        """Name for whom it is."""
        return f"{self.scope} {self.subject}".strip()


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change came to; ``version`` None = nothing is different, or a dry run."""

    version: int | None
    before: Params
    after: Params
    lifts: int
    dry_run: bool = False
    changed: dict[str, list[float | None]] = field(default_factory=dict)


class ParameterStore:
    """Parameters over a pool, or over one connection."""

    def __init__(
        self, pool: asyncpg.Pool | asyncpg.Connection, known: Mapping[str, Known] = KNOWN
    ) -> None:
        self._pool = pool
        self.known = known

    async def change(
        self, wanted: Wanted, actor: str, now_us: int, *, dry_run: bool = False
    ) -> Changed | None:
        """Set parameters of the fleet, a model or a lift; None = no such lift.

        Raises ``ParametersRefusedError`` for wrong keys or values. Lifts concerned are counted,
        for a model by the registry as it is now.
        """
        check(wanted, self.known)
        async with self._transaction() as conn:
            if wanted.scope is Scope.LIFT:
                return await _change_lift(conn, wanted, actor, now_us, dry_run=dry_run)
            return await _change_many(conn, wanted, actor, now_us, dry_run=dry_run)

    async def effective(self, code: str) -> Document | None:
        """Return what is in force for a lift, each value with its origin; None = no such lift."""
        async with self._transaction() as conn:
            lift = await conn.fetchrow(statements()["elevator_parameters"], code)
            if lift is None:
                return None
            rows = await conn.fetch(statements()["parameters_of_lift"], code, lift["model"] or "")
        book = Book(self.known)
        book.take(sorted(map(stored.change_of, rows), key=lambda change: change.version))
        origins = book.explained(lift["id"])
        return {
            "elevator": code,
            "model": lift["model"],
            "version": book.version_of(lift["id"]),
            "parameters": {
                key: {
                    "value": origin.value,
                    "from": origin.comes_from,
                    "version": origin.version,
                    **_about(self.known.get(key)),
                }
                for key, origin in sorted(origins.items())
            },
            "ignored": book.ignored,
        }

    async def overview(self) -> Document:
        """Return all parameters that there are, and what is set for fleet and models."""
        rows = await self._pool.fetch(statements()["parameters_of_all"])
        changes = [stored.change_of(row) for row in rows]
        of_all = {c.scope: c.after["params"] for c in changes if c.scope is not Scope.MODEL}
        return {
            "version": await self._pool.fetchval(statements()["parameters_version"]),
            "installation": of_all.get(Scope.INSTALLATION, {}),
            "fleet": of_all.get(Scope.FLEET, {}),
            "models": {
                c.subject: c.after["params"]
                for c in changes
                if c.scope is Scope.MODEL and c.after["params"]
            },
            "parameters": {key: _about(spec) for key, spec in self.known.items()},
        }

    async def model(self, name: str) -> Document:
        """Return what is set for a model."""
        async with self._transaction() as conn:
            newest = await stored.newest(conn, Scope.MODEL, name)
            lifts = await conn.fetchval(statements()["count_lifts"], name)
        return {
            "model": name,
            "version": newest.version if newest else 0,
            "params": newest.after["params"] if newest else {},
            "lifts": lifts,
        }

    async def versions(
        self, before: int, limit: int, *, scope: str | None = None, subject: str | None = None
    ) -> list[Document]:
        """Return a page of versions, newest first, each with what it changed."""
        rows = await self._pool.fetch(
            statements()["parameter_versions"], before, limit, scope, subject
        )
        return [_version(row) for row in rows]

    async def version(self, number: int) -> Document | None:
        """Return one version."""
        page = await self.versions(number + 1, 1)
        return page[0] if page and page[0]["version"] == number else None

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[asyncpg.Connection]:
        if isinstance(self._pool, asyncpg.Connection):
            async with self._pool.transaction():
                yield self._pool
            return
        async with self._pool.acquire() as conn, conn.transaction():
            yield cast("asyncpg.Connection", conn)


def check(wanted: Wanted, known: Mapping[str, Known] = KNOWN) -> None:
    """Raise ``ParametersRefusedError``, naming scope, key and range, if anything is wrong."""
    problems = [
        f"{wanted}: {problem}"
        for key, value in wanted.params.items()
        if (problem := problem_of(key, _instead(key, value, known), known)) is not None
    ]
    if wanted.scope is Scope.FLEET:
        facts = [k for k, v in wanted.params.items() if k in FACTS and v is not None]
        problems += [
            f"{wanted}: {key} is a fact of one lift: set it for a lift or a model" for key in facts
        ]
    if problems:
        raise ParametersRefusedError(problems)


async def record_lift(
    conn: asyncpg.Connection,
    row: tuple[int, str],
    settings: tuple[Document, Document],
    who: tuple[int, str, str],
) -> int | None:
    """Write a version if what a lift's registration says about parameters became different.

    ``row``: id and code; ``settings``: registrations before and after; ``who``: when [µs], actor,
    reason. Returns its number. In the caller's transaction, which holds the lift's row.
    """
    before, after = (_of_registration(s) for s in settings)
    if before == after:
        return None
    await stored.lock(conn)
    elevator_id, code = row
    return await stored.add_version(conn, *who, [(Scope.LIFT, code, elevator_id, before, after)])


async def record_installation(
    conn: asyncpg.Connection, params: Mapping[str, float], now_us: int
) -> int | None:
    """Write a version if the settings of this start are not those of the last one."""
    async with transaction(conn):
        await stored.lock(conn)
        newest = await stored.newest(conn, Scope.INSTALLATION)
        before = newest.after if newest else {"params": {}}
        after = {"params": dict(params)}
        if before == after:
            return None
        change = (Scope.INSTALLATION, "", None, before, after)
        reason = "HOISTWAY_DETECT_… of this start"
        return await stored.add_version(conn, now_us, "settings", reason, [change])


async def _change_many(
    conn: asyncpg.Connection, wanted: Wanted, actor: str, now_us: int, *, dry_run: bool
) -> Changed:
    await stored.lock(conn)
    newest = await stored.newest(conn, wanted.scope, wanted.subject)
    before: Params = dict(newest.after["params"]) if newest else {}
    after = merged(before, wanted.params)
    model = wanted.subject if wanted.scope is Scope.MODEL else None
    lifts = await conn.fetchval(statements()["count_lifts"], model) or 0
    if dry_run or before == after:
        return _changed(None, before, after, lifts, dry_run=dry_run)
    change = (wanted.scope, wanted.subject, None, {"params": before}, {"params": after})
    version = await stored.add_version(conn, now_us, actor, _reason(wanted), [change])
    return await _audited(conn, wanted, actor, now_us, _changed(version, before, after, lifts))


async def _change_lift(
    conn: asyncpg.Connection, wanted: Wanted, actor: str, now_us: int, *, dry_run: bool
) -> Changed | None:
    row = await conn.fetchrow(statements()["lock_elevator"], wanted.subject)
    if row is None:
        return None
    before: Params = json.loads(row["params"])
    after = merged(before, wanted.params)
    if dry_run or before == after:
        return _changed(None, before, after, 1, dry_run=dry_run)
    await conn.execute(statements()["set_elevator_params"], row["id"], json.dumps(after))
    registered = {"model": row["model"], "rated_speed_mps": shortest(row["rated_speed_mps"])}
    version = await record_lift(
        conn,
        (row["id"], wanted.subject),
        ({**registered, "params": before}, {**registered, "params": after}),
        (now_us, actor, _reason(wanted)),
    )
    return await _audited(conn, wanted, actor, now_us, _changed(version, before, after, 1))


async def _audited(
    conn: asyncpg.Connection, wanted: Wanted, actor: str, now_us: int, done: Changed
) -> Changed:
    data = {"version": done.version, "changed": done.changed, "reason": _reason(wanted)}
    await conn.execute(
        *(statements()["audit"], to_datetime(now_us), actor, "parameters_changed", str(wanted)),
        json.dumps(data),
    )
    return done


def merged(before: Mapping[str, float], params: Mapping[str, float | None]) -> Params:
    """Return ``before`` with ``params`` put in, or taken out where they are None."""
    return {k: v for k, v in {**before, **params}.items() if v is not None}


def shortest(value: float | None) -> float | None:
    """Spell a float4 as shortly as it was written: 1.3, not 1.2999999523162842."""
    return None if value is None else float(f"{value:.7g}")


def _changed(
    version: int | None, before: Params, after: Params, lifts: int, *, dry_run: bool = False
) -> Changed:
    keys = sorted(before.keys() | after.keys())
    changed = {k: [before.get(k), after.get(k)] for k in keys if before.get(k) != after.get(k)}
    return Changed(version, before, after, lifts, dry_run, changed)


def _instead(key: str, value: float | None, known: Mapping[str, Known]) -> Any:
    """Return what is checked of a key that is to be taken back: that there is one, no more."""
    return known[key].low if value is None and key in known else value


def _of_registration(settings: Mapping[str, Any]) -> Document:
    return {name: settings[name] for name in ("model", "rated_speed_mps", "params")}


def _reason(wanted: Wanted) -> str:
    return wanted.reason[:REASON_LENGTH]


def _about(spec: Known | None) -> Document:
    if spec is None:
        return {}
    return {
        "default": spec.default,
        "low": spec.low,
        "high": spec.high,
        "source": spec.source,
        "detectors": list(spec.detectors),
    }


def _version(row: Any) -> Document:
    changes = json.loads(row["changes"])
    return {
        "version": row["id"],
        "at": rfc3339(to_us(row["at"])),
        "by": row["actor"],
        "reason": row["reason"],
        "changes": [{**change, "changed": _differences(change)} for change in changes],
    }


def _differences(change: Mapping[str, Any]) -> Document:
    """Return what a version made different for one subject: key to [before, after]."""
    before, after = (_flat(change[side]) for side in ("before", "after"))
    keys = sorted(before.keys() | after.keys())
    return {k: [before.get(k), after.get(k)] for k in keys if before.get(k) != after.get(k)}


def _flat(settings: Mapping[str, Any]) -> Document:
    """Return settings without nesting; the registry's speed under another name than the key's."""
    registered = {k: v for k, v in settings.items() if k != "params"}
    return {**{f"registry.{k}": v for k, v in registered.items()}, **settings["params"]}
