"""Errors of the alarm store: what a caller can do about each is in its type."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg

from alerting.alarm import AlarmState


class AlarmNotFoundError(LookupError):
    """No alarm has this id."""

    def __init__(self, alarm_id: UUID) -> None:
        super().__init__(f"no alarm {alarm_id}")
        self.alarm_id = alarm_id


class AlreadyEndedError(Exception):
    """The alarm is over in another way than asked for; nothing was changed."""

    def __init__(self, alarm_id: UUID, state: AlarmState) -> None:
        super().__init__(f"alarm {alarm_id} is over: {state.value}")
        self.alarm_id = alarm_id
        self.state = state


class StoreUnavailableError(Exception):
    """The database did not do it now; trying again later is right. The cause is kept."""


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Translate what the driver raises into ``StoreUnavailableError``; the one door for that."""
    try:
        yield
    except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        sqlstate = getattr(error, "sqlstate", None) or type(error).__name__
        raise StoreUnavailableError(f"{sqlstate}: {error}".strip(": ")) from error
