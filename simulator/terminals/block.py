"""A few thousand samples of terminals of one type: what really is, before a sensor looks at it.

Blocks are small enough for the processor's cache. Everything a block offers is true; what a
terminal makes of it is in ``coupled``, ``retrofit`` and ``barometric``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from simulator.terminals.landings import Landings
from simulator.terminals.noise import Draws
from simulator.terminals.timeline import Timeline
from simulator.world.buildings import Plan
from simulator.world.motion import Floats
from simulator.world.state import MOVES, RUNNING, Motion, kinematics
from telemetry.columns import Direction

Indices = NDArray[np.int64]
Column = NDArray[Any]

SAMPLED: Final = (
    "car", "direction", "zone", "floor", "door", "passenger", "speed_mps", "height_m",
    "acceleration_mps2", "vibration_mps2", "vibration_horizontal_mps2", "load_pct",
    "terminal_power", "distance_m",
)  # fmt: skip
"""Columns that may change within a piece, or that a sensor fault can falsify."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What does not change while a fleet lives.

    Parameters
    ----------
    plan
        The lifts.
    seed
        Seed of the fleet.
    landings
        Their landings.
    start_us
        First instant.
    every_us
        Interval of frames while something moves.
    """

    plan: Plan
    seed: int
    landings: Landings
    start_us: int
    every_us: int


class Block:
    """Samples ``[begin, end)`` of a timeline.

    Attributes
    ----------
    at, t_us, lift
        Piece, instant and lift of each sample, shape (n,).
    moving
        Which samples are of pieces in motion.
    height_m, speed_mps, acceleration_mps2
        Of those only; velocity and acceleration are positive upwards.
    draws
        Random bits of each sample.
    """

    def __init__(self, setting: Setting, timeline: Timeline, begin: int, end: int) -> None:
        self.begin, self.end = begin, end
        self.at = timeline.of[begin:end]
        self.t_us = timeline.t_us[begin:end]
        self.lift = timeline["lift"][self.at]
        self.timeline = timeline
        self.moving = np.flatnonzero(timeline["motion"][self.at] != Motion.NONE)
        self.height_m, self.speed_mps, self.acceleration_mps2 = kinematics(
            timeline.motions(self.at[self.moving]), self.t_us[self.moving]
        )
        self.draws = Draws(setting.seed, setting.plan.first_lift + self.lift, self.t_us)

    def __len__(self) -> int:
        """Return the number of samples, ``n``."""
        return len(self.at)


class Kind(Protocol):
    """What terminals of one type make of the world."""

    def prepare(self, timeline: Timeline, pieces: slice) -> Mapping[str, Column]:
        """Return what is constant in the pieces of these terminals, and remember them."""
        ...

    def tell(
        self, block: Block, constant: Mapping[str, Column], told: Mapping[str, Column]
    ) -> None:
        """Write what is told of a block into ``told``, shape (n,) for each column."""
        ...


def direction(running: NDArray[np.bool_], way: NDArray[Any]) -> NDArray[np.int8]:
    """Return ``Direction`` of travel."""
    told = np.where(way > 0, np.int8(Direction.UP), np.int8(Direction.DOWN))
    return np.where(running & (way != 0), told, np.int8(Direction.NONE))


def running(timeline: Timeline, pieces: slice) -> NDArray[np.bool_]:
    """Return in which pieces the car runs."""
    return RUNNING[timeline["phase"][pieces]]


def moves(timeline: Timeline, pieces: slice) -> NDArray[np.bool_]:
    """Return in which pieces the car moves, as far as an accelerometer can tell."""
    return MOVES[timeline["phase"][pieces]]


def thousandths(values: Floats) -> Indices:
    """Round to integer thousandths, half to even."""
    return np.rint(values * 1000).astype("i8")
