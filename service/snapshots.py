"""Snapshots while the pipeline runs: copied piece by piece between batches, written beside it.

The pipeline waits for the copy of one piece at a time and works in between, so each piece names the
batch that it follows. Packing happens in a thread, writing on a connection of its own. After a
failure the next snapshot holds everything again.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
import structlog
from numpy.typing import NDArray

from ingest.store import batches, snapshots
from ingest.store.connect import ConnectOptions, open_connection
from ingest.store.errors import DRIVER_ERRORS, StoreError
from ingest.store.snapshots import LIFTS_PER_PIECE, Head
from service.clock import Clock
from service.lane import Lane
from service.metrics import Metrics

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SnapshotTimes:
    """When a snapshot is due, and how long batch rows are kept."""

    interval_s: float
    interval_frames: int
    keep_batches_s: float


async def let_others_work() -> None:
    """Give the event loop a turn: a batch that waits goes first."""
    await asyncio.sleep(0)


class Snapshots:
    """Writes snapshots of the lanes until cancelled."""

    def __init__(
        self,
        lanes: list[Lane],
        database_url: str,
        options: ConnectOptions,
        clock: Clock,
        metrics: Metrics,
        times: SnapshotTimes,
    ) -> None:
        self._lanes = lanes
        self._url = database_url
        self._options = options
        self._clock = clock
        self._metrics = metrics
        self._times = times
        self._pruned_us = 0
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        """Write a snapshot whenever one is due."""
        last_us, last_frames = self._clock.now_us(), 0
        while True:
            await asyncio.sleep(0.5)
            now_us, frames = self._clock.now_us(), sum(lane.frames_stored for lane in self._lanes)
            old = now_us - last_us >= self._times.interval_s * 1e6
            if frames != last_frames and (
                old or frames - last_frames >= self._times.interval_frames
            ):
                last_us, last_frames = now_us, frames
                await self.write()

    async def write(self) -> None:
        """Write one snapshot of every lane; a failure is logged and made good by the next."""
        async with self._one_at_a_time:
            await self._write()

    async def _write(self) -> None:
        try:
            conn = await open_connection(self._url, self._options)
        except StoreError as error:
            log.warning("snapshot_failed", error=str(error), will="try again")
            return
        try:
            for lane in self._lanes:
                await self._write_lane(conn, lane)
            await self._prune(conn)
        finally:
            conn.terminate()

    async def _write_lane(self, conn: asyncpg.Connection, lane: Lane) -> None:
        now_us = self._clock.now_us()
        core = lane.core
        head = Head(lane.last_batch, now_us, core.n_lifts, core.layout(len(self._lanes)))
        pieces: dict[int, Mapping[str, NDArray[Any]]] = {}
        copied_after: dict[int, int] = {}
        try:
            with self._metrics.snapshot_s.time():
                for piece in core.dirty_pieces(LIFTS_PER_PIECE):
                    with self._metrics.snapshot_pause_s.time():
                        pieces[piece] = core.take_piece(piece, LIFTS_PER_PIECE)
                    copied_after[piece] = lane.last_batch
                    await let_others_work()
                await snapshots.write(conn, lane.writer.lease, head, pieces, copied_after)
        except BaseException as error:
            core.mark_dirty()
            if not isinstance(error, (StoreError, *DRIVER_ERRORS)):
                raise
            log.warning("snapshot_failed", lane=lane.number, error=str(error), will="try again")
            return
        self._metrics.snapshot_at_s.set(now_us / 1e6)

    async def _prune(self, conn: asyncpg.Connection) -> None:
        """Forget batch rows that no recovery can need, once an hour."""
        now_us = self._clock.now_us()
        if now_us - self._pruned_us < 3600 * 1_000_000:
            return
        self._pruned_us = now_us
        for lane in self._lanes:
            before_us = now_us - round(self._times.keep_batches_s * 1e6)
            try:
                await batches.prune(conn, lane.number, before_us)
            except StoreError as error:
                log.warning("batches_not_pruned", lane=lane.number, error=str(error))
