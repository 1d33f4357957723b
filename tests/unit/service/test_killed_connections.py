"""A connection killed in the middle of a statement ends with an internal error of the driver.

It is neither a ``PostgresError`` nor an ``InterfaceError``, so a list that names only those lets it
through to the task, and a dead task ends the service.
"""

import asyncio
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from alerting.errors import StoreUnavailableError
from alerting.store.session import connection
from ingest.store.connect import ConnectOptions
from service import writer as writer_module
from service.database import watch_database
from service.http.problems import install
from service.metrics import Metrics
from service.readiness import Board, Cause
from service.writer import RetryTimes, Writer

KILLED = asyncpg.InternalClientError("cannot switch to state 12; another operation is in progress")


class Clock:
    def now_us(self) -> int:
        return 1


class Pool:
    """Lends connections that die while they are asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def acquire(self, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - the pool's own
        return SimpleNamespace(fetchval=self.fetchval, terminate=lambda: None)

    async def release(self, _conn: Any, timeout: float | None = None) -> None:  # noqa: ASYNC109
        pass

    async def fetchval(self, *_: Any) -> str:
        self.asked += 1
        raise KILLED


async def test_alarms_and_outbox_call_it_an_unavailable_store():
    with pytest.raises(StoreUnavailableError, match="InternalClientError"):
        async with connection(Pool()) as conn:  # pyright: ignore[reportArgumentType]
            await conn.fetchval("SELECT 1")


async def test_the_watch_of_the_database_shows_it_and_asks_again():
    board, pool = Board(Clock(), ()), Pool()
    watching = asyncio.create_task(watch_database(board, pool, "0001", 0))  # pyright: ignore[reportArgumentType]
    while pool.asked < 3:
        await asyncio.sleep(0)
    assert Cause.DATABASE in board.causes()
    watching.cancel()
    await asyncio.wait({watching})
    assert watching.cancelled()


async def test_the_writer_tries_again(monkeypatch: pytest.MonkeyPatch):
    async def connect(*_: Any) -> Any:
        return SimpleNamespace(is_closed=lambda: False, terminate=lambda: None)

    monkeypatch.setattr(writer_module, "open_connection", connect)
    times, metrics = RetryTimes(0.001, 0.01), Metrics(CollectorRegistry(), "0")
    board = Board(Clock(), ())
    writer = Writer(0, "postgresql://", ConnectOptions(), times, board, metrics, Clock())
    answers = [KILLED, KILLED, None]

    async def work(_conn: Any) -> str:
        if error := answers.pop(0):
            raise error
        return "done"

    assert await writer.attempt(work) == "done"
    assert not answers


def test_a_caller_is_told_that_the_database_is_away():
    app = FastAPI()
    install(app, retry_after_s=1)

    @app.get("/")
    async def ask() -> None:
        raise KILLED

    assert TestClient(app, raise_server_exceptions=False).get("/").status_code == 503
