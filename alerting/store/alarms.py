"""Alarms in the database: the fold applied in the caller's transaction, persons' acts in their own.

What happens to an alarm is decided by ``lifecycle`` and ``decisions``; this reads what they need
under row locks and writes what they return: alarms, timeline and outbox rows together, so a crash
neither loses nor doubles an alarm. Transactions are READ COMMITTED.

Locks: who changes an alarm or enqueues about it holds its row. The pipeline waits for locks in id
order; the dispatcher's rounds take only free rows; persons' acts hold one. So nobody waits in a
circle.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import Any, Final
from uuid import UUID

import asyncpg

from alerting import decisions
from alerting.alarm import Alarm, AlarmState, Elevator, Source, alarm_id
from alerting.changes import Changes, LifecycleParams, Outcome
from alerting.errors import AlarmNotFoundError, AlreadyEndedError
from alerting.history import Contexts
from alerting.lifecycle import fold
from alerting.message import TextParams, document
from alerting.outgoing import label
from alerting.store.rows import (
    ROWS_PER_STATEMENT,
    alarm_of,
    as_json,
    elevator_of,
    event_row,
    loads,
    message_rows,
    micros,
    queries,
    rfc3339,
    row_of,
)
from alerting.store.session import STATEMENT_S, transaction
from telemetry.findings import Change, FindingKind
from telemetry.transitions import Transition

LIFTS_PER_PIECE: Final = 500
"""Lifts folded and written in one go: some 100 ms of the event loop at most."""

LOCKED_PAUSE_S: Final = 0.01

NAME_LENGTH: Final = 200
NOTE_LENGTH: Final = 2_000


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """What the store needs from outside. ``endpoints``: dispatch URLs, the primary first."""

    endpoints: tuple[str, ...]
    failover_us: int = 15_000_000
    lifecycle: LifecycleParams = field(default_factory=LifecycleParams)
    texts: TextParams = field(default_factory=TextParams)


@dataclass(frozen=True, slots=True)
class Verdict:
    """An alarm after a person's act; ``changed`` is False if it was so already."""

    document: Mapping[str, Any]
    changed: bool


class AlarmStore:
    """Alarms, their timelines, and the messages about them.

    ``pool`` serves the methods with transactions of their own; ``apply``, ``release_held``,
    ``held_elevator_ids`` and ``active_since`` work on the connection that they are given.
    """

    def __init__(self, settings: StoreSettings, pool: asyncpg.Pool | None = None) -> None:
        self.settings = settings
        self.endpoints = list(dict.fromkeys(settings.endpoints))
        """Dispatch URLs, the primary first, each once."""
        self._pool = pool

    async def apply(
        self, conn: Any, transitions: Sequence[Transition], contexts: Contexts, now_us: int
    ) -> Changes:
        """Fold transitions into alarms, inside the caller's transaction.

        In pieces of whole lifts, which are independent of each other: a district without power is
        thousands of raises at once, and the event loop must not stand still for it.
        """
        changes = Changes()
        for piece in _pieces_of_lifts(transitions):
            changes.add(await self._apply(conn, piece, contexts, now_us))
        return changes

    async def _apply(
        self, conn: Any, transitions: Sequence[Transition], contexts: Contexts, now_us: int
    ) -> Changes:
        ids = sorted({t.elevator_id for t in transitions})
        rows = await conn.fetch(queries()["lock_current"], ids)
        elevators = await self._elevators(conn, ids)
        changes = fold(
            [alarm_of(r) for r in rows],
            transitions,
            elevators,
            contexts,
            now_us,
            await _taken(conn, transitions, elevators),
            self.settings.lifecycle,
        )
        await self.write(conn, changes, elevators)
        return changes

    async def release_held(
        self, conn: Any, elevator_ids: Collection[int], contexts: Contexts, now_us: int
    ) -> Changes:
        """Settle the waiting alarms of these lifts, inside the caller's transaction."""
        if not elevator_ids:
            return Changes()
        rows = await conn.fetch(queries()["lock_held"], sorted(elevator_ids))
        held = [alarm_of(r) for r in rows]
        changes = decisions.release_held(held, contexts, now_us, self.settings.lifecycle)
        await self.write(conn, changes)
        return changes

    async def held_elevator_ids(self, conn: Any) -> list[int]:
        """Return the lifts that have waiting alarms (for a start)."""
        return [r["elevator_id"] for r in await conn.fetch(queries()["held_elevators"])]

    async def active_since(
        self, conn: Any, elevator_ids: Sequence[int], kind: FindingKind
    ) -> dict[int, int]:
        """Return the onset [µs] of a finding that is active, by the lift on which it is."""
        rows = await conn.fetch(queries()["active_since"], list(elevator_ids), int(kind))
        return {r["elevator_id"]: micros(r["onset"]) or 0 for r in rows}

    async def write(
        self, conn: Any, changes: Changes, elevators: Mapping[int, Elevator] | None = None
    ) -> None:
        """Write what was decided; the alarms' rows are locked by this transaction or new."""
        sql = queries()
        # Ended alarms leave the index of open ones before new ones come in.
        await _in_pieces(conn, sql["update_alarms"], map(row_of, changes.updated_alarms))
        await _in_pieces(conn, sql["insert_alarms"], map(row_of, changes.new_alarms))
        await _in_pieces(conn, sql["insert_events"], map(event_row, changes.events))
        if not changes.messages:
            return
        if elevators is None:
            ids = sorted({m.alarm.elevator_id for m in changes.messages})
            elevators = await self._elevators(conn, ids)
        rows = message_rows(changes.messages, elevators, self.settings.texts)
        failover = timedelta(microseconds=self.settings.failover_us)
        await _in_pieces(conn, sql["enqueue"], rows, self.endpoints, failover)
        await conn.execute(sql["notify"])

    async def accept(
        self,
        alarm: UUID,
        by: str,
        now_us: int,
        source: Source = Source.API,
        note: str | None = None,
    ) -> Verdict:
        """Take the case. Idempotent: the first acceptance counts."""

        def act(a: Alarm) -> Changes:
            return decisions.accept(
                a, _name(by), source, now_us, self.settings.lifecycle, _note(note)
            )

        return await self._act(alarm, act, already=lambda a: a.accepted_us is not None)

    async def accept_all(
        self, names: Mapping[UUID, str], now_us: int, source: Source = Source.REPLY
    ) -> int:
        """Take many cases at once; those that are over or unknown are left out.

        Alarms that the pipeline holds just now are taken in a later round: a wait for several
        locks could close a circle.
        """
        accepted, rest = 0, set(names)
        pool = self._required_pool()
        while True:
            async with transaction(pool) as conn:
                is_open = await conn.fetch(queries()["still_open"], list(rest))
                rest = {r["id"] for r in is_open}
                done = await self._accept_free(conn, {i: names[i] for i in rest}, now_us, source)
            accepted += done.outcomes[Outcome.ACCEPTED]
            rest -= done.known
            if not rest:
                return accepted
            await asyncio.sleep(LOCKED_PAUSE_S)

    async def _accept_free(
        self, conn: Any, names: Mapping[UUID, str], now_us: int, source: Source
    ) -> Changes:
        changes = Changes()
        for row in await conn.fetch(queries()["lock_free"], list(names)):
            alarm = alarm_of(row)
            changes.known.add(alarm.id)
            if alarm.open:
                by = _name(names[alarm.id])
                acts = decisions.accept(alarm, by, source, now_us, self.settings.lifecycle)
                changes.add(acts)
        await self.write(conn, changes)
        return changes

    async def release(
        self,
        alarm: UUID,
        by: str,
        now_us: int,
        source: Source = Source.API,
        note: str | None = None,
    ) -> Verdict:
        """Report that everybody is free."""

        def act(a: Alarm) -> Changes:
            return decisions.release(a, _name(by), source, now_us, _note(note))

        return await self._act(alarm, act, already=lambda a: a.state is AlarmState.RELEASED)

    async def false_alarm(
        self,
        alarm: UUID,
        by: str,
        now_us: int,
        source: Source = Source.API,
        note: str | None = None,
    ) -> Verdict:
        """Give the verdict that it was false."""

        def act(a: Alarm) -> Changes:
            return decisions.cancel(a, _name(by), source, now_us, _note(note))

        return await self._act(alarm, act, already=lambda a: a.state is AlarmState.CANCELLED)

    async def get(self, alarm: UUID) -> dict[str, Any]:
        """Return an alarm document with its ``timeline`` and ``deliveries``."""
        sql, pool = queries(), self._required_pool()
        async with transaction(pool) as conn:
            row = await conn.fetchrow(sql["get_alarm"], alarm, timeout=STATEMENT_S)
            if row is None:
                raise AlarmNotFoundError(alarm)
            events = await conn.fetch(sql["get_events"], alarm, timeout=STATEMENT_S)
            sent = await conn.fetch(sql["get_deliveries"], alarm, timeout=STATEMENT_S)
        return {
            **self._document(row),
            "timeline": [{**_plain(e), "data": loads(e["data"])} for e in events],
            "deliveries": [{**_plain(d), "endpoint": label(d["endpoint"])} for d in sent],
        }

    async def _act(
        self,
        alarm_id: UUID,
        act: Callable[[Alarm], Changes],
        already: Callable[[Alarm], bool],
    ) -> Verdict:
        """Do what a person asks: once, and only to an alarm that is not over."""
        pool = self._required_pool()
        async with transaction(pool) as conn:
            row = await conn.fetchrow(queries()["lock_one"], alarm_id, timeout=STATEMENT_S)
            if row is None:
                raise AlarmNotFoundError(alarm_id)
            alarm = alarm_of(row)
            elevators = await self._elevators(conn, [alarm.elevator_id])
            changed = False
            if not already(alarm):
                if not alarm.open:
                    raise AlreadyEndedError(alarm_id, alarm.state)
                changes = act(alarm)
                await self.write(conn, changes, elevators)
                alarm, changed = changes.alarms[alarm_id], True
        elevator = elevators[alarm.elevator_id]
        return Verdict(document(alarm, elevator, None, self.settings.texts), changed)

    async def _elevators(self, conn: Any, ids: list[int]) -> dict[int, Elevator]:
        rows = await conn.fetch(queries()["elevators"], ids)
        return {r["id"]: elevator_of(r) for r in rows}

    def _document(self, row: Mapping[str, Any]) -> dict[str, Any]:
        elevator = elevator_of(row, "elevator_id")
        return document(alarm_of(row), elevator, None, self.settings.texts)

    def _required_pool(self) -> asyncpg.Pool:
        if self._pool is None:
            raise RuntimeError("this AlarmStore was made without a pool")
        return self._pool


def _pieces_of_lifts(transitions: Sequence[Transition]) -> Iterable[list[Transition]]:
    """Split transitions so that each lift's stay together, in their order."""
    by_lift: dict[int, list[Transition]] = {}
    for t in transitions:
        by_lift.setdefault(t.elevator_id, []).append(t)
    rest = iter(by_lift.values())
    while lifts := list(islice(rest, LIFTS_PER_PIECE)):
        yield [t for lift in lifts for t in lift]


async def _taken(
    conn: Any, transitions: Iterable[Transition], elevators: Mapping[int, Elevator]
) -> set[UUID]:
    """Return stored ids in the way of raises: of the same onset, and of 1 µs later if so, ..."""
    wanted = {
        (elevators[t.elevator_id].code, t.kind, t.onset_us)
        for t in transitions
        if t.change is Change.RAISED
    }
    taken: set[UUID] = set()
    while wanted:
        ids = {alarm_id(*w): w for w in wanted}
        hit = {r["id"] for r in await conn.fetch(queries()["taken"], list(ids))}
        taken |= hit
        wanted = {(code, kind, onset_us + 1) for code, kind, onset_us in (ids[i] for i in hit)}
    return taken


async def _in_pieces(
    conn: Any, statement: str, rows: Iterable[Mapping[str, Any]], *arguments: Any
) -> None:
    rest = iter(rows)
    while piece := list(islice(rest, ROWS_PER_STATEMENT)):
        await conn.execute(statement, as_json(piece), *arguments)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Spell a row for JSON: times as RFC 3339, ids as text."""
    return {k: _json_value(v) for k, v in row.items()}


def _json_value(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    return rfc3339(micros(value)) if hasattr(value, "tzinfo") else value


def _name(by: str) -> str:
    """Bound and clean who did it: NUL and control characters do not fit the database."""
    return "".join(c for c in by if c.isprintable()).strip()[:NAME_LENGTH] or "unknown"


def _note(text: str | None) -> str | None:
    """Bound and clean what a person added; line breaks stay."""
    if text is None:
        return None
    return "".join(c for c in text if c.isprintable() or c == "\n").strip()[:NOTE_LENGTH] or None
