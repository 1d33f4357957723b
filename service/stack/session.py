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

from service.stack.files import stack_dir
from service.stack.mosquitto import Mosquitto, make_mosquitto
from service.stack.postgres import make_postgres
from service.stack.rootfs import StackError, ensure_rootfs
from service.stack.server import Server
from service.stack.toolchain import Toolchain, in_rootfs, installed

DATABASE_VARIABLE = "HOISTWAY_DATABASE_URL"
MQTT_VARIABLE = "HOISTWAY_MQTT_URL"
CHOICE_VARIABLE = "HOISTWAY_STACK"
BOTH = frozenset({"postgres", "mosquitto"})


@dataclass(frozen=True)
class Stack:
    """The two services' addresses and, if they are this command's own, their controls."""

    origin: str
    database_url: str = ""
    mqtt_url: str = ""
    postgres: Server | None = None
    mosquitto: Mosquitto | None = None

    def close(self) -> None:
        """Stop what this command started; services of others stay as they are."""
        with contextlib.ExitStack() as both:
            for server in (self.postgres, self.mosquitto):
                if server is not None:
                    both.callback(server.close)


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
        Settings that differ from those of `service.stack.postgres` and ``deploy/mosquitto.conf``.
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
    tools = find_tools(directory)
    label = f"{os.getpid()}-{secrets.token_hex(3)}"
    postgres = mosquitto = None
    database_url = mqtt_url = ""
    if "postgres" in services:
        postgres, database_url = make_postgres(tools, f"postgres-{label}", postgres_settings)
    if "mosquitto" in services:
        mosquitto, mqtt_url = make_mosquitto(tools, f"mosquitto-{label}", mosquitto_settings)
    stack = Stack(tools.origin, database_url, mqtt_url, postgres, mosquitto)
    _start(stack)
    return stack


def _start(stack: Stack) -> None:
    try:
        for server in (stack.postgres, stack.mosquitto):
            if server is not None:
                server.start()
    except BaseException:  # also Ctrl-C: nothing half started may stay
        stack.close()
        raise


def find_tools(directory: Path) -> Toolchain:
    """Return the programs to use, making the private root file system if there are none."""
    choice = os.environ.get(CHOICE_VARIABLE, "")
    if choice not in {"", "docker", "installed", "rootfs"}:
        raise StackError(f"{CHOICE_VARIABLE} is {choice!r}; it may be docker, installed or rootfs")
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
