"""Which kind of file is meant, and the source in it.

A recording is an Arrow stream; a ride log begins with its header; a trace is two CSV files, named
both, or by the first part of their names (``trace-0`` for ``trace-0-acceleration.csv``).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from service.backtest.judging import Versions
from service.clock import SystemClock
from service.commands.failures import SETTINGS, CommandError
from service.times import rfc3339
from simulator.recordings.layout import RecordingError
from simulator.recordings.recorded import RecordedSource
from simulator.recordings.rides import RideLogError, RideLogSource, read_rides
from simulator.recordings.traces import TraceError, TraceSource, read_trace
from simulator.source import Source

ACCELERATION: Final = "-acceleration.csv"
PRESSURE: Final = "-pressure.csv"


class Opened(NamedTuple):
    """A source and what is known of it before its first frame.

    Parameters
    ----------
    source
        Where the frames come from.
    end_us
        No frame arrives at or after it [µs].
    slow
        It was recorded at the pace of a fleet, so that pace is the sensible default.
    undated
        Its times are not those of any day: it can only be replayed now.
    warning
        What its user must know; empty = nothing.
    versions
        The parameters that judged it live; ``None`` = it was never live.
    """

    source: Source
    end_us: int
    slow: bool = False
    undated: bool = False
    warning: str = ""
    versions: Versions | None = None


def open_files(paths: Sequence[Path], code: str = "") -> Opened:
    """Open what ``paths`` name; ``code`` is the lift of a log or trace. Raises ``CommandError``."""
    try:
        if len(paths) == 2:
            return _trace(paths[0], paths[1], code)
        [path] = paths
        if not path.is_file() and _beside(path, ACCELERATION).is_file():
            return _trace(_beside(path, ACCELERATION), _beside(path, PRESSURE), code)
        if path.suffix.lower() == ".csv":
            rides = RideLogSource(read_rides(path), code or "RIDES")
            return Opened(rides, rides.end_us)
        return _recording(path)
    except (RecordingError, RideLogError, TraceError) as error:
        raise CommandError(str(error), SETTINGS) from error


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _trace(acceleration: Path, pressure: Path, code: str) -> Opened:
    now_us = SystemClock().now_us() // 1000 * 1000
    source = TraceSource(read_trace(acceleration, pressure), now_us, code or "TRACE")
    return Opened(source, source.end_us, undated=True)


def _recording(path: Path) -> Opened:
    source = RecordedSource(path)
    warning = ""
    if source.truncated:
        warning = (
            f"{path}: cut off, {source.cut_at} bytes are whole; "
            f"replaying up to {rfc3339(source.end_us)}"
        )
    return Opened(source, source.end_us, slow=True, warning=warning)
