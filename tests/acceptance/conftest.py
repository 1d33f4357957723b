"""Rigs for acceptance tests: the real service between a real broker, database and desk.

Whatever a test does to its rig, at its end the accounts must balance (received = stored + duplicate
+ rejected + in flight), in the process and in the database, and the log must be free of the events
that mean a defect. So every acceptance test checks the law without saying so.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.child import ServiceProcess
from service.rig import Rig, RigSettings
from service.soak import accounts
from service.stack import Stack
from simulator.publishing.publish import Publisher, PublishSettings
from tests.acceptance.terminal import Terminal

MakeRig = Callable[..., Awaitable[Rig]]
Open = Callable[[Rig, str], Awaitable[Terminal]]


def is_running(service: ServiceProcess) -> bool:
    """Tell whether the child was started and has not ended."""
    return service.process is not None and service.process.returncode is None


async def assert_conserved(rig: Rig) -> None:
    """Assert the law of conservation and a clean log; a dead service is judged by its database."""
    lanes = int(rig.settings.environment.get("HOISTWAY_INGEST_LANES", 1))
    faults = []
    if is_running(rig.service):
        faults += await accounts.process_faults(rig.service, rig.pool)
    faults += await accounts.database_faults(rig.pool, lanes)
    faults += accounts.log_faults(rig.service.log_path)
    assert not faults, "\n".join(faults) + "\n--- log ---\n" + rig.service.last_words(30)


@pytest.fixture
async def rig(stack: Stack, tmp_path: Path) -> AsyncIterator[MakeRig]:
    """Return a factory of rigs: ``await rig(environment={…}, registrations=[…], …)``.

    Takes the fields of ``RigSettings``; ``ready=False`` makes everything but starts no service, and
    ``law=False`` leaves the accounts to the test (its database or broker is gone at the end).
    """
    made: list[tuple[Rig, bool]] = []
    async with AsyncExitStack() as exits:

        async def make(*, ready: bool = True, law: bool = True, **fields: Any) -> Rig:
            directory = tmp_path / f"rig{len(made)}"
            directory.mkdir()
            settings = RigSettings(stack.database_url, stack.mqtt_url, directory)
            new = Rig(replace(settings, **fields))
            exits.push_async_exit(new)
            await new.prepare()
            made.append((new, law))
            if ready:
                await new.service.start()
                await new.service.wait_ready()
            return new

        yield make
        for one, law in made:
            if law:
                await assert_conserved(one)


@pytest.fixture
async def terminal() -> AsyncIterator[Open]:
    """Return a factory of terminals, each with a gateway of its own."""
    async with AsyncExitStack() as stack:

        async def make(rig: Rig, code: str) -> Terminal:
            settings = PublishSettings(rig.settings.mqtt_url, 1, f"{rig.client_id}-{code}")
            publisher = await stack.enter_async_context(Publisher(settings))
            return Terminal(publisher, code, f"gw-{code}")

        yield make
