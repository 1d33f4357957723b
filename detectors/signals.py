"""Sample-and-hold: what each column of a lift was last known to be.

A missing key is unknown, and unknown changes nothing: the last known value goes on. Frames of
escalators and walks tell nothing here; a frame without unit is a lift's (wire v1).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.segments import Bools, Segments
from telemetry.batch import FrameBatch
from telemetry.columns import CODE_BIT, COLUMN, Door, Unit


def from_lift(frames: FrameBatch) -> Bools:
    """Tell which frames are a lift's, shape (n,)."""
    unit = frames["unit"]
    return (unit != Unit.ESCALATOR) & (unit != Unit.WALK)


def tells(frames: FrameBatch, name: str) -> Bools:
    """Tell which frames of lifts know column ``name``; door 0 is a word for unknown."""
    known = COLUMN[name].is_known(frames[name]) & from_lift(frames)
    return known & (frames[name] != Door.UNKNOWN) if name == "door" else known


def held(seg: Segments, carried: NDArray[Any], values: NDArray[Any], told: Bools) -> NDArray[Any]:
    """Hold a column along the strip: ``carried`` (m,), then each of ``values`` (n,) when told."""
    return seg.hold(seg.join(carried, values), seg.join(np.zeros(len(carried), np.bool_), told))


def held_code(
    seg: Segments, carried: NDArray[np.int8], frames: FrameBatch, code: int, denied: Bools
) -> NDArray[np.int8]:
    """Hold whether a national code is active: 1, 0 or unknown.

    A list of codes tells it. So does, without a list, a frame that denies it by another key.
    """
    listed = tells(frames, "codes")
    active = np.where(listed, frames["codes"] >> CODE_BIT[code] & 1, 0)
    return held(seg, carried, active, listed | denied)
