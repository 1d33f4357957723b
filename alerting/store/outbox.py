"""The outbox in the database: claim what is due, mark what followed, and the dispatcher's timers.

A claim is a lease: a sender that dies loses it, and the same message, with the same id, is due
again. What was sent is recorded only after it was sent, so each message is delivered at least once.
A message behind an unsent earlier one of the same alarm and endpoint has no due time; settling the
earlier one gives it one. Both happen under the alarm's row lock, so neither misses the other.

Which step follows an attempt is decided in ``retry``, what an escalation is in ``decisions``.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from alerting import decisions
from alerting.alarm import Alarm, EventType, Source
from alerting.changes import Changes
from alerting.errors import StoreUnavailableError
from alerting.message import rfc3339
from alerting.outgoing import Attempted, Delivery
from alerting.retry import Step
from alerting.store.alarms import AlarmStore
from alerting.store.rows import alarm_of, as_json, micros, moment, queries
from alerting.store.session import STATEMENT_S, connection, end, transaction

CHANNEL: Final = "hoistway_deliveries"

ROUND: Final = 200
"""Alarms per transaction of a timer: bounds how long marks and the pipeline wait for it."""


class Outbox:
    """Deliveries, in transactions of their own."""

    def __init__(self, alarms: AlarmStore, pool: asyncpg.Pool) -> None:
        self.alarms = alarms
        self._pool = pool
        # Marks and timers touch the same rows in different orders: one after the other.
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Any]:
        async with self._turn, transaction(self._pool) as conn:
            yield conn

    async def resume(self, now_us: int) -> None:
        """Take over from a sender that is gone. Only the one writer may call this."""
        sql, endpoints = queries(), self.alarms.endpoints
        async with self._transaction() as conn:
            await conn.execute(sql["release_claims"])
            if endpoints:  # without any, what was enqueued before waits for the next settings
                await conn.execute(sql["retarget"], endpoints, endpoints[0], moment(now_us))
            await conn.execute(sql["unblock_all"], moment(now_us))

    async def claim(self, endpoint: str, limit: int, now_us: int, lease_us: int) -> list[Delivery]:
        """Claim due deliveries, occupied lifts first; they come back when the lease is over."""
        async with connection(self._pool) as conn:
            rows = await conn.fetch(
                queries()["claim"], endpoint, moment(now_us), limit, moment(now_us + lease_us),
                timeout=STATEMENT_S,
            )  # fmt: skip
        rows.sort(key=lambda r: (r["priority"], r["next_attempt_at"], r["sequence"]))
        return [_delivery(r) for r in rows]

    async def mark(self, attempted: Sequence[Attempted]) -> list[Attempted]:
        """Record attempts and what follows; return those whose alarm was in use just now."""
        sql = queries()
        async with self._transaction() as conn:
            settled = {a.delivery.alarm_id for a in attempted if a.step is not Step.RETRY}
            free = await _lock_free(conn, settled)
            done, busy = _split(attempted, free)
            if not done:
                return busy
            await conn.execute(sql["record_attempts"], as_json(map(_attempt_row, done)))
            await conn.execute(sql["mark"], as_json(map(_mark_row, done)))
            await self._unblock(conn, done)
            await self.alarms.write(conn, _given_up(done, free))
        return busy

    async def _unblock(self, conn: Any, done: Iterable[Attempted]) -> None:
        over = [a for a in done if a.step is not Step.RETRY]
        if over:
            rows = [
                {"alarm_id": a.delivery.alarm_id, "endpoint": a.delivery.endpoint} for a in over
            ]
            at = moment(max(a.at_us for a in over))
            await conn.execute(queries()["unblock"], as_json(rows), at)

    async def escalate_due(self, now_us: int) -> int:
        """Escalate a round of alarms that nobody accepted in time; return how many."""
        async with self._transaction() as conn:
            rows = await conn.fetch(queries()["lock_escalations"], moment(now_us), ROUND)
            params = self.alarms.settings.lifecycle
            changes = decisions.escalate([alarm_of(r) for r in rows], now_us, params)
            await self.alarms.write(conn, changes)
        return len(changes.alarms)

    async def hand_on_due(self, now_us: int) -> int:
        """Give a round of messages not taken in time to the next endpoint too; return how many."""
        sql, now = queries(), moment(now_us)
        failover = timedelta(microseconds=self.alarms.settings.failover_us)
        async with self._transaction() as conn:
            due = await conn.fetch(sql["due_failovers"], now, ROUND)
            free = await _lock_free(conn, {r["alarm_id"] for r in due})
            if not free:
                return 0
            handed = await conn.fetch(
                sql["hand_on"], now, self.alarms.endpoints, failover, list(free)
            )
            rows = [{"alarm_id": r["alarm_id"], "endpoint": r["endpoint"]} for r in handed]
            await conn.execute(sql["unblock"], as_json(rows), now)
            await self.alarms.write(conn, _handed_on(handed, free, now_us))
        return len(handed)

    async def backlog(self) -> dict[str, tuple[int, int]]:
        """Return, by endpoint, how many messages wait and when the oldest was made [µs]."""
        async with connection(self._pool) as conn:
            rows = await conn.fetch(queries()["backlog"], timeout=STATEMENT_S)
        return {r["endpoint"]: (r["pending"], micros(r["oldest"]) or 0) for r in rows}

    async def listen(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` on each NOTIFY until cancelled; ends with an error when cut off."""
        gone = asyncio.Event()

        def notified(*_: object) -> None:
            wake()

        def ended(*_: object) -> None:
            gone.set()

        async with connection(self._pool) as conn:
            try:
                await conn.add_listener(CHANNEL, notified)
                conn.add_termination_listener(ended)
                wake()  # what was enqueued while nobody listened
                await gone.wait()
            finally:
                end(conn)  # a connection that listened is not lent to others
        raise StoreUnavailableError("the listening connection was closed")


async def _lock_free(conn: Any, ids: Iterable[UUID | None]) -> dict[UUID, Alarm]:
    wanted = [i for i in ids if i is not None]
    if not wanted:
        return {}
    rows = await conn.fetch(queries()["lock_free"], wanted)
    return {r["id"]: alarm_of(r) for r in rows}


def _split(
    attempted: Iterable[Attempted], free: dict[UUID, Alarm]
) -> tuple[list[Attempted], list[Attempted]]:
    done: list[Attempted] = []
    busy: list[Attempted] = []
    for a in attempted:
        alarm = a.delivery.alarm_id
        ready = a.step is Step.RETRY or alarm is None or alarm in free
        (done if ready else busy).append(a)
    return done, busy


def _delivery(row: Any) -> Delivery:
    created_us = micros(row["created_at"])
    assert created_us is not None
    return Delivery(
        message_id=row["message_id"],
        endpoint=row["endpoint"],
        alarm_id=row["alarm_id"],
        sequence=row["sequence"],
        type=row["type"],
        body=row["body"].encode(),
        attempt=row["attempts"],
        created_us=created_us,
        ended_us=micros(row["ended_at"]),
    )


def _attempt_row(a: Attempted) -> dict[str, Any]:
    return {
        "message_id": a.delivery.message_id,
        "endpoint": a.delivery.endpoint,
        "n": a.delivery.attempt,
        "started_at": rfc3339(a.started_us),
        "duration_ms": a.duration_ms,
        "status": a.status,
        "error": a.error,
    }


_STATE: Final = {Step.DELIVERED: "delivered", Step.RETRY: "pending", Step.GIVE_UP: "given_up"}


def _mark_row(a: Attempted) -> dict[str, Any]:
    return {
        "message_id": a.delivery.message_id,
        "endpoint": a.delivery.endpoint,
        "state": _STATE[a.step],
        "delivered_at": rfc3339(a.at_us) if a.step is Step.DELIVERED else None,
        "next_attempt_at": rfc3339(a.next_us),
        "status": a.status,
        "error": a.error,
    }


def _given_up(done: Iterable[Attempted], alarms: dict[UUID, Alarm]) -> Changes:
    """Put each message given up into the timeline of its alarm."""
    changes = Changes(known=set(alarms))
    for a in done:
        if a.step is Step.GIVE_UP and a.delivery.alarm_id is not None:
            alarm = changes.alarms.get(a.delivery.alarm_id, alarms[a.delivery.alarm_id])
            data = {
                "endpoint": a.delivery.endpoint,
                "sequence": a.delivery.sequence,
                "type": a.delivery.type,
                "attempts": a.delivery.attempt,
                "error": a.error or a.status,
            }
            changes.note(alarm, a.at_us, EventType.GIVEN_UP, Source.DISPATCHER, data=data)
    return changes


def _handed_on(handed: Iterable[Any], alarms: dict[UUID, Alarm], now_us: int) -> Changes:
    changes = Changes(known=set(alarms))
    for row in handed:
        alarm = changes.alarms.get(row["alarm_id"], alarms[row["alarm_id"]])
        data = {"endpoint": row["endpoint"], "sequence": row["sequence"]}
        changes.note(alarm, now_us, EventType.HANDED_ON, Source.DISPATCHER, data=data)
    return changes
