"""Shadow mode against a real database: exactly once, over restarts and crashes, without a voice."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from detectors import candidates
from detectors.candidates import NamedDetectors
from detectors.lift.entrapment import EntrapmentDetector
from ingest.store import batches, writer_lock
from ingest.store import frames as store
from ingest.store.batches import BatchRow
from ingest.store.connect import ConnectOptions, open_connection, transaction
from service.backtest.candidate import CandidateError
from service.metrics import Metrics
from service.settings import Settings
from service.shadow import process, runs
from service.shadow.keeper import FIRST_WAIT_S, ShadowKeeper
from service.shadow.process import Shadow
from service.shadow.store import SaidFilter, ShadowRefusedError, ShadowStore
from telemetry.batch import FrameBatch
from telemetry.findings import Change, FindingKind

START_US = 1_790_000_000_000_000
SECOND_US = 1_000_000
BATCHES, SECONDS_EACH = 10, 6
SOONER = {"between_landings_window_s": 25}


class Lane:
    """A lane that is written without a service: one lift trapped from the first second on."""

    def __init__(self, url: str, conn: asyncpg.Connection) -> None:
        self.conn = conn
        self.settings = Settings.model_validate({"database": {"url": url}})
        self.epoch = 0

    async def write(self, numbers: range) -> None:
        """Commit these batches, of ``SECONDS_EACH`` seconds each."""
        for number in numbers:
            t = (number - 1) * SECONDS_EACH + np.arange(SECONDS_EACH)
            time_us = START_US + t * SECOND_US
            n, last_us = len(t), int(time_us[-1])
            frames = FrameBatch.make(
                n, elevator_id=1, gateway_id=1, seq=t + 1, time_us=time_us, device_time_us=time_us,
                received_us=time_us, unit=0, mode=1, car=0, direction=0, zone=0, door=2, floor=3,
                passenger=1, speed_mps=0.0, power=0, button=0, codes=0,
            )  # fmt: skip
            row = BatchRow(
                0, number, self.epoch, last_us, True, int(time_us[0]), last_us, n, n, 0, 0, 0
            )
            async with transaction(self.conn):
                await batches.write(self.conn, row)
                await store.write(self.conn, frames, number)

    async def follow(self, *, save: bool = True) -> Shadow:
        """Let a process of the shadow take all that is there; ``save`` = it ends in order."""
        found = await runs.find(self.conn)
        assert found is not None
        shadow = Shadow(self.settings, found, ConnectOptions())
        await shadow.load(self.conn)
        for lane in shadow.lanes:
            await lane.start(self.conn)
            while await lane.follow(self.conn, asyncio.Event()):
                pass
            if save:
                await lane.save(self.conn)
        return shadow

    async def set(self, params: dict[str, float], candidate: str = "") -> int:
        return await runs.begin(self.conn, runs.checked(params, candidate), "a test", START_US)

    async def said(self) -> list[tuple[int, str, float]]:
        """Return batch, change and seconds since the start of all that shadows said."""
        rows = await self.conn.fetch(
            "SELECT batch, change, kind, time FROM shadow_transitions ORDER BY version, batch, n"
        )
        assert {row["kind"] for row in rows} <= {int(FindingKind.ENTRAPMENT_BETWEEN_LANDINGS)}
        return [
            (r["batch"], Change(r["change"]).name, r["time"].timestamp() - START_US / 1e6)
            for r in rows
        ]


@pytest.fixture
async def lane(database_url: str) -> AsyncIterator[Lane]:
    conn = await open_connection(database_url)
    locked = await open_connection(database_url)
    await conn.execute("INSERT INTO gateways (name) VALUES ('gw')")
    await conn.execute("INSERT INTO elevators (code, gateway_id) VALUES ('A', 1)")
    lease = await writer_lock.acquire(locked, 0, lambda: None)
    made = Lane(database_url, conn)
    made.epoch = lease.epoch
    yield made
    conn.terminate()
    locked.terminate()


async def test_it_says_what_its_parameters_say(lane: Lane):
    await lane.set(SOONER)
    await lane.follow()
    await lane.write(range(1, BATCHES + 1))
    await lane.follow()
    assert await lane.said() == [(5, "RAISED", 25.0)]
    [standing] = await runs.standing(lane.conn, 1)
    assert standing["frames"] == BATCHES * SECONDS_EACH
    assert standing["behind_s"] == 0
    assert await lane.conn.fetchval("SELECT count(*) FROM alarms") == 0
    assert await lane.conn.fetchval("SELECT count(*) FROM transitions") == 0


@pytest.mark.parametrize("stop_after", range(1, BATCHES))
async def test_a_restart_is_invisible(lane: Lane, stop_after: int):
    await lane.set(SOONER)
    await lane.follow()
    await lane.write(range(1, stop_after + 1))
    await lane.follow()
    await lane.write(range(stop_after + 1, BATCHES + 1))
    await lane.follow()
    assert await lane.said() == [(5, "RAISED", 25.0)]
    assert [s["because"] for s in await runs.starts(lane.conn, 1)] == ["first start"]


@pytest.mark.parametrize("die_after", [3, 7])
@pytest.mark.parametrize("lost", [False, True])
async def test_a_crash_doubles_nothing_and_a_lost_memory_is_shown(lane, die_after, lost):
    await lane.set(SOONER)
    await lane.follow(save=False)
    await lane.write(range(1, die_after + 1))
    await lane.follow(save=False)
    if lost:
        await lane.conn.execute("UPDATE shadow_snapshots SET checksum = '\\x00'")
    await lane.write(range(die_after + 1, BATCHES + 1))
    await lane.follow()
    assert await lane.said() == [(5, "RAISED", 25.0)]
    because = [s["because"] for s in await runs.starts(lane.conn, 1)]
    assert because == ["first start", *(["its snapshot is damaged"] if lost else [])]


async def test_a_shadow_begins_with_what_the_last_two_hours_told(lane: Lane):
    await lane.write(range(1, 4))
    await lane.set(SOONER)
    shadow = await lane.follow()
    assert await lane.said() == []
    assert shadow.lanes[0].batch == 3
    await lane.write(range(4, 6))
    await lane.follow()
    assert await lane.said() == [(5, "RAISED", 25.0)]


async def test_batches_that_are_no_longer_listed_are_told(lane: Lane):
    await lane.set(SOONER)
    await lane.write(range(1, 2))
    await lane.follow()
    await lane.write(range(2, 6))
    await lane.conn.execute("DELETE FROM batches WHERE id BETWEEN 2 AND 3")
    await lane.follow()
    reasons = [s["because"] for s in await runs.starts(lane.conn, 1)]
    assert reasons[-1] == "batches 2 to 3 are no longer listed"


async def test_setting_another_ends_the_one_before_and_all_is_audited(lane: Lane):
    first = await lane.set(SOONER)
    second = await lane.set({"between_landings_window_s": 40})
    before = await runs.find(lane.conn, first)
    assert before is not None
    assert before.cleared_by == "a test"
    assert await runs.end(lane.conn, "somebody", START_US) == second
    assert await runs.end(lane.conn, "somebody", START_US) is None
    assert await runs.find(lane.conn) is None
    actions = await lane.conn.fetch("SELECT actor, action FROM audit_log ORDER BY id")
    assert [tuple(row) for row in actions] == [
        ("a test", "shadow_set"), ("a test", "shadow_cleared"), ("a test", "shadow_set"),
        ("somebody", "shadow_cleared"),
    ]  # fmt: skip


async def test_a_cleared_shadow_writes_nothing_more(lane: Lane):
    await lane.set(SOONER)
    shadow = await lane.follow()
    await lane.write(range(1, BATCHES + 1))
    await runs.end(lane.conn, "somebody", START_US)
    with pytest.raises(process.RunEndedError, match="shadow 1 was cleared"):
        await shadow.lanes[0].follow(lane.conn, asyncio.Event())
    assert await lane.said() == []


class Broken(EntrapmentDetector):
    def step(self, *arguments):
        raise ZeroDivisionError("on purpose")


async def test_a_detector_that_fails_is_counted(lane: Lane, monkeypatch):
    trial = NamedDetectors("broken", "fails on purpose", (Broken(),))
    monkeypatch.setattr(candidates, "CANDIDATES", (trial,))
    await lane.set({}, "broken")
    await lane.follow()
    await lane.write(range(1, 4))
    await lane.follow()
    [standing] = await runs.standing(lane.conn, 1)
    assert standing["detector_failures"] >= 3
    assert standing["last_failure"] == "entrapment on lift 1: ZeroDivisionError: on purpose"
    assert standing["frames"] == 3 * SECONDS_EACH


def test_only_what_can_run_is_set():
    with pytest.raises(CandidateError, match="nothing is other than live"):
        runs.checked({}, "")
    with pytest.raises(CandidateError, match="registered candidates"):
        runs.checked({}, "detectors.bank:BANK")
    with pytest.raises(CandidateError, match="no_such"):
        runs.checked({"no_such_s": 1}, "")


# --- the live service's part ----------------------------------------------------------------------


async def kept(lane: Lane, *command: str, **settings: object) -> tuple[ShadowKeeper, Metrics]:
    metrics = Metrics(CollectorRegistry(), "0")
    chosen = lane.settings.shadow.model_copy(update=settings)
    pool = lane.conn  # it takes the same calls
    return ShadowKeeper(pool, metrics, chosen, (sys.executable, "-c", *command)), metrics  # pyright: ignore[reportArgumentType]


def value(metrics: Metrics, name: str) -> float | None:
    return metrics.registry.get_sample_value(f"hoistway_shadow_{name}")


async def test_a_process_that_fails_is_counted_and_not_started_again_at_once(lane: Lane):
    await lane.set(SOONER)
    keeper, metrics = await kept(lane, "raise SystemExit(7)")
    await keeper.look()
    first = keeper.process
    assert first is not None
    await first.wait()
    await keeper.look()
    assert keeper.process is None
    assert (value(metrics, "ends_total"), value(metrics, "running")) == (1, 0)
    await keeper.end()


async def test_the_reason_of_a_failure_is_told_until_another_run_is_set(lane: Lane):
    await lane.set(SOONER)
    keeper, _ = await kept(lane, "print('said before'); print('no memory'); raise SystemExit(7)")
    assert keeper.kept() is None
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(keeper.run())
        while keeper.process is None:
            await asyncio.sleep(0)
        await keeper.process.wait()
        await keeper.look()
        told = keeper.kept()
        assert told is not None
        assert (told.running, told.failure) == (False, "ended with code 7: no memory")
        assert 0 < told.again_in_s <= FIRST_WAIT_S
        await lane.set({"between_landings_window_s": 40})
        await keeper.look()
        told = keeper.kept()
        assert told is not None
        assert (told.running, told.failure) == (True, "")
        running.cancel()
    assert keeper.kept() is None


async def test_a_process_that_hangs_ends_with_the_run(lane: Lane):
    await lane.set(SOONER)
    keeper, metrics = await kept(lane, "import signal; signal.pause()")
    await keeper.look()
    hanging = keeper.process
    assert hanging is not None
    assert (value(metrics, "running"), value(metrics, "version")) == (1, 1)
    await runs.end(lane.conn, "somebody", START_US)
    await keeper.look()
    assert hanging.returncode is not None
    assert (value(metrics, "running"), value(metrics, "ends_total")) == (0, 0)


async def test_it_can_be_switched_off_at_this_process(lane: Lane):
    await lane.set(SOONER)
    keeper, metrics = await kept(lane, "pass", enabled=False)
    await keeper.look()
    assert keeper.process is None
    assert value(metrics, "version") == 0


async def test_figures_of_the_shadow_become_metrics(lane: Lane):
    await lane.write(range(1, 2))
    await lane.set(SOONER)
    await lane.follow()
    keeper, metrics = await kept(lane, "import signal; signal.pause()")
    await keeper.look()
    await lane.write(range(2, 3))
    await keeper.look()
    assert value(metrics, "behind_seconds") == SECONDS_EACH
    await lane.follow()
    await keeper.look()
    assert value(metrics, "frames_total") == SECONDS_EACH
    assert (value(metrics, "step_seconds_total") or 0) > 0
    await keeper.end()


# --- as the API tells it --------------------------------------------------------------------------


@pytest.fixture
async def shadows(database_url: str) -> AsyncIterator[ShadowStore]:
    async with asyncpg.create_pool(database_url, min_size=0, max_size=3) as pool:
        yield ShadowStore(pool, lambda: None)


async def test_what_runs_already_goes_on_when_it_is_put_again(lane: Lane, shadows: ShadowStore):
    assert (await shadows.show())["state"] == "none"
    first = await shadows.put(SOONER, "", "me", START_US)
    again = await shadows.put(SOONER, "", "you", START_US)
    other = await shadows.put({"between_landings_window_s": 40}, "", "you", START_US)
    assert (first["version"], first["state"]) == (1, "starting")
    assert (again["version"], again["set_by"], other["version"]) == (1, "me", 2)
    assert [run["version"] for run in await shadows.runs(10, 5)] == [2, 1]
    with pytest.raises(ShadowRefusedError, match="between_landings_window_s must lie"):
        await shadows.put({"between_landings_window_s": -1}, "", "me", START_US)
    assert await shadows.clear("me", START_US) == 2
    assert await shadows.clear("me", START_US) is None
    assert (await shadows.show(2))["state"] == "cleared"
    assert await shadows.show(3) is None
    assert await lane.conn.fetchval("SELECT count(*) FROM audit_log") == 4


async def test_puts_at_once_leave_one_in_force(lane: Lane, shadows: ShadowStore):
    await asyncio.gather(
        *(shadows.put({"between_landings_window_s": n}, "", "me", START_US) for n in range(20, 30))
    )
    in_force = "SELECT count(*) FROM shadow_runs WHERE cleared_at IS NULL"
    assert await lane.conn.fetchval(in_force) == 1


async def test_what_it_said_and_what_differs_is_listed(lane: Lane, shadows: ShadowStore):
    await shadows.put(SOONER, "", "me", START_US)
    await lane.follow()
    await lane.write(range(1, BATCHES + 1))
    await lane.follow()
    assert (await shadows.show())["state"] == "caught_up"
    which = SaidFilter(1, START_US, START_US + 60 * SECOND_US, "A")
    [said] = await shadows.said(which, None, 10)
    assert (said["elevator"], said["change"]) == ("A", "raised")
    assert said["rule"]["thresholds"]["window_us"] == 25 * SECOND_US
    assert said["evidence"]["criteria"]["stopped"] is True
    place = START_US + 25 * SECOND_US, said["lane"], said["batch"], said["n"]
    assert await shadows.said(which, place, 10) == []
    assert await shadows.said(replace(which, elevator="B"), None, 10) == []
    assert await shadows.said(replace(which, kind=2), None, 10) == []
    assert await shadows.said(replace(which, to_us=START_US + 25 * SECOND_US), None, 10) == []
    head, [(case, told)] = await shadows.differences(which, None, 10)
    assert head["kinds"]["entrapment_between_landings"]["only_candidate"] == 1
    assert (told["difference"], told["current"]) == ("only_candidate", None)
    assert told["candidate"]["detected"] == "2026-09-21T14:13:45.000Z"
    assert (await shadows.differences(which, case, 10))[1] == []


async def test_too_much_is_not_compared_in_one_request(
    lane: Lane, shadows: ShadowStore, monkeypatch
):
    monkeypatch.setattr("service.shadow.store.MOST_COMPARED", 0)
    await shadows.put(SOONER, "", "me", START_US)
    await lane.follow()
    await lane.write(range(1, BATCHES + 1))
    await lane.follow()
    which = SaidFilter(1, START_US, START_US + 60 * SECOND_US)
    with pytest.raises(ShadowRefusedError, match="choose a later from, one elevator"):
        await shadows.differences(which, None, 10)
