"""The service's own connections, for API, keys and dead letters, and what their failures mean.

A pool of plain asyncpg connections; statements are bounded in time, because people wait for them.
``DatabaseError`` is one line that names the setting or the remedy, for commands.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from ingest.store.errors import DRIVER_ERRORS
from service.readiness import Board, Cause
from service.settings import DatabaseSettings
from service.sql import statements

CLOSE_S: Final = 2.0
"""How long statements under way may take when the pool is closed [s]."""
VARIABLE: Final = "HOISTWAY_DATABASE_URL"


class DatabaseError(Exception):
    """The database cannot be used; one line that names the setting or the remedy."""


def dsn(settings: DatabaseSettings) -> str:
    """Return the URL as the driver wants it; raises ``DatabaseError`` if there is none."""
    if settings.url is None:
        raise DatabaseError(
            f"{VARIABLE} is not set; set it to postgresql://user:password@host:port/name"
        )
    return settings.url.get_secret_value()


def shown(settings: DatabaseSettings) -> str:
    """Return where the database is, without its password."""
    parts = urlsplit(dsn(settings))
    return f"{parts.hostname or 'local'}:{parts.port or 5432}{parts.path}"


def database_at(url: str, name: str) -> str:
    """Return ``url`` pointing to another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@asynccontextmanager
async def open_pool(
    settings: DatabaseSettings, application_name: str = "hoistway-api"
) -> AsyncIterator[asyncpg.Pool]:
    """Open a pool that connects at first use; closing it never waits for a silent server."""
    pool = asyncpg.create_pool(
        dsn(settings),
        min_size=0,
        max_size=settings.pool_size,
        timeout=settings.connect_timeout_s,
        command_timeout=settings.statement_timeout_s + 1,
        server_settings={
            "application_name": application_name,
            "timezone": "UTC",
            "statement_timeout": str(round(settings.statement_timeout_s * 1000)),
            "idle_in_transaction_session_timeout": "60s",
            "jit": "off",
        },
    )
    await pool
    try:
        yield pool
    finally:
        try:
            async with asyncio.timeout(CLOSE_S):
                await pool.close()
        except TimeoutError:
            pool.terminate()


@asynccontextmanager
async def visit(
    settings: DatabaseSettings, statement_timeout_s: float | None = None
) -> AsyncIterator[asyncpg.Connection]:
    """Open one connection for a command; its failures become ``DatabaseError``.

    ``statement_timeout_s``: longest statement [s]; None = that of the settings.
    """
    try:
        connection = await asyncpg.connect(
            dsn(settings),
            timeout=settings.connect_timeout_s,  # pyright: ignore[reportArgumentType] - takes floats
            command_timeout=statement_timeout_s or settings.statement_timeout_s,
            server_settings={"application_name": "hoistway-cli", "timezone": "UTC"},
        )
    except CONNECT_FAILURES as error:
        raise explained(settings, error) from error
    try:
        yield connection
    except asyncpg.UndefinedTableError as error:
        raise DatabaseError(f"{_at(settings)} has no schema; run `hoistway migrate`") from error
    except CONNECT_FAILURES as error:
        raise explained(settings, error) from error
    finally:
        connection.terminate()


CONNECT_FAILURES: Final = (*DRIVER_ERRORS, ValueError)
"""What the driver raises when it cannot connect or a statement fails; timeouts are ``OSError``."""


def explained(settings: DatabaseSettings, error: BaseException) -> DatabaseError:
    """Return the one line for a driver's error."""
    text = " ".join(str(error).split()) or type(error).__name__
    match error:
        case asyncpg.InvalidAuthorizationSpecificationError():
            why = f"refuses the user or password: {text}"
        case asyncpg.InvalidCatalogNameError():
            why = f"has no such database: {text}; create it, then run `hoistway migrate`"
        case TimeoutError():
            why = (
                f"gives no answer within {settings.connect_timeout_s:g} s; look at its load and"
                " at the network, or correct the address"
            )
        case OSError():
            why = f"cannot be reached: {text}; start it, or correct the address"
        case _:
            why = f"answers: {text}"
    return DatabaseError(f"{_at(settings)} {why}")


def _at(settings: DatabaseSettings) -> str:
    return f"{VARIABLE}: the database at {shown(settings)}"


async def watch_database(
    board: Board, pool: asyncpg.Pool, head: str, interval_s: float, timeout_s: float = 2.0
) -> None:
    """Put on the board, for ever, whether the database answers and has the schema ``head``.

    It asks over a connection that it keeps, so busy callers of the pool are no loss of the
    database. An answer that takes longer than ``timeout_s`` [s] shows at once as a loss and is
    waited for: cancelling a statement of a server that hangs would hang as well.
    """
    held: list[Any] = []
    asking: asyncio.Task[str | None] | None = None
    try:
        while True:
            asking = asyncio.create_task(_ask(pool, held), name="ask the database")
            done, _ = await asyncio.wait({asking}, timeout=timeout_s)
            if not done:
                board.set(Cause.DATABASE, f"no answer within {timeout_s:g} s")
                await asyncio.wait({asking})
            _show(board, asking, head)
            await asyncio.sleep(interval_s)
    finally:
        for connection in held:
            _drop(connection)
        if asking is not None:
            asking.cancel()
            await asyncio.wait({asking})


async def _ask(pool: asyncpg.Pool, held: list[Any]) -> str | None:
    if not held:
        held.append(await pool.acquire())
    try:
        return await revision(held[0])
    except CONNECT_FAILURES:
        lost = held.pop()
        _drop(lost)
        await pool.release(lost)
        raise


def _drop(connection: Any) -> None:
    """Close at once; one that broke has been taken back by its pool already."""
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


def _show(board: Board, asked: asyncio.Task[str | None], head: str) -> None:
    try:
        wrong = schema_problem(asked.result(), head)
    except CONNECT_FAILURES as error:
        board.set(Cause.DATABASE, f"{type(error).__name__}: {error}".rstrip(": "))
    else:
        board.clear(Cause.DATABASE)
        board.put(Cause.MIGRATIONS, holds=wrong is not None, detail=wrong or "")


async def revision(connection: asyncpg.Pool | asyncpg.Connection) -> str | None:
    """Return the revision of the schema; None = there is none."""
    try:
        return await connection.fetchval(statements()["schema_revision"])
    except asyncpg.UndefinedTableError:
        return None


def schema_problem(found: str | None, head: str) -> str | None:
    """Say what is wrong with the schema's revision; None = nothing."""
    if found == head:
        return None
    return f"the database is at {found or 'no revision'}, this version needs {head}"
