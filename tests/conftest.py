"""Fixtures that reach real parts: one stack a session, one cloned database a test.

Unit tests take none of these and touch no network. The services are found or made by the same code
as ``make stack`` and ``hoistway demo`` use (``service.stack``).

``make test`` runs two workers: one takes every test that needs services, in turn, as these measure
real delays; the other computes, and what is left is shared. Plain ``pytest`` runs everything in one
process, as before a debugger.
"""

import asyncio
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from service.database import database_at
from service.stack import Stack, open_stack

STACK_SETTINGS = ("HOISTWAY_STACK", "HOISTWAY_STACK_DIR", "HOISTWAY_DEBIAN_MIRROR")
ROOT = Path(__file__).resolve().parent.parent
ACCEPTANCE = ROOT / "tests" / "acceptance"
WORKER = "PYTEST_XDIST_WORKER"
BEGUN = pytest.StashKey[bool]()

settings.register_profile(
    "ci", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("ci")


def pytest_configure() -> None:
    """Keep plugins from making an event loop for plain tests, which nobody would close."""
    asyncio.set_event_loop(None)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what needs real services on one worker: one stack, and one test at a time.

    The first of them may have to make the private root file system, beside a busy worker.
    """
    served = [item for item in items if needs_services(item)]
    for item in served:
        item.add_marker(pytest.mark.xdist_group("services"))
    for item in served[:1]:
        item.add_marker(pytest.mark.timeout(600))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to run in parallel what must not be: the group is told by the end of the name."""
    served = [item for item in session.items if item.get_closest_marker("xdist_group")]
    if WORKER in os.environ and not all(i.nodeid.endswith("@services") for i in served):
        raise pytest.UsageError("pytest and pytest-xdist do not fit: xdist_group has no effect")


def needs_services(item: pytest.Item) -> bool:
    """Tell whether a test starts or uses a broker or a database."""
    fixtures = set(getattr(item, "fixturenames", ()))
    return bool(fixtures & {"stack", "own_stack"}) or ACCEPTANCE in item.path.parents


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let the worker that begins with pure computing give way to the one with the services."""
    if WORKER in os.environ and BEGUN not in item.config.stash:
        item.config.stash[BEGUN] = True
        if not needs_services(item):
            os.nice(5)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    """Keep the developer's own settings out of tests; addresses are used by the stack."""
    kept = {"HOISTWAY_DATABASE_URL", "HOISTWAY_MQTT_URL", *STACK_SETTINGS}
    removed = {k: v for k, v in os.environ.items() if k.startswith("HOISTWAY_") and k not in kept}
    for key in removed:
        del os.environ[key]
    yield
    os.environ.update(removed)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Return the session's TimescaleDB and Mosquitto; never stop these, see ``own_stack``."""
    with open_stack(ROOT) as opened:
        yield opened


@pytest.fixture
def own_stack() -> Iterator[Stack]:
    """Return private services of this test, which it may stop, kill and freeze."""
    with open_stack(ROOT, own=True) as opened:
        yield opened


@pytest.fixture(scope="session")
def template_database(stack: Stack) -> Iterator[str]:
    """Return the name of a migrated database that tests clone."""
    from migrations import run as migrations

    name = f"template_{uuid.uuid4().hex[:12]}"
    _execute(stack.database_url, f'CREATE DATABASE "{name}"')
    migrations.upgrade(database_at(stack.database_url, name))
    # TimescaleDB's scheduler connects to every database with the extension, which forbids cloning.
    _execute(
        stack.database_url, f'ALTER DATABASE "{name}" IS_TEMPLATE true ALLOW_CONNECTIONS false'
    )
    gone = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    _execute(stack.database_url, gone)
    yield name
    _execute(stack.database_url, f'ALTER DATABASE "{name}" IS_TEMPLATE false')
    _execute(stack.database_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def database_url(stack: Stack, template_database: str) -> Iterator[str]:
    """Return the URL of an empty, migrated database of this test."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    create = f'CREATE DATABASE "{name}" TEMPLATE "{template_database}"'
    _execute(stack.database_url, create)
    yield database_at(stack.database_url, name)
    _execute(stack.database_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def mqtt_url(stack: Stack) -> str:
    """Return the URL of the session's broker, with an account that may do everything."""
    return stack.mqtt_url


def _execute(url: str, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(run())
