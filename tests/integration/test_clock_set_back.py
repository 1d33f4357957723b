"""``hoistway serve`` on a machine whose clock is set back: it stops in order, and starts again."""

import asyncio
import os
import signal
import sys
import uuid
from pathlib import Path

import pytest

from ingest.mqtt_settings import MqttSettings
from ingest.mqtt_source import delete_session
from service.child import free_port
from service.clock import SystemClock
from tests.conftest import ROOT
from tests.waiting import until

BACK_S = 7200
SERVE = """
import signal, sys, time
from service import cli, clock, foundation
back_ns = [int(sys.argv[1]) * 10**9]
foundation.SystemClock = lambda: clock.SystemClock(lambda: time.time_ns() - back_ns[0])
signal.signal(signal.SIGUSR1, lambda *_: back_ns.__setitem__(0, int(sys.argv[2]) * 10**9))
sys.exit(cli.run(["serve"]))
"""


class Served:
    """The service in a process whose wall clock is behind by ``back_s``, more after SIGUSR1."""

    def __init__(self, log: Path, environment: dict[str, str]) -> None:
        self.log, self.environment = log, environment

    async def start(self, back_s: int) -> None:
        with self.log.open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", SERVE, str(back_s), str(BACK_S),
                env={**os.environ, **self.environment}, stdout=log, stderr=log, cwd=ROOT,
            )  # fmt: skip
        await until(self.serves_or_ended, 30)

    def serves_or_ended(self) -> bool:
        return "serving" in self.log.read_text() or self.process.returncode is not None

    async def end_with(self, sign: signal.Signals) -> int:
        self.process.send_signal(sign)
        async with asyncio.timeout(30):
            return await self.process.wait()


@pytest.fixture
async def served(database_url: str, stack, tmp_path: Path):
    client_id = f"set_back_{uuid.uuid4().hex[:12]}"
    made = Served(
        tmp_path / "serve.log",
        {
            "HOISTWAY_DATABASE_URL": database_url,
            "HOISTWAY_MQTT_URL": stack.mqtt_url,
            "HOISTWAY_MQTT_CLIENT_ID": client_id,
            "HOISTWAY_HTTP_PORT": str(free_port()),
            "HOISTWAY_DISPATCH_URLS": "",
        },
    )
    yield made
    if made.process.returncode is None:
        made.process.kill()
        await made.process.wait()
    await delete_session(MqttSettings(url=stack.mqtt_url, client_id=client_id), SystemClock())


async def test_a_clock_set_back_stops_the_service_in_order_and_it_starts_again(served):
    await served.start(0)
    assert await served.end_with(signal.SIGUSR1) == 1
    said = served.log.read_text()
    assert "clock_set_back" in said
    assert "stopped" in said
    assert said.splitlines()[-1].startswith(
        f"hoistway: the machine's clock was set back by {BACK_S} s"
    )

    await served.start(BACK_S)
    assert await served.end_with(signal.SIGTERM) == 0
    assert "clock_behind_state" in served.log.read_text()

    await served.start(BACK_S)  # the snapshot before the first batch made the state the clock's
    assert await served.end_with(signal.SIGTERM) == 0
    assert "clock_behind_state" not in served.log.read_text()
