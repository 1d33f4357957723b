"""The instance that ``make stack`` leaves running for a person's own experiments.

Each start gives an empty database and an empty broker; stopping removes them. The checkout's
``.stack/shared.json`` says what runs, ``.stack/env`` has the addresses, for a shell to source.
"""

import json
from contextlib import suppress
from pathlib import Path

from service.stack.files import locked, write_atomically
from service.stack.server import end_instance, server_pid
from service.stack.session import DATABASE_VARIABLE, MQTT_VARIABLE, Stack, make_stack

_BUSY = "starting or stopping the shared stack"


def env_file(root: Path) -> Path:
    """Return the file with the addresses; it exists while the shared stack is meant to run."""
    return root / ".stack/env"


def up(root: Path) -> Path:
    """Start the shared stack if it does not run and return the file with its addresses."""
    with locked(root / ".stack/shared.lock", _BUSY):
        if not is_running(root):
            _end(root)
            _release(root, make_stack(root))
    return env_file(root)


def down(root: Path) -> bool:
    """Stop the shared stack and remove its data; tell whether there was one."""
    with locked(root / ".stack/shared.lock", _BUSY):
        was_there = bool(_instances(root))
        _end(root)
    return was_there


def is_running(root: Path) -> bool:
    """Tell whether both shared servers run."""
    instances = _instances(root)
    running = bool(instances) and all(server_pid(path) is not None for path in instances)
    return running and env_file(root).exists()


def _record(root: Path) -> Path:
    return root / ".stack/shared.json"


def _instances(root: Path) -> list[Path]:
    with suppress(OSError, ValueError):
        return [Path(text) for text in json.loads(_record(root).read_text(encoding="utf-8"))]
    return []


def _release(root: Path, stack: Stack) -> None:
    """Write down what runs, and only then let it outlive this command."""
    write_atomically(_record(root), json.dumps([str(guard.directory) for guard in stack.guards]))
    lines = [f"{DATABASE_VARIABLE}={stack.database_url}", f"{MQTT_VARIABLE}={stack.mqtt_url}"]
    write_atomically(env_file(root), "\n".join(lines) + "\n")
    for guard in stack.guards:
        guard.release()


def _end(root: Path) -> None:
    for path in _instances(root):
        end_instance(path)
    env_file(root).unlink(missing_ok=True)
    _record(root).unlink(missing_ok=True)
