"""Parameters changed while the real service runs and is killed: alarms name what judged them.

The rig's law wants that no recovery differed from what was stored.
"""

from collections.abc import AsyncIterator
from datetime import datetime

import pytest

from ingest.store.parameters import Scope
from service.parameters import ParameterStore, Wanted
from service.rig import Rig
from simulator.publishing.publish import Publisher, PublishSettings
from tests.acceptance.conftest import MakeRig
from tests.acceptance.terminal import RIDES, SECOND_US, STUCK, Terminal

RAISED = "hoistway.alarm.raised"
WINDOW = "between_landings_window_s"


@pytest.fixture
async def running(rig: MakeRig) -> AsyncIterator[tuple[Rig, Terminal]]:
    fields = {"confirmed": True, "gateway": "gw-A", "params": {}}
    made = await rig(registrations=[("A", fields)], accept_as=None)
    settings = PublishSettings(made.settings.mqtt_url, 1, f"{made.client_id}-A")
    async with Publisher(settings) as publisher:
        yield made, Terminal(publisher, "A", "gw-A")


async def fleet(made: Rig, window_s: float) -> int:
    """Set the fleet's window as another process would, and return the version."""
    wanted = Wanted(Scope.FLEET, "", {WINDOW: window_s}, "a test")
    done = await ParameterStore(made.pool).change(wanted, "test", made.clock.now_us())
    assert done is not None
    assert done.version is not None
    return done.version


async def test_a_change_and_a_kill_within_milliseconds_never_differ(
    running: tuple[Rig, Terminal],
) -> None:
    made, a = running
    assert await fleet(made, 600) == 1
    t = made.clock.now_us() // 1000 * 1000 - 20 * SECOND_US
    await a.tell_each_second(t, t + SECOND_US, RIDES)
    await a.tell_each_second(t + 2 * SECOND_US, t + 8 * SECOND_US, STUCK)
    for n, window_s in enumerate((500, 400, 3)):
        await a.tell(t + (9 + n) * SECOND_US, STUCK)
        version = await fleet(made, window_s)
        await made.service.kill()
        await made.service.start()
        await made.service.wait_ready()
    await made.desk.wait_for(lambda desk: bool(desk.messages(RAISED)), 20)
    (raised,) = made.desk.messages(RAISED)
    assert raised.data["rule"]["parameters_version"] == version == 4
    assert raised.data["class"] == "rescue"
    onset = datetime.fromisoformat(raised.data["onset"])
    assert round(onset.timestamp() * 1e6) == t + 2 * SECOND_US
    stored = await made.pool.fetch("SELECT parameters FROM transitions WHERE kind = 1")
    assert [row["parameters"] for row in stored] == [version]
    newest = await made.count("SELECT max(parameters) FROM batches")
    assert newest == version
