"""The writer's lease: lost and taken again, or lost to somebody else."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from ingest.store import writer_lock
from ingest.store.connect import ConnectOptions
from ingest.store.errors import EpochLost, Unavailable
from ingest.store.writer_lock import Lease
from service import writer as writer_module
from service.metrics import Metrics
from service.readiness import Board, Cause
from service.writer import RetryTimes, Writer
from tests.waiting import until


class Clock:
    def now_us(self) -> int:
        return 1


class Server:
    """One lane's lock and epoch, as the database keeps them."""

    def __init__(self) -> None:
        self.epoch = 0
        self.checks = 0
        self.busy_polls = 0
        self.taken_by_another = False

    async def connect(self, *_: Any) -> Any:
        return SimpleNamespace(is_closed=lambda: False, terminate=lambda: None)

    async def acquire(self, conn: Any, lane: int, on_standby: Any, *_: Any) -> Lease:
        if self.taken_by_another or self.busy_polls:
            on_standby()
        while self.taken_by_another or self.busy_polls:
            self.busy_polls = max(0, self.busy_polls - 1)
            await asyncio.sleep(0)
        self.epoch += 1
        return Lease(lane, self.epoch, asyncio.Event())

    async def check_epoch(self, conn: Any, lane: int, epoch: int) -> None:
        self.checks += 1
        if epoch != self.epoch:
            raise EpochLost(f"epoch {epoch} is over")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server()
    monkeypatch.setattr(writer_module, "open_connection", made.connect)
    monkeypatch.setattr(writer_lock, "acquire", made.acquire)
    monkeypatch.setattr(writer_lock, "check_epoch", made.check_epoch)
    return made


async def taken(server: Server) -> tuple[Writer, Board]:
    board = Board(Clock(), ())
    metrics = Metrics(CollectorRegistry(), "0")
    times = RetryTimes(0.001, 0.01)
    writer = Writer(0, "postgresql://", ConnectOptions(), times, board, metrics, Clock())
    await writer.take_over()
    return writer, board


async def ask(_: Any) -> str:
    return "done"


async def test_a_lease_taken_again_after_waiting_for_our_own_dead_session_ends_the_standby(server):
    writer, board = await taken(server)
    writer.lease.lost.set()
    server.busy_polls = 3  # the server has not noticed yet that the old connection is dead
    assert await writer.attempt(ask) == "done"
    assert Cause.STANDBY not in board.causes()


async def test_who_lost_the_lane_to_another_process_ends_instead_of_standing_by(server):
    writer, _ = await taken(server)
    writer.lease.lost.set()
    server.taken_by_another, server.epoch = True, server.epoch + 1
    with pytest.raises(EpochLost):
        async with asyncio.timeout(5):
            await writer.attempt(ask)


async def test_who_loses_the_lane_while_asking_for_it_again_ends_too(server, monkeypatch):
    monkeypatch.setattr(writer_module, "RETAKE_ASKS_S", 0.02, raising=False)
    writer, _ = await taken(server)
    writer.lease.lost.set()
    server.taken_by_another = True
    before = server.checks
    asking = asyncio.create_task(writer.attempt(ask))
    await until(lambda: server.checks >= before + 2)  # it waits, and nobody was faster yet
    server.epoch += 1
    with pytest.raises(EpochLost):
        async with asyncio.timeout(5):
            await asking


async def test_a_batch_on_hold_is_not_forgotten_because_the_database_answers(server):
    writer, board = await taken(server)
    await writer.hold(Unavailable("no frame is at fault"))
    since_us = writer.failing_since_us
    assert await writer.attempt(ask) == "done"
    assert (Cause.COMMIT in board.causes(), writer.failing_since_us) == (True, since_us)
    writer.end_hold()
    assert (Cause.COMMIT in board.causes(), writer.failing_since_us) == (False, None)


async def test_a_database_gone_meanwhile_is_tried_again(server, monkeypatch):
    writer, board = await taken(server)
    writer.lease.lost.set()
    asked = 0

    async def flaky(conn: Any, lane: int, epoch: int) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise Unavailable("gone")
        await server.check_epoch(conn, lane, epoch)

    monkeypatch.setattr(writer_lock, "check_epoch", flaky)
    assert await writer.attempt(ask) == "done"
    assert not board.causes()
