"""Alarms and outbox on a real database: what is written together, claimed, marked and handed on."""

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest

from alerting.alarm import alarm_id
from alerting.changes import LifecycleParams, Outcome
from alerting.history import Context
from alerting.outgoing import Attempted, Delivery
from alerting.retry import Step
from alerting.store import AlarmNotFoundError, AlreadyEndedError, StoreUnavailableError
from alerting.store.outbox import ROUND
from telemetry.findings import Confidence
from tests.fakes.alerting_values import (
    AT,
    BETWEEN,
    CLEARED,
    HOLDING,
    LIFT,
    T0,
    UPDATED,
    S,
    let_go,
    press,
    transition,
)
from tests.integration.outbox_rigs import Rig, opened
from tests.waiting import until

A, B = "http://a.invalid/x?token=secret", "http://b.invalid/y"
NOW = T0 + 60 * S
ID = alarm_id(LIFT.code, BETWEEN, T0)


def came(delivery: Delivery, step: Step = Step.DELIVERED, at_us: int = NOW) -> Attempted:
    status = 200 if step is Step.DELIVERED else 500
    next_us = at_us + 30 * S if step is Step.RETRY else None
    return Attempted(delivery, at_us, 7, status, None, step, next_us, at_us)


async def claimed(
    rig: Rig, endpoint: str = A, at_us: int = NOW, limit: int = 100
) -> list[Delivery]:
    return await rig.outbox.claim(endpoint, limit, at_us, 30 * S)


async def test_alarm_round_trip_keeps_every_field(database_url: str) -> None:
    async with opened(database_url, A) as rig:
        contexts = {7: Context(lag_us=1_234_000, last_seen_us=T0 + 29 * S, floor="13A")}
        written = await rig.apply(transition(people=3), contexts=contexts, now_us=NOW)
        (alarm,) = written.alarms.values()
        async with rig.pool.acquire() as conn, conn.transaction():
            again = await rig.alarms.apply(conn, [transition(UPDATED, 31)], contexts, NOW + S)
        (after,) = again.alarms.values()
        changed = {f for f in type(alarm).__slots__ if getattr(alarm, f) != getattr(after, f)}
        assert changed == {"evidence", "sequence", "events"}


async def test_one_transaction_holds_alarm_timeline_and_message(database_url: str) -> None:
    async with opened(database_url, A, B) as rig:
        async with rig.pool.acquire() as conn:
            undone = conn.transaction()
            await undone.start()
            await rig.alarms.apply(conn, [transition()], {}, NOW)
            await undone.rollback()
        for table in ("alarms", "alarm_events", "deliveries"):
            assert await rig.value(f"select count(*) from {table}") == 0
        await rig.apply(transition(), now_us=NOW)
        (row,) = await rig.rows("select * from deliveries")
        assert (row["endpoint"], row["alarm_id"], row["sequence"], row["state"]) == (
            A, ID, 1, "pending",
        )  # fmt: skip
        assert row["next_attempt_at"] == datetime.fromtimestamp(NOW / S, UTC)
        body = json.loads(row["body"])
        assert body["id"] == str(row["message_id"])
        assert body["type"] == row["type"] == "hoistway.alarm.raised"
        assert body["data"]["elevator"]["address"] == LIFT.address


async def test_the_same_alarm_updates_over_many_transactions(database_url: str) -> None:
    async with opened(database_url, A) as rig:
        await rig.apply(press(0), now_us=NOW)
        await rig.apply(let_go(1), now_us=NOW)
        await rig.apply(press(2), now_us=NOW)
        await rig.apply(let_go(3), now_us=NOW)
        (row,) = await rig.rows("select * from alarms")
        assert (row["presses"], row["sequence"], row["events"]) == (2, 2, 4)
        numbers = await rig.rows("select n from alarm_events order by n")
        assert [r["n"] for r in numbers] == [1, 2, 3, 4]


async def test_acts_of_persons_are_idempotent_and_refuse_what_is_over(database_url: str) -> None:
    async with opened(database_url, A) as rig:
        await rig.apply(transition(), now_us=NOW)
        first = await rig.alarms.accept(ID, "li\0\n", NOW + S, note="on my way\nwith two")
        again = await rig.alarms.accept(ID, "wang", NOW + 2 * S)
        assert (first.changed, again.changed) == (True, False)
        assert again.document["accepted_by"] == "li"
        released = await rig.alarms.release(ID, "wang", NOW + 3 * S)
        assert released.changed
        assert released.document["state"] == "released"
        assert not (await rig.alarms.release(ID, "wang", NOW + 4 * S)).changed
        assert not (await rig.alarms.accept(ID, "wang", NOW + 4 * S)).changed
        with pytest.raises(AlreadyEndedError, match="released"):
            await rig.alarms.false_alarm(ID, "wang", NOW + 5 * S)
        with pytest.raises(AlarmNotFoundError):
            await rig.alarms.accept(uuid4(), "li", NOW)
        alarm = await rig.alarms.get(ID)
        assert [e["type"] for e in alarm["timeline"]] == ["raised", "accepted", "released"]
        assert alarm["timeline"][1]["data"] == {"note": "on my way\nwith two"}
        assert [d["sequence"] for d in alarm["deliveries"]] == [1, 2, 3]
        assert "secret" not in json.dumps(alarm["deliveries"])


async def test_two_persons_at_once_are_one_acceptance(database_url: str) -> None:
    async with opened(database_url, A) as rig:
        await rig.apply(transition(), now_us=NOW)
        verdicts = await asyncio.gather(
            *(rig.alarms.accept(ID, f"p{i}", NOW + i) for i in range(5))
        )
        assert sum(v.changed for v in verdicts) == 1
        assert await rig.value("select count(*) from deliveries") == 2


async def test_held_alarms_wait_and_are_released_by_the_pipeline(database_url: str) -> None:
    async with opened(database_url, A) as rig:
        await rig.apply(transition(), contexts=HOLDING, now_us=NOW)
        assert await rig.value("select count(*) from deliveries") == 0
        async with rig.pool.acquire() as conn, conn.transaction():
            assert await rig.alarms.held_elevator_ids(conn) == [7]
            still = await rig.alarms.release_held(conn, [7], HOLDING, NOW)
            assert not still.outcomes
            changes = await rig.alarms.release_held(
                conn, [7, 8], {7: Context(lag_us=5 * S)}, NOW + 10 * S
            )
            assert changes.outcomes == {Outcome.DISPATCHED_LATE: 1}
            assert await rig.alarms.held_elevator_ids(conn) == []
        (delivery,) = await claimed(rig, at_us=NOW + 10 * S)
        assert json.loads(delivery.body)["data"]["lag_s"] == 5


async def test_raise_at_an_onset_in_use_is_stored_all_the_same(database_url: str) -> None:
    async with opened(database_url, A) as rig:
        for n in range(3):
            await rig.apply(transition(), now_us=NOW)
            await rig.apply(transition(CLEARED, 40), now_us=NOW)
            assert await rig.value("select count(*) from alarms") == n + 1


async def test_messages_of_one_alarm_are_claimed_one_after_the_other(database_url: str) -> None:
    async with opened(database_url, A) as rig:
        await rig.apply(transition(), transition(UPDATED, 45, kind_now=AT), now_us=NOW)
        await rig.apply(transition(CLEARED, 50), now_us=NOW)
        order = []
        for _ in range(3):
            (delivery,) = await claimed(rig)
            assert not await claimed(rig)
            order.append(delivery.sequence)
            assert not await rig.outbox.mark([came(delivery)])
        assert order == [1, 2, 3]
        assert not await claimed(rig)


async def test_a_claim_comes_back_when_its_sender_dies(database_url: str) -> None:
    async with opened(database_url, A) as rig:
        await rig.apply(transition(), now_us=NOW)
        (first,) = await claimed(rig)
        assert not await claimed(rig, at_us=NOW + 29 * S)
        (second,) = await claimed(rig, at_us=NOW + 31 * S)
        assert first.message_id == second.message_id
        assert (first.attempt, second.attempt) == (1, 2)
        await rig.outbox.resume(NOW + 32 * S)
        assert len(await claimed(rig, at_us=NOW + 32 * S)) == 1


async def test_two_senders_never_claim_the_same(database_url: str) -> None:
    async with opened(database_url, A) as rig:
        lifts = await add_lifts(rig, 300)
        await rig.apply(*(transition(lift=i) for i in lifts), now_us=NOW)
        parts = await asyncio.gather(*(claimed(rig, limit=40) for _ in range(5)))
        keys = [d.key for part in parts for d in part]
        assert len(keys) == len(set(keys)) == 200


async def test_occupied_lifts_go_first(database_url: str) -> None:
    async with opened(database_url, A) as rig:
        lifts = await add_lifts(rig, 60)
        raises = [
            transition(lift=i, confidence=Confidence.CERTAIN if i % 3 == 0 else Confidence.POSSIBLE)
            for i in lifts
        ]
        await rig.apply(*raises, now_us=NOW)
        first = await claimed(rig, limit=20)
        confidences = [json.loads(d.body)["data"]["confidence"] for d in first]
        assert confidences == ["certain"] * 20
        assert len(await claimed(rig, limit=100)) == 40


async def test_given_up_stands_in_the_timeline_and_frees_the_next(database_url: str) -> None:
    async with opened(database_url, A) as rig:
        await rig.apply(transition(), transition(CLEARED, 50), now_us=NOW)
        (first,) = await claimed(rig)
        assert first.over_us == NOW, "ended before the message was made"
        await rig.outbox.mark([came(first, Step.GIVE_UP)])
        alarm = await rig.alarms.get(ID)
        assert alarm["timeline"][-1]["type"] == "given_up"
        assert alarm["timeline"][-1]["data"]["sequence"] == 1
        (second,) = await claimed(rig)
        assert second.sequence == 2


async def test_mark_leaves_alarms_in_use_for_later(database_url: str) -> None:
    async with opened(database_url, A) as rig:
        await rig.apply(transition(), now_us=NOW)
        (delivery,) = await claimed(rig)
        async with rig.pool.acquire() as conn, conn.transaction():
            await rig.alarms.apply(conn, [transition(CLEARED, 50)], {}, NOW)
            assert await rig.outbox.mark([came(delivery)]) == [came(delivery)]
        assert not await rig.outbox.mark([came(delivery)])
        (following,) = await claimed(rig)
        assert following.sequence == 2, "enqueued while the first was being marked, and not lost"


async def test_hand_on_gives_the_next_endpoint_the_same_messages_in_order(
    database_url: str,
) -> None:
    async with opened(database_url, A, B) as rig:
        await rig.apply(transition(), now_us=NOW)
        await rig.apply(transition(UPDATED, 40), now_us=NOW + S)
        assert await rig.outbox.hand_on_due(NOW + 14 * S) == 0
        assert await rig.outbox.hand_on_due(NOW + 15 * S) == 2
        assert await rig.outbox.hand_on_due(NOW + 15 * S) == 0
        await rig.apply(transition(CLEARED, 50), now_us=NOW + 16 * S)
        seen = []
        for _ in range(3):
            (delivery,) = await claimed(rig, B, NOW + 20 * S)
            seen.append(delivery)
            await rig.outbox.mark([came(delivery, at_us=NOW + 20 * S)])
        assert [d.sequence for d in seen] == [1, 2, 3]
        (primary,) = await claimed(rig, A, NOW + 20 * S)
        assert primary.message_id == seen[0].message_id
        timeline = (await rig.alarms.get(ID))["timeline"]
        assert [e["type"] for e in timeline].count("handed_on") == 2


async def test_delivered_messages_are_not_handed_on(database_url: str) -> None:
    async with opened(database_url, A, B) as rig:
        await rig.apply(transition(), now_us=NOW)
        (delivery,) = await claimed(rig)
        await rig.outbox.mark([came(delivery)])
        assert await rig.outbox.hand_on_due(NOW + 3600 * S) == 0
        assert not await claimed(rig, B, NOW + 3600 * S)


async def test_escalation_goes_to_all_and_so_does_what_follows(database_url: str) -> None:
    params = LifecycleParams(accept_us=180 * S)
    async with opened(database_url, A, B, lifecycle=params) as rig:
        await rig.apply(transition(), now_us=NOW)
        assert await rig.outbox.escalate_due(NOW + 179 * S) == 0
        assert await rig.outbox.escalate_due(NOW + 180 * S) == 1
        assert await rig.outbox.escalate_due(NOW + 181 * S) == 0
        assert await rig.outbox.escalate_due(NOW + 360 * S) == 1
        assert await rig.outbox.escalate_due(NOW + 3600 * S) == 0
        await rig.alarms.accept(ID, "li", NOW + 3601 * S)
        rows = await rig.rows("select endpoint, sequence, type from deliveries order by 1, 2")
        assert [(r["endpoint"], r["sequence"]) for r in rows] == [
            (A, 1), (A, 2), (A, 3), (A, 4), (B, 2), (B, 3), (B, 4),
        ]  # fmt: skip
        assert (await rig.alarms.get(ID))["level"] == 3


async def test_messages_for_a_removed_endpoint_go_to_the_primary(database_url: str) -> None:
    async with opened(database_url, A) as rig:
        await rig.apply(transition(), transition(UPDATED, 40), now_us=NOW)
    async with opened(database_url, B) as rig:
        await rig.outbox.resume(NOW + S)
        (delivery,) = await claimed(rig, B, NOW + S)
        assert delivery.sequence == 1
        await rig.outbox.mark([came(delivery, at_us=NOW + S)])
        (delivery,) = await claimed(rig, B, NOW + S)
        assert delivery.sequence == 2
        assert not await claimed(rig, A, NOW + S)


async def test_without_endpoints_alarms_are_kept_and_nothing_is_given_up(
    database_url: str,
) -> None:
    async with opened(database_url, A) as rig:
        await rig.apply(transition(), now_us=NOW)
    async with opened(database_url) as rig:
        await rig.outbox.resume(NOW)
        await rig.apply(press(5), now_us=NOW)
        assert await rig.outbox.hand_on_due(NOW + 60 * S) == 0
        assert await rig.outbox.backlog() == {A: (1, NOW)}
        assert await rig.value("select count(*) from alarms") == 2


async def test_an_endpoint_named_twice_is_one(database_url: str) -> None:
    async with opened(database_url, A, A) as rig:
        await rig.apply(transition(), now_us=NOW)
        await rig.outbox.escalate_due(NOW + 180 * S)
        assert await rig.outbox.backlog() == {A: (2, NOW)}


async def test_attempts_are_recorded_and_backlog_is_counted(database_url: str) -> None:
    async with opened(database_url, A) as rig:
        await rig.apply(transition(), now_us=NOW)
        (first,) = await claimed(rig)
        await rig.outbox.mark([came(first, Step.RETRY)])
        assert await rig.outbox.backlog() == {A: (1, NOW)}
        (second,) = await claimed(rig, at_us=NOW + 30 * S)
        await rig.outbox.mark([came(second, at_us=NOW + 30 * S)])
        assert await rig.outbox.backlog() == {}
        rows = await rig.rows("select n, status, duration_ms from delivery_attempts order by n")
        assert [tuple(r) for r in rows] == [(1, 500, 7), (2, 200, 7)]


async def test_listening_wakes_and_its_cancellation_is_a_cancellation(database_url: str) -> None:
    async with opened(database_url, A) as rig:
        woken = asyncio.Event()
        task = asyncio.create_task(rig.outbox.listen(woken.set))
        async with asyncio.timeout(10):
            await woken.wait()  # it listens
            woken.clear()
            await rig.apply(transition(), now_us=NOW)
            await woken.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await rig.outbox.backlog() == {A: (1, NOW)}, "the pool is as before"


async def test_a_listener_that_is_cut_off_says_so(database_url: str) -> None:
    async with opened(database_url, A) as rig:
        listening = asyncio.Event()
        task = asyncio.create_task(rig.outbox.listen(listening.set))
        async with asyncio.timeout(10):
            await listening.wait()
            await rig.rows(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and query ilike 'listen%'"
            )
            with pytest.raises(StoreUnavailableError):
                await task


async def test_a_session_that_stays_read_only_is_replaced(database_url: str) -> None:
    alter = "do $$ begin execute format('alter database %I {}', current_database()); end $$"
    async with opened(database_url, A) as rig:
        await rig.apply(transition(), now_us=NOW)
        admin = await asyncpg.connect(database_url)
        await admin.execute(alter.format("set default_transaction_read_only = on"))
        await rig.pool.expire_connections()
        with pytest.raises(StoreUnavailableError, match="read-only"):
            await rig.outbox.claim(A, 1, NOW, 60 * S)
        await admin.execute(alter.format("reset default_transaction_read_only"))
        await admin.close()

        async def claimed() -> list[Delivery]:
            with suppress(StoreUnavailableError):  # the pool may have opened another one meanwhile
                return await rig.outbox.claim(A, 1, NOW, 60 * S)
            return []

        assert len(await until(claimed)) == 1


async def test_a_cancelled_act_is_a_cancellation_and_changes_nothing(database_url: str) -> None:
    async with opened(database_url, A) as rig:
        await rig.apply(transition(), now_us=NOW)
        async with rig.pool.acquire() as conn, conn.transaction():
            await conn.execute("select from alarms for update")
            task = asyncio.create_task(rig.alarms.accept(ID, "li", NOW))
            waiting = (
                "select count(*) = 1 from pg_stat_activity"
                " where wait_event_type = 'Lock' and datname = current_database()"
            )
            await until(lambda: rig.value(waiting))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert (await rig.alarms.get(ID))["accepted_by"] is None


async def test_thousands_of_alarms_in_one_transaction(database_url: str) -> None:
    async with opened(database_url, A, B) as rig:
        lifts = await add_lifts(rig, 3_000)
        changes = await rig.apply(*(transition(lift=i) for i in lifts), now_us=NOW)
        assert changes.outcomes == {Outcome.RAISED: 3_000}
        assert await rig.value("select count(*) from deliveries") == 3_000
        assert await rig.outbox.escalate_due(NOW + 180 * S) == ROUND
        assert await rig.outbox.hand_on_due(NOW + 180 * S) == ROUND


async def add_lifts(rig: Rig, n: int) -> list[int]:
    """Register ``n`` more lifts and return their ids."""
    rows = await rig.rows(
        "insert into elevators (id, code)"
        " select 1000 + g, 'more-' || g from generate_series(1, $1::int) g returning id",
        n,
    )
    return [r["id"] for r in rows]
