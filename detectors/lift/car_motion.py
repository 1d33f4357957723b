"""Whether a car moves or stands, as far as its frames tell, and what was so since.

Shared by the rules of motion. *Moves*: speed at or above ``MOVING_MPS``, or, where no speed is
known, ``car`` 1. *Stands*: below that speed and not said to run, or, without a speed, ``car`` 0.
Neither: nothing is known, or ``car`` 1 at no speed (a drive that turns without effect).
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.segments import Bools, Segments
from detectors.signals import Heard
from telemetry.columns import UNKNOWN, Door

MOVING_MPS: Final = 0.05
"""From here on a car moves [m/s] (practice, as in the rule of entrapments)."""


class Motion(NamedTuple):
    """Motion along a strip, shape (n + m,)."""

    speed_mps: NDArray[np.float32]
    """Size of the held speed; NaN where unknown."""
    moves: Bools
    stands: Bools


def motion(heard: Heard) -> Motion:
    """Tell where cars move and where they stand; several rules ask."""
    return heard.once(_motion)


def _motion(heard: Heard) -> Motion:
    car, speed = heard.held("car"), np.abs(heard.held("speed_mps"))
    unknown = np.isnan(speed)
    moves = (speed >= MOVING_MPS) | (unknown & (car == 1))
    stands = ((speed < MOVING_MPS) & (car != 1)) | (unknown & (car == 0))
    return Motion(speed, moves, stands)


def shut(heard: Heard) -> Bools:
    """Tell where doors are known to be closed or locked."""
    return heard.says("door", Door.CLOSED, Door.LOCKED)


def apart(heard: Heard) -> Bools:
    """Tell where doors are known not to be closed: closing, opening, open or held."""
    return heard.says("door", Door.CLOSING, Door.OPENING, Door.OPEN, Door.HELD)


def known(values: NDArray[Any]) -> Bools:
    """Tell where a held enumeration or flag is known."""
    return values != UNKNOWN


def kept(seg: Segments, carried: NDArray[Any], sets: Bools, resets: Bools) -> Bools:
    """Return a latch along the strip that goes on from what was carried in; a reset wins."""
    return seg.latch(seg.headed(sets, carried), resets & ~seg.is_head)
