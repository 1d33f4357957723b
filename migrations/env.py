"""Alembic's environment: one connection, one transaction, lock and statement timeouts.

``run.py`` hands the connection over in ``config.attributes``; called by the ``alembic`` program
itself the URL comes from ``-x url=postgresql://...``. All revisions of one run share a
transaction, so a failed upgrade leaves the database as it was. Two runs at once queue on an
advisory lock.
"""

import asyncio
from typing import Final

from alembic import context
from sqlalchemy import Connection

from migrations.run import open_engine

MIGRATION_LOCK: Final = 0x484F4957
"""Key of the advisory lock that keeps two migrations apart; "HOIW" in ASCII."""

LOCK_TIMEOUT_S: Final = 15
"""A migration that waits longer for a table lock would queue all traffic behind it: give up."""

STATEMENT_TIMEOUT_S: Final = 600
"""No statement of a revision may run longer; long rewrites belong into batches outside."""


def migrate(connection: Connection) -> None:
    """Run the revisions that Alembic chose, in the connection's transaction."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'")
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT_S}s'")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
    context.configure(connection=connection, include_schemas=False)
    context.run_migrations()


async def migrate_from_command_line() -> None:
    """Open the database that ``-x url=`` names and migrate it."""
    url = context.get_x_argument(as_dictionary=True).get("url")
    if url is None:
        raise SystemExit("say which database: alembic -x url=postgresql://user:pw@host:port/db ...")
    engine = open_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(migrate)
    finally:
        await engine.dispose()


if context.is_offline_mode():
    raise SystemExit("offline SQL is not made: revisions ask the server which edition it is")

given = context.config.attributes.get("connection")
if given is None:
    asyncio.run(migrate_from_command_line())
else:
    migrate(given)
