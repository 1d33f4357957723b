"""A private Mosquitto with the project's own ACL, persistence and accounts.

The configuration is the one that is shipped in ``deploy/`` for the compose file, with the paths and
the listener of this instance: what the tests prove about rights and limits holds for what people
install.
"""

import base64
import hashlib
import os
import secrets
import signal
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from service.stack.files import DEPLOY, write_atomically
from service.stack.server import Launch, Server, free_port, new_directory, wait_for
from service.stack.toolchain import Toolchain

SERVICE_USER = "hoistway"
# Mosquitto's own default; the passwords are random, so more rounds only slow the tests.
HASH_ROUNDS = 101


@dataclass
class Mosquitto(Server):
    """A broker of this command's own, with accounts that can be added while it runs."""

    def add_user(self, name: str, password: str) -> str:
        """Add an account, or change its password; return its ``mqtt://`` URL.

        Rights come from the ACL: a gateway's account name is its code as it stands in topics.
        """
        accounts = self.directory / "passwd"
        put_account(accounts, name, password)
        self.tools.give(accounts, self.launch.account)
        if self.running:
            self.reload()
            wait_for(lambda: is_accepting(self.port, name, password), 5.0, f"account {name}")
        return f"mqtt://{name}:{password}@127.0.0.1:{self.port}"

    def reload(self) -> None:
        """Make the broker read its accounts and ACL again; connections stay."""
        pid = self.pid
        if pid is not None:
            os.kill(pid, signal.SIGHUP)


def make_mosquitto(
    tools: Toolchain,
    name: str,
    settings: dict[str, str] | None = None,
) -> tuple[Mosquitto, str]:
    """Return a stopped broker with the service's account, and that account's URL."""
    account = tools.mosquitto_account
    instance = new_directory(tools, name, account)
    port, password = free_port(), secrets.token_hex(12)
    (instance / "store").mkdir(mode=0o700)
    tools.give(instance / "store", account)
    files = {
        "passwd": password_line(SERVICE_USER, password) + "\n",
        "acl": (DEPLOY / "mosquitto.acl").read_text(encoding="utf-8"),
        "mosquitto.conf": _configuration(tools, instance, port, settings or {}),
    }
    for file_name, text in files.items():
        write_atomically(instance / file_name, text)
        tools.give(instance / file_name, account)
    launch = Launch(
        name="Mosquitto",
        command=(str(tools.mosquitto), "-c", tools.inside(instance / "mosquitto.conf")),
        account=account,
        stop_signal=signal.SIGTERM,
        quick_signal=signal.SIGTERM,
    )
    broker = Mosquitto(
        tools,
        instance,
        port,
        launch,
        lambda: is_accepting(port, SERVICE_USER, password),
    )
    return broker, f"mqtt://{SERVICE_USER}:{password}@127.0.0.1:{port}"


def _configuration(tools: Toolchain, instance: Path, port: int, settings: dict[str, str]) -> str:
    own = {
        "listener": f"{port} 127.0.0.1",
        "persistence_location": f"{tools.inside(instance / 'store')}/",
        "password_file": tools.inside(instance / "passwd"),
        "acl_file": tools.inside(instance / "acl"),
        "log_dest": "stderr",
    }
    shipped = (DEPLOY / "mosquitto.conf").read_text(encoding="utf-8")
    return replaced(shipped, {**settings, **own})


def replaced(configuration: str, settings: dict[str, str]) -> str:
    """Return the configuration with these settings in place of its own; the listener first."""
    kept = [line for line in configuration.splitlines() if line.split(" ", 1)[0] not in settings]
    return "\n".join([*kept, *(f"{key} {value}" for key, value in settings.items())]) + "\n"


def put_account(accounts: Path, name: str, password: str) -> None:
    """Add or replace one line of a password file."""
    lines = accounts.read_text(encoding="utf-8").splitlines() if accounts.exists() else []
    kept = [line for line in lines if line.partition(":")[0] != name]
    write_atomically(accounts, "\n".join([*kept, password_line(name, password)]) + "\n")


def password_line(name: str, password: str) -> str:
    """Return one line of a Mosquitto password file: PBKDF2 with SHA-512."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, HASH_ROUNDS)
    salt_text, digest_text = (base64.b64encode(part).decode() for part in (salt, digest))
    return f"{name}:$7${HASH_ROUNDS}${salt_text}${digest_text}"


def is_accepting(port: int, user: str, password: str, timeout_s: float = 1.0) -> bool:
    """Connect as a client does and tell whether the broker took the account."""

    def text(value: str) -> bytes:
        raw = value.encode()
        return struct.pack("!H", len(raw)) + raw

    client = f"hoistway-stack-{secrets.token_hex(4)}"
    body = text("MQTT") + bytes([4, 0xC2]) + struct.pack("!H", 10)
    body += text(client) + text(user) + text(password)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout_s) as link:
            link.sendall(b"\x10" + _remaining_length(len(body)) + body)
            answer = link.recv(4)
            link.sendall(b"\xe0\x00")
    except OSError:
        return False
    return answer == b"\x20\x02\x00\x00"


def _remaining_length(size: int) -> bytes:
    encoded = bytearray()
    while size > 127:
        encoded.append(size % 128 | 0x80)
        size //= 128
    return bytes([*encoded, size])
