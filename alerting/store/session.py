"""Connections for acts and rounds: errors translated at one door, and no wait without an end.

A server that hangs answers neither a cancel request nor a ROLLBACK; closing the connection does the
same as both. So after a timeout or a cancellation the connection is ended, not asked to tidy up.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import asyncpg

from alerting.errors import StoreUnavailableError

STATEMENT_S: Final = 10.0
"""A person's act or a dispatcher's round is refused rather than kept waiting for longer."""

_ROLLBACK_S: Final = 2.0

_DRIVER_ERRORS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
"""``TimeoutError`` is an ``OSError``; a connection killed in the middle of a statement may end with
an internal error of the driver."""


_STALE_SESSION: Final = (asyncpg.ReadOnlySQLTransactionError,)
"""Some sessions stay read-only after the database is writable again, so a new one is asked for."""


@asynccontextmanager
async def connection(pool: asyncpg.Pool) -> AsyncIterator[Any]:
    """Lend a connection; what the driver raises becomes ``StoreUnavailableError``."""
    try:
        conn = await pool.acquire(timeout=STATEMENT_S)
        try:
            yield conn
        except (TimeoutError, asyncio.CancelledError, *_STALE_SESSION):
            end(conn)
            raise
        finally:
            # What giving back says would hide what brought us here, a cancellation above all.
            with suppress(*_DRIVER_ERRORS):
                await pool.release(conn, timeout=_ROLLBACK_S)
    except _DRIVER_ERRORS as error:
        name = getattr(error, "sqlstate", None) or type(error).__name__
        raise StoreUnavailableError(f"{name}: {error}".strip(": ")) from error


@asynccontextmanager
async def transaction(pool: asyncpg.Pool) -> AsyncIterator[Any]:
    """Lend a connection in a READ COMMITTED transaction of its own."""
    async with connection(pool) as conn:
        running = conn.transaction()
        await running.start()
        try:
            yield conn
        except (TimeoutError, asyncio.CancelledError):
            raise
        except BaseException:  # whatever ended the block, its transaction must not stay open
            await _roll_back(conn, running)
            raise
        await running.commit()


async def _roll_back(conn: Any, running: Any) -> None:
    """Roll back, or close; the error that brought us here is the one to tell."""
    with suppress(*_DRIVER_ERRORS):
        async with asyncio.timeout(_ROLLBACK_S):
            await running.rollback()
            return
    end(conn)


def end(conn: Any) -> None:
    """Close a connection without a word to the server; again is fine."""
    with suppress(asyncpg.InterfaceError):  # it has gone back to the pool already
        conn.terminate()
