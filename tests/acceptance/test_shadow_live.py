"""A shadow beside the real service: with equal rules it says the same, with others it shows where.

One run is published to the real service while a shadow is set; the shadow's process is the
service's own.
"""

import asyncio
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from service.rig import Rig
from service.shadow import runs
from service.simulate.feeds import ScenarioFeed
from service.simulate.plan import Options, plan
from tests.acceptance.commands import hoistway
from tests.acceptance.conftest import MakeRig
from tests.acceptance.test_scenarios import AN_HOUR, publish, registrations
from tests.acceptance.test_score_live import SCENARIO

SAID = (
    "SELECT elevator_id, time, onset, kind, kind_now, change, reason, confidence, evidence"
    " FROM %stransitions ORDER BY elevator_id, time, onset, kind, change"
)


async def caught_up(made: Rig) -> None:
    """Wait until the shadow has taken every batch that the service committed."""
    async with asyncio.timeout(60):
        while await made.count(
            "SELECT (SELECT max(id) FROM batches) IS DISTINCT FROM (SELECT max(batch)"
            " FROM shadow_lanes)"
        ):
            await made.pool.execute("SELECT pg_sleep(0.1)")


@pytest.mark.parametrize(("params", "differ"), [
    ({"at_landing_window_s": 60}, False),
    ({"between_landings_window_s": 25}, True),
])  # fmt: skip
async def test_a_shadow_says_what_its_rules_say(
    rig: MakeRig, tmp_path: Path, params: dict[str, Any], differ: bool
) -> None:
    scenario = tmp_path / "s.toml"
    scenario.write_text(SCENARIO)
    with ExitStack() as stack:
        run = plan(Options(scenario=str(scenario)), None, None, stack)
        feed = run.feed
        assert isinstance(feed, ScenarioFeed)
        made = await rig(registrations=registrations(feed), accept_as=None, environment=AN_HOUR)
        async with made.pool.acquire() as conn:
            await runs.begin(conn, runs.checked(params, ""), "test", made.clock.now_us())
        async with asyncio.timeout(30):
            while not await made.count("SELECT count(*) FROM shadow_lanes"):
                await made.pool.execute("SELECT pg_sleep(0.1)")
        await publish(made, run, feed)
    await caught_up(made)
    environment = {"HOISTWAY_DATABASE_URL": made.database_url}
    ended = await asyncio.to_thread(hoistway, environment, "compare", "--live", "--json")
    assert ended.returncode == int(differ), ended.stderr
    told = json.loads(ended.stdout)
    kinds = told["kinds"]
    assert sum(kind["current"] for kind in kinds.values()) >= 6
    metrics = await made.service.metrics()
    assert metrics["hoistway_shadow_running"] == 1
    if differ:
        cases = told["differences"]["other_time"]
        assert {c["candidate"]["detected_us"] - c["current"]["detected_us"] for c in cases} == {
            -5_000_000
        }
        return
    live, shadow = [await made.pool.fetch(SAID % table) for table in ("", "shadow_")]
    assert [dict(row) for row in shadow] == [dict(row) for row in live]
    assert len(live) >= 12
