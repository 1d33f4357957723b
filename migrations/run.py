"""Bring a database to a revision, and ask which one it has: the programs' door to Alembic.

``upgrade`` and ``downgrade`` are synchronous and run their own event loop, so inside one call
them by ``asyncio.to_thread``. They raise ``MigrationError`` with one line that names the remedy.
"""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from migrations.server import MigrationError, sqlstate

HERE: Final = Path(__file__).parent
CONNECT_TIMEOUT_S: Final = 10

_REFUSED: Final = ("08", "28", "3D", "53", "57")
"""SQLSTATE classes in answer to a connection: not let in, no such database, no room, shut down."""

_UNREACHABLE: Final = "database not reachable, check HOISTWAY_DATABASE_URL"

_ALEMBIC: Final = threading.Lock()
"""Alembic keeps the running migration in module globals: one at a time in a process."""


class Fetches(Protocol):
    """The part of an asyncpg connection or pool that is needed here."""

    async def fetchval(self, query: str, *args: Any) -> Any:
        """Run a query and return the first value of its first row."""
        ...


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a run did: revisions before and after, and sentences about what was left out."""

    before: str | None
    after: str | None
    notes: tuple[str, ...]


def upgrade(database_url: str, revision: str = "head") -> Migrated:
    """Bring the database to ``revision``, creating all that is missing, the extension too."""
    with _ALEMBIC:
        return asyncio.run(_run(database_url, command.upgrade, revision))


def downgrade(database_url: str, revision: str) -> Migrated:
    """Take the database back to ``revision`` (``base``: nothing of ours is left, data included)."""
    with _ALEMBIC:
        return asyncio.run(_run(database_url, command.downgrade, revision))


def head_revision() -> str:
    """Return the newest revision that this code knows."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


async def current_revision(conn: Fetches) -> str | None:
    """Return the revision of the database behind an asyncpg connection; None = no schema."""
    if await conn.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    return await conn.fetchval("SELECT version_num FROM alembic_version")


def open_engine(database_url: str) -> AsyncEngine:
    """Make an engine for one short visit; the URL is ``postgresql://user:pw@host:port/db``."""
    dsn = plain_url(database_url)

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)

    return create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)


def plain_url(database_url: str) -> str:
    """Return the URL as libpq spells it, without SQLAlchemy's driver name."""
    scheme, separator, rest = database_url.partition("://")
    if not separator or scheme.partition("+")[0] not in {"postgresql", "postgres"}:
        raise MigrationError("database URL must look like postgresql://user:pw@host:port/db")
    return f"postgresql://{rest}"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    return config


async def _run(database_url: str, action: Callable[[Config, str], None], revision: str) -> Migrated:
    engine = open_engine(database_url)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(_act, action, revision)
    except DBAPIError as error:
        refused = (sqlstate(error) or "").startswith(_REFUSED)
        text = _UNREACHABLE if refused else "migration failed"
        raise MigrationError(_one_line(f"{text}: {error.orig}")) from error
    except CommandError as error:
        raise MigrationError(_one_line(f"migration failed: {error}")) from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise MigrationError(_one_line(f"{_UNREACHABLE}: {error}")) from error
    finally:
        await engine.dispose()


def _act(connection: Connection, action: Callable[[Config, str], None], revision: str) -> Migrated:
    notes: list[str] = []
    config = _config()
    config.attributes.update(connection=connection, say=notes.append)
    before = _revision(connection)
    action(config, revision)
    return Migrated(before, _revision(connection), tuple(notes))


def _revision(connection: Connection) -> str | None:
    if connection.exec_driver_sql("SELECT to_regclass('alembic_version')").scalar() is None:
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _one_line(text: str) -> str:
    return " ".join(text.split())
