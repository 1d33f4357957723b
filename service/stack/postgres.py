"""A private PostgreSQL with TimescaleDB: data directory from a template, the shipped settings.

``initdb`` runs once per stack directory; every instance starts from a copy of its result. Nothing
here trades safety for speed: ``deploy/postgresql.conf`` leaves ``fsync`` and ``synchronous_commit``
on, so what a test shows about crashes holds.
"""

import secrets
import shutil
import signal
import socket
import struct
import subprocess
from pathlib import Path

from service.stack.files import DEPLOY, locked, say, write_atomically
from service.stack.server import Launch, Server, free_port, new_directory
from service.stack.toolchain import Toolchain

ROLE = "hoistway"
DATABASE = "hoistway"
# Raise it when the template's recipe changes.
TEMPLATE = "template-1"

# What only this instance needs; everything else stands in ``deploy/postgresql.conf``.
_OWN_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    # A private root file system has no /dev/shm.
    "dynamic_shared_memory_type": "mmap",
    "min_dynamic_shared_memory": "16MB",
    # No standby, no archive.
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


def make_postgres(
    tools: Toolchain,
    name: str,
    settings: dict[str, str] | None = None,
) -> tuple[Server, str]:
    """Return a stopped server with an empty database, and its URL."""
    password = ensure_template(tools)
    instance = new_directory(tools, name, tools.postgres_account)
    port = free_port()
    subprocess.run(
        ["cp", "-a", "--reflink=auto", str(_template(tools) / "data"), str(instance / "data")],
        check=True,
    )
    own = {**_OWN_SETTINGS, "port": str(port), **(settings or {})}
    lines = [f"{key} = '{value}'" for key, value in own.items()]
    shipped = (DEPLOY / "postgresql.conf").read_text(encoding="utf-8")
    config = instance / "data/postgresql.conf"
    config.write_text(shipped + "\n".join(lines) + "\n", encoding="utf-8")
    launch = Launch(
        name="PostgreSQL",
        command=(str(tools.postgres_bin / "postgres"), "-D", tools.inside(instance / "data")),
        account=tools.postgres_account,
        stop_signal=signal.SIGINT,
        quick_signal=signal.SIGQUIT,
    )
    server = Server(tools, instance, port, launch, lambda: is_accepting(port))
    return server, url(password, port)


def url(password: str, port: int) -> str:
    """Return the address of the empty database on this machine."""
    return f"postgresql://{ROLE}:{password}@127.0.0.1:{port}/{DATABASE}"


def ensure_template(tools: Toolchain) -> str:
    """Make the template data directory if it is not there; return the role's password."""
    secret = _template(tools) / "password"
    if secret.exists():
        return secret.read_text(encoding="utf-8")
    tools.instances.mkdir(parents=True, exist_ok=True, mode=0o711)
    with locked(tools.instances / ".template.lock", "preparing PostgreSQL"):
        if not secret.exists():
            say("preparing PostgreSQL's template (once)")
            _make_template(tools)
    return secret.read_text(encoding="utf-8")


def _template(tools: Toolchain) -> Path:
    return tools.instances / f"{TEMPLATE}-{tools.postgres_bin.parent.name}"


def _make_template(tools: Toolchain) -> None:
    password = secrets.token_hex(12)
    draft = tools.instances / "template.part"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    tools.give(draft, tools.postgres_account)
    secret = draft / "password"
    write_atomically(secret, password)
    tools.give(secret, tools.postgres_account)
    data = tools.inside(draft / "data")
    tools.run(
        [
            *(str(tools.postgres_bin / "initdb"), "-D", data, "-U", ROLE, "--no-sync"),
            *("--auth=scram-sha-256", f"--pwfile={tools.inside(secret)}"),
            *("--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"),
        ],
        tools.postgres_account,
    )
    tools.run(
        [str(tools.postgres_bin / "postgres"), "--single", "-D", data, "postgres"],
        tools.postgres_account,
        stdin=f"CREATE DATABASE {DATABASE};\n",
    )
    draft.rename(_template(tools))


def is_accepting(port: int, timeout_s: float = 1.0) -> bool:
    """Ask as a client does: a request for a password means that the server takes connections."""
    body = struct.pack("!i", 196_608) + f"user\0{ROLE}\0database\0postgres\0\0".encode()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout_s) as link:
            link.sendall(struct.pack("!i", len(body) + 4) + body)
            return link.recv(1) == b"R"
    except OSError:
        return False
