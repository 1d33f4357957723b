"""Who announces what: a standby nothing at all, a blind service that stops no recovery."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from alerting.announce import Cause as BlindCause
from service import blindness as module
from service.blindness import Blindness
from service.clock import ManualClock
from service.metrics import Metrics
from service.readiness import Board, Cause
from tests.waiting import until


class Announcer:
    """Tells whether it runs."""

    def __init__(self) -> None:
        self.runs = False
        self.began = 0
        self.announced: dict[BlindCause, int] = {}

    async def run(self) -> None:
        self.runs = True
        self.began += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.runs = False


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", 0)
    monkeypatch.setattr(module, "ROLE_KNOWN_S", 0.05)


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.usefixtures("quick")
async def test_a_standby_gives_no_signs_of_life():
    board, announcer = Board(ManualClock()), Announcer()
    made: Any = announcer
    metrics = Metrics(CollectorRegistry(), "0")
    task = asyncio.create_task(Blindness(board).announce(metrics, made))
    await turns()
    assert announcer.began == 0  # who is the writer is not known yet
    board.set(Cause.STANDBY)
    await asyncio.sleep(0.1)  # twice as long as the role may be unknown
    assert announcer.began == 0
    board.clear(Cause.STANDBY)
    board.clear(Cause.STARTING)
    await turns()
    assert announcer.runs
    board.set(Cause.STANDBY)
    await turns()
    assert not announcer.runs
    board.clear(Cause.STANDBY)
    await turns()
    assert (announcer.runs, announcer.began) == (True, 2)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert not announcer.runs


@pytest.mark.usefixtures("quick")
async def test_a_start_without_database_is_announced_all_the_same():
    board, announcer = Board(ManualClock()), Announcer()
    made: Any = announcer
    board.set(Cause.DATABASE)
    task = asyncio.create_task(Blindness(board).announce(Metrics(CollectorRegistry(), "0"), made))
    await until(lambda: announcer.runs)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def test_a_blind_service_that_stops_is_not_restored():
    clock = ManualClock()
    board = Board(clock, ())
    board.set(Cause.COMMIT)
    since_us = clock.now_us()
    clock.advance(60)
    board.set(Cause.STOPPING)
    assert Blindness(board).causes() == {BlindCause.DATABASE: since_us}
