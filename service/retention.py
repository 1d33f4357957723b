"""Forgets what is old, a little at a time: findings of shadows, attempts to deliver.

Each delete is a transaction of its own over a few hundred rows, and the next waits for ten times as
long as it took: the database, and with it the pipeline, hardly notices. A delete that fails is
counted and tried again at the next round; nothing else waits for it. What may be forgotten is in
the statements: never an attempt of an open case or of a message that is still to be sent.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import asyncpg
import structlog

from ingest.store.errors import DRIVER_ERRORS
from service.clock import Clock
from service.metrics import Forgotten, Metrics
from service.settings import RetentionSettings
from service.sql import statements
from service.times import to_datetime

log = structlog.get_logger()
ROUND_S: Final = 3600.0
"""Between two rounds [s]."""
ROWS: Final = 500
"""Most rows of a delete: a few milliseconds."""
REST: Final = 10.0
"""Times as long as a delete took nothing is deleted after it."""
DAY_US: Final = 86_400_000_000
STATEMENTS: Final[Mapping[Forgotten, str]] = {
    Forgotten.SHADOW_TRANSITIONS: "forget_shadow",
    Forgotten.DELIVERY_ATTEMPTS: "forget_delivery_attempts",
}


class Retention:
    """Deletes what is older than the settings say."""

    def __init__(
        self, pool: asyncpg.Pool, clock: Clock, metrics: Metrics, settings: RetentionSettings
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._metrics = metrics
        self._keep_days = {
            Forgotten.SHADOW_TRANSITIONS: settings.shadow_days,
            Forgotten.DELIVERY_ATTEMPTS: settings.delivery_attempts_days,
        }

    async def run(self) -> None:
        """Forget, once an hour, until cancelled."""
        while True:
            await self.forget()
            await asyncio.sleep(ROUND_S)

    async def forget(self) -> None:
        """Forget all that is old now."""
        for table, keep_days in self._keep_days.items():
            if keep_days is not None:
                await self._forget_of(table, keep_days)

    async def _forget_of(self, table: Forgotten, keep_days: float) -> None:
        before = to_datetime(self._clock.now_us() - round(keep_days * DAY_US))
        loop, total, rows = asyncio.get_running_loop(), 0, ROWS
        while rows == ROWS:
            began_s = loop.time()
            try:
                done = await self._pool.execute(statements()[STATEMENTS[table]], before, ROWS)
            except DRIVER_ERRORS as error:
                self._metrics.forget_failures.labels(table=table).inc()
                log.warning("old_rows_not_forgotten", table=table, error=str(error) or repr(error),
                            will="try again")  # fmt: skip
                return
            took_s = loop.time() - began_s
            rows = int(done.rpartition(" ")[2])
            total += rows
            self._metrics.forgotten.labels(table=table).inc(rows)
            self._metrics.forget_s.labels(table=table).observe(took_s)
            await asyncio.sleep(REST * took_s)
        if total:
            log.info("old_rows_forgotten", table=table, rows=total, older_than_days=keep_days)
