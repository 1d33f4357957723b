"""Alarms as the API shows them: lists and acts over alerting's store.

The store decides what an act does; here the filters of the list, and a person's note, which goes to
the audit log beside the timeline's line.
"""

import json
from typing import Any, Final
from uuid import UUID

import asyncpg

from alerting.errors import AlarmNotFoundError, AlreadyEndedError
from alerting.message import document
from alerting.store import AlarmStore, Verdict
from alerting.store.rows import alarm_of, elevator_of
from service.http.parts import Act, ActRefusedError, AlarmFilter, Document
from service.sql import statements
from service.times import to_datetime
from telemetry.findings import FindingKind

KIND: Final = {kind.slug: int(kind) for kind in FindingKind}


class Cases:
    """Alarms over ``store``, which was made with the same ``pool``."""

    def __init__(self, pool: asyncpg.Pool, store: AlarmStore) -> None:
        self._pool = pool
        self._store = store

    async def list_alarms(self, wanted: AlarmFilter) -> list[Document]:
        """Return a page of alarm documents, newest onset first."""
        onset, alarm_id = wanted.after or (None, None)
        rows = await self._pool.fetch(
            *(statements()["list_alarms"], wanted.state, wanted.is_open, wanted.is_past),
            *(KIND[wanted.kind] if wanted.kind else None, wanted.elevator, wanted.since),
            *(onset, alarm_id, wanted.limit),
        )
        return [document(alarm_of(row), elevator_of(row, "elevator_id")) for row in rows]

    async def alarm(self, alarm_id: UUID) -> Document | None:
        """Return one alarm with its timeline and deliveries."""
        try:
            return await self._store.get(alarm_id)
        except AlarmNotFoundError:
            return None

    async def act(
        self, alarm_id: UUID, act: Act, who: str, note: str | None, now_us: int
    ) -> Document | None:
        """Do it, audit it if it changed anything, and return the alarm as it is then."""
        try:
            verdict = await self._do(alarm_id, act, who, now_us)
        except AlarmNotFoundError:
            return None
        except AlreadyEndedError as error:
            raise ActRefusedError(f"the alarm is over: {error.state.value}") from error
        if verdict.changed or note:
            action = f"alarm_{act.name.lower()}"
            data = json.dumps({"note": note, "changed": verdict.changed})
            now = to_datetime(now_us)
            await self._pool.execute(statements()["audit"], now, who, action, str(alarm_id), data)
        return dict(verdict.document)

    async def _do(self, alarm_id: UUID, act: Act, who: str, now_us: int) -> Verdict:
        acts: dict[Act, Any] = {
            Act.ACCEPT: self._store.accept,
            Act.RELEASE: self._store.release,
            Act.FALSE_ALARM: self._store.false_alarm,
        }
        return await acts[act](alarm_id, who, now_us)
