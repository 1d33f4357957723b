"""Alarms, timelines and the outbox in PostgreSQL. The only modules of ``alerting`` with asyncpg."""

from alerting.errors import AlarmNotFoundError, AlreadyEndedError, StoreUnavailableError
from alerting.outgoing import Attempted, Delivery
from alerting.store.alarms import AlarmStore, StoreSettings, Verdict
from alerting.store.outbox import CHANNEL, Outbox

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
