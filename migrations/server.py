"""What the PostgreSQL server can do: is TimescaleDB there, which edition, may we create it.

Synchronous on an SQLAlchemy connection, because Alembic's revisions are. Decides the wording of
what is missing; what to leave out because of it, the revision decides.
"""

from enum import StrEnum

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError


class MigrationError(Exception):
    """The database cannot be brought to the schema; the text is one line with the remedy."""


class Edition(StrEnum):
    """Edition of TimescaleDB, after ``timescaledb.license``."""

    APACHE = "apache"
    COMMUNITY = "timescale"


_INSTALL = (
    "TimescaleDB is not installed on this PostgreSQL server ({version}): install the package"
    " (Debian 13: postgresql-17-timescaledb; others: docs.timescale.com) and add timescaledb to"
    " shared_preload_libraries, or use the server that `make stack` or compose.yaml starts"
)
_CREATE = (
    "extension timescaledb is installed but this role may not create it: let a superuser run"
    ' "CREATE EXTENSION timescaledb" in database {database}, or use a role that may'
)
_PRELOAD = (
    "timescaledb is installed but not loaded: set shared_preload_libraries = 'timescaledb' in"
    " postgresql.conf and restart the server"
)


def ensure_extension(connection: Connection) -> None:
    """Create the extension unless it is there; raise ``MigrationError`` with the remedy."""
    if _scalar(connection, "SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'"):
        return
    available = "SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'"
    if not _scalar(connection, available):
        version = _scalar(connection, "SHOW server_version")
        raise MigrationError(_INSTALL.format(version=version))
    database = _scalar(connection, "SELECT current_database()")
    try:
        connection.exec_driver_sql("CREATE EXTENSION timescaledb")
    except DBAPIError as error:
        if sqlstate(error) == "42501":
            raise MigrationError(_CREATE.format(database=database)) from error
        if "preload" in str(error.orig):
            raise MigrationError(_PRELOAD) from error
        raise


def edition(connection: Connection) -> Edition:
    """Ask which edition of TimescaleDB runs; anything but "timescale" counts as Apache."""
    found = _scalar(connection, "SELECT current_setting('timescaledb.license', true)")
    return Edition.COMMUNITY if found == Edition.COMMUNITY else Edition.APACHE


def sqlstate(error: DBAPIError) -> str | None:
    """Return the SQLSTATE of a driver error, if the server sent one."""
    return getattr(error.orig, "sqlstate", None)


def _scalar(connection: Connection, sql: str) -> object:
    return connection.exec_driver_sql(sql).scalar()
