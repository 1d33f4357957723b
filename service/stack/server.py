"""One private server: its directory, its port, and start, stop and kill for outage tests.

What PostgreSQL and Mosquitto have in common. The port is chosen once and kept over restarts; the
directory is removed at the end. All calls block and are safe from any thread; from asynchronous
code use ``asyncio.to_thread``.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from service.stack import keeper
from service.stack.files import locked, say
from service.stack.rootfs import StackError
from service.stack.toolchain import Account, Toolchain, environment

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
NOTE_AFTER_S = 2.0
# Below Linux's ephemeral range: while a server is down nobody else is given its port, and a client
# that keeps reconnecting to it cannot be connected to itself.
PORT_RANGE = range(20_000, 32_000)


@dataclass(frozen=True)
class Launch:
    """How to start and stop one kind of server."""

    name: str
    command: Sequence[str]
    account: Account | None
    stop_signal: int
    quick_signal: int
    # A command that the keeper runs after the server's end.
    cleanup: Sequence[str] = ()


@dataclass
class Server:
    """A server of this command's own, running or not."""

    tools: Toolchain
    directory: Path
    port: int
    launch: Launch
    answers: Callable[[], bool]
    _keeper: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def log(self) -> Path:
        """Return the file with the server's own messages."""
        return self.directory / "log"

    @property
    def pid(self) -> int | None:
        """Return the server's process id, None while it does not run."""
        return server_pid(self.directory)

    @property
    def running(self) -> bool:
        """Tell whether the server's process exists."""
        return self.pid is not None

    @property
    def _spec(self) -> Path:
        return self.directory / "keeper.json"

    def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Start the server on its port and return when it answers."""
        if self.running:
            return
        self._spec.with_suffix(".pid").unlink(missing_ok=True)
        self._spec.write_text(json.dumps(self._specification()), encoding="utf-8")
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", keeper.__file__, str(self._spec)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
        self._wait_until_it_answers(timeout_s)

    def stop(self) -> None:
        """Stop the server as an administrator would, its data safe on disk; keep directory."""
        self._signal_and_wait(self.launch.stop_signal)

    def kill(self) -> None:
        """Kill the server and its children at once, as a power cut would; keep the directory."""
        pid = self.pid
        if pid is None:
            return
        os.kill(pid, signal.SIGSTOP)  # or it would notice its children's death and restart
        children = keeper.children_of(pid)
        for victim in [*children, pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        self._wait_gone(children)

    def freeze(self) -> None:
        """Halt the server without closing its connections, as a stuck disk or machine does."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._signal_all(signal.SIGCONT)

    def close(self) -> None:
        """End the server by the quickest orderly way and remove its directory."""
        self.thaw()
        self._signal_and_wait(self.launch.quick_signal)
        remove_instance(self.directory)

    def release(self) -> None:
        """Let the server outlive this process, until `end_instance`."""
        (self.directory / "released").touch()
        if self._keeper is not None:
            self._keeper.returncode = 0  # or Python warns about a child that nobody waits for
            self._keeper = None

    def last_words(self, lines: int = 8) -> str:
        """Return the end of the server's log."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""

    def _specification(self) -> dict[str, object]:
        account = self.launch.account
        return {
            "instance": str(self.directory),
            "owner": list(this_process()),
            "chroot": None if self.tools.chroot is None else str(self.tools.chroot),
            "uid": None if account is None else [account.uid, account.gid],
            "command": list(self.launch.command),
            "cleanup": list(self.launch.cleanup),
            "environment": environment(),
            "log": str(self.log),
            "quick_signal": int(self.launch.quick_signal),
        }

    def _wait_until_it_answers(self, timeout_s: float) -> None:
        def answered() -> bool:
            if self._keeper is not None and self._keeper.poll() is not None:
                raise StackError(f"{self.launch.name} ended at once")
            return self.running and self.answers()

        try:
            wait_for(answered, timeout_s, self.launch.name)
        except StackError as error:
            self._signal_and_wait(self.launch.quick_signal)
            raise StackError(f"{error}:\n{self.last_words()}") from None

    def _signal_all(self, number: int) -> None:
        pid = self.pid
        if pid is not None:
            for target in [pid, *keeper.children_of(pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(target, number)

    def _signal_and_wait(self, number: int) -> None:
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        self._wait_gone([])

    def _wait_gone(self, children: list[int]) -> None:
        deadline_s = time.monotonic() + STOP_TIMEOUT_S
        while self.running or any(keeper.start_ticks(child) is not None for child in children):
            if time.monotonic() > deadline_s:
                raise StackError(f"{self.launch.name} did not end within {STOP_TIMEOUT_S:.0f} s")
            time.sleep(0.01)
        if self._keeper is not None:
            self._keeper.wait(STOP_TIMEOUT_S)
            self._keeper = None


def wait_for(condition: Callable[[], bool], timeout_s: float, name: str) -> None:
    """Return when the condition holds; say what it is if that takes long."""
    started_s = time.monotonic()
    noted = False
    while not condition():
        waited_s = time.monotonic() - started_s
        if waited_s > timeout_s:
            raise StackError(f"{name} did not answer within {timeout_s:.0f} s")
        if waited_s > NOTE_AFTER_S and not noted:
            say(f"waiting for {name} to answer")
            noted = True
        time.sleep(0.02)


def this_process() -> tuple[int, int]:
    """Return what tells this process from any other, earlier or later."""
    pid = os.getpid()
    return pid, keeper.start_ticks(pid) or 0


def new_directory(tools: Toolchain, name: str, account: Account | None) -> Path:
    """Make an empty directory for one instance, and remove those that nobody owns any more."""
    tools.instances.mkdir(parents=True, exist_ok=True, mode=0o711)
    if tools.instances.stat().st_uid != os.geteuid():
        raise StackError(f"{tools.instances} belongs to somebody else; remove it")
    with locked(tools.instances / ".lock", "starting services"):
        _sweep(tools.instances)
        directory = tools.instances / name
        directory.mkdir(mode=0o700)
        (directory / "owner.json").write_text(json.dumps(this_process()), encoding="utf-8")
    tools.give(directory, account)
    return directory


def _sweep(instances: Path) -> None:
    """Remove directories whose command died while its server was down."""
    for directory in instances.iterdir():
        owner = directory / "owner.json"
        if not owner.exists():
            continue
        with contextlib.suppress(OSError, ValueError, TypeError):
            if not keeper.is_alive(*json.loads(owner.read_text())):
                _remove_if_idle(directory)


def _remove_if_idle(directory: Path) -> None:
    if not any(_alive(directory)):
        remove_instance(directory)


def server_pid(directory: Path) -> int | None:
    """Return the process id of the instance's server, None if it does not run."""
    pids = _alive(directory)
    return pids[0] if pids else None


def _alive(directory: Path) -> list[int | None]:
    """Return server and keeper of an instance, None for one that is no more."""
    with contextlib.suppress(OSError, ValueError):
        pids = json.loads((directory / "keeper.pid").read_text(encoding="utf-8"))
        return [
            pid if keeper.is_alive(pid, ticks) else None
            for pid, ticks in zip(pids[::2], pids[1::2], strict=True)
        ]
    return []


def end_instance(directory: Path) -> None:
    """Stop a released server, wait until it and its keeper are gone, remove its directory."""
    deadline_s = time.monotonic() + STOP_TIMEOUT_S
    for pid in reversed(_alive(directory)):
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            break
    while any(_alive(directory)) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    remove_instance(directory)


def remove_instance(directory: Path) -> None:
    """Remove the directory of a server that does not run, and what its kernel keeps for it."""
    keeper.remove_shared_memory(directory / "data")
    shutil.rmtree(directory, ignore_errors=True)


def free_port() -> int:
    """Return a TCP port of the loopback address that nobody listens on."""
    for port in random.SystemRandom().sample(PORT_RANGE, 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise StackError("no free TCP port between 20000 and 32000 on 127.0.0.1")
