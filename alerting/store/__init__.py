"""Alarms, timelines and the outbox in PostgreSQL. The only modules of ``alerting`` with asyncpg."""

from alerting.store.alarms import AlarmStore, StoreSettings, Verdict
from alerting.store.errors import AlarmNotFoundError, AlreadyEndedError, StoreUnavailableError
from alerting.store.outbox import CHANNEL, Attempted, Delivery, Outbox

__all__ = [
    "CHANNEL",
    "AlarmNotFoundError",
    "AlarmStore",
    "AlreadyEndedError",
    "Attempted",
    "Delivery",
    "Outbox",
    "StoreSettings",
    "StoreUnavailableError",
    "Verdict",
]
