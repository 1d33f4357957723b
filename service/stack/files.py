"""Where the private services keep their files, and the small file operations that they share.

Everything lives under one *stack directory*: ``.stack`` in the checkout, or the directory that
``HOISTWAY_STACK_DIR`` names, so that several checkouts can share one root file system. Deleting the
stack directory while nothing runs is always safe; the next command makes it again.
"""

import contextlib
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

STACK_DIR_VARIABLE = "HOISTWAY_STACK_DIR"
LOCK_NOTE_AFTER_S = 2.0
# The shipped configuration, which the private services use too.
DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def stack_dir(root: Path) -> Path:
    """Return the stack directory of the checkout at `root`; it need not exist yet."""
    named = os.environ.get(STACK_DIR_VARIABLE)
    return (Path(named).expanduser() if named else root / ".stack").resolve()


def say(text: str) -> None:
    """Tell the person at the terminal what takes so long; standard output stays for results."""
    print(f"stack: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def locked(path: Path, purpose: str) -> Iterator[None]:
    """Hold an exclusive lock on `path`; the kernel drops it when the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        _wait_for_lock(handle.fileno(), purpose)
        yield


def _wait_for_lock(descriptor: int, purpose: str) -> None:
    started_s = time.monotonic()
    noted = False
    while not try_lock(descriptor):
        if not noted and time.monotonic() - started_s > LOCK_NOTE_AFTER_S:
            say(f"another command is busy with {purpose}; waiting for it")
            noted = True
        time.sleep(0.05)


def try_lock(descriptor: int) -> bool:
    """Take the exclusive lock on an open file if nobody has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_atomically(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace `path` so that a reader sees the old text or the new, and never a part."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.chmod(mode)
    draft.replace(path)
