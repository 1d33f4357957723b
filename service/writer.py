"""The writer of a lane: its connection, its lease, and trying again without end.

``Writer.attempt`` runs a piece of database work until it is done. Content errors and a lost epoch
are passed on, because trying again cannot help; everything else keeps the work, waits with growing
pauses and says on the board why. While it waits nobody reads from the source: that is the back
pressure, not a queue.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import asyncpg
import structlog

from ingest.store import writer_lock
from ingest.store.connect import ConnectOptions, open_connection
from ingest.store.errors import (
    DRIVER_ERRORS,
    CommitUnknown,
    ContentError,
    EpochLost,
    StoreError,
    Unavailable,
)
from ingest.store.writer_lock import Lease
from service.clock import Clock
from service.metrics import Metrics, RetryCause
from service.readiness import Board, Cause

RELEASE_S: Final = 0.5
"""Giving the lease back must not keep the process from ending [s]."""
RETAKE_ASKS_S: Final = 1.0
"""How often is asked whether a lane whose lock is held has gone to another process [s]."""
Result = TypeVar("Result")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RetryTimes:
    """First and longest pause between attempts [s]."""

    first_s: float
    longest_s: float


class Writer:
    """Connection and lease of one lane; used by one task at a time."""

    def __init__(
        self,
        lane: int,
        database_url: str,
        options: ConnectOptions,
        times: RetryTimes,
        board: Board,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self.lane = lane
        self._url = database_url
        self._options = options
        self._times = times
        self._board = board
        self._metrics = metrics
        self._clock = clock
        self._conn: asyncpg.Connection | None = None
        self._lock_conn: asyncpg.Connection | None = None
        self._lease: Lease | None = None
        self.failing_since_us: int | None = None
        """Since when commits fail [µs]; ``None`` while all is well."""
        self._holds = False

    @property
    def lease(self) -> Lease:
        """Return the lease; raises ``EpochLost`` before it was taken."""
        if self._lease is None:
            raise EpochLost(f"lane {self.lane} has no lease")
        return self._lease

    async def take_over(self) -> None:
        """Wait for the lane's lease; on the board it is standby meanwhile."""
        while True:
            try:
                await self._take_lease(self._stand_by)
            except StoreError as error:
                self._say(error)
                await asyncio.sleep(self._times.longest_s)
            else:
                self._board.clear(Cause.STANDBY)
                self._all_is_well()
                return

    async def attempt(self, work: Callable[[asyncpg.Connection], Awaitable[Result]]) -> Result:
        """Run ``work`` on a connection until it succeeds.

        Raises ``ContentError``, ``EpochLost`` and ``CommitUnknown`` at once; after the last the
        caller has to ask for the outcome (with another ``attempt``). Safe to cancel.
        """
        pause_s = self._times.first_s
        while True:
            try:
                result = await work(await self.connection())
            except (ContentError, EpochLost):
                raise
            except CommitUnknown as error:
                self._drop()
                self._say(error)
                self._metrics.batch_retries.labels(cause=RetryCause.UNKNOWN_OUTCOME).inc()
                raise
            except (StoreError, *DRIVER_ERRORS) as error:
                self._drop()
                self._say(error)
                self._metrics.batch_retries.labels(cause=RetryCause.COMMIT).inc()
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, self._times.longest_s)
            except BaseException:
                self._drop()  # cancelled in the middle: the connection's state is unknown
                raise
            else:
                self._all_is_well()
                return result

    async def connection(self) -> asyncpg.Connection:
        """Return the open connection; opens it, and takes the lease again, if they were lost."""
        if self._conn is None or self._conn.is_closed():
            self._conn = await open_connection(self._url, self._options)
        if self._lease is not None and self._lease.lost.is_set():
            await self._retake_lease(self._conn, self._lease.epoch)
        return self._conn

    async def hold(self, error: Exception) -> None:
        """Wait because of an error that is ours to mend: keep the batch, and say so.

        Until ``end_hold`` nothing is well, whatever else the database answers meanwhile.
        """
        self._holds = True
        self._say(error)
        await asyncio.sleep(self._times.longest_s)

    def end_hold(self) -> None:
        """Say that what was held is committed."""
        if self._holds:
            self._holds = False
            self._all_is_well()

    async def close(self) -> None:
        """Give the lease back and close the connections."""
        if (
            self._lease is not None
            and self._lock_conn is not None
            and not self._lease.lost.is_set()
        ):
            try:
                async with asyncio.timeout(RELEASE_S):
                    await writer_lock.release(self._lock_conn, self._lease)
            except (StoreError, TimeoutError) as error:
                why = str(error) or "no answer"  # the lock ends with its connection
                log.warning("writer_lock_not_released", lane=self.lane, error=why)
        for conn in (self._conn, self._lock_conn):
            if conn is not None and not conn.is_closed():
                conn.terminate()
        self._conn = self._lock_conn = self._lease = None

    async def _retake_lease(self, conn: asyncpg.Connection, old_epoch: int) -> None:
        """Take the lease again after a lost connection; nobody may have written in between.

        The server may keep the lock of our own dead connection for a while. If another process has
        it, the epoch says so, and this one ends: standing by with a state that is over, it would
        only fight for the broker's session.
        """
        taking = asyncio.ensure_future(self._take_lease(self._lock_is_held))
        try:
            while not taking.done():
                await self._check_epoch(conn, old_epoch, taking)
                await asyncio.wait({taking}, timeout=RETAKE_ASKS_S)
        finally:
            taking.cancel()
            await asyncio.wait({taking})
        await taking
        if self.lease.epoch != old_epoch + 1:
            raise EpochLost(f"lane {self.lane}: another writer was here since epoch {old_epoch}")

    async def _check_epoch(
        self, conn: asyncpg.Connection, epoch: int, taking: asyncio.Future[None]
    ) -> None:
        """Raise ``EpochLost`` if a new epoch began, unless we began it just now."""
        try:
            await writer_lock.check_epoch(conn, self.lane, epoch)
        except EpochLost:
            await asyncio.wait({taking}, timeout=RETAKE_ASKS_S)
            if not taking.done():
                raise

    async def _take_lease(self, on_held: Callable[[], None]) -> None:
        if self._lock_conn is not None and not self._lock_conn.is_closed():
            self._lock_conn.terminate()
        self._lock_conn = await open_connection(self._url, self._options)
        self._lease = await writer_lock.acquire(self._lock_conn, self.lane, on_held)

    def _lock_is_held(self) -> None:
        self._say(Unavailable(f"lane {self.lane}: the lock is held, perhaps by our old connection"))

    def _stand_by(self) -> None:
        self._board.set(Cause.STANDBY, f"lane {self.lane}")
        log.info("standing_by", lane=self.lane)

    def _drop(self) -> None:
        if self._conn is not None and not self._conn.is_closed():
            self._conn.terminate()
        self._conn = None

    def _say(self, error: Exception) -> None:
        self._board.set(Cause.COMMIT, str(error))
        if self.failing_since_us is None:
            self.failing_since_us = self._clock.now_us()
            log.error("commit_failed", lane=self.lane, error=str(error), will="retry without end")

    def _all_is_well(self) -> None:
        if self.failing_since_us is not None and not self._holds:
            failed_us = self._clock.now_us() - self.failing_since_us
            log.info("commit_restored", lane=self.lane, failed_s=round(failed_us / 1e6, 1))
            self.failing_since_us = None
            self._board.clear(Cause.COMMIT)
