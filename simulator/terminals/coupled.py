"""A terminal coupled to the controller knows what the controller knows, and has an accelerometer.

Speed comes from an encoder, the floor from the controller's selector, the load from a scale.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from simulator.terminals.block import Block, Column, Setting, direction, running, thousandths
from simulator.terminals.timeline import Timeline
from simulator.world.buildings import ZONE_HALF_M
from simulator.world.state import DOOR

SPEED_MMPS: Final = 5
"""Standard deviation of the encoder's speed (practice)."""
PERSON_KG: Final = 75
RATED_KG_PER_PERSON: Final = 75


class Coupled:
    """Terminals coupled to controllers.

    Parameters
    ----------
    setting
        The fleet.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._rated_kg = setting.plan.capacity * RATED_KG_PER_PERSON

    def prepare(self, timeline: Timeline, pieces: slice) -> Mapping[str, Column]:
        """Return what is constant in the pieces of these terminals."""
        lift = timeline["lift"][pieces]
        height_m = timeline["height_m"][pieces]
        floor, away_m = self._setting.landings.nearest(lift, height_m)
        runs = running(timeline, pieces)
        return {
            "car": runs,
            "direction": direction(runs, timeline["sign"][pieces]),
            "zone": away_m <= ZONE_HALF_M,
            "floor": floor,
            "door": DOOR[timeline["phase"][pieces]],
            "height_m": thousandths(height_m),
            "load_pct": timeline["riders"][pieces] * PERSON_KG * 100_000 // self._rated_kg[lift],
            "distance_m": timeline["travelled_m"][pieces].astype("i8"),
        }

    def tell(
        self, block: Block, constant: Mapping[str, Column], told: Mapping[str, Column]
    ) -> None:
        """Write what is told of a block."""
        for name in ("car", "direction", "zone", "floor", "door", "height_m", "distance_m"):
            told[name][:] = constant[name]
        moving, height_m = block.moving, block.height_m
        floor, away_m = self._setting.landings.nearest(block.lift[moving], height_m)
        told["floor"][moving] = floor
        told["zone"][moving] = away_m <= ZONE_HALF_M
        told["height_m"][moving] = thousandths(height_m)
        at = block.at[moving]
        way_m = np.abs(height_m - block.timeline["height_m"][at])
        told["distance_m"][moving] = (block.timeline["travelled_m"][at] + way_m).astype("i8")
        told["speed_mps"][:] = 0
        speed = thousandths(np.abs(block.speed_mps)) + block.draws.speed(SPEED_MMPS)[moving]
        told["speed_mps"][moving] = np.maximum(speed, 0)
        load = constant["load_pct"] + block.draws.load()
        told["load_pct"][:] = np.maximum((load + 500) // 1000, 0) * 1000
