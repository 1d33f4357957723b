"""Alarms, outbox, dispatcher and desk on a real database, for the outbox tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import asyncpg

from alerting.changes import Changes
from alerting.client import HttpClient
from alerting.dispatcher import Dispatcher, DispatchSettings
from alerting.history import Context
from alerting.retry import RetryParams
from alerting.signature import Signer
from alerting.store import AlarmStore, Outbox, StoreSettings
from service.clock import SystemClock
from service.desk import Desk, DeskSettings
from telemetry.transitions import Transition
from tests.fakes.alerting_values import LIFTS, T0

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@dataclass
class Rig:
    """What a test works with. Times of findings are relative to ``T0``; the clock is real."""

    pool: asyncpg.Pool
    alarms: AlarmStore
    outbox: Outbox
    clock: SystemClock
    opened_us: int

    async def apply(
        self, *transitions: Transition, contexts: dict[int, Context] | None = None, now_us: int = 0
    ) -> Changes:
        """Apply transitions in a transaction, as the pipeline does.

        Without ``now_us`` they happen now: moved from ``T0`` to the clock's time.
        """
        if not now_us:
            transitions = tuple(self.moved(t) for t in transitions)
        async with self.pool.acquire() as conn, conn.transaction():
            return await self.alarms.apply(
                conn, transitions, contexts or {}, now_us or self.clock.now_us()
            )

    def moved(self, t: Transition) -> Transition:
        """Return a transition moved from ``T0`` to when the rig was opened."""
        by_us = self.opened_us - T0
        return replace(t, t_us=t.t_us + by_us, onset_us=t.onset_us + by_us)

    async def rows(self, query: str, *args: Any) -> list[Any]:
        """Fetch."""
        return await self.pool.fetch(query, *args)

    async def value(self, query: str, *args: Any) -> Any:
        """Fetch one value."""
        return await self.pool.fetchval(query, *args)


@asynccontextmanager
async def opened(database_url: str, *endpoints: str, **settings: Any) -> AsyncIterator[Rig]:
    """Open the store on a fresh database with two lifts in it."""
    pool = await asyncpg.create_pool(
        database_url, min_size=1, max_size=6, command_timeout=10.0, timeout=10.0
    )
    try:
        for lift in LIFTS.values():
            await pool.execute(
                "insert into elevators (id, code, sticker, building, address, confirmed)"
                " values ($1, $2, $3, $4, $5, $6) on conflict do nothing",
                *(lift.id, lift.code, lift.sticker, lift.building, lift.address, lift.confirmed),
            )
        alarms = AlarmStore(StoreSettings(endpoints=endpoints, **settings), pool)
        clock = SystemClock()
        yield Rig(pool, alarms, Outbox(alarms, pool), clock, clock.now_us())
    finally:
        await pool.close()


@asynccontextmanager
async def dispatching(
    rig: Rig, delays_s: tuple[float, ...] = (0, 0.05, 0.1), **retry: Any
) -> AsyncIterator[Dispatcher]:
    """Run a dispatcher with short delays; on leaving it is stopped in order."""
    async with HttpClient() as client:
        params = RetryParams(delays_s=delays_s, jitter=0.1, **retry)
        endpoints = rig.alarms.settings.endpoints
        dispatcher = Dispatcher(
            rig.outbox,
            rig.alarms,
            client,
            Signer.of([SECRET]),
            rig.clock,
            DispatchSettings(endpoints=endpoints, retry=params, poll_s=0.1, drain_s=2),
        )
        task = asyncio.create_task(dispatcher.run())
        try:
            yield dispatcher
        finally:
            dispatcher.stop()
            await task


def desk(**settings: Any) -> Desk:
    """Return a desk with the tests' secret."""
    return Desk(DeskSettings(secrets=(SECRET,), **settings))
