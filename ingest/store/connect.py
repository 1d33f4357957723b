"""Connections and transactions, through the error door.

A lane's connection is its own: one transaction holds COPY, named queries and alerting's statements.
A transaction that ends in doubt leaves a closed connection behind, never one in an unknown state.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import asyncpg
from asyncpg.transaction import Transaction

from ingest.store.errors import (
    DRIVER_ERRORS,
    ContentError,
    Unavailable,
    commit_errors,
    store_errors,
)

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MIN_TIME_US: Final = (datetime.min.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
MAX_TIME_US: Final = (datetime.max.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


ROLLBACK_TIMEOUT_S: Final = 2.0
"""A rollback is quick; if it is not, closing the connection does the same."""


@dataclass(frozen=True, slots=True)
class ConnectOptions:
    """How to connect; every wait has an end, so that a hanging server is noticed."""

    connect_timeout_s: int = 10
    command_timeout_s: float = 60.0
    """Longest wait for one statement; the longest COPY of a batch takes well under a second."""
    idle_in_transaction_s: int = 60
    """The server ends a transaction that its client forgot, and with it the client's locks."""
    application_name: str = "hoistway"


async def open_connection(
    database_url: str, options: ConnectOptions = ConnectOptions()
) -> asyncpg.Connection:
    """Open a connection of one's own: the writer's lock, LISTEN, short visits."""
    with store_errors("connect"):
        return await _connect(database_url, options)


@asynccontextmanager
async def transaction(
    conn: asyncpg.Connection,
    isolation: Literal["read_committed", "repeatable_read"] = "read_committed",
    *,
    writes: bool = True,
) -> AsyncIterator[None]:
    """Run the block in one transaction; a commit without an answer raises ``CommitUnknown``.

    If it ``writes`` nothing, nothing is unknown: then that is ``Unavailable``.
    """
    with store_errors("begin"):
        running: Transaction = conn.transaction(isolation=isolation)
        await running.start()
    try:
        yield
    except BaseException as error:  # whatever ended the block, its transaction must not stay open
        await _roll_back(conn, running, error)
        raise
    try:
        with commit_errors() if writes else store_errors("end of reading"):
            await running.commit()
    except BaseException:  # also when cancelled: nobody knows what state the session is in
        conn.terminate()
        raise


async def fetch(conn: asyncpg.Connection, doing: str, query: str, *args: Any) -> list[Any]:
    """Run a query through the error door and return its rows."""
    with store_errors(doing):
        return await conn.fetch(query, *args)


async def fetchrow(conn: asyncpg.Connection, doing: str, query: str, *args: Any) -> Any:
    """Run a query through the error door and return its first row or None."""
    with store_errors(doing):
        return await conn.fetchrow(query, *args)


async def execute(conn: asyncpg.Connection, doing: str, query: str, *args: Any) -> int:
    """Run a statement through the error door and return how many rows it touched."""
    with store_errors(doing):
        return affected(await conn.execute(query, *args))


def affected(status: str) -> int:
    """Return the row count out of a command status such as ``INSERT 0 5``."""
    count = status.rpartition(" ")[2]
    return int(count) if count.isdecimal() else 0


def moment(time_us: int) -> datetime:
    """Return the time as the driver wants it; exact to the µs, years 1 to 9999."""
    if not MIN_TIME_US <= time_us <= MAX_TIME_US:
        raise ContentError(f"time {time_us} µs is outside the years 1 to 9999", "22008")
    return EPOCH + timedelta(microseconds=time_us)


def micros(time: datetime) -> int:
    """Return a time from the driver as µs since 1970."""
    return (time - EPOCH) // timedelta(microseconds=1)


async def _roll_back(conn: asyncpg.Connection, running: Transaction, error: BaseException) -> None:
    """Roll back, or end the connection and so the transaction with it.

    A server that gave no answer to the statement would give none to the rollback either. The error
    that brought us here is the one to tell, so what the rollback says is not.
    """
    silent = isinstance(error, Unavailable) and error.sqlstate is None
    done = False
    try:
        if not silent:
            with suppress(*DRIVER_ERRORS):
                async with asyncio.timeout(ROLLBACK_TIMEOUT_S):
                    await running.rollback()
                done = True
    finally:
        if not done:
            conn.terminate()


async def _connect(database_url: str, options: ConnectOptions) -> asyncpg.Connection:
    scheme, separator, rest = database_url.partition("://")
    if not separator or scheme.partition("+")[0] not in {"postgresql", "postgres"}:
        raise Unavailable("database URL must look like postgresql://user:pw@host:port/db")
    return await asyncpg.connect(
        f"postgresql://{rest}",
        timeout=options.connect_timeout_s,
        command_timeout=options.command_timeout_s,
        server_settings={
            "application_name": options.application_name,
            "timezone": "UTC",
            # Promise 1 (acknowledged = stored) does not bear a server-wide "off".
            "synchronous_commit": "on",
            # A dead client's advisory lock must not outlive it for hours: 10 + 3 * 5 s.
            "tcp_keepalives_idle": "10",
            "tcp_keepalives_interval": "5",
            "tcp_keepalives_count": "3",
            "idle_in_transaction_session_timeout": f"{options.idle_in_transaction_s}s",
            "jit": "off",
        },
    )
