"""Registration of what was never seen, and reloading what a person changed.

A lift's id exists before its first frame is stored, in a small transaction of its own: a crash in
between leaves a registered lift without frames, which is harmless and true.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import asyncpg

from ingest.fleet import Fleet, LiftRecord, Wanted
from ingest.store import parameters, registry
from ingest.store.connect import transaction
from ingest.store.errors import CommitUnknown
from ingest.store.parameters import ParameterChange
from ingest.store.registry import ElevatorRow, NewElevator
from service.clock import Clock
from service.writer import Writer

UNKNOWN_UNIT = -1
Made = tuple[dict[str, registry.GatewayRow], dict[str, ElevatorRow]]


class Registrar:
    """Writes new gateways and lifts, and keeps the fleet's mirror of the registry."""

    def __init__(self, fleet: Fleet, writer: Writer, clock: Clock) -> None:
        self._fleet = fleet
        self._writer = writer
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()

    async def register(self, wanted: Wanted, gateways: Iterable[str] = ()) -> None:
        """Register what is wanted and load it; returns when the rows are committed."""
        names = set(wanted.gateways)
        names.update(name for name in gateways if self._fleet.gateway_id(name) < 0)
        if not names and not wanted.lifts:
            return
        names.update(gateway for _, gateway in wanted.lifts)
        now_us = self._clock.now_us()

        async def write(conn: asyncpg.Connection) -> Made:
            async with transaction(conn):
                made = await registry.register_gateways(conn, sorted(names), now_us)
                new = [NewElevator(code, made[gateway].id) for code, gateway in wanted.lifts]
                lifts = await registry.register_elevators(conn, new, now_us) if new else {}
            return made, lifts

        async with self._one_at_a_time:
            made, lifts = await self._until_known(write)
        self._fleet.load(
            [(row.id, row.name) for row in made.values()], map(lift_record, lifts.values()), ()
        )

    async def reload(self) -> None:
        """Load the whole registry again."""
        async with self._one_at_a_time:
            found = await self._writer.attempt(registry.load)
        load_fleet(self._fleet, found)

    async def parameters_after(self, version: int) -> list[ParameterChange]:
        """Return what later versions of the detectors' parameters changed."""
        async with self._one_at_a_time:
            return await self._writer.attempt(lambda conn: parameters.after_version(conn, version))

    async def _until_known(self, write: Callable[[asyncpg.Connection], Awaitable[Made]]) -> Made:
        while True:
            try:
                return await self._writer.attempt(write)
            except CommitUnknown:
                continue  # asked twice, the same rows come back


def load_fleet(fleet: Fleet, found: registry.Registry) -> None:
    """Put the registry into the mirror; known lifts are updated in place."""
    fleet.load(
        [(row.id, row.name) for row in found.gateways],
        map(lift_record, found.elevators),
        [(label.elevator_id, label.key, label.label) for label in found.floor_labels],
    )


def lift_record(row: ElevatorRow) -> LiftRecord:
    """Return the registry's row as the fleet wants it."""
    return LiftRecord(
        elevator_id=row.id,
        code=row.code,
        unit=UNKNOWN_UNIT if row.unit is None else row.unit,
        confirmed=row.confirmed,
        gateway_id=row.gateway_id,
        gateway_registered=row.gateway_registered,
        params=row.params,
    )
