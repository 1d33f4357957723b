"""``Moved``: a source at another time, all of its clocks moved by one amount."""

from collections.abc import Sequence
from dataclasses import replace

from simulator.frames import Frames
from simulator.source import RegistryRow, Source
from simulator.truth import LookAlike, TruthEvent


class Moved:
    """A source that takes place ``later_us`` later, device clocks and truth included.

    Parameters
    ----------
    source
        Where the frames come from.
    later_us
        By how much [µs], whole ms: terminals tell milliseconds.
    """

    def __init__(self, source: Source, later_us: int) -> None:
        self._source = source
        self._later_us = later_us

    @property
    def start_us(self) -> int:
        """Return the first instant of the run [µs]."""
        return self._source.start_us + self._later_us

    @property
    def labels(self) -> Sequence[Sequence[str]]:
        """Return the floor labels of each unit."""
        return self._source.labels

    def registry(self) -> list[RegistryRow]:
        """Return all units."""
        return self._source.registry()

    def arrived_until(self, t_us: int) -> Frames:
        """Return the frames that arrive before ``t_us`` and were not returned yet."""
        frames = self._source.arrived_until(t_us - self._later_us)
        names = ("time_us", "device_time_us", "arrival_us")
        return frames.replace(**{name: frames[name] + self._later_us for name in names})

    def truth(self) -> list[TruthEvent]:
        """Return the true events so far, by onset."""
        return [
            replace(
                event,
                onset_us=event.onset_us + self._later_us,
                end_us=self._then(event.end_us),
                freeing_us=self._then(event.freeing_us),
                presses=tuple(t_us + self._later_us for t_us in event.presses),
            )
            for event in self._source.truth()
        ]

    def look_alikes(self) -> list[LookAlike]:
        """Return the look-alikes so far, by their beginning."""
        return [
            replace(one, from_us=one.from_us + self._later_us, to_us=self._then(one.to_us))
            for one in self._source.look_alikes()
        ]

    def _then(self, t_us: int | None) -> int | None:
        return None if t_us is None else t_us + self._later_us
