"""Whoever did not listen accuses nobody: broker and service go away, and no terminal was silent.

Terminals that throw away what they cannot send, so every pause leaves a gap in event time that is
longer than their limit. One of them really stops: it is told once, and over with its next frame.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from service.rig import Rig
from service.stack import Stack, open_stack
from simulator.publishing.connection import PublishSettings
from simulator.publishing.publish import Publisher
from telemetry.findings import FindingKind
from tests.acceptance.conftest import MakeRig
from tests.acceptance.terminal import EMPTY, SECOND_US, Terminal
from tests.conftest import ROOT
from tests.waiting import until

LIFTS = ("31103301102014070001", "31103301102014070002", "31103301102014070003")
LIMIT_S = 8
PAUSE_S = LIMIT_S + 4
PARAMS = {"heartbeat_s": LIMIT_S / 2, "silent_intervals": 2}


@pytest.fixture(scope="module")
def frail_broker() -> Iterator[Stack]:
    """Return a broker that this test takes away."""
    with open_stack(ROOT, own=True, services=frozenset({"mosquitto"})) as stack:
        yield stack


class Beats:
    """Terminals that tell twice a second, unless they are mute."""

    def __init__(self, rig: Rig, publisher: Publisher) -> None:
        self.rig = rig
        self.mute: set[str] = set()
        self.terminals = [Terminal(publisher, code, "gw-silence") for code in LIFTS]

    async def run(self) -> None:
        while True:
            for one in self.terminals:
                if one.code not in self.mute:
                    await one.tell(self.rig.clock.now_us(), EMPTY)
            await asyncio.sleep(0.5)  # their cadence

    async def pause(self) -> None:
        """Let nobody tell anything for longer than the limit; return when it is over."""
        self.mute = set(LIFTS)
        end_us = self.rig.clock.now_us() + PAUSE_S * SECOND_US

        async def over() -> bool:
            return self.rig.clock.now_us() >= end_us

        await until(over, PAUSE_S + 5)

    async def all_heard_again(self) -> None:
        """Let them tell again, and wait until three frames of each are stored."""
        before = {one.code: await stored(self.rig, one.code) for one in self.terminals}
        self.mute = set()

        async def heard() -> bool:
            now = {code: await stored(self.rig, code) for code in before}
            return all(now[code] >= before[code] + 3 for code in before)

        await until(heard, 30)


@asynccontextmanager
async def beating(rig: Rig) -> AsyncIterator[Beats]:
    """Let the terminals tell while the block runs."""
    settings = PublishSettings(rig.settings.mqtt_url, client_id=f"{rig.client_id}-terminals")
    async with Publisher(settings) as publisher:
        beats = Beats(rig, publisher)
        running = asyncio.create_task(beats.run())
        try:
            yield beats
        finally:
            running.cancel()
            await asyncio.wait({running})


async def stored(rig: Rig, code: str) -> int:
    return await rig.count(
        "SELECT count(*) FROM frames f JOIN elevators e ON e.id = f.elevator_id WHERE e.code = $1",
        code,
    )


async def silences(rig: Rig) -> list[tuple[str, int]]:
    """Return lift and change of all that was said about silence."""
    rows = await rig.pool.fetch(
        "SELECT e.code, t.change FROM transitions t JOIN elevators e ON e.id = t.elevator_id"
        " WHERE t.kind = $1 ORDER BY t.batch, t.n",
        int(FindingKind.TERMINAL_SILENT),
    )
    return [(row["code"], row["change"]) for row in rows]


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_broker_and_service_go_away_and_only_the_terminal_that_stops_is_silent(
    rig: MakeRig, frail_broker: Stack
) -> None:
    broker = frail_broker.mosquitto
    assert broker is not None
    made = await rig(
        mqtt_url=frail_broker.mqtt_url,
        environment={"HOISTWAY_MQTT_BACKOFF_MAX_S": "1"},
        registrations=[
            (code, {"params": PARAMS, "confirmed": True, "gateway": "gw-silence"}) for code in LIFTS
        ],
    )
    async with beating(made) as beats:
        await beats.all_heard_again()
        await asyncio.to_thread(broker.stop)
        await beats.pause()
        await asyncio.to_thread(broker.start)
        await beats.all_heard_again()
        assert await silences(made) == []

        await made.service.stop()
        await beats.pause()
        await made.service.start()
        await made.service.wait_ready()
        await beats.all_heard_again()
        assert await silences(made) == []

        gone = LIFTS[1]
        beats.mute = {gone}
        await until(lambda: said(made, [(gone, 1)]), LIMIT_S + 20)
        beats.mute = set()
        await until(lambda: said(made, [(gone, 1), (gone, 3)]), 20)
        await beats.all_heard_again()
    assert await silences(made) == [(gone, 1), (gone, 3)]
    rows = await made.pool.fetch("SELECT kind, state FROM alarms")
    assert [(row["kind"], row["state"]) for row in rows] == [
        (int(FindingKind.TERMINAL_SILENT), "self_released")
    ]


async def said(rig: Rig, wanted: list[tuple[str, int]]) -> bool:
    return await silences(rig) == wanted
