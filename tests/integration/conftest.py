"""Fixtures of tests against a real database."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from ingest.store import connect
from tests.integration.store_rigs import Open


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[Open]:
    """Return what opens connections to a database of the test's own."""
    connections: list[asyncpg.Connection] = []

    async def one_more() -> asyncpg.Connection:
        connections.append(await connect.open_connection(database_url))
        return connections[-1]

    yield one_more
    for conn in connections:
        conn.terminate()
    # Aborted transports close in the loop's next turn.
    await asyncio.sleep(0)
