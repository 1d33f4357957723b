"""Database, broker and desk go away and come back: nothing is lost, nothing grows, and it shows.

Real outages of real servers under traffic in which people keep getting trapped. The lengths of the
issue (60 s, 30 s) are in ``bench/outage.py``; here blindness is announced after 2 s instead of 15
and the pauses between attempts are shorter.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from service.soak.commit_cutter import CommitCutter, Cut
from service.soak.crash import CrashSettings, rig_settings
from service.soak.outage import CUTS_EACH, RESTORED, Outage, OutageRun, OutageSettings, through
from service.soak.traffic import TrafficSpec
from service.stack import Stack, open_stack
from tests.acceptance.conftest import MakeRig
from tests.conftest import ROOT

TRAFFIC = TrafficSpec(lifts=12, load_lifts=100, load_frames_per_s=200, seed=5)
DEGRADED_AFTER_S = 2.0
TAIL_S = 4.0  # longer than the publisher's longest wait (2 s), else it may end before it is back


@pytest.fixture(scope="module")
def frail_stack() -> Iterator[Stack]:
    """Return services that these tests stop, kill and freeze, and always give back."""
    with open_stack(ROOT, own=True) as stack:
        yield stack


async def endure(
    make_rig: MakeRig, stack: Stack, *outages: Outage, lasts_s: float = 7.0
) -> OutageRun:
    settings = OutageSettings(
        outages, lasts_s, degraded_after_s=DEGRADED_AFTER_S, traffic=TRAFFIC, tail_s=TAIL_S
    )
    wanted = rig_settings(CrashSettings(traffic=TRAFFIC))
    rig = await make_rig(
        ready=False,
        database_url=stack.database_url,
        mqtt_url=stack.mqtt_url,
        registrations=wanted.registrations,
        environment={
            **wanted.environment,
            "HOISTWAY_ANNOUNCE_DEGRADED_AFTER_S": str(DEGRADED_AFTER_S),
            "HOISTWAY_DISPATCH_ATTEMPT_TIMEOUT_S": "1.5",
            "HOISTWAY_INGEST_RETRY_MAX_S": "1",
            "HOISTWAY_MQTT_BACKOFF_MAX_S": "1",
        },
        accept_after_s=wanted.accept_after_s,
    )
    target = urlsplit(stack.database_url)
    async with CommitCutter(target.hostname or "", target.port or 5432) as cutter:
        rig.service.environment = {
            **rig.service.environment,
            "HOISTWAY_DATABASE_URL": through(rig.database_url, cutter.port),
        }
        await rig.service.start()
        await rig.service.wait_ready()
        run = OutageRun(settings, rig, stack, cutter)
        await run.run()
    for course in run.courses:
        print(course)
    print(run.watched)
    report = run.report
    print(f"published {report.published}, stored {report.stored}, duplicate {report.duplicate},"
          f" rejected {report.rejected}; {report.entrapments} entrapments,"
          f" {report.alarms} alarms, {report.deliveries} deliveries,"
          f" onsets within {max(map(abs, report.onset_errors_us), default=0)} µs")  # fmt: skip
    assert not report.faults, "\n".join([*report.faults, rig.service.last_words()])
    assert run.watched.samples > 10
    assert report.entrapments >= 2
    return run


@pytest.mark.slow
async def test_a_database_that_stops_or_hangs_costs_nothing(
    rig: MakeRig, frail_stack: Stack
) -> None:
    run = await endure(rig, frail_stack, Outage.DATABASE_STOPPED, Outage.DATABASE_FROZEN)
    assert run.report.stored == run.report.distinct
    assert any(course.pending_onset for course in run.courses)
    restored = run.rig.desk.messages(RESTORED)
    assert [m.data["cause"] for m in restored] == ["database", "database"]


@pytest.mark.slow
async def test_a_database_that_dies_or_refuses_to_write_is_waited_for(
    rig: MakeRig, frail_stack: Stack
) -> None:
    run = await endure(
        rig, frail_stack, Outage.DATABASE_KILLED, Outage.DATABASE_READ_ONLY, lasts_s=6.0
    )
    assert run.report.stored == run.report.distinct


@pytest.mark.slow
async def test_a_commit_cut_in_the_middle_is_neither_lost_nor_doubled(
    rig: MakeRig, frail_stack: Stack
) -> None:
    run = await endure(rig, frail_stack, Outage.COMMIT_CUT)
    assert run.report.stored == run.report.distinct
    log = run.rig.service.log_path.read_text("utf-8")
    assert log.count('"event": "commit_failed"') >= CUTS_EACH * len(Cut)


@pytest.mark.slow
async def test_a_broker_that_stops_or_hangs_is_found_again(
    rig: MakeRig, frail_stack: Stack
) -> None:
    # a frozen broker is found by its silence alone, and told of two seconds after that
    outages = Outage.BROKER_STOPPED, Outage.BROKER_FROZEN
    run = await endure(rig, frail_stack, *outages, lasts_s=10.0)
    assert run.report.stored == run.report.distinct
    restored = run.rig.desk.messages(RESTORED)
    assert [m.data["cause"] for m in restored] == ["broker", "broker"]


@pytest.mark.slow
async def test_a_killed_broker_doubles_nothing_and_is_found_again(
    rig: MakeRig, frail_stack: Stack
) -> None:
    await endure(rig, frail_stack, Outage.BROKER_KILLED, lasts_s=10.0)


@pytest.mark.slow
async def test_a_desk_that_fails_or_hangs_gets_everything_later(
    rig: MakeRig, frail_stack: Stack
) -> None:
    run = await endure(rig, frail_stack, Outage.DESK_500, Outage.DESK_HANGS, lasts_s=5.0)
    refused = [m for m in run.rig.desk.received if m.status != 200]
    assert len(refused) >= 2
    assert not run.rig.desk.messages(RESTORED)  # it was never blind
