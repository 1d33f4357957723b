"""Frames that a terminal numbers and that are never stored: lost in it, on the way, or refused.

Three faults, told apart by who loses: a buffer that overflows while the terminal is cut off, a
connection that drops messages, a clock that now and then gives a time that is none (the frame is
sent, and refused). Each takes frames exactly within its interval; what numbers the others have is
untouched. All draws are by (seed, lift, time), so how the world was cut into calls changes nothing.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulator.faults.causes import Cause
from simulator.faults.sensors import SensorFault
from simulator.frames import NO_TIME_US, Frames
from simulator.randomness import Stream, chance, words
from simulator.terminals.bad_lines import bad_lines

LOSSES: Final = frozenset({Cause.BUFFER_OVERFLOW, Cause.FRAMES_LOST, Cause.FRAMES_REFUSED})
LOST_PPM: Final = 200_000
"""Of the frames of a bad connection, or of a bad clock (practice)."""
MOST_HELD_US: Final = 300_000_000
"""A buffer holds the last third of what it is cut off for, at most this (practice)."""
FLUSH_SPEEDUP: Final = 200
"""A buffer is sent so many times faster than it was filled, as a gateway's is."""


class Losses:
    """The losses of a fleet.

    Parameters
    ----------
    faults
        Of sensors and terminals; those of other causes lose nothing. ``unit`` is the row.
    seed
        Seed of the fleet.
    first_lift
        Number in the whole fleet of row 0.
    idle_us
        Heartbeat of the terminals.
    """

    def __init__(
        self, faults: Sequence[SensorFault], seed: int, first_lift: int, idle_us: int
    ) -> None:
        self._faults = [fault for fault in faults if fault.what in LOSSES]
        self.lines = bad_lines(faults, idle_us)
        """Those that lose frames now and then, for the truth."""
        self._seed = seed
        self._first_lift = first_lift

    def apply(self, frames: Frames) -> Frames:
        """Return frames (in time order) without what is lost, or with what is refused for it."""
        if not self._faults or not len(frames):
            return frames
        time_us, lift = frames["time_us"], frames["lift"]
        kept = np.ones(len(frames), np.bool_)
        device_time_us, arrival_us = frames["device_time_us"].copy(), frames["arrival_us"].copy()
        low_us, high_us = int(time_us[0]), int(time_us[-1])
        for fault in self._faults:
            if fault.from_us > high_us or fault.to_us <= low_us:
                continue
            first, last = np.searchsorted(time_us, [fault.from_us, fault.to_us])
            own = first + np.flatnonzero(lift[first:last] == fault.unit)
            if fault.what is Cause.BUFFER_OVERFLOW:
                since_us = fault.to_us - min((fault.to_us - fault.from_us) // 3, MOST_HELD_US)
                kept[own[time_us[own] < since_us]] = False
                held = own[time_us[own] >= since_us]
                arrival_us[held] = fault.to_us + (time_us[held] - since_us) // FLUSH_SPEEDUP
                continue
            drawn = words(
                self._seed, Stream.LOSS, self._first_lift + fault.unit, time_us[own] // 1000
            )
            hit = own[chance(drawn[0], LOST_PPM)]
            if fault.what is Cause.FRAMES_LOST:
                kept[hit] = False
            else:
                device_time_us[hit] = NO_TIME_US
        self._listen(frames, kept & (device_time_us != NO_TIME_US))
        return frames.replace(device_time_us=device_time_us, arrival_us=arrival_us).take(kept)

    def _listen(self, frames: Frames, came: NDArray[np.bool_]) -> None:
        """Note what is heard over bad lines; ``came`` marks the frames that are stored."""
        time_us = frames["time_us"]
        for line in self.lines:
            if line.over or line.watched_from_us > time_us[-1]:
                continue
            first = int(np.searchsorted(time_us, line.watched_from_us))
            own = first + np.flatnonzero(frames["lift"][first:] == line.fault.unit)
            line.take(time_us[own[came[own]]], time_us[own[~came[own]]])
