"""Takes database, broker and desk away from the running service, gives them back, and compares.

The service itself is never touched: it must be the same process at the end. While traffic runs it
is watched several times a second: ``/readyz``, the accounts, its memory. At the end everything is
compared with the truth as after a crash (``service.soak.crash``): nothing lost, nothing double,
every alarm delivered. Faults are in the report, never raised.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import asyncpg

from service.rig import Rig
from service.soak import accounts
from service.soak.commit_cutter import CommitCutter, Cut
from service.soak.crash import CrashRun, CrashSettings
from service.soak.traffic import TrafficSpec
from service.stack import Controls, Stack

DEGRADED: Final = "hoistway.service.degraded"
RESTORED: Final = "hoistway.service.restored"
SHOWN_WITHIN_S: Final = 5.0
"""``/readyz`` tells a loss within this."""
BACK_WITHIN_S: Final = 30.0
"""After an outage the service is ready within this: its longest pause between attempts is 10 s."""
RSS_MAX_MB: Final = 200
"""Promise 11: whatever is gone, memory stays below this (10,000 lifts need less, too)."""
WATCH_S: Final = 0.2
CUTS_EACH: Final = 4
CUT_EVERY_S: Final = 0.6
"""Long enough for some batches between two cuts, and for a window to end among them."""


class Outage(StrEnum):
    """What is done to which part."""

    DATABASE_STOPPED = "database stopped"
    DATABASE_KILLED = "database killed"
    DATABASE_FROZEN = "database frozen"
    DATABASE_READ_ONLY = "database read-only"
    COMMIT_CUT = "connection cut in the middle of COMMIT"
    BROKER_STOPPED = "broker stopped"
    BROKER_KILLED = "broker killed"
    BROKER_FROZEN = "broker frozen"
    DESK_500 = "desk answers 500"
    DESK_HANGS = "desk hangs"


CAUSES: Final = {
    Outage.DATABASE_STOPPED: {"database", "commit"},
    Outage.DATABASE_KILLED: {"database", "commit"},
    Outage.DATABASE_FROZEN: {"database", "commit"},
    Outage.DATABASE_READ_ONLY: {"commit"},
    Outage.BROKER_STOPPED: {"broker"},
    Outage.BROKER_KILLED: {"broker"},
    Outage.BROKER_FROZEN: {"broker"},
}
"""What ``/readyz`` may name; outages that are not here leave the service ready."""
FORGETFUL: Final = {Outage.BROKER_KILLED}
"""A killed broker loses what it took since it last saved: then frames may be missing."""
BLIND: Final = {
    **{o: "database" for o, causes in CAUSES.items() if "commit" in causes},
    **{o: "broker" for o, causes in CAUSES.items() if "broker" in causes},
}
"""What must be announced as blindness."""


@dataclass(frozen=True, slots=True)
class OutageSettings:
    """Which outages, how long, under which traffic.

    Parameters
    ----------
    outages
        One after another, each when somebody has just been trapped.
    lasts_s
        How long each lasts.
    degraded_after_s
        After how long blindness is announced (a setting of the service).
    traffic
        What is published meanwhile.
    tail_s
        Traffic goes on for so long after the last outage.
    """

    outages: Sequence[Outage]
    lasts_s: float
    degraded_after_s: float = 15.0
    traffic: TrafficSpec = field(default_factory=TrafficSpec)
    tail_s: float = 3.0


@dataclass(slots=True)
class Course:
    """How one outage went; times in seconds."""

    outage: Outage
    causes: set[str] = field(default_factory=set)
    shown_after_s: float | None = None
    back_after_s: float | None = None
    announced_after_s: float | None = None
    restored: bool = False
    pending_onset: bool = False
    """Somebody was trapped and the window still open when it began."""


@dataclass(slots=True)
class Watched:
    """What was seen of the process while everything went on."""

    samples: int = 0
    unanswered: int = 0
    unbalanced: list[str] = field(default_factory=list)
    in_flight_max: int = 0
    rss_first_mb: float = 0.0
    rss_max_mb: float = 0.0


class OutageRun(CrashRun):
    """One run on a rig whose service is up.

    ``stack`` is private to the run. ``cutter`` stands between service and database; it is needed
    only for ``Outage.COMMIT_CUT``.
    """

    def __init__(
        self,
        settings: OutageSettings,
        rig: Rig,
        stack: Stack,
        cutter: CommitCutter | None = None,
    ) -> None:
        crash = CrashSettings(kills=0, traffic=settings.traffic, tail_s=settings.tail_s)
        super().__init__(crash, rig)
        self.wanted = settings
        self.courses: list[Course] = []
        self.watched = Watched()
        self._stack = stack
        self._cutter = cutter
        self._causes: frozenset[str] = frozenset()

    async def _kill_often(self) -> None:
        """Make the outages instead; watch meanwhile."""
        pid = self._service.pid
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch(pid))
            for outage in self.wanted.outages:
                await self._endure(Course(outage))
            watching.cancel()
        if self._service.process is None or self._service.process.returncode is not None:
            self.report.faults.append(f"the service ended:\n{self._service.last_words()}")

    async def _compare(self) -> None:
        await super()._compare()
        report = self.report
        if FORGETFUL & set(self.wanted.outages):
            lost = ("acknowledged frames are not stored", "broken payloads became", "missed: ")
            report.faults = [f for f in report.faults if not any(text in f for text in lost)]
        report.faults += self._watch_faults()
        for course in self.courses:
            report.faults += self._course_faults(course)

    # --- one outage -----------------------------------------------------------------------------

    async def _endure(self, course: Course) -> None:
        self.courses.append(course)
        course.pending_onset = await self._trapped_just_now()
        told = len(self.rig.desk.received)
        began_s = asyncio.get_running_loop().time()
        if course.outage is Outage.COMMIT_CUT:
            await self._cut_commits()
        else:
            await self._strike(course.outage)
            await self._observe(course, began_s, told)
            await self._restore(course.outage)
        await self._come_back(course, told)

    async def _trapped_just_now(self) -> bool:
        await self._window()
        newest = max((e.onset_us for e in self._traffic.truth()), default=0)
        return self.rig.clock.now_us() - newest < 4_000_000

    async def _observe(self, course: Course, began_s: float, told: int) -> None:
        """Wait until the outage has lasted; note when it was shown and announced."""
        loop = asyncio.get_running_loop()
        while (passed_s := loop.time() - began_s) < self.wanted.lasts_s:
            course.causes |= self._causes
            if self._causes and course.shown_after_s is None:
                course.shown_after_s = passed_s
            if course.announced_after_s is None and self._is_told(DEGRADED, told, course):
                course.announced_after_s = passed_s
            await asyncio.sleep(WATCH_S / 4)

    async def _come_back(self, course: Course, told: int) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        with suppress(TimeoutError):
            async with asyncio.timeout(BACK_WITHIN_S):
                while await self._read_causes() != frozenset():  # noqa: ASYNC110 - another process
                    await asyncio.sleep(WATCH_S / 4)
                course.back_after_s = loop.time() - began_s
                blind = course.announced_after_s is not None
                if blind:
                    await self.rig.desk.wait_for(
                        lambda _: self._is_told(RESTORED, told, course), BACK_WITHIN_S
                    )
                course.restored = blind

    def _is_told(self, kind: str, since: int, course: Course) -> bool:
        """Tell whether the desk took such an announcement, verified, of the right cause."""
        recent = list(self.rig.desk.received)[since:]
        return any(
            m.type == kind and m.status == 200 and m.data.get("cause") == BLIND.get(course.outage)
            for m in recent
        )

    async def _strike(self, outage: Outage) -> None:
        acts: dict[Outage, Callable[[], Awaitable[None]]] = {
            Outage.DATABASE_STOPPED: lambda: asyncio.to_thread(self._database.stop),
            Outage.DATABASE_KILLED: lambda: asyncio.to_thread(self._database.kill),
            Outage.DATABASE_FROZEN: lambda: asyncio.to_thread(self._database.freeze),
            Outage.DATABASE_READ_ONLY: lambda: self._make_read_only(True),
            Outage.BROKER_STOPPED: lambda: asyncio.to_thread(self._broker.stop),
            Outage.BROKER_KILLED: lambda: asyncio.to_thread(self._broker.kill),
            Outage.BROKER_FROZEN: lambda: asyncio.to_thread(self._broker.freeze),
        }
        if outage in acts:
            await acts[outage]()
        else:
            self.rig.desk.behave("500" if outage is Outage.DESK_500 else "hang")

    async def _restore(self, outage: Outage) -> None:
        part = self._broker if BLIND.get(outage) == "broker" else self._database
        if outage in (Outage.DATABASE_FROZEN, Outage.BROKER_FROZEN):
            await asyncio.to_thread(part.thaw)
        elif outage is Outage.DATABASE_READ_ONLY:
            await self._make_read_only(False)
        elif outage in CAUSES:
            await asyncio.to_thread(part.start)
        else:
            self.rig.desk.behave("ok")

    async def _make_read_only(self, on: bool) -> None:
        """Let new sessions be read-only, or no longer, and end the lanes' present ones."""
        name = urlsplit(self.rig.database_url).path.lstrip("/")
        how = "SET default_transaction_read_only = on" if on else "RESET ALL"
        conn = await asyncpg.connect(self.rig.settings.database_url)
        try:
            await conn.execute(f'ALTER DATABASE "{name}" {how}')
            if on:
                await conn.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = $1 AND application_name LIKE 'hoistway%'",
                    name,
                )
        finally:
            await conn.close()

    async def _cut_commits(self) -> None:
        if self._cutter is None:
            raise ValueError("to cut commits the service must reach the database by a cutter")
        for _ in range(CUTS_EACH):
            for how in Cut:
                self._cutter.arm(how)
                async with asyncio.timeout(BACK_WITHIN_S):
                    await self._cutter.cut.wait()
                await asyncio.sleep(CUT_EVERY_S)

    @property
    def _database(self) -> Controls:
        if self._stack.postgres is None:
            raise ValueError("the database is not this run's own")
        return self._stack.postgres

    @property
    def _broker(self) -> Controls:
        if self._stack.mosquitto is None:
            raise ValueError("the broker is not this run's own")
        return self._stack.mosquitto

    # --- watching -------------------------------------------------------------------------------

    async def _watch(self, pid: int) -> None:
        seen = self.watched
        seen.rss_first_mb = rss_mb(pid)
        while True:
            self._causes = await self._read_causes()
            try:
                found = await accounts.ledger(self._service)
            except (aiohttp.ClientError, OSError):
                seen.unanswered += 1
            else:
                seen.samples += 1
                seen.in_flight_max = max(seen.in_flight_max, found.in_flight)
                if not found.balances:
                    seen.unbalanced.append(str(found))
            with suppress(OSError):
                seen.rss_max_mb = max(seen.rss_max_mb, rss_mb(pid))
            await asyncio.sleep(WATCH_S)

    async def _read_causes(self) -> frozenset[str]:
        """Return what ``/readyz`` names; "unanswered" if it does not answer within a second."""
        timeout = aiohttp.ClientTimeout(total=1)
        url = f"{self._service.http_url}/readyz"
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as reply:
                told: dict[str, Any] = await reply.json()
        except (aiohttp.ClientError, OSError):
            self.watched.unanswered += 1
            return frozenset({"unanswered"})
        return frozenset(cause["cause"] for cause in told["causes"])

    # --- verdict --------------------------------------------------------------------------------

    def _watch_faults(self) -> list[str]:
        seen = self.watched
        faults = [f"the accounts did not balance: {text}" for text in seen.unbalanced[:3]]
        if seen.rss_max_mb > RSS_MAX_MB:
            faults.append(f"the process took {seen.rss_max_mb:.0f} MB, allowed are {RSS_MAX_MB}")
        if seen.unanswered:
            faults.append(f"{seen.unanswered} of {seen.samples} times HTTP gave no answer")
        return faults

    def _course_faults(self, course: Course) -> list[str]:
        of, faults = f"{course.outage}:", []
        expected = CAUSES.get(course.outage, set())
        if expected:
            if course.shown_after_s is None or course.shown_after_s > SHOWN_WITHIN_S:
                faults.append(f"{of} /readyz told it after {course.shown_after_s} s")
            if not course.causes & expected:
                faults.append(f"{of} /readyz named {sorted(course.causes)}")
            if self.wanted.lasts_s > self.wanted.degraded_after_s + 3 and not course.restored:
                faults.append(f"{of} announced {course.announced_after_s}, then not restored")
        elif course.causes:
            faults.append(f"{of} /readyz named {sorted(course.causes)}")
        if course.back_after_s is None:
            faults.append(f"{of} not ready {BACK_WITHIN_S} s afterwards: {sorted(self._causes)}")
        return faults


def through(url: str, port: int) -> str:
    """Return a database's URL by way of a proxy on this machine."""
    parts = urlsplit(url)
    account, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{account}{at}127.0.0.1:{port}"))


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process [MB]."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
