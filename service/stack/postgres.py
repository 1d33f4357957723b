"""A private PostgreSQL with TimescaleDB: data directory from a template, settings for bulk writes.

``initdb`` runs once per stack directory; every instance starts from a copy of its result. Nothing
here trades safety for speed: ``fsync``, ``synchronous_commit`` and ``full_page_writes`` stay on, so
what a test shows about crashes holds.
"""

import secrets
import shutil
import signal
import socket
import struct
import subprocess
from pathlib import Path

from service.stack.files import locked, say, write_atomically
from service.stack.server import Launch, Server, free_port, new_directory
from service.stack.toolchain import Toolchain

ROLE = "hoistway"
DATABASE = "hoistway"
# Raise it when the template's recipe changes.
TEMPLATE = "template-1"

SETTINGS: dict[str, str] = {
    # Many tests share one server, each with a pool or two.
    "max_connections": "200",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    # Bulk writes: fewer and smoother checkpoints, compressed page images, room in the log.
    "wal_buffers": "16MB",
    "min_wal_size": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "wal_compression": "lz4",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # One server, no standby, no archive.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # Queries are short; compiling them costs more than it gives.
    "jit": "off",
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "max_worker_processes": "24",
    "timescaledb.max_background_workers": "8",
    "max_locks_per_transaction": "256",
    # A private root file system has no /dev/shm.
    "dynamic_shared_memory_type": "mmap",
    "min_dynamic_shared_memory": "16MB",
    "password_encryption": "scram-sha-256",
    "unix_socket_directories": "",
    "listen_addresses": "127.0.0.1",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "logging_collector": "off",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %q%d ",
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
    lines = [f"{key} = '{value}'" for key, value in {**SETTINGS, **(settings or {})}.items()]
    lines.append(f"port = {port}")
    config = instance / "data/postgresql.conf"
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    launch = Launch(
        name="PostgreSQL",
        command=(str(tools.postgres_bin / "postgres"), "-D", tools.inside(instance / "data")),
        account=tools.postgres_account,
        stop_signal=signal.SIGINT,
        quick_signal=signal.SIGQUIT,
    )
    server = Server(tools, instance, port, launch, lambda: is_accepting(port))
    return server, f"postgresql://{ROLE}:{password}@127.0.0.1:{port}/{DATABASE}"


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
