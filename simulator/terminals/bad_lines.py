"""Lines that lose frames: how many were lost, and when whoever listens heard nothing.

A few lost frames are the way of the field; ``MANY`` are an event that lasts as long as the line is
bad. A frame that is lost or refused leaves the lift unheard from the frame before it to the one
after. Where that is longer than the field calls silent, the truth knows it: one event a bad line,
from the first such silence to the end of the last. Decides from the times at which frames were
made; how the world was cut into calls changes nothing.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulator.faults.causes import Cause
from simulator.faults.sensors import SensorFault
from telemetry.findings import FindingKind

BAD_LINES: Final = frozenset({Cause.FRAMES_LOST, Cause.FRAMES_REFUSED})
"""Causes that lose frames now and then."""
MANY: Final = 16
"""Fewer lost frames are no event (practice: of a thousand; docs/detectors.md)."""
_NEVER_US: Final = -1
_INTERVALS: Final = (3, 2)
"""So many heartbeats without a frame are a silence (DOMAIN section 3: 1.5)."""

Times = NDArray[np.int64]


class BadLine:
    """What was heard of one lift while frames of it were lost.

    Parameters
    ----------
    fault
        What loses them.
    idle_us
        Heartbeat of its terminal.
    """

    def __init__(self, fault: SensorFault, idle_us: int) -> None:
        self.fault = fault
        self.watched_from_us = fault.from_us - 2 * idle_us
        """From then on its frames matter: one before the fault is among them."""
        self.over = False
        """A frame came after the fault."""
        self._silent_us = idle_us * _INTERVALS[0] // _INTERVALS[1]
        self._heard_us = self._lost_us = _NEVER_US
        self._n_lost = 0
        self._span_us: tuple[int, int] | None = None

    def take(self, came_us: Times, lost_us: Times) -> None:
        """Note when frames were made that came, and when those that did not; both ascending."""
        n = int(np.searchsorted(came_us, self.fault.to_us))
        self.over = n < len(came_us)
        edges = _after(self._heard_us, came_us[: n + 1])
        self._n_lost += len(lost_us)
        lost = np.append(self._lost_us, lost_us)
        newest = lost[np.searchsorted(lost, edges) - 1]
        at = np.flatnonzero((np.diff(edges) > self._silent_us) & (newest[1:] > edges[:-1]))
        if at.size:
            begun_us = self._span_us[0] if self._span_us else int(edges[at[0]])
            self._span_us = begun_us, int(edges[at[-1] + 1])
        self._heard_us = int(edges[-1]) if len(edges) else _NEVER_US
        self._lost_us = int(lost[-1])

    def events(self, now_us: int) -> list[tuple[FindingKind, int, int | None]]:
        """Return what has become true on this line before ``now_us``: kind, onset and end."""
        found: list[tuple[FindingKind, int, int | None]] = []
        if self._n_lost >= MANY:
            end_us = self.fault.to_us if self.fault.to_us <= now_us else None
            found.append((FindingKind.SEQUENCE_GAPS, self.fault.from_us, end_us))
        silence = self.silence(now_us)
        if silence is not None:
            found.append((FindingKind.TERMINAL_SILENT, *silence))
        return found

    def silence(self, now_us: int) -> tuple[int, int | None] | None:
        """Return from when to when it was silent again and again; ``None`` = it never was.

        Its end is ``None`` while nothing is heard.
        """
        unheard = self._lost_us > self._heard_us != _NEVER_US
        if unheard and now_us - self._heard_us > self._silent_us:
            return self._span_us[0] if self._span_us else self._heard_us, None
        return self._span_us


def bad_lines(faults: Sequence[SensorFault], idle_us: int) -> list[BadLine]:
    """Return the bad lines among faults, by their order."""
    return [BadLine(fault, idle_us) for fault in faults if fault.what in BAD_LINES]


def _after(before_us: int, times_us: Times) -> Times:
    return times_us if before_us == _NEVER_US else np.append(before_us, times_us)
