"""``hoistway serve`` as a child process: start, wait until ready, stop, kill.

Demo, acceptance tests and benches drive the real program through this, so that what they measure is
what an operator runs. The child dies with its parent (PR_SET_PDEATHSIG), so nothing is left behind.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp

PR_SET_PDEATHSIG: Final = 1
LIBC: Final = ctypes.CDLL(None, use_errno=True)


class ChildFailedError(Exception):
    """The service did not come up, or ended by itself; the message holds its last words."""


def free_port() -> int:
    """Return a TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent ends."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass(slots=True)
class ServiceProcess:
    """One ``hoistway serve``.

    Parameters
    ----------
    environment
        ``HOISTWAY_...`` settings; the HTTP port is chosen here unless given.
    log_path
        File that takes the output of the child.
    """

    environment: Mapping[str, str]
    log_path: Path
    http_port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    @property
    def http_url(self) -> str:
        """Return the base URL of its HTTP interface."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def pid(self) -> int:
        """Return the process id of the running child."""
        if self.process is None:
            raise ChildFailedError("the service was not started")
        return self.process.pid

    async def start(self) -> None:
        """Start it; does not wait until it is ready."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("HOISTWAY_")}
        settings = {"HOISTWAY_HTTP_PORT": str(self.http_port), **self.environment}
        with self.log_path.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "service", "serve",
                env={**inherited, **settings}, stdout=log, stderr=log,
                stdin=asyncio.subprocess.DEVNULL, preexec_fn=die_with_parent,
                start_new_session=True,  # Ctrl-C is for the parent, which stops us in order
            )  # fmt: skip

    async def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Wait until ``/readyz`` answers 200. Raises ``ChildFailedError`` with the cause."""
        cause = "no answer yet"
        try:
            async with asyncio.timeout(timeout_s), aiohttp.ClientSession() as session:
                while True:
                    if self.process is not None and self.process.returncode is not None:
                        code, words = self.process.returncode, self.last_words()
                        raise ChildFailedError(f"the service ended with {code}:\n{words}")
                    with contextlib.suppress(aiohttp.ClientError):
                        async with session.get(f"{self.http_url}/readyz") as answer:
                            cause = await answer.text()
                            if answer.status == 200:
                                return
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise ChildFailedError(
                f"the service was not ready after {timeout_s} s: {cause}\n{self.last_words()}"
            ) from None

    async def kill(self) -> None:
        """SIGKILL it, as a power cut would, and wait until it is gone."""
        await self._end(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to stop (SIGTERM) and do not wait."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)

    async def stop(self, timeout_s: float = 20.0) -> int:
        """SIGTERM it and return its exit code."""
        async with asyncio.timeout(timeout_s):
            return await self._end(signal.SIGTERM)

    async def _end(self, sign: signal.Signals) -> int:
        if self.process is None:
            return 0
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(sign)
        return await self.process.wait()

    async def metrics(self) -> dict[str, float]:
        """Return its metrics: ``name{labels}`` to value."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.http_url}/metrics") as answer,
        ):
            text = await answer.text()
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#")
        return {name: float(value) for name, value in lines}

    def last_words(self, lines: int = 15) -> str:
        """Return the end of its log."""
        text = self.log_path.read_text("utf-8", "replace") if self.log_path.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    async def __aenter__(self) -> Self:
        """Start it and wait until it is ready."""
        await self.start()
        try:
            await self.wait_ready()
        except BaseException:
            await self.kill()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it; after 20 s kill it."""
        try:
            await self.stop()
        except TimeoutError:
            await self.kill()
