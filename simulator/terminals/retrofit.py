"""A retrofitted terminal has photo switches, a door contact and an accelerometer of its own.

- *zone*: both levelling switches see the flag of a landing.
- *floor*: flags are counted; a flag that is missed or seen twice shifts the count until the car
  comes to the lowest landing, where a switch of its own sets it right.
- *speed*: only when a landing is passed without stopping, from the time between the edges of the
  two switches, and told in the first frame after it. A car that stops tells no speed.
- *door*: one contact that is made when the doors are closed. After it breaks the terminal says
  "opening" for a fixed time, then "open"; that doors close is not seen before they are closed.
- moving or not and the direction come from accelerometer and switches.

Source: field reports on retrofit boxes (two levelling switches, base floor switch, one door switch;
floor by counting, speed by the time between the edges).
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.randomness import Stream, between, chance, words
from simulator.terminals.block import Block, Column, Setting, direction, moves
from simulator.terminals.landings import last_flag
from simulator.terminals.memory import LastWay, Since
from simulator.terminals.noise import of_lifts
from simulator.terminals.timeline import Timeline
from simulator.world.buildings import ZONE_HALF_M
from simulator.world.motion import Floats
from simulator.world.state import DOOR, Motion, kinematics
from telemetry.columns import Door

OPENING_US: Final = 3_000_000
"""How long the terminal says "opening" after the door contact broke: longer than doors take."""
SPACING_MM: Final = 100
"""Distance of the two levelling switches, as the terminal believes it (practice)."""
SPACING_ERROR_PCT: Final = 5
"""By how much the fitter may have missed it."""
MISS_PPM: Final = 100
"""Flags that are missed or seen twice, of a million passed. No figure is published (practice)."""
PASSING_MPS: Final = 0.2
"""Slowest pass that is timed [m/s]: a car that leaves a landing, at which it stood a few mm off,
crosses its mark more slowly and passes nothing."""

Indices = NDArray[np.int64]


class Retrofit:
    """Retrofitted terminals.

    Parameters
    ----------
    setting
        The fleet.
    """

    def __init__(self, setting: Setting) -> None:
        n = len(setting.plan)
        self._setting = setting
        self._parted = Since(n, setting.start_us - OPENING_US, holds=False)
        self._way = LastWay(n)
        self._offset = np.zeros(n, "i8")
        unit = setting.plan.first_lift + np.arange(n)
        error_um = SPACING_MM * SPACING_ERROR_PCT * 10
        drawn_um = between(of_lifts(setting.seed, unit)[0], -error_um, error_um)
        self._spacing_mm = SPACING_MM + drawn_um / 1000

    def prepare(self, timeline: Timeline, pieces: slice) -> Mapping[str, Column]:
        """Return what is constant in the pieces of these terminals, and count floors."""
        plan, landings = self._setting.plan, self._setting.landings
        lift = timeline["lift"][pieces]
        height_m = timeline["height_m"][pieces]
        sign = timeline["sign"][pieces]
        runs = moves(timeline, pieces)
        way = self._way(lift, sign)
        shut = DOOR[timeline["phase"][pieces]] == Door.CLOSED
        parted_us = self._parted(lift, ~shut, timeline["lo_us"][pieces])
        offset = self._offsets(timeline, pieces)
        _, away_m = landings.nearest(lift, height_m)
        counted = last_flag(landings, lift, height_m, way, ZONE_HALF_M) + offset
        return {
            "car": runs,
            "direction": direction(runs, sign),
            "zone": away_m <= ZONE_HALF_M,
            "floor": np.clip(counted, 0, plan.n_landings[lift] - 1),
            "door": np.where(shut, np.int8(Door.CLOSED), np.int8(Door.OPEN)),
            "open_us": np.where(shut, 0, parted_us + OPENING_US),
            "way": way,
            "offset": offset,
        }

    def tell(
        self, block: Block, constant: Mapping[str, Column], told: Mapping[str, Column]
    ) -> None:
        """Write what is told of a block."""
        for name in ("car", "direction", "zone", "floor"):
            told[name][:] = constant[name]
        opens = block.t_us < constant["open_us"]
        told["door"][:] = np.where(opens, np.int8(Door.OPENING), constant["door"])
        told["terminal_power"][:] = 0
        moving = block.moving
        if not moving.size:
            return
        plan, landings = self._setting.plan, self._setting.landings
        lift = block.lift[moving]
        _, away_m = landings.nearest(lift, block.height_m)
        told["zone"][moving] = away_m <= ZONE_HALF_M
        way = constant["way"][moving]
        counted = last_flag(landings, lift, block.height_m, way, ZONE_HALF_M)
        counted += constant["offset"][moving]
        told["floor"][moving] = np.clip(counted, 0, plan.n_landings[lift] - 1)
        passing, speed = self._passed(block, lift, way)
        told["speed_mps"][moving[passing]] = speed

    def _passed(self, block: Block, lift: Indices, way: NDArray[Any]) -> tuple[Indices, Indices]:
        """Return which moving samples are the first after a landing was passed, and its speed."""
        landings = self._setting.landings
        before_m, before_mps = self._before(block)
        from_below = landings.below(lift, block.height_m)
        passed = np.where(way > 0, from_below, landings.above(lift, block.height_m))
        at_m = landings.height_m(lift, passed)
        since_m = (at_m - before_m) * way
        passing = np.flatnonzero((since_m > 0) & ((block.height_m - at_m) * way >= 0))
        way_m = np.abs(block.height_m - before_m)[passing]
        square = before_mps * before_mps
        gained = (block.speed_mps * block.speed_mps - square)[passing]
        # as if the acceleration had been constant since the sample before
        speed_mps = np.sqrt(np.maximum(square[passing] + gained * since_m[passing] / way_m, 1e-4))
        through = speed_mps >= PASSING_MPS
        passing, speed_mps = passing[through], speed_mps[through]
        between_ms = np.maximum(np.rint(self._spacing_mm[lift[passing]] / speed_mps), 1.0)
        return passing, np.rint(SPACING_MM * 1000 / between_ms).astype("i8")

    def _before(self, block: Block) -> tuple[Floats, Floats]:
        """Return height and speed one interval before each moving sample, or where it started."""
        timeline, at = block.timeline, block.at[block.moving]
        before_us = block.t_us[block.moving] - timeline.every_us[at]
        known = np.r_[False, (at[1:] == at[:-1])]
        height_m = np.r_[0.0, block.height_m[:-1]]
        speed_mps = np.r_[0.0, block.speed_mps[:-1]]
        asked = np.flatnonzero(~known)
        height_m[asked], speed_mps[asked], _ = kinematics(
            timeline.motions(at[asked]),
            np.maximum(before_us[asked], timeline["start_us"][at[asked]]),
        )
        return height_m, speed_mps

    # --- counting floors ------------------------------------------------------------------------

    def _offsets(self, timeline: Timeline, pieces: slice) -> Indices:
        """Return by how much each piece's count of floors is off."""
        lift = timeline["lift"][pieces]
        error = self._errors(timeline, pieces)
        offset = np.zeros(len(lift), "i8")
        if not error.any() and not self._offset.any():
            return offset
        plan, landings = self._setting.plan, self._setting.landings
        stands = timeline["motion"][pieces] == Motion.NONE
        floor, away_m = landings.nearest(lift, timeline["height_m"][pieces])
        at_base = stands & (floor == 0) & (away_m <= ZONE_HALF_M)
        for i in np.flatnonzero(np.isin(lift, lift[error != 0]) | (self._offset[lift] != 0)):
            count = self._offset[lift[i]] + error[i]
            offset[i] = 0 if at_base[i] else np.clip(
                count, -plan.n_landings[lift[i]], plan.n_landings[lift[i]]
            )  # fmt: skip
            self._offset[lift[i]] = offset[i]
        return offset

    def _errors(self, timeline: Timeline, pieces: slice) -> Indices:
        """Return what is miscounted on the trip that begins with each piece: -1, 0 or +1."""
        lift = timeline["lift"][pieces]
        lo_us = timeline["lo_us"][pieces]
        motion = timeline["motion"][pieces]
        error = np.zeros(len(lift), "i8")
        begins = np.flatnonzero((motion == Motion.TRIP) & (timeline["move_us"][pieces] == lo_us))
        if not begins.size:
            return error
        own, landings = lift[begins], self._setting.landings
        height_m = timeline["height_m"][pieces][begins]
        sign = timeline["sign"][pieces][begins]
        target_m = height_m + sign * timeline["distance_m"][pieces][begins]
        first, _ = landings.nearest(own, height_m)
        last, _ = landings.nearest(own, target_m)
        unit = self._setting.plan.first_lift + own
        drawn = words(self._setting.seed, Stream.SENSOR_TRIP, unit, lo_us[begins] // 1000)
        wrong = chance(drawn[0], np.abs(last - first) * MISS_PPM)
        twice = (drawn[1] & np.uint64(1)).astype("i8") * 2 - 1
        error[begins] = np.where(wrong, twice * sign, 0)
        return error
