"""Keep looptime from making an event loop for the first plain test, which nobody would close."""

import asyncio

import pytest


@pytest.fixture(scope="session", autouse=True)
def _no_loop_by_default() -> None:
    asyncio.set_event_loop(None)
