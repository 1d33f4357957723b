"""A source in slices that do not depend on how many processes work on them.

A slice is a share of a fleet: whole buildings, a fixed number of them for a fleet of a given size,
so that digests and findings are the same however the slices are divided among workers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from simulator.recordings.recorded import RecordedSource
from simulator.scenarios.build import Built
from simulator.source import Source

LIFTS_PER_SLICE: Final = 1250
"""About how many lifts live together: enough for a step of them to be worth its overhead, few
enough that two processes end at about the same time and hold little."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a source: frames of ``units`` (indices in the fleet, ascending) and no others."""

    source: Source
    units: Sequence[int]


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
    """A scenario, share by share."""

    built: Built

    @property
    def count(self) -> int:
        """Return the number of slices."""
        return max(1, round(self.built.fleet.n_lifts / LIFTS_PER_SLICE))

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
        return Slice(source, (*source.fleet.lifts, *stairs))


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
        return Slice(source, range(len(source.registry())))
