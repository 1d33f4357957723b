"""Old rows are forgotten a little at a time; nothing of an open case or of what is to be sent."""

import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import pytest
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from service import retention
from service.clock import ManualClock
from service.metrics import Metrics
from service.retention import DAY_US, Retention
from service.settings import RetentionSettings
from service.times import to_datetime

NOW_US = 1_780_000_000_000_000
SHADOWS = "SELECT count(*) FROM shadow_transitions"


def ago(days: float) -> datetime:
    return to_datetime(NOW_US - round(days * DAY_US))


@dataclass
class Old:
    conn: asyncpg.Pool
    metrics: Metrics

    def forgetting(self, **settings: Any) -> Retention:
        chosen = RetentionSettings(**settings)
        return Retention(self.conn, ManualClock(NOW_US), self.metrics, chosen)

    async def shadows(self, *days: float) -> None:
        """Let a shadow have said something at each of these ages."""
        for n, age in enumerate(days):
            await self.conn.execute(
                "INSERT INTO shadow_transitions VALUES"
                " (1, 0, $1, 0, 1, $2, $2, 1, 1, 0, 0, 2, 'r', '1', '{}', '{}')", n, ago(age)
            )  # fmt: skip

    async def alarm(self, ended: float | None) -> uuid.UUID:
        """Make an alarm that ended so many days ago; None = it is open."""
        made = uuid.uuid4()
        await self.conn.execute(
            "INSERT INTO alarms (id, elevator_id, family, kind, kind_now, onset, detected,"
            " raised_at, state, level, finding_active, held, past, confidence, presses, evidence,"
            " rule, sequence, ended_at) VALUES ($1, 1, 'alarm_button', 3, 3, $2, $2, $2, $3, 1,"
            " false, false, false, 2, 0, '{}', '{}', 1, $4)",
            *(made, ago(3000 + len(made.bytes)), "ended" if ended else "raised"),
            None if ended is None else ago(ended),
        )
        return made

    async def attempts(
        self, alarm: uuid.UUID | None, *days: float, state: str = "delivered"
    ) -> uuid.UUID:
        """Make a message of an alarm with an attempt at each of these ages."""
        message = uuid.uuid4()
        await self.conn.execute(
            "INSERT INTO deliveries (message_id, endpoint, alarm_id, sequence, type, body,"
            " created_at, state) VALUES ($1, 'http://desk', $2, 1, 't', $3, now(), $4)",
            *(message, alarm, json.dumps({}), state),
        )
        for n, age in enumerate(days):
            await self.conn.execute(
                "INSERT INTO delivery_attempts VALUES ($1, 'http://desk', $2, $3, 5, 200, NULL)",
                *(message, n, ago(age)),
            )
        return message

    async def left(self, message: uuid.UUID) -> int:
        return await self.conn.fetchval(
            "SELECT count(*) FROM delivery_attempts WHERE message_id = $1", message
        )

    def counted(self, table: str) -> float | None:
        name = "hoistway_retention_rows_total"
        return self.metrics.registry.get_sample_value(name, {"table": table})


@pytest.fixture
async def old(database_url: str) -> AsyncIterator[Old]:
    async with asyncpg.create_pool(database_url, min_size=0, max_size=2) as pool:
        await pool.execute("INSERT INTO elevators (code) VALUES ('A')")
        await pool.execute(
            "INSERT INTO shadow_runs (parameters, candidate, set_at, set_by)"
            " VALUES ('{}', '', now(), 'me')"
        )
        yield Old(pool, Metrics(CollectorRegistry(), "0"))


@pytest.mark.parametrize("rows", [1, 2, 500])
async def test_findings_of_shadows_are_forgotten_by_age(old: Old, monkeypatch, rows: int) -> None:
    monkeypatch.setattr(retention, "ROWS", rows)
    await old.shadows(1, 89.9, 90.1, 200, 400)
    await old.forgetting().forget()
    assert await old.conn.fetchval(SHADOWS) == 2
    assert old.counted("shadow_transitions") == 3
    assert old.counted("delivery_attempts") == 0
    await old.forgetting(shadow_days=30).forget()
    assert await old.conn.fetchval(SHADOWS) == 1


async def test_none_keeps_everything(old: Old) -> None:
    await old.shadows(9000)
    message = await old.attempts(await old.alarm(5000), 9000)
    await old.forgetting(shadow_days=None, delivery_attempts_days=None).forget()
    assert await old.conn.fetchval(SHADOWS) == 1
    assert await old.left(message) == 1


async def test_attempts_of_open_or_late_ended_cases_stay(old: Old) -> None:
    over = await old.attempts(await old.alarm(1200), 1300, 1201, 1000)
    late = await old.attempts(await old.alarm(1000), 2000)
    still_open = await old.attempts(await old.alarm(None), 2000, 3000)
    to_be_sent = await old.attempts(await old.alarm(2000), 2000, state="pending")
    of_no_alarm = await old.attempts(None, 2000)
    await old.forgetting().forget()
    kept = [await old.left(m) for m in (over, late, still_open, to_be_sent, of_no_alarm)]
    assert kept == [1, 1, 2, 1, 0]
    assert old.counted("delivery_attempts") == 3
    assert await old.conn.fetchval("SELECT count(*) FROM deliveries") == 5


def test_attempts_are_kept_for_three_years_at_least() -> None:
    with pytest.raises(ValidationError, match="1096"):
        RetentionSettings(delivery_attempts_days=365)


async def test_a_delete_that_fails_is_counted_and_ends_the_round_of_its_table(old: Old) -> None:
    message = await old.attempts(await old.alarm(5000), 9000)
    await old.conn.execute("ALTER TABLE shadow_transitions RENAME TO away")
    await old.forgetting().forget()
    name = "hoistway_retention_failures_total"
    labels = {"table": "shadow_transitions"}
    assert old.metrics.registry.get_sample_value(name, labels) == 1
    assert await old.left(message) == 0
