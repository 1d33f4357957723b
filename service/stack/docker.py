"""The two services as containers of the project's own compose file, if a Docker engine runs.

Each command gets a compose project of its own, with ports of this machine only and throw-away
volumes. A keeper watches the command, as for private servers, and takes the project down when it
ends. The controls are those of `service.stack.server.Server`.
"""

import json
import secrets
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from service.stack import mosquitto, postgres
from service.stack.files import DEPLOY
from service.stack.rootfs import StackError
from service.stack.server import START_TIMEOUT_S, Launch, Server, free_port, new_directory, wait_for
from service.stack.toolchain import Toolchain

ENGINE_TIMEOUT_S = 5.0
# The first start pulls the images.
COMMAND_TIMEOUT_S = 600.0


def engine_runs() -> bool:
    """Tell whether ``docker compose`` is there and its engine answers."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        for question in (["version", "--format", "{{.Server.Version}}"], ["compose", "version"]):
            subprocess.run(
                [docker, *question], check=True, capture_output=True, timeout=ENGINE_TIMEOUT_S
            )
    except (OSError, subprocess.SubprocessError):
        return False
    return True


@dataclass
class Container:
    """One service of the compose project, with the controls of a private server."""

    name: str
    compose: tuple[str, ...]
    port: int
    answers: Callable[[], bool]

    @property
    def running(self) -> bool:
        """Tell whether the container runs."""
        return self._docker("ps", "--status", "running", "--services", self.name).strip() != ""

    def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Start the container on its port and return when the server answers."""
        self._docker("up", "-d", "--no-deps", "--no-build", self.name)
        try:
            wait_for(self.answers, timeout_s, self.name)
        except StackError as error:
            raise StackError(f"{error}\n{self.last_words()}") from None

    def stop(self) -> None:
        """Stop the server as an administrator would, its data safe on disk."""
        self._docker("stop", self.name)

    def kill(self) -> None:
        """Kill the server at once, as a power cut would."""
        self._docker("kill", self.name)

    def freeze(self) -> None:
        """Halt the server without closing its connections."""
        self._docker("pause", self.name)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._docker("unpause", self.name)

    def close(self) -> None:
        """Leave it to the project's guard, which takes all containers down."""

    def last_words(self, lines: int = 8) -> str:
        """Return the end of the server's log."""
        return self._docker("logs", "--no-color", "--tail", str(lines), self.name)

    def _docker(self, *arguments: str) -> str:
        return run_compose(self.compose, *arguments)


@dataclass
class BrokerContainer(Container):
    """The broker's container, with accounts that can be added while it runs."""

    accounts: Path = field(default_factory=Path)

    def add_user(self, name: str, password: str) -> str:
        """Add an account, or change its password; return its ``mqtt://`` URL."""
        mosquitto.put_account(self.accounts, name, password)
        self.accounts.chmod(0o644)
        if self.running:
            self._docker("kill", "-s", "HUP", self.name)
            wait_for(
                lambda: mosquitto.is_accepting(self.port, name, password), 5.0, f"account {name}"
            )
        return f"mqtt://{name}:{password}@127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Project:
    """A compose project of this command's own: two containers and the guard that ends them."""

    guard: Server
    database: Container
    broker: BrokerContainer
    database_url: str
    mqtt_url: str


def make_project(
    directory: Path,
    postgres_settings: dict[str, str] | None,
    mosquitto_settings: dict[str, str] | None,
) -> Project:
    """Return a guarded compose project whose containers are not started yet."""
    tools = Toolchain("docker", Path(), Path(), directory / "run")
    label = f"hoistway-{secrets.token_hex(4)}"
    place = new_directory(tools, label, None)
    place.chmod(0o755)  # the broker's own user in the container reads its password file here
    database_port, mqtt_port = free_port(), free_port()
    database_password, mqtt_password = secrets.token_hex(12), secrets.token_hex(12)
    (place / "secrets").mkdir()
    accounts = place / "secrets/passwd"
    mosquitto.put_account(accounts, mosquitto.SERVICE_USER, mqtt_password)
    accounts.chmod(0o644)
    (place / "mosquitto.conf").write_text(_broker_configuration(mosquitto_settings or {}))
    variables = {
        "HOISTWAY_DB_PASSWORD": database_password,
        "HOISTWAY_MQTT_BIND": f"127.0.0.1:{mqtt_port}",
        "HOISTWAY_PASSWD_DIR": str(place / "secrets"),
    }
    (place / "compose.env").write_text("".join(f"{k}={v}\n" for k, v in variables.items()))
    override = _override(place, database_port, postgres_settings or {})
    (place / "compose.json").write_text(json.dumps(override), encoding="utf-8")
    compose = (
        *(shutil.which("docker") or "docker", "compose", "--project-name", label),
        *("--project-directory", str(DEPLOY.parent), "--env-file", str(place / "compose.env")),
        *("--file", str(DEPLOY.parent / "compose.yaml"), "--file", str(place / "compose.json")),
    )
    guard = _guard(tools, place, (*compose, "down", "--volumes", "--timeout", "2"))
    return Project(
        guard,
        Container("db", compose, database_port, lambda: postgres.is_accepting(database_port)),
        BrokerContainer(
            "broker",
            compose,
            mqtt_port,
            lambda: mosquitto.is_accepting(mqtt_port, mosquitto.SERVICE_USER, mqtt_password),
            accounts,
        ),
        postgres.url(database_password, database_port),
        f"mqtt://{mosquitto.SERVICE_USER}:{mqtt_password}@127.0.0.1:{mqtt_port}",
    )


def _guard(tools: Toolchain, place: Path, take_down: tuple[str, ...]) -> Server:
    launch = Launch(
        name="Docker guard",
        command=("sleep", "infinity"),
        account=None,
        stop_signal=signal.SIGTERM,
        quick_signal=signal.SIGTERM,
        cleanup=take_down,
    )
    return Server(tools, place, 0, launch, lambda: True)


def _broker_configuration(settings: dict[str, str]) -> str:
    shipped = (DEPLOY / "mosquitto.conf").read_text(encoding="utf-8")
    return mosquitto.replaced(shipped, settings)


def _override(place: Path, database_port: int, settings: dict[str, str]) -> dict[str, object]:
    """Return what is different from ``compose.yaml``; compose merges it by key and by target."""
    command = ["postgres", "-c", "config_file=/etc/postgresql/postgresql.conf"]
    for key, value in {"listen_addresses": "*", **settings}.items():
        command += ["-c", f"{key}={value}"]
    database = {
        "command": command,
        "ports": [f"127.0.0.1:{database_port}:5432"],
        "restart": "no",
    }
    configuration = f"{place / 'mosquitto.conf'}:/mosquitto/config/mosquitto.conf:ro"
    return {"services": {"db": database, "broker": {"volumes": [configuration], "restart": "no"}}}


def run_compose(compose: tuple[str, ...], *arguments: str) -> str:
    """Run one compose command and return what it printed."""
    done = subprocess.run(
        [*compose, *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise StackError(f"docker compose {' '.join(arguments)} failed: {done.stderr[-600:]}")
    return done.stdout
