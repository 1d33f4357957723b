"""Alarms as the API shows them: lists and acts over alerting's store.

The store decides what an act does and writes the timeline; here are the filters of the list.
"""

from typing import Final
from uuid import UUID

import asyncpg

from alerting.errors import AlarmNotFoundError, AlreadyEndedError
from alerting.message import document
from alerting.store import AlarmStore
from alerting.store.rows import alarm_of, elevator_of
from service.http.parts import Act, ActRefusedError, AlarmFilter, Document
from service.sql import statements
from telemetry.findings import FINDINGS, FindingClass, FindingKind

KIND: Final = {kind.slug: int(kind) for kind in FindingKind}
OF_CLASS: Final = {
    c.value: [int(f.kind) for f in FINDINGS.values() if f.finding_class is c] for c in FindingClass
}
"""Kinds by the name of their class; an alarm is of the class of its kind now."""


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
            OF_CLASS[wanted.finding_class] if wanted.finding_class else None,
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
        """Do it, and return the alarm as it is then."""
        acts = {
            Act.ACCEPT: self._store.accept,
            Act.RELEASE: self._store.release,
            Act.FALSE_ALARM: self._store.false_alarm,
        }
        try:
            verdict = await acts[act](alarm_id, who, now_us, note=note)
        except AlarmNotFoundError:
            return None
        except AlreadyEndedError as error:
            raise ActRefusedError(f"the alarm is over: {error.state.value}") from error
        return dict(verdict.document)
