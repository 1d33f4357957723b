"""A shadow beside the real service: with equal rules it says the same, with others it shows where.

One run is published to the real service while a shadow is set; the shadow's process is the
service's own.
"""

import asyncio
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from service.rig import Rig
from service.roles import Role
from service.simulate.feeds import ScenarioFeed
from service.simulate.plan import Options, plan
from tests.acceptance.commands import hoistway
from tests.acceptance.conftest import MakeRig
from tests.acceptance.test_scenarios import AN_HOUR, publish, registrations
from tests.acceptance.test_score_live import SCENARIO
from tests.waiting import until

KEYS: dict[str, dict[str, str]] = {}
SAID = (
    "SELECT elevator_id, time, onset, kind, kind_now, change, reason, confidence, evidence"
    " FROM %stransitions ORDER BY elevator_id, time, onset, kind, change"
)


async def asked(made: Rig, method: str, path: str, **more: Any) -> dict[str, Any]:
    """Ask the service's API about its shadow."""
    if "boss" not in KEYS.setdefault(made.client_id, {}):
        KEYS[made.client_id]["boss"] = await made.make_key("boss", Role.ADMIN)
    headers = {"X-API-Key": KEYS[made.client_id]["boss"]}
    url = f"{made.service.http_url}/v1/shadow{path}"
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, url, **more) as answer,
    ):
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def listed(made: Rig, name: str) -> list[dict[str, Any]]:
    """Return a list of the API, page by page."""
    found: list[dict[str, Any]] = []
    query = {"limit": "5", "from": "2026-03-24T00:00:00Z"}
    while True:
        page = await asked(made, "GET", f"/{name}", params=query)
        found += page[name]
        if page["next"] is None:
            return found
        query["after"] = page["next"]


async def caught_up(made: Rig) -> None:
    """Wait until the shadow has taken every batch that the service committed."""
    taken = (
        "SELECT (SELECT max(id) FROM batches) IS NOT DISTINCT FROM"
        " (SELECT max(batch) FROM shadow_lanes)"
    )
    await until(lambda: made.count(taken), 60)


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
        assert (await asked(made, "GET", ""))["state"] == "none"
        put = await asked(made, "PUT", "", json={"parameters": params})
        assert (put["version"], put["set_by"]) == (1, "boss")
        await until(lambda: made.count("SELECT count(*) FROM shadow_lanes"), 30)
        await publish(made, run, feed)
    await caught_up(made)
    environment = {"HOISTWAY_DATABASE_URL": made.database_url}
    ended = await asyncio.to_thread(hoistway, environment, "compare", "--live", "--json")
    assert ended.returncode == int(differ), ended.stderr
    told = json.loads(ended.stdout)
    kinds = told["kinds"]
    assert sum(kind["current"] for kind in kinds.values()) >= 6
    shown = await asked(made, "GET", "")
    assert (shown["state"], shown["why"]) == ("running", "")
    said = await listed(made, "transitions")
    assert len(said) == await made.count("SELECT count(*) FROM shadow_transitions")
    cases = await listed(made, "differences")
    assert len(cases) == sum(len(v) for k, v in told["differences"].items() if k != "equal")
    assert {case["difference"] for case in cases} == ({"other_time"} if differ else set())
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
