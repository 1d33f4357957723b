"""A box on the car with a barometer and an accelerometer, wired to nothing.

- *height* is one reading of pressure: noise, the day's drift, a pulse when the doors part.
- *acceleration* is measured, *speed* its integral, set to zero at every stop.
- *moving or not*: the box believes that the car stands when it has been quiet for a while.
- *floor* and *zone* come from the way since the last stop, which is counted from its landing: the
  landings' heights are learned, and whoever stops near one is at it. Near is further than the
  unlocking zone, so a car that stands little outside of it passes for levelled.
- doors, button, load and everything else of the controller are not known.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulator.randomness import Stream, normal, words
from simulator.terminals.block import Block, Column, Setting, direction, moves, thousandths
from simulator.terminals.memory import LastWay, Since
from simulator.terminals.noise import MPA_PER_MM, Drift, door_pulse_mpa
from simulator.terminals.timeline import Timeline
from simulator.world.buildings import BAROMETER_NEAR_M
from simulator.world.motion import Floats
from simulator.world.state import Phase

SPEED_MMPS: Final = 30
"""Standard deviation of the integrated speed (practice)."""
WAY_MM: Final = 100
"""Standard deviation of the way of one trip, with the barometer's help (practice)."""
WAY_GROWS_M: Final = 3.0
"""After this way half of that error is there."""
QUIET_US: Final = 700_000
"""Quiet for so long, and the car stands (practice)."""
PULSE_US: Final = 1_000_000
"""How long the pulse of parting doors lasts."""

Indices = NDArray[np.int64]


class Barometric:
    """Boxes with a barometer.

    Parameters
    ----------
    setting
        The fleet.
    """

    def __init__(self, setting: Setting) -> None:
        n = len(setting.plan)
        self._setting = setting
        self._unit = setting.plan.first_lift + np.arange(n)
        self._stood = Since(n, setting.start_us - QUIET_US, holds=True)
        self._way = LastWay(n)
        self._drift = Drift(setting.seed, self._unit)

    def prepare(self, timeline: Timeline, pieces: slice) -> Mapping[str, Column]:
        """Return what is constant in the pieces of these terminals, and remember their stops."""
        lift = timeline["lift"][pieces]
        height_m = timeline["height_m"][pieces]
        runs = moves(timeline, pieces)
        stood_us = self._stood(lift, ~runs, timeline["lo_us"][pieces])
        error_m = self._errors_m(timeline, pieces)
        seems_m = height_m + _grown(error_m, timeline["distance_m"][pieces])
        floor, away_m = self._setting.landings.nearest(lift, seems_m)
        return {
            "way": self._way(lift, timeline["sign"][pieces]),
            "believes_us": np.where(runs, 2**62, stood_us + QUIET_US),
            "error_m": error_m,
            "floor": floor,
            "zone": away_m <= BAROMETER_NEAR_M,
            "height_m": thousandths(height_m),
            "pulse_mpa": self._pulses(timeline, pieces),
        }

    def tell(
        self, block: Block, constant: Mapping[str, Column], told: Mapping[str, Column]
    ) -> None:
        """Write what is told of a block."""
        runs = block.t_us < constant["believes_us"]
        told["car"][:] = runs
        told["direction"][:] = direction(runs, constant["way"])
        told["floor"][:] = constant["floor"]
        told["zone"][:] = constant["zone"]
        told["terminal_power"][:] = 0
        moving = block.moving
        way_m = np.abs(block.height_m - block.timeline["height_m"][block.at[moving]])
        seems_m = block.height_m + _grown(constant["error_m"][moving], way_m)
        floor, away_m = self._setting.landings.nearest(block.lift[moving], seems_m)
        told["floor"][moving] = floor
        told["zone"][moving] = away_m <= BAROMETER_NEAR_M
        speed = np.zeros(len(block), "i8")
        speed[moving] = thousandths(np.abs(block.speed_mps))
        speed += block.draws.speed(SPEED_MMPS)
        told["speed_mps"][:] = np.where(runs, np.maximum(speed, 0), 0)
        height = np.array(constant["height_m"])
        height[moving] = thousandths(block.height_m)
        told["height_m"][:] = height - self._pressure_mpa(block, constant) // MPA_PER_MM

    def _pressure_mpa(self, block: Block, constant: Mapping[str, Column]) -> Indices:
        """Return by how much a reading of pressure differs from that of the height."""
        parting = block.t_us < block.timeline["start_us"][block.at] + PULSE_US
        pulse = np.where(parting, constant["pulse_mpa"], 0)
        return self._drift(block.lift, block.t_us) + block.draws.pressure() + pulse

    def _errors_m(self, timeline: Timeline, pieces: slice) -> Floats:
        """Return the error of the way of each piece's last trip."""
        unit = self._unit[timeline["lift"][pieces]]
        moved_ms = timeline["move_us"][pieces] // 1000
        word = words(self._setting.seed, Stream.SENSOR_TRIP, unit, moved_ms)[0]
        return normal((word & np.uint64(1023)).astype("i8"), WAY_MM) / 1000

    def _pulses(self, timeline: Timeline, pieces: slice) -> Indices:
        parting = np.flatnonzero(timeline["phase"][pieces] == Phase.OPENING)
        pulse = np.zeros(len(timeline["phase"][pieces]), "i8")
        unit = self._unit[timeline["lift"][pieces][parting]]
        opened_us = timeline["start_us"][pieces][parting]
        pulse[parting] = door_pulse_mpa(self._setting.seed, unit, opened_us)
        return pulse


def _grown(error_m: Floats, way_m: Floats) -> Floats:
    """Return how much of a trip's error is there after a way."""
    return error_m * way_m / (way_m + WAY_GROWS_M)
