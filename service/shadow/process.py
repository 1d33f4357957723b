"""The process of the shadow: started by ``serve`` as ``hoistway shadow follow``, ends with it.

It gives way to everything else on the machine (``nice``), holds one connection, and ends by itself
when the run is cleared or exchanged. Whatever goes wrong in it ends it, and is told on its log.
"""

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from typing import Final

import asyncpg
import structlog

from ingest.fleet import Fleet
from ingest.store import registry
from ingest.store.connect import ConnectOptions, open_connection
from ingest.store.writer_lock import LOCK_CLASS
from service.clock import SystemClock
from service.core import LaneCore
from service.database import dsn
from service.registrar import load_fleet
from service.registry_watch import watch_registry
from service.settings import Settings, narrow
from service.shadow import runs
from service.shadow.follower import Follower, RunEndedError
from service.shadow.runs import ShadowRun
from service.sql import statements

log = structlog.get_logger()
NICE: Final = 10
"""Priority below everything that watches."""
LOCK: Final = -1
"""Among the writer's locks; lanes have numbers from 0."""


async def follow(settings: Settings) -> None:
    """Run the shadow that is in force until it is over, or until SIGTERM."""
    os.nice(NICE)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stopping.set)
    options = ConnectOptions(connect_timeout_s=round(settings.database.connect_timeout_s))
    async with AsyncExitStack() as stack:
        conn = await open_connection(dsn(settings.database), options)
        stack.callback(conn.terminate)
        if not await _alone(conn, stopping, settings.shadow.poll_interval_s):
            return
        run = await runs.find(conn)
        if run is not None:
            await Shadow(settings, run, options).run(conn, stopping)


async def _alone(conn: asyncpg.Connection, stopping: asyncio.Event, poll_s: float) -> bool:
    """Wait until no other process runs the shadow; False = told to stop first."""
    while not await conn.fetchval(statements()["shadow_lock"], LOCK_CLASS, LOCK):
        if await _told_to_stop(stopping, poll_s):
            return False
    return True


async def _told_to_stop(stopping: asyncio.Event, within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            await stopping.wait()
    except TimeoutError:
        return False
    return True


class Shadow:
    """All lanes of one run, one after another on one connection."""

    def __init__(self, settings: Settings, run: ShadowRun, options: ConnectOptions) -> None:
        rules = run.candidate.rules()
        params = narrow.assemble(settings)
        lanes = settings.ingest.lanes
        self._settings = settings
        self._options = options
        self._run = run
        self._fleet = Fleet(lanes=lanes, limits=narrow.fleet_limits(settings))
        self._changed = False
        clock = SystemClock()
        self.lanes = [
            Follower(
                run, lane, lanes, lambda: LaneCore(params, {}, rules.detectors),
                self._fleet, clock,
            )
            for lane in range(lanes)
        ]  # fmt: skip

    async def run(self, conn: asyncpg.Connection, stopping: asyncio.Event) -> None:
        """Follow until the run is over or ``stopping``; the state is kept for the next start."""
        watching = asyncio.create_task(self._watch(), name="registry")
        try:
            await self.load(conn)
            for lane in self.lanes:
                await lane.start(conn)
            await self._rounds(conn, stopping)
            for lane in self.lanes:
                await lane.save(conn)
        except RunEndedError as error:
            log.info("shadow_ended", because=str(error))
        finally:
            watching.cancel()
            await asyncio.wait({watching})

    async def load(self, conn: asyncpg.Connection) -> None:
        """Read the registry."""
        load_fleet(self._fleet, await registry.load(conn))

    async def _rounds(self, conn: asyncpg.Connection, stopping: asyncio.Event) -> None:
        poll_s = self._settings.shadow.poll_interval_s
        while not stopping.is_set():
            in_force = await runs.find(conn)
            if in_force is None or in_force.version != self._run.version:
                raise RunEndedError(f"shadow {self._run.version} was cleared")
            if self._changed:
                self._changed = False
                await self.load(conn)
            took = [await lane.follow(conn, stopping) for lane in self.lanes]
            if not any(took):
                await _told_to_stop(stopping, poll_s)

    async def _watch(self) -> None:
        def changed(_ids: object) -> None:
            self._changed = True

        await watch_registry(
            dsn(self._settings.database), self._options, changed, tuple,
            self._settings.ingest.retry_max_s,
        )  # fmt: skip
