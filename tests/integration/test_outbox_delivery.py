"""Sent until taken: dispatcher and outbox on a real database, a receiver that misbehaves."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from datetime import timedelta
from uuid import UUID

import pytest
from aiohttp import web

from alerting.client import HttpClient
from alerting.dispatcher import Dispatcher, DispatchSettings
from alerting.retry import AttemptResult, RetryParams
from alerting.signature import Signer, Verification
from service.desk import Desk, DeskSettings
from service.stack import Stack
from tests.fakes.alerting_values import CLEARED, UPDATED, let_go, press, transition
from tests.integration.outbox_rigs import SECRET, Rig, desk, dispatching, opened
from tests.waiting import until


async def delivered(rig: Rig) -> bool:
    return not await rig.value("select count(*) from deliveries where state = 'pending'")


async def test_a_raise_reaches_the_desk_signed_and_a_reply_accepts_it(database_url: str) -> None:
    async with desk(accept_as="desk 3") as taker, opened(database_url, taker.url) as rig:
        async with dispatching(rig) as dispatcher:
            await rig.apply(transition(people=2))
            await taker.wait_for(lambda d: d.messages("accepted"))
            await until(lambda: delivered(rig))
        assert [m.type.rpartition(".")[2] for m in taker.received] == ["raised", "accepted"]
        assert {m.verification for m in taker.received} == {Verification.OK}
        (alarm,) = taker.alarms.values()
        assert (alarm["accepted_by"], alarm["people"]) == ("desk 3", 2)
        stored = await rig.alarms.get(UUID(str(alarm["alarm_id"])))
        assert [(e["type"], e["actor"], e["source"]) for e in stored["timeline"]] == [
            ("raised", "sensor", "sensor"),
            ("accepted", "desk 3", "reply"),
        ]
        assert dispatcher.counts.accepted_by_reply == 1


@pytest.mark.parametrize("failure", ["500", "404", "redirect", "cut"])
async def test_anything_but_2xx_is_sent_again_with_the_same_id(
    database_url: str, failure: str
) -> None:
    async with desk() as taker, opened(database_url, taker.url) as rig:
        taker.behave(failure)
        async with dispatching(rig) as dispatcher:
            await rig.apply(transition())
            await taker.wait_for(lambda d: len(d.received) >= 4)
            taker.behave("ok")
            await taker.wait_for(lambda d: d.messages("raised"))
            await until(lambda: delivered(rig))
        assert len({m.webhook_id for m in taker.received}) == 1
        assert len({m.size for m in taker.received}) == 1, "the same body"
        attempts = await rig.rows("select n, status, error from delivery_attempts order by n")
        assert [a["n"] for a in attempts] == list(range(1, len(taker.received) + 1))
        assert attempts[-1]["status"] == 200
        assert dispatcher.counts.attempts[AttemptResult.RECEIVED] == 1


async def test_redirects_are_not_followed(database_url: str) -> None:
    reached: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        reached.append(request.path)
        return web.Response(status=308, headers={"location": "/elsewhere"})

    async with receiver(handle) as url, opened(database_url, url) as rig, dispatching(rig):
        await rig.apply(transition())
        await until(lambda: rig.value("select count(*) >= 3 from delivery_attempts"))
    assert "/elsewhere" not in reached


async def test_a_hanging_desk_costs_one_attempts_time_and_no_other_alarm(
    database_url: str,
) -> None:
    async with desk() as slow, desk() as quick, opened(database_url, slow.url, quick.url) as rig:
        slow.behave("hang")
        async with dispatching(rig, attempt_us=200_000):
            await rig.apply(transition(), press(0, lift=8))
            await slow.wait_for(lambda d: len(d.received) >= 6)
            slow.behave("ok")
            await slow.wait_for(lambda d: len(d.messages("raised")) == 2)
            await until(lambda: delivered(rig))
        errors = await rig.rows("select distinct error from delivery_attempts where n = 1")
        assert [e["error"] for e in errors] == ["timeout"]


async def test_a_crash_between_send_and_mark_sends_the_same_id_again(database_url: str) -> None:
    async with desk(accept_as="desk 3") as taker, opened(database_url, taker.url) as rig:
        marked = asyncio.Event()

        async def never(_attempted: object) -> list[object]:
            marked.set()
            await asyncio.Event().wait()
            return []

        async with HttpClient() as client:
            mark, rig.outbox.mark = rig.outbox.mark, never  # type: ignore[method-assign, assignment]
            settings = DispatchSettings(endpoints=(taker.url,))
            first = asyncio.create_task(
                Dispatcher(
                    rig.outbox, rig.alarms, client, Signer.of([SECRET]), rig.clock, settings
                ).run()
            )
            await rig.apply(transition())
            await marked.wait()
            first.cancel()  # the process is gone: nothing more is written
            await asyncio.gather(first, return_exceptions=True)
            rig.outbox.mark = mark  # type: ignore[method-assign]
        async with dispatching(rig):
            await taker.wait_for(lambda d: any(m.repeated for m in d.received))
            await until(lambda: delivered(rig))
        again = [m for m in taker.received if m.type.endswith("raised")]
        assert len(again) == 2
        assert again[0].webhook_id == again[1].webhook_id
        assert len(taker.messages("raised")) == 1, "the desk knows it by its id"
        assert len(taker.messages("accepted")) == 1, "and the acceptance was not lost"


async def test_messages_of_an_alarm_arrive_in_order_though_the_desk_fails_at_random(
    database_url: str,
) -> None:
    counts: Counter[str] = Counter()
    seen: list[tuple[str, int]] = []

    async def handle(request: web.Request) -> web.Response:
        event = await request.json()
        counts[event["id"]] += 1
        if (sum(map(ord, event["id"])) + counts[event["id"]]) % 3:
            return web.Response(status=503)
        seen.append((event["data"]["alarm_id"], event["data"]["sequence"]))
        return web.Response(status=202)

    async with receiver(handle) as url, opened(database_url, url) as rig, dispatching(rig):
        for lift in (7, 8):
            await rig.apply(press(0, lift), let_go(1, lift), press(2, lift))
        await rig.apply(let_go(3, 7), press(4, 7), transition(), transition(UPDATED, 40))
        await rig.apply(transition(CLEARED, 50))
        await until(lambda: delivered(rig))
    by_alarm: dict[str, list[int]] = {}
    for alarm, sequence in seen:
        by_alarm.setdefault(alarm, []).append(sequence)
    assert sorted(map(len, by_alarm.values())) == [2, 3, 3]
    assert all(s == list(range(1, len(s) + 1)) for s in by_alarm.values())


async def test_primary_down_the_next_url_gets_the_same_message_and_both_get_what_follows(
    database_url: str,
) -> None:
    async with desk() as first, desk() as second:
        first.behave("500")
        async with opened(database_url, first.url, second.url, failover_us=300_000) as rig:
            async with dispatching(rig) as dispatcher:
                await rig.apply(transition())
                await second.wait_for(lambda d: d.messages("raised"))
                gap = "select max(created_at) - min(created_at) from deliveries"
                assert await rig.value(gap) >= timedelta(seconds=0.3)
                tries = len(first.received)
                await first.wait_for(lambda d: len(d.received) > tries + 1)
                first.behave("ok")
                await rig.apply(transition(CLEARED, 50))
                await first.wait_for(lambda d: d.messages("released"))
                await second.wait_for(lambda d: d.messages("released"))
                await until(lambda: delivered(rig))
            assert dispatcher.counts.handed_on == 1
        ids = [m.webhook_id for m in first.messages()]
        assert ids == [m.webhook_id for m in second.messages()]


async def test_unaccepted_alarm_escalates_to_all_urls_though_the_primary_took_it(
    database_url: str,
) -> None:
    from alerting.changes import LifecycleParams

    params = LifecycleParams(accept_us=400_000)
    async with desk() as first, desk() as second:
        async with (
            opened(database_url, first.url, second.url, lifecycle=params) as rig,
            dispatching(rig),
        ):
            await rig.apply(transition())
            await second.wait_for(lambda d: len(d.messages("escalated")) == 2)
            await first.wait_for(lambda d: len(d.messages("escalated")) == 2)
        assert [m.data["level"] for m in second.messages()] == [2, 3]
        assert [m.data["level"] for m in first.messages()] == [1, 2, 3]


async def test_given_up_after_the_time_and_never_while_open(database_url: str) -> None:
    async with desk() as taker, opened(database_url, taker.url) as rig:
        taker.behave("500")
        async with dispatching(rig, give_up_us=500_000):
            await rig.apply(transition(at_s=-60, onset_s=-90))
            await taker.wait_for(lambda d: len(d.received) > 12)
            assert not await rig.value("select count(*) from deliveries where state = 'given_up'")
            await rig.apply(transition(CLEARED, -1))
            given_up = "select count(*) = 2 from deliveries where state = 'given_up'"
            await until(lambda: rig.value(given_up))
        (row,) = await rig.rows("select id from alarms")
        types = [e["type"] for e in (await rig.alarms.get(row["id"]))["timeline"]]
        assert types == ["raised", "self_released", "given_up", "given_up"]


async def test_stop_lets_attempts_finish_and_leaves_nothing_claimed(database_url: str) -> None:
    async with desk() as taker, opened(database_url, taker.url) as rig:
        taker.behave("slow:0.3")
        async with dispatching(rig):
            await rig.apply(transition(), press(0, lift=8))
            claimed = "select count(*) = 2 from deliveries where claimed_until is not null"
            await until(lambda: rig.value(claimed))
        assert await delivered(rig)
        assert len(taker.messages("raised")) == 2


@pytest.mark.slow
async def test_the_database_goes_away_and_comes_back(own_stack: Stack) -> None:
    from migrations import run as migrations

    assert own_stack.postgres is not None
    await asyncio.to_thread(migrations.upgrade, own_stack.database_url)
    async with desk(accept_as="desk 3") as taker:
        async with opened(own_stack.database_url, taker.url) as rig, dispatching(rig) as dispatcher:
            await rig.apply(press(0))
            await taker.wait_for(lambda d: d.messages("accepted"))
            await asyncio.to_thread(own_stack.postgres.kill)

            async def failing() -> bool:
                return dispatcher.counts.store_failures > 5

            await until(failing)
            await asyncio.to_thread(own_stack.postgres.start)
            await rig.apply(transition())
            await taker.wait_for(lambda d: len(d.messages("accepted")) == 2)
            await until(lambda: delivered(rig))
        assert await_all_once(taker)


def await_all_once(taker: Desk) -> bool:
    """Whether each message was taken; repetitions after the crash are allowed and marked."""
    ids = [m.webhook_id for m in taker.messages()]
    return len(ids) == len(set(ids)) == 4


class receiver(AsyncExitStack):  # noqa: N801 -- reads as a function
    """A receiver with a handler of the test's own."""

    def __init__(self, handle: object) -> None:
        super().__init__()
        self._handle = handle

    async def __aenter__(self) -> str:  # type: ignore[override]
        app = web.Application()
        app.router.add_post("/{path:.*}", self._handle)  # type: ignore[arg-type]
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        self.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}/in"


def test_params_of_the_tests_are_the_real_ones_made_short() -> None:
    assert RetryParams().attempt_us == 5_000_000
    assert DispatchSettings(endpoints=()).in_flight == 32
    assert DeskSettings(secrets=()).port == 0


@pytest.mark.slow
async def test_a_database_that_hangs_delays_marks_and_not_the_stop(own_stack: Stack) -> None:
    from migrations import run as migrations

    assert own_stack.postgres is not None
    await asyncio.to_thread(migrations.upgrade, own_stack.database_url)
    async with desk() as taker, opened(own_stack.database_url, taker.url) as rig:
        async with dispatching(rig):
            await rig.apply(press(0))
            await taker.wait_for(lambda d: d.messages("raised"))
            await asyncio.to_thread(own_stack.postgres.freeze)
            started_s = asyncio.get_running_loop().time()
        stopped_s = asyncio.get_running_loop().time()
        await asyncio.to_thread(own_stack.postgres.thaw)
        assert stopped_s - started_s < 5
        async with dispatching(rig):
            await rig.apply(transition())
            await taker.wait_for(lambda d: len(d.messages("raised")) == 2)
            await until(lambda: delivered(rig))
