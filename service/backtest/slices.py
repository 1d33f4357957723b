"""A source in slices that do not depend on how many processes work on them.

A slice is a share of a fleet: whole buildings, a fixed number of them for a fleet of a given size,
so that digests and findings are the same however the slices are divided among workers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from service.backtest.judging import Versions
from simulator.recordings.recorded import RecordedSource
from simulator.scenarios.build import Built
from simulator.source import Source

LIFTS_PER_SLICE: Final = 5000
"""About how many lifts live together: a step of 5,000 costs a third less per frame than one of
1,250, and two processes are kept busy by the largest fleets."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a source.

    Parameters
    ----------
    source
        Frames of ``units`` and of no others.
    units
        Indices in the fleet, ascending.
    sha256
        Returns the digest of the frames told so far; empty = not known.
    close
        Gives back what the source holds open.
    versions
        The parameters that judged it live; ``None`` = it was never live.
    """

    source: Source
    units: Sequence[int]
    sha256: Callable[[], str]
    close: Callable[[], object] = lambda: None
    versions: Versions | None = None


class Slices(Protocol):
    """A source that can be opened slice by slice, in any process: picklable plain values."""

    @property
    def count(self) -> int:
        """Return the number of slices, at least 1."""
        ...

    @property
    def start_us(self) -> int:
        """Return the first instant [µs]."""
        ...

    @property
    def end_us(self) -> int:
        """Return the end of the run [µs], exclusive."""
        ...

    def open(self, k: int) -> Slice:
        """Return slice ``k`` at its first instant."""
        ...


@dataclass(frozen=True, slots=True)
class ScenarioSlices:
    """A scenario, share by share; ``wanted`` = number of slices, 0 = by the size of the fleet."""

    built: Built
    wanted: int = 0

    @property
    def count(self) -> int:
        """Return the number of slices."""
        return self.wanted or max(1, round(self.built.fleet.n_lifts / LIFTS_PER_SLICE))

    @property
    def start_us(self) -> int:
        """Return the first instant [µs]."""
        return self.built.start_us

    @property
    def end_us(self) -> int:
        """Return the end of the run [µs]."""
        return self.built.end_us

    def open(self, k: int) -> Slice:
        """Return share ``k`` of the fleet behind its network."""
        source = self.built.source((k, self.count))
        spec = self.built.fleet
        stairs = range(spec.n_lifts + k, len(source.fleet.codes), self.count)
        units = (*source.fleet.lifts, *stairs)
        return Slice(source, units, lambda: source.fleet.digest.hexdigest())


@dataclass(frozen=True, slots=True)
class RecordingSlices:
    """A recording, all units at once: a file is read from front to back."""

    path: Path
    start_us: int
    end_us: int

    @property
    def count(self) -> int:
        """Return 1."""
        return 1

    def open(self, k: int) -> Slice:
        """Return the recording at its first frame."""
        del k
        source = RecordedSource(self.path)
        return Slice(source, range(len(source.registry())), lambda: source.sha256)
