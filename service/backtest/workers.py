"""Slices of a source over processes; the result does not depend on how many there are.

Workers are started afresh (spawned), take one slice after another, and tell how far they are.
Only the parent hears Ctrl-C, and ends them. What goes wrong in one is one sentence in the parent.
"""

import multiprocessing
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final, cast

from service.backtest.candidate import Candidate
from service.backtest.run import SliceResult, run_slice
from service.backtest.slices import Slices

_TELL_EVERY_S: Final = 0.5
_GRACE_S: Final = 5.0
"""How long a worker may take to end when it is told to."""


class BacktestError(Exception):
    """A backtest that cannot go on: one line."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backtest is.

    Parameters
    ----------
    done
        Share of the work, 0 to 1.
    frames
        Frames so far.
    elapsed_s
        Since the beginning.
    """

    done: float
    frames: int
    elapsed_s: float


OnProgress = Callable[[Progress], None]


def run_all(
    slices: Slices, workers: int, candidate: Candidate | None, on_progress: OnProgress
) -> list[SliceResult]:
    """Run all slices and return their results in order. Raises ``BacktestError``."""
    board = _Board(slices, on_progress)
    if workers == 1 or slices.count == 1:
        return [
            run_slice(slices, k, candidate, lambda t_us, n, k=k: board.tell(k, t_us, n))
            for k in range(slices.count)
        ]
    with _started(min(workers, slices.count), slices, candidate) as connections:
        return _collected(slices.count, connections, board)


class _Board:
    """Adds up what slices tell, and passes it on now and then."""

    def __init__(self, slices: Slices, on_progress: OnProgress) -> None:
        self._start_us = slices.start_us
        self._span_us = max(slices.end_us - slices.start_us, 1)
        self._on_progress = on_progress
        self._reached = [slices.start_us] * slices.count
        self._frames = [0] * slices.count
        self._began_s = self._told_s = time.monotonic()

    def tell(self, number: int, t_us: int, frames: int) -> None:
        """Note how far a slice is."""
        self._reached[number], self._frames[number] = t_us, frames
        now_s = time.monotonic()
        lived_us = sum(t - self._start_us for t in self._reached)
        done = lived_us / self._span_us / len(self._reached)
        if now_s - self._told_s >= _TELL_EVERY_S or done >= 1:
            self._told_s = now_s
            self._on_progress(Progress(done, sum(self._frames), now_s - self._began_s))


@contextmanager
def _started(
    n: int, slices: Slices, candidate: Candidate | None
) -> Iterator[dict[Connection, BaseProcess]]:
    """Start workers; whatever happens, none is left."""
    context = multiprocessing.get_context("spawn")
    running: dict[Connection, BaseProcess] = {}
    try:
        for i in range(n):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_work, args=(theirs, slices, candidate), name=f"backtest-{i}", daemon=True
            )
            process.start()
            theirs.close()
            running[cast("Connection", ours)] = process
        yield running
    finally:
        for connection, process in running.items():
            connection.close()
            if process.is_alive():
                process.terminate()
            process.join(_GRACE_S)
            if process.is_alive():
                process.kill()
                process.join()


def _collected(
    count: int, running: dict[Connection, BaseProcess], board: _Board
) -> list[SliceResult]:
    """Hand out slices until all results are there."""
    waiting = list(range(count))
    results: dict[int, SliceResult] = {}
    for connection in running:
        connection.send(waiting.pop(0))
    while len(results) < count:
        for connection in wait(list(running)):
            assert isinstance(connection, Connection)
            word, *said = _received(connection, running)
            if word == "step":
                board.tell(*said)
            elif word == "failed":
                raise BacktestError(said[0])
            else:
                results[said[0].number] = said[0]
                if waiting:
                    connection.send(waiting.pop(0))
    return [results[k] for k in range(count)]


def _received(connection: Connection, running: dict[Connection, BaseProcess]) -> tuple[Any, ...]:
    try:
        return connection.recv()
    except EOFError as error:
        process = running[connection]
        process.join(_GRACE_S)
        raise BacktestError(
            f"worker {process.name} ended with code {process.exitcode};"
            " if memory ran out, take fewer --workers"
        ) from error


def _work(connection: Connection, slices: Slices, candidate: Candidate | None) -> None:
    """Run slices until the parent hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told_s = 0.0

    def on_step(number: int, t_us: int, frames: int) -> None:
        nonlocal told_s
        now_s = time.monotonic()
        if now_s - told_s >= _TELL_EVERY_S or t_us >= slices.end_us:
            told_s = now_s
            connection.send(("step", number, t_us, frames))

    try:
        while True:
            number = connection.recv()
            result = run_slice(slices, number, candidate, lambda t, n, k=number: on_step(k, t, n))
            connection.send(("done", result))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent has what it wanted, or has gone
    except Exception as error:  # noqa: BLE001 - told to the parent, which ends with it
        connection.send(("failed", _sentence(error)))


def _sentence(error: Exception) -> str:
    """Return what went wrong and where, in one line."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split()) or "no text"
    return f"{type(error).__name__}: {text} ({frame.name}, line {frame.lineno})"
