"""Scenarios of the library against the running service: the same conditions, real alarms.

Frames are published as fast as the broker takes them, so the service must take a lag of minutes for
the present (``HOISTWAY_HISTORY_HOLD_LAG_S``), and scenarios about clocks are not among them. Judged
are the rows of ``alarms``; and those that are no history must all have reached the desk.
"""

from contextlib import ExitStack, suppress
from typing import Any

import pytest

from service.rig import Rig
from service.simulate.feeds import ScenarioFeed
from service.simulate.judging import kinds_found
from service.simulate.plan import Options, Run, loaded, plan
from service.soak import accounts
from service.times import to_us
from simulator.publishing.live import run_live
from simulator.publishing.publish import Publisher, PublishSettings
from simulator.scenarios.judge import Happened, RaisedAlarm, judge, sentence
from simulator.scenarios.presets import as_record
from telemetry.findings import FINDINGS, FindingKind
from tests.acceptance.conftest import MakeRig
from tests.waiting import until

AN_HOUR = {"HOISTWAY_HISTORY_HOLD_LAG_S": "3600"}
LIVE = (
    "children-at-the-button",
    "door-lock-jams",
    "doubled-and-shuffled",
    "gap-during-an-entrapment",
    "mains-cut-with-rescue-device",
    "mechanic-at-work",
    "sequence-gaps",
)


def registrations(feed: ScenarioFeed) -> list[tuple[str, dict[str, Any]]]:
    """Return all units of a fleet as the registry wants them."""
    rows = [as_record(row) for row in feed.fleet.registry()]
    return [(row.pop("code"), {**row, "confirmed": True}) for row in rows]


async def publish(rig: Rig, run: Run, feed: ScenarioFeed) -> None:
    """Send everything, and wait until it is stored and nothing is to be delivered."""
    settings = PublishSettings(rig.settings.mqtt_url, 1, f"{rig.client_id}-scenario")
    async with Publisher(settings) as publisher:
        await run_live(
            feed, publisher, rig.clock, start_us=run.start_us, end_us=run.end_us, speed=None
        )
        await publisher.publish(feed.rest())
        assert await publisher.flush(30)
        sent = publisher.report.frames + publisher.report.without_frames
    await accounts.settled(rig.service, sent)
    pending = "SELECT count(*) FROM deliveries WHERE state = 'pending'"
    await until(lambda: rig.count(f"SELECT ({pending}) = 0"), 30)


async def alarms(rig: Rig, feed: ScenarioFeed) -> list[RaisedAlarm]:
    """Return the alarms that the service keeps."""
    rows = await rig.pool.fetch(
        "SELECT e.code, a.kind, a.detected, a.onset, a.ended_at FROM alarms a"
        " JOIN elevators e ON e.id = a.elevator_id ORDER BY a.detected"
    )
    unit_of = {code: unit for unit, code in enumerate(feed.fleet.codes)}
    return [
        RaisedAlarm(
            unit_of[row["code"]],
            FindingKind(row["kind"]),
            to_us(row["detected"]),
            to_us(row["onset"]),
            None if row["ended_at"] is None else to_us(row["ended_at"]),
        )
        for row in rows
    ]


async def judged(make_rig: MakeRig, name: str, **more: Any) -> tuple[Rig, list[str]]:
    """Run a scenario through a service of its own; return what differs."""
    options = Options(scenario=name)
    with ExitStack() as stack:
        run = plan(options, None, None, stack)
        feed = run.feed
        assert isinstance(feed, ScenarioFeed)
        rig = await make_rig(registrations=registrations(feed), accept_as=None, **more)
        await publish(rig, run, feed)
        wanted = loaded(options, kinds_found())
        differences: list[str] = []

        async def agrees() -> bool:
            found = await alarms(rig, feed)
            happened = Happened(run.start_us, run.end_us, found, feed.truth(), feed.look_alikes())
            # Minutes arrive within a second here, so nobody is silent: that is told by arrival.
            silent = FindingKind.TERMINAL_SILENT.slug
            told = [sentence(wanted, one) for one in judge(wanted, happened)]
            differences[:] = [one for one in told if silent not in one]
            return not differences

        with suppress(TimeoutError):  # frames behind lost numbers are stepped two seconds later
            await until(agrees)
        return rig, differences


@pytest.mark.parametrize("name", LIVE)
async def test_the_service_raises_what_the_scenario_expects(rig: MakeRig, name: str) -> None:
    made, differences = await judged(rig, name, environment=AN_HOUR)
    assert differences == []
    raised = made.desk.messages("hoistway.alarm.raised")
    sent = [k for k, f in FINDINGS.items() if f.finding_class in ("rescue", "safety")]
    kept = await made.pool.fetch("SELECT kind FROM alarms WHERE NOT past")
    assert len(raised) == sum(row["kind"] in sent for row in kept)
    assert not await made.count("SELECT count(*) FROM alarms WHERE past")


async def test_late_history_is_recorded_and_never_dispatched(rig: MakeRig) -> None:
    made, differences = await judged(rig, "late-history")
    assert differences == []
    assert await made.count("SELECT count(*) FROM alarms WHERE past") == 1
    assert not made.desk.messages("hoistway.alarm.raised")
