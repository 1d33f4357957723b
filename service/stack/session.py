"""Bring PostgreSQL and Mosquitto up for one command and take them down with it.

The services are found in this order: addresses in the environment, a running Docker engine,
programs installed on this system, a private root file system. ``HOISTWAY_STACK`` (``docker``,
``installed`` or ``rootfs``) takes one of the last three by name.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from service.stack import docker
from service.stack.files import say, stack_dir
from service.stack.mosquitto import make_mosquitto
from service.stack.postgres import make_postgres
from service.stack.rootfs import StackError, ensure_rootfs
from service.stack.server import START_TIMEOUT_S, Server
from service.stack.toolchain import Toolchain, in_rootfs, installed

DATABASE_VARIABLE = "HOISTWAY_DATABASE_URL"
MQTT_VARIABLE = "HOISTWAY_MQTT_URL"
CHOICE_VARIABLE = "HOISTWAY_STACK"
BOTH = frozenset({"postgres", "mosquitto"})


class Controls(Protocol):
    """What a test may do to a server of its own; see `service.stack.server.Server`."""

    port: int

    @property
    def running(self) -> bool: ...  # noqa: D102 - each is documented where it is done
    def start(self, timeout_s: float = START_TIMEOUT_S) -> None: ...  # noqa: D102
    def stop(self) -> None: ...  # noqa: D102
    def kill(self) -> None: ...  # noqa: D102
    def freeze(self) -> None: ...  # noqa: D102
    def thaw(self) -> None: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102
    def last_words(self, lines: int = 8) -> str: ...  # noqa: D102


class BrokerControls(Controls, Protocol):
    """The broker's controls: accounts can be added while it runs."""

    def add_user(self, name: str, password: str) -> str: ...  # noqa: D102


@dataclass(frozen=True)
class Stack:
    """The two services' addresses and, if they are this command's own, their controls."""

    origin: str
    database_url: str = ""
    mqtt_url: str = ""
    postgres: Controls | None = None
    mosquitto: BrokerControls | None = None
    # The processes that would outlive this command if they were released.
    guards: tuple[Server, ...] = ()

    def close(self) -> None:
        """Stop what this command started; services of others stay as they are."""
        with contextlib.ExitStack() as all_of_them:
            for guard in self.guards:
                all_of_them.callback(guard.close)


@contextlib.contextmanager
def open_stack(
    root: Path,
    *,
    own: bool = False,
    services: frozenset[str] = BOTH,
    postgres_settings: dict[str, str] | None = None,
    mosquitto_settings: dict[str, str] | None = None,
) -> Iterator[Stack]:
    """Give running services and end them afterwards.

    Parameters
    ----------
    root
        The checkout; its stack directory is used.
    own
        Never take the addresses in the environment: the caller wants to stop and kill servers.
    services
        Which of ``postgres`` and ``mosquitto``.
    postgres_settings, mosquitto_settings
        Settings that differ from ``deploy/postgresql.conf`` and ``deploy/mosquitto.conf``.
    """
    given = None if own else from_environment()
    if given is not None:
        yield given
        return
    stack = make_stack(root, services, postgres_settings, mosquitto_settings)
    try:
        yield stack
    finally:
        stack.close()


def from_environment() -> Stack | None:
    """Return the stack whose addresses the environment gives, if it gives both."""
    database_url, mqtt_url = os.environ.get(DATABASE_VARIABLE), os.environ.get(MQTT_VARIABLE)
    if not database_url or not mqtt_url:
        return None
    return Stack("environment", database_url, mqtt_url)


def make_stack(
    root: Path,
    services: frozenset[str] = BOTH,
    postgres_settings: dict[str, str] | None = None,
    mosquitto_settings: dict[str, str] | None = None,
) -> Stack:
    """Make and start private services; the caller closes them, or they end with this process."""
    directory = stack_dir(root)
    choice = _choice()
    if choice in {"", "docker"} and docker.engine_runs():
        try:
            return _in_docker(directory, services, postgres_settings, mosquitto_settings)
        except StackError as error:
            if choice:
                raise
            say(f"Docker runs but did not give the services; going on without it. {error}")
    if choice == "docker":
        raise StackError("no Docker engine with 'docker compose' answers")
    tools = find_tools(directory, choice)
    return _of_programs(tools, services, postgres_settings, mosquitto_settings)


def _choice() -> str:
    choice = os.environ.get(CHOICE_VARIABLE, "")
    if choice not in {"", "docker", "installed", "rootfs"}:
        raise StackError(f"{CHOICE_VARIABLE} is {choice!r}; it may be docker, installed or rootfs")
    return choice


def _of_programs(
    tools: Toolchain,
    services: frozenset[str],
    postgres_settings: dict[str, str] | None,
    mosquitto_settings: dict[str, str] | None,
) -> Stack:
    label = f"{os.getpid()}-{secrets.token_hex(3)}"
    with contextlib.ExitStack() as undo:
        postgres = mosquitto = None
        database_url = mqtt_url = ""
        if "postgres" in services:
            postgres, database_url = make_postgres(tools, f"postgres-{label}", postgres_settings)
            undo.callback(postgres.close)
        if "mosquitto" in services:
            mosquitto, mqtt_url = make_mosquitto(tools, f"mosquitto-{label}", mosquitto_settings)
            undo.callback(mosquitto.close)
        guards = tuple(server for server in (postgres, mosquitto) if server is not None)
        for server in guards:
            server.start()
        undo.pop_all()
    return Stack(tools.origin, database_url, mqtt_url, postgres, mosquitto, guards)


def _in_docker(
    directory: Path,
    services: frozenset[str],
    postgres_settings: dict[str, str] | None,
    mosquitto_settings: dict[str, str] | None,
) -> Stack:
    project = docker.make_project(directory, postgres_settings, mosquitto_settings)
    postgres = project.database if "postgres" in services else None
    mosquitto = project.broker if "mosquitto" in services else None
    with contextlib.ExitStack() as undo:
        undo.callback(project.guard.close)
        project.guard.start()
        for container in (postgres, mosquitto):
            if container is not None:
                container.start()
        undo.pop_all()
    return Stack(
        origin="docker",
        database_url=project.database_url if postgres else "",
        mqtt_url=project.mqtt_url if mosquitto else "",
        postgres=postgres,
        mosquitto=mosquitto,
        guards=(project.guard,),
    )


def find_tools(directory: Path, choice: str = "") -> Toolchain:
    """Return the programs to use, making the private root file system if there are none."""
    if choice in {"", "installed"}:
        tools = installed(directory)
        if tools is not None:
            return tools
        if choice:
            raise StackError("TimescaleDB and Mosquitto are not both installed on this system")
    if os.geteuid() != 0:
        raise StackError(
            "no TimescaleDB and Mosquitto found. Give HOISTWAY_DATABASE_URL and HOISTWAY_MQTT_URL,"
            " start Docker, install both (Debian: postgresql-17-timescaledb mosquitto),"
            " or run this as root to have them made privately"
        )
    return in_rootfs(ensure_rootfs(directory))
