"""Examine what the service needs: settings, database, broker, disk, clock, endpoints, itself.

Every check says what it saw and, unless all is well, what to do. Checks run beside each other and
never fail as exceptions: what goes wrong is their finding. Nothing is left behind.
"""

import asyncio
import secrets
import shutil
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import asyncpg

from ingest.source import SourceError
from migrations.run import head_revision
from service import broker_probe
from service.clock import Clock, SystemClock
from service.database import DatabaseError, revision, schema_problem, shown, visit
from service.settings import Settings, SettingsError, narrow
from service.sql import statements
from service.times import to_us

OLDEST_POSTGRES: Final = 15
CLOCK_WARN_US: Final = 1_000_000
CLOCK_FAIL_US: Final = 10_000_000
"""Clocks apart by 10 s move hold windows and timelines visibly."""
DISK_WARN_PCT: Final = 15
DISK_FAIL_PCT: Final = 5
CONNECT_S: Final = 5.0
GIB: Final = 1024**3


class Grade(StrEnum):
    """How a check ended."""

    GOOD = "good"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: what was seen, and what to do about it."""

    name: str
    grade: Grade
    seen: str
    remedy: str = ""

    def line(self) -> str:
        """Return it as a line for a terminal."""
        mark = {Grade.GOOD: "ok  ", Grade.WARNING: "warn", Grade.FAILED: "FAIL"}[self.grade]
        return f"{mark} {self.name:10} {self.seen}{' -> ' + self.remedy if self.remedy else ''}"

    def document(self) -> dict[str, str]:
        """Return it as JSON."""
        return {
            "name": self.name, "grade": self.grade, "seen": self.seen, "remedy": self.remedy,
        }  # fmt: skip


def good(name: str, seen: str) -> Check:
    """Return a check that found all well."""
    return Check(name, Grade.GOOD, seen)


def warning(name: str, seen: str, remedy: str) -> Check:
    """Return a check that found something to improve."""
    return Check(name, Grade.WARNING, seen, remedy)


def failed(name: str, seen: str, remedy: str) -> Check:
    """Return a check that found what keeps the service from working."""
    return Check(name, Grade.FAILED, seen, remedy)


async def examine(settings: Settings, clock: Clock | None = None) -> list[Check]:
    """Run all checks; ``settings`` were built, so they are usable in themselves."""
    clock = clock or SystemClock()
    groups = await asyncio.gather(
        _database(settings, clock),
        _broker(settings),
        *(_endpoint(url) for url in settings.dispatch.urls),
        _running(settings),
    )
    found = [good("settings", "all values are usable"), *_dispatch(settings), _disk(Path.cwd())]
    return found + [check for group in groups for check in group]


def _dispatch(settings: Settings) -> list[Check]:
    if not settings.dispatch.urls:
        remedy = "set HOISTWAY_DISPATCH_URLS and HOISTWAY_DISPATCH_SECRET"
        return [failed("dispatch", "no endpoint: alarms would be sent to nobody", remedy)]
    count = len(settings.dispatch.secrets())
    return [good("dispatch", f"{len(settings.dispatch.urls)} endpoints, {count} signing secret(s)")]


def _disk(path: Path) -> Check:
    usage = shutil.disk_usage(path)
    free_pct = 100 * usage.free / usage.total
    seen = f"{usage.free / GIB:.1f} GiB free ({free_pct:.0f} %) on this machine, at {path}"
    remedy = "make room: PostgreSQL and Mosquitto stop taking data on a full disk"
    if free_pct < DISK_FAIL_PCT:
        return failed("disk", seen, remedy)
    return warning("disk", seen, remedy) if free_pct < DISK_WARN_PCT else good("disk", seen)


async def _database(settings: Settings, clock: Clock) -> list[Check]:
    try:
        async with visit(settings.database) as conn:
            steps: tuple[Callable[[], Awaitable[Check]], ...] = (
                lambda: _server(conn, settings),
                lambda: _edition(conn),
                lambda: _schema(conn),
                lambda: _clock(conn, clock),
                lambda: _keys(conn),
            )
            return [await step() for step in steps]
    except DatabaseError as error:
        text, _, remedy = str(error).partition("; ")
        return [failed("database", text, remedy or "correct HOISTWAY_DATABASE_URL or start it")]


async def _server(conn: asyncpg.Connection, settings: Settings) -> Check:
    row = await conn.fetchrow(statements()["server"])
    assert row is not None
    seen = f"{shown(settings.database)}: PostgreSQL {row['version']}, {row['size']} used"
    if row["number"] < OLDEST_POSTGRES * 10_000:
        return failed("database", seen, f"use PostgreSQL {OLDEST_POSTGRES} or newer")
    if row["fsync"] == "off" or row["full_page_writes"] == "off":
        return failed("database", f"{seen}, fsync or full_page_writes off", "turn both on")
    wanted = settings.ingest.lanes + settings.database.pool_size + 4
    if row["connections"] < 2 * wanted:
        remedy = f"max_connections of at least {2 * wanted}: a standby needs them too"
        return warning("database", f"{seen}, {row['connections']} connections", remedy)
    return good("database", seen)


async def _edition(conn: asyncpg.Connection) -> Check:
    row = await conn.fetchrow(statements()["edition"])
    if row is None or row["version"] is None:
        return failed(
            "timescale", "the extension is not in this database", "run `hoistway migrate`"
        )
    seen = f"TimescaleDB {row['version']}, edition {row['license']}"
    if row["license"] != "timescale":
        seen += ": no compression, retention or aggregates; plan disk for about 165 B a frame"
    return good("timescale", seen)


async def _schema(conn: asyncpg.Connection) -> Check:
    wrong = schema_problem(await revision(conn), head_revision())
    if wrong:
        return failed("schema", wrong, "run `hoistway migrate`")
    return good("schema", f"at {head_revision()}, as this version needs")


async def _clock(conn: asyncpg.Connection, clock: Clock) -> Check:
    before_us = clock.now_us()
    there: datetime = await conn.fetchval("SELECT clock_timestamp()")  # pyright: ignore[reportAssignmentType]
    between_us = (before_us + clock.now_us()) // 2
    apart_us = abs(to_us(there) - between_us)
    seen = f"{apart_us / 1000:.0f} ms between this machine and the database"
    remedy = "run NTP on both machines"
    if apart_us > CLOCK_FAIL_US:
        return failed("clock", seen, remedy)
    return warning("clock", seen, remedy) if apart_us > CLOCK_WARN_US else good("clock", seen)


async def _keys(conn: asyncpg.Connection) -> Check:
    try:
        keys = await conn.fetch(statements()["list_keys"])
    except asyncpg.UndefinedTableError:
        return warning("keys", "no schema, so no API keys", "run `hoistway migrate`")
    roles = [key["role"] for key in keys if key["revoked_at"] is None]
    if "dispatcher" not in roles and "admin" not in roles:
        remedy = "hoistway keys create --role dispatcher --name <desk>"
        return warning("keys", "nobody could accept an alarm through the API", remedy)
    return good("keys", f"{len(roles)} API keys in force")


async def _broker(settings: Settings) -> list[Check]:
    try:
        source = narrow.mqtt_source(settings)
        found = await broker_probe.examine(source, secrets.token_hex(4))
    except (SourceError, SettingsError) as error:
        text, _, remedy = str(error).partition("; ")
        return [failed("broker", text, remedy or "correct the setting")]
    except (OSError, ssl.SSLError) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        return [failed("broker", f"not usable: {text}", "check HOISTWAY_MQTT_URL and the broker")]
    return [*_session(found), *_queue(found)]


def _session(found: broker_probe.Findings) -> list[Check]:
    name = f"{found.version or 'a broker that does not tell its version'}"
    if not found.session_kept:
        remedy = "let the broker keep sessions (Mosquitto: persistent_client_expiration)"
        return [failed("broker", f"{name}: forgets sessions, so an outage loses frames", remedy)]
    return [good("broker", f"{name}: reachable, keeps sessions")]


def _queue(found: broker_probe.Findings) -> list[Check]:
    checks = []
    if found.queued < found.tried:
        seen = f"the queue of an absent client holds {found.queued} messages, then drops"
        checks.append(failed("queue", seen, "set max_queued_messages, as deploy/mosquitto.conf"))
    else:
        checks.append(good("queue", f"holds at least {found.queued} messages for an absent client"))
    if found.window < found.queued:
        seen = f"{found.window} unacknowledged messages at a time: caps the rate at that per commit"
        checks.append(warning("window", seen, "set max_inflight_messages 0"))
    else:
        checks.append(good("window", f"at least {found.window} unacknowledged messages at a time"))
    if found.dropped:
        seen = f"the broker has dropped {found.dropped} messages since it started"
        checks.append(warning("dropped", seen, "look for full queues; gaps in seq show where"))
    return checks


async def _endpoint(url: str) -> list[Check]:
    parts = urlsplit(url)
    place = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    context = ssl.create_default_context() if parts.scheme == "https" else None
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(
                parts.hostname, parts.port or (443 if context else 80), ssl=context
            )
        writer.close()
    except ssl.SSLError as error:
        reason = error.reason or type(error).__name__
        return [failed("endpoint", f"{place}: {reason.lower()}", "renew or trust its certificate")]
    except OSError as error:
        text = " ".join(str(error).split()) or type(error).__name__
        return [
            failed("endpoint", f"{place}: {text}", "start it, or correct HOISTWAY_DISPATCH_URLS")
        ]
    return [good("endpoint", f"{place} takes connections")]


async def _running(settings: Settings) -> list[Check]:
    base = settings.api.url or f"http://127.0.0.1:{settings.http.port}"
    url = f"{base.rstrip('/')}/readyz"
    status = await asyncio.to_thread(_status, url)
    match status:
        case 200:
            return [good("service", f"{base} is ready")]
        case 503:
            return [warning("service", f"{base} is not ready", f"its causes: {url}")]
        case None:
            return [warning("service", f"nobody answers at {base}", "start `hoistway serve`")]
        case _:
            remedy = "correct HOISTWAY_API_URL or HOISTWAY_HTTP_PORT"
            return [warning("service", f"{base} answers {status} to /readyz", remedy)]


def _status(url: str) -> int | None:
    try:
        with urlopen(url, timeout=CONNECT_S) as answer:  # noqa: S310 - a setting, checked to be HTTP
            return answer.status
    except HTTPError as error:
        error.close()
        return error.code
    except (OSError, ValueError):
        return None
