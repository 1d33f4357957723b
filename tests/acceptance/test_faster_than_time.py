"""A run at N times the speed of time is news to a service whose live horizon lies behind it."""

import asyncio

from simulator.network.spec import NetworkSpec
from simulator.publishing.ahead import AHEAD_US, Ahead
from simulator.publishing.feed import FleetFeed
from simulator.publishing.live import longest_lag_us, run_live, start_of_run
from simulator.publishing.publish import Publisher, PublishSettings
from simulator.scenarios.presets import as_record, demo_script
from tests.acceptance.conftest import MakeRig

SECOND_US = 1_000_000
DURATION_US = 800 * SECOND_US
SPEED = 20
DEFAULT_HORIZON_US = 120 * SECOND_US
RAISED = "hoistway.alarm.raised"


async def test_a_run_at_20_times_the_speed_is_dispatched_live(rig: MakeRig) -> None:
    rows = [as_record(row) for row in demo_script(8, 1, 0).fleet.registry()]
    horizon_s = longest_lag_us(DURATION_US, SPEED) // SECOND_US + 60
    one = await rig(
        environment={"HOISTWAY_HISTORY_HOLD_LAG_S": str(horizon_s)},
        registrations=[(row.pop("code"), row | {"confirmed": True}) for row in rows],
    )
    start_us = start_of_run(one.clock.now_us(), DURATION_US, SPEED)
    demo = demo_script(8, 1, start_us, DURATION_US // SECOND_US)
    feed = FleetFeed(demo.fleet, NetworkSpec(), 1)
    end_us = start_us + DURATION_US
    trapped = {demo.fleet.codes[lift] for lift in demo.trapped}
    settings = PublishSettings(one.settings.mqtt_url, 1, f"{one.client_id}-sim")
    async with Publisher(settings) as publisher:
        began_us = one.clock.now_us()
        sending = asyncio.create_task(
            run_live(
                Ahead(feed, end_us, SPEED * AHEAD_US), publisher, one.clock,
                start_us=start_us, end_us=end_us, speed=SPEED,
            )
        )  # fmt: skip
        await one.desk.wait_for(
            lambda desk: trapped <= {m.data["elevator"]["code"] for m in desk.messages(RAISED)},
            30.0,
        )
        at_us = one.clock.now_us()
        lag_us = at_us - (start_us + SPEED * (at_us - began_us))
        # below the usual horizon any alarm is news; these were long before
        assert lag_us > DEFAULT_HORIZON_US
        assert not sending.done()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        assert await publisher.flush(20)
