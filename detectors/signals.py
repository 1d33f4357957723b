"""Sample-and-hold: what each column of a lift was last known to be.

A missing key is unknown, and unknown changes nothing: the last known value goes on. Frames of
escalators and walks tell nothing here; a frame without unit is a lift's (wire v1).
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.contract import LiftFrames
from detectors.segments import Bools
from telemetry.batch import FrameBatch
from telemetry.columns import CODE_BIT, COLUMN, Door, Unit

BUTTON_CODE: Final = 90
"""National code of a pressed alarm button (GB/T 24476)."""

_OTHER_UNITS: Final = (int(Unit.ESCALATOR), int(Unit.WALK))
_DOOR_UNKNOWN: Final = int(Door.UNKNOWN)


def from_lift(frames: FrameBatch) -> Bools:
    """Tell which frames are a lift's, shape (n,)."""
    unit = frames["unit"]
    return (unit != _OTHER_UNITS[0]) & (unit != _OTHER_UNITS[1])


def tells(batch: LiftFrames, name: str) -> Bools:
    """Tell which frames of lifts know column ``name``; door 0 is a word for unknown."""
    values = batch.frames[name]
    known = COLUMN[name].is_known(values) & batch.of_lift
    return known & (values != _DOOR_UNKNOWN) if name == "door" else known


def held(batch: LiftFrames, carried: NDArray[Any], values: NDArray[Any], told: Bools) -> NDArray:
    """Hold a column along the strip: ``carried`` (m,), then each of ``values`` (n,) when told."""
    seg = batch.segments
    return seg.hold(seg.join(carried, values), seg.at_frames(told))


def held_code(
    batch: LiftFrames, carried: NDArray[np.int8], code: int, denied: Bools
) -> NDArray[np.int8]:
    """Hold whether a national code is active: 1, 0 or unknown.

    A list of codes tells it. So does, without a list, a frame that denies it by another key.
    """
    listed = tells(batch, "codes")
    active = np.where(listed, batch.frames["codes"] >> CODE_BIT[code] & 1, 0)
    return held(batch, carried, active, listed | denied)
