"""``hoistway score --database`` says of the service what the backtest says of the recording.

One run is recorded, published to the real service, and scored twice.
"""

import asyncio
import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path

from service.simulate.feeds import ScenarioFeed
from service.simulate.plan import Options, plan
from service.simulate.telling import write_truth
from tests.acceptance.conftest import MakeRig
from tests.acceptance.test_scenarios import AN_HOUR, publish, registrations

ROOT = Path(__file__).parents[2]
SCENARIO = """
title = "A few lifts, some of them in trouble"
starts = 2026-03-24T08:00:00+08:00
lasts = "8 min"
other_alarms = "allowed"

[fleet]
lifts = 16

[[happens]]
at = "1 min"
lift = [1, 2, 3]
what = "door_lock"
presses = "15 s"
freed_after = "3 min"

[[happens]]
at = "1 min"
lift = [4, 5, 6]
what = "controller_stop"
freed_after = "3 min"

[[happens]]
at = "1 min"
lift = [7]
what = "parked_rider"
lasts = "100 s"
"""
MEASURES = ("events", "found", "missed", "optional_not_found", "wrong_class", "doubles", "false")


async def scored(*arguments: str, **environment: str) -> dict:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "service", "score", *arguments, "--json", "--workers", "1",
        env={**os.environ, **environment}, cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return json.loads(out)["score"]


async def test_live_results_score_as_the_recording_does(rig: MakeRig, tmp_path: Path) -> None:
    scenario, recording = tmp_path / "s.toml", tmp_path / "run.arrows"
    truth = tmp_path / "truth.jsonl"
    scenario.write_text(SCENARIO)
    with ExitStack() as stack:
        run = plan(Options(scenario=str(scenario)), None, recording, stack)
        feed = run.feed
        assert isinstance(feed, ScenarioFeed)
        made = await rig(registrations=registrations(feed), accept_as=None, environment=AN_HOUR)
        await publish(made, run, feed)
        feed.complete()
        write_truth(truth, feed.truth(), feed.look_alikes())
    live = await scored(
        "--database", "--truth", str(truth), HOISTWAY_DATABASE_URL=made.database_url
    )
    offline = await scored(str(recording))
    assert live["families"]["entrapment"]["found"] >= 6
    for kind, group in live["kinds"].items():
        other = offline["kinds"][kind]
        assert {m: group[m] for m in MEASURES} == {m: other[m] for m in MEASURES}, kind
        assert group["delay"] == other["delay"]
        assert group["onset_error"] == other["onset_error"]
        mine, theirs = (
            {(one["elevator"], one["detected_us"] - one["onset_us"]) for one in score["false"]}
            for score in (group["cases"], other["cases"])
        )
        assert mine == theirs
