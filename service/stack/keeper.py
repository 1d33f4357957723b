"""Keep one server running for as long as its owner lives, and never longer.

One small process per server, run by file name (``python keeper.py spec.json``), so it imports only
the standard library. It starts the server, as its own user and inside the private root file system
if there is one, and stops it when the owner ends in whatever way, SIGKILL included, or when asked
by SIGTERM. An owner that has *released* its server (``make stack``) may end before it. If the
keeper itself is killed the kernel stops the server (``PR_SET_PDEATHSIG``). It is a process of its
own because that signal follows the *thread* that started the server, and tests and demo start
servers from short-lived threads.
"""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
POLL_S = 0.2
GRACE_S = 20.0
_LIBC = ctypes.CDLL(None, use_errno=True)


def start_ticks(pid: int) -> int | None:
    """Return when the process started, in clock ticks since boot; None if there is no such one."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else int(fields[19])


def is_alive(pid: int, ticks: int) -> bool:
    """Tell whether that very process still runs; a reused process id is another process."""
    return start_ticks(pid) == ticks


def children_of(pid: int) -> list[int]:
    """Return the direct children: PostgreSQL's backends lead sessions of their own."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            if int(text[text.rindex(")") + 2 :].split()[1]) == pid:
                found.append(int(entry.name))
    return found


def remove_shared_memory(data_dir: Path) -> None:
    """Free the System V segment of a PostgreSQL that was killed; a stopped one has none left."""
    try:
        segment = int((data_dir / "postmaster.pid").read_text().splitlines()[6].split()[1])
    except (OSError, IndexError, ValueError):
        return
    _LIBC.shmctl(segment, 0, None)  # 0 is IPC_RMID


def _enter(spec: dict[str, Any], keeper_pid: int) -> None:
    """Run in the new process before the server's program: root directory, user, death signal."""
    os.setsid()
    if spec["chroot"]:
        os.chroot(spec["chroot"])
    os.chdir("/")
    if spec["uid"] is not None:
        os.setgroups([])
        os.setgid(spec["uid"][1])
        os.setuid(spec["uid"][0])
    _LIBC.prctl(PR_SET_PDEATHSIG, spec["quick_signal"], 0, 0, 0)
    if os.getppid() != keeper_pid:
        os._exit(1)


class _Watch:
    """Knows when the owner is gone or somebody asked for the end."""

    def __init__(self, owner: list[int], released: Path) -> None:
        self._owner = owner
        self._released = released
        self.asked = False
        self.wake_read, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._ask)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def _ask(self, *_: object) -> None:
        self.asked = True

    def ended(self) -> bool:
        return self.asked or not (is_alive(*self._owner) or self._released.exists())

    def wait(self) -> None:
        if select.select([self.wake_read], [], [], POLL_S)[0]:
            os.read(self.wake_read, 512)


def _end(server: "subprocess.Popen[bytes]", spec: dict[str, Any]) -> None:
    server.send_signal(spec["quick_signal"])
    deadline_s = time.monotonic() + GRACE_S
    while server.poll() is None:
        if time.monotonic() > deadline_s:
            for pid in [*children_of(server.pid), server.pid]:
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _reap_orphans() -> None:
    """Collect the children that a killed server left to its keeper."""
    deadline_s = time.monotonic() + GRACE_S
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < deadline_s:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.01)


def _clean_up(spec: dict[str, Any]) -> None:
    if spec["cleanup"]:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(spec["cleanup"], capture_output=True, timeout=60, check=False)


def main(spec_path: str) -> int:
    """Start the server that the file describes, watch, and end it in time."""
    _LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    spec: dict[str, Any] = json.loads(Path(spec_path).read_text(encoding="utf-8"))
    instance = Path(spec["instance"])
    watch = _Watch(spec["owner"], instance / "released")
    keeper_pid = os.getpid()
    with Path(spec["log"]).open("ab") as log:
        server = subprocess.Popen(
            spec["command"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=spec["environment"],
            preexec_fn=lambda: _enter(spec, keeper_pid),  # noqa: PLW1509 - a single thread
        )
    draft = Path(spec_path).with_suffix(".draft")
    pids = [server.pid, start_ticks(server.pid), keeper_pid, start_ticks(keeper_pid)]
    draft.write_text(json.dumps(pids), encoding="utf-8")
    draft.replace(Path(spec_path).with_suffix(".pid"))
    while server.poll() is None:
        if watch.ended():
            _end(server, spec)
            _clean_up(spec)
            _reap_orphans()
            remove_shared_memory(instance / "data")
            if not watch.asked:
                shutil.rmtree(instance, ignore_errors=True)
            return 0
        watch.wait()
    _clean_up(spec)
    _reap_orphans()
    return server.returncode & 0xFF


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
