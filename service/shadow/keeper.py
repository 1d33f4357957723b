"""The live service's part in shadow mode: start the process, end it, show its figures.

Nothing here raises: the shadow may fail in any way, and the service goes on without it. A process
that ends by itself is counted and started again, later each time.
"""

import asyncio
import contextlib
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from typing import Any, Final

import asyncpg
import structlog

from service.child import die_with_parent
from service.metrics import Metrics
from service.settings import ShadowSettings
from service.shadow import runs
from service.shadow.state import Kept

log = structlog.get_logger()
LOOK_S: Final = 2.0
"""How often is looked what is set, and how far it is [s]."""
FIRST_WAIT_S: Final = 5.0
"""Before a process that ended by itself is started again, the first time [s]."""
GRACE_S: Final = 5.0
"""How long the process may take to keep its state when told to end [s]."""
WHY_LENGTH: Final = 500
COMMAND: Final = (sys.executable, "-m", "service", "shadow", "follow")


class ShadowKeeper:
    """Keeps the shadow's process as the database wants it, until cancelled."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        metrics: Metrics,
        settings: ShadowSettings,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._pool = pool
        self._metrics = metrics
        self._settings = settings
        self._command = command
        self.process: Process | None = None
        self._wait_s = FIRST_WAIT_S
        self._not_before_s = 0.0
        self._version: int | None = None
        self._failure = ""
        self._looks = False
        self._seen: dict[tuple[int, str], float] = {}

    def kept(self) -> Kept | None:
        """Return what is known of the process; None = another service looks after the shadow."""
        if not self._looks:
            return None
        running = self.process is not None and self.process.returncode is None
        again_in_s = max(0.0, self._not_before_s - asyncio.get_running_loop().time())
        return Kept(self._settings.enabled, running, self._failure, again_in_s)

    async def run(self) -> None:
        """Look after the process; ends by cancellation only, and takes the process with it."""
        self._looks = True
        try:
            while True:
                try:
                    await self.look()
                except Exception as error:  # noqa: BLE001 - the service goes on without a shadow
                    log.warning("shadow_not_looked_after", error=str(error) or repr(error))
                await asyncio.sleep(LOOK_S)
        finally:
            self._looks = False
            await self.end()

    async def look(self) -> None:
        """Do once what ``run`` does for ever."""
        await self._note_end()
        run = await runs.find(self._pool) if self._settings.enabled else None
        self._metrics.shadow_version.set(0 if run is None else run.version)
        if run is None:
            await self.end()
            self._forget_failures(None)
            self._metrics.shadow_behind_s.set(0)
            return
        if run.version != self._version:
            self._forget_failures(run.version)
        self._show(run.version, await runs.standing(self._pool, run.version))
        if self.process is None and asyncio.get_running_loop().time() >= self._not_before_s:
            await self._start(run.version)

    async def _start(self, version: int) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *self._command, stdin=DEVNULL, stdout=PIPE, preexec_fn=die_with_parent,
            start_new_session=True,
        )  # fmt: skip
        self._metrics.shadow_running.set(1)
        log.info("shadow_started", version=version, pid=self.process.pid)

    def _forget_failures(self, version: int | None) -> None:
        """Begin with another run, which may start at once."""
        self._version, self._failure = version, ""
        self._not_before_s, self._wait_s = 0.0, FIRST_WAIT_S

    async def _note_end(self) -> None:
        """See whether the process ended; by itself and with an error: wait before the next."""
        if self.process is None or self.process.returncode is None:
            return
        ended, self.process = self.process, None
        self._metrics.shadow_running.set(0)
        if ended.returncode == 0:
            return
        self._failure = await _why(ended)
        self._metrics.shadow_ends.inc()
        log.warning("shadow_ended_by_itself", because=self._failure, again_in_s=self._wait_s)
        self._not_before_s = asyncio.get_running_loop().time() + self._wait_s
        self._wait_s = min(2 * self._wait_s, self._settings.restart_max_s)

    def _show(self, version: int, lanes: list[dict[str, Any]]) -> None:
        """Carry the figures of the lanes into the metrics."""
        self._metrics.shadow_behind_s.set(max((lane["behind_s"] for lane in lanes), default=0))
        for name, counter in (
            ("frames", self._metrics.shadow_frames),
            ("step_s", self._metrics.shadow_step_s),
            ("detector_failures", self._metrics.shadow_failures),
        ):
            total = float(sum(lane[name] for lane in lanes))
            before = self._seen.setdefault((version, name), total)
            counter.inc(max(0.0, total - before))
            self._seen[version, name] = total

    async def end(self) -> None:
        """End the process; after ``GRACE_S`` the hard way."""
        process, self.process = self.process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
            try:
                async with asyncio.timeout(GRACE_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        self._metrics.shadow_running.set(0)


async def _why(ended: Process) -> str:
    """Return why a process ended: its last word, which ``follow`` writes to standard output."""
    code = ended.returncode or 0
    how = f"killed by signal {-code}" if code < 0 else f"ended with code {code}"
    assert ended.stdout is not None
    said = (await ended.stdout.read()).decode("utf-8", "replace").strip().splitlines()
    return f"{how}: {said[-1][:WHY_LENGTH]}" if said else how
