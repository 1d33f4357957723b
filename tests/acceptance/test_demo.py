"""``hoistway demo --for 60`` as a newcomer runs it: the exit code is the verdict."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from service.stack import Stack

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_the_demo_ends_by_itself_with_nothing_missed_doubled_or_false(stack: Stack):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HOISTWAY_")}
    environment |= {
        "HOISTWAY_DATABASE_URL": stack.database_url,
        "HOISTWAY_MQTT_URL": stack.mqtt_url,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "service", "demo", "--for", "60", "--json",
        cwd=ROOT, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    figures = json.loads(out)
    assert figures["faults"] == []
    assert figures["true_entrapments"] >= 4
    assert figures["raised"] == figures["true_entrapments"]
    assert figures["false"] == 0
    assert "shorter hold windows" in err.decode()
    assert figures["published"] == figures["stored"] + figures["duplicate"]
    assert len(figures["latencies_ms"]) >= figures["true_entrapments"]
