"""What the service shows about itself while it runs: blindness, loop lag, source, deliveries.

Small loops for ``service.app``; each ends by cancellation only.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import asyncpg

from alerting.announce import Announcer
from alerting.announce import Cause as BlindCause
from alerting.errors import StoreUnavailableError
from alerting.store import Outbox
from ingest.fleet import Fleet
from ingest.source import FrameSource
from service.database import CONNECT_FAILURES
from service.lane import Lane
from service.metrics import Metrics
from service.readiness import Board, Cause, show_source
from service.sql import statements
from telemetry.findings import FindingKind

CAUSES: Final = {
    Cause.DATABASE: BlindCause.DATABASE,
    Cause.COMMIT: BlindCause.DATABASE,
    Cause.BROKER: BlindCause.BROKER,
    Cause.NOT_SUBSCRIBED: BlindCause.BROKER,
}
"""Causes of not being ready that make the service blind."""


ROLE_KNOWN_S: Final = 5.0
"""At the start so long is waited for knowing whether another process is the writer [s]."""
POLL_S: Final = 0.5


class Blindness:
    """Reads from the board what dispatchers must be told about."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def causes(self) -> Mapping[BlindCause, int]:
        """Return since when [µs] the service is blind, by cause; nothing while it stands by.

        Who stops while it is blind stays so: "restored" would be a lie.
        """
        standing = self._board.standing()
        if any(s.cause is Cause.STANDBY for s in standing):
            return {}
        since: dict[BlindCause, int] = {}
        for s in standing:
            if s.cause in CAUSES:
                blind = CAUSES[s.cause]
                since[blind] = min(s.since_us, since.get(blind, s.since_us))
        return since

    async def announce(self, metrics: Metrics, announcer: Announcer) -> None:
        """Run the announcer, but never while another process is the writer.

        A standby's signs of life would hide that the writer hangs.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._show(metrics, announcer), name="show-degraded")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ROLE_KNOWN_S):
                    await self._until(lambda causes: not causes & {Cause.STARTING, Cause.STANDBY})
            while True:
                await self._until(lambda causes: Cause.STANDBY not in causes)
                running = tasks.create_task(announcer.run(), name="announcing")
                await self._until(lambda causes: Cause.STANDBY in causes)
                running.cancel()

    async def _until(self, holds: Callable[[frozenset[Cause]], bool]) -> None:
        while not holds(self._board.causes()):  # noqa: ASYNC110 - the board has no events
            await asyncio.sleep(POLL_S)

    @staticmethod
    async def _show(metrics: Metrics, announcer: Announcer) -> None:
        while True:
            metrics.degraded.set(bool(announcer.announced))
            await asyncio.sleep(1)


async def measure_loop_lag(metrics: Metrics, interval_s: float = 0.25) -> None:
    """Observe how late the event loop wakes."""
    loop = asyncio.get_running_loop()
    while True:
        due_s = loop.time() + interval_s
        await asyncio.sleep(interval_s)
        metrics.loop_lag_s.observe(max(0.0, loop.time() - due_s))


async def show_source_state(board: Board, source: FrameSource) -> None:
    """Put the source's state on the board, twice a second."""
    while True:
        show_source(board, source.state)
        await asyncio.sleep(0.5)


async def show_standing(
    metrics: Metrics, outbox: Outbox, pool: asyncpg.Pool, fleet: Fleet, lanes: Sequence[Lane]
) -> None:
    """Carry what stands open into the metrics: deliveries, alarms, lifts, waiting frames."""
    while True:
        metrics.waiting.set(sum(lane.core.n_waiting for lane in lanes))
        confirmed, unconfirmed = fleet.confirmed_and_not()
        metrics.elevators.labels(state="confirmed").set(confirmed)
        metrics.elevators.labels(state="unconfirmed").set(unconfirmed)
        try:
            backlog = await outbox.backlog()
            alarms = await pool.fetch(statements()["open_alarms_by_kind"])
        except (StoreUnavailableError, *CONNECT_FAILURES):
            pass  # the board says so already; the gauges keep their last values
        else:
            metrics.deliveries_pending.set(sum(count for count, _ in backlog.values()))
            open_now = {row["kind"]: row["count"] for row in alarms}
            for kind in FindingKind:
                metrics.alarms_open.labels(kind=kind.slug).set(open_now.get(kind, 0))
        await asyncio.sleep(2)
