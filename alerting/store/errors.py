"""The one door at which errors of the driver become errors of the store."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from alerting.errors import AlarmNotFoundError, AlreadyEndedError, StoreUnavailableError

__all__ = ["AlarmNotFoundError", "AlreadyEndedError", "StoreUnavailableError", "translated"]


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Translate what the driver raises into ``StoreUnavailableError``, keeping the cause."""
    try:
        yield
    except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        name = getattr(error, "sqlstate", None) or type(error).__name__
        raise StoreUnavailableError(f"{name}: {error}".strip(": ")) from error
