"""What incidents make the drive do: trips of their own, emergency stops, slow creeping.

All in closed form, as ordinary trips are, and at whole ms: an instant at which a speed or a height
is reached is searched among whole ms.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from simulator.world import motion
from simulator.world.cars import Cars
from simulator.world.state import Motion, Phase, kinematics

EMERGENCY_MPS2: Final = 2.0
"""Deceleration by the brake; EN 81-20 allows up to 1 g."""
MS_US: Final = 1_000
_STRIKE_PCT: Final = (50, 42, 58, 34, 66, 26, 74)


class Drive:
    """Moves single cars."""

    def __init__(self, cars: Cars) -> None:
        self._cars = cars

    def speed_and_height(self, lift: int, t_us: int) -> tuple[float, float]:
        """Return velocity [m/s], up positive, and height [m] at an instant of this motion."""
        row, t = np.array([lift]), np.array([t_us])
        height_m, speed_mps, _ = kinematics(self._cars.state.pieces(row, t, t), t)
        return float(speed_mps[0]), float(height_m[0])

    def left_m(self, lift: int) -> float:
        """Return the whole way of the present trip, up positive [m]."""
        state = self._cars.state
        return float(state["distance_m"][lift] * state["sign"][lift])

    def go(
        self, lift: int, phase: Phase, way_m: float, speed_mps: float, t_us: int, harder: float = 1
    ) -> motion.Trips:
        """Begin a trip of ``way_m`` (up positive) from where the car stands.

        Parameters
        ----------
        lift, phase, t_us
            Which, and the phase in which it drives from when on.
        way_m, speed_mps
            Way and top speed.
        harder
            Factor on the usual acceleration.
        """
        plan, row = self._cars.plan, np.array([lift])
        trips = motion.plan(
            np.array([abs(way_m)]), speed_mps,
            plan.acceleration_mps2[row] * harder, plan.jerk_mps3[row] * harder,
        )  # fmt: skip
        sign = np.array([1 if way_m > 0 else -1])
        self._cars.state.start_trips(row, trips, sign, np.array([t_us]))
        duration_us = int(-(-trips.duration_s[0] * 1000 // 1)) * MS_US
        self._cars.enter(row, phase, np.array([t_us]), duration_us)
        return trips

    def stop(self, lift: int, t_us: int) -> None:
        """Leave a car where it is at ``t_us``."""
        if self._cars.state["motion"][lift] == Motion.NONE:
            return  # it stands; a district without mains asks this of tens of thousands
        self._cars.state.stop(np.array([lift]), np.array([t_us]))

    def brake(self, lift: int, t_us: int, deceleration_mps2: float = EMERGENCY_MPS2) -> None:
        """Stop a moving car by its brake."""
        state = self._cars.state
        speed_mps, _ = self.speed_and_height(lift, t_us)
        sign = int(state["sign"][lift])
        self.stop(lift, t_us)
        state["sign"][lift] = sign
        state["motion"][lift] = Motion.BRAKE
        state["move_us"][lift] = t_us
        state["speed_mps"][lift] = abs(speed_mps)
        state["deceleration_mps2"][lift] = deceleration_mps2
        stopping_us = -int(-abs(speed_mps) / deceleration_mps2 * 1000 // 1) * MS_US
        self._cars.enter(np.array([lift]), Phase.BRAKING, np.array([t_us]), stopping_us)

    def first_ms(
        self, lift: int, from_us: int, to_us: int, so: Callable[[float, float], bool]
    ) -> int | None:
        """Return the first whole ms of ``[from_us, to_us]`` at which ``so(speed, height)`` holds.

        ``so`` must not hold before it, and hold from then on; ``None`` = not even at the end.
        """
        low, high = from_us // MS_US, to_us // MS_US
        if not so(*self.speed_and_height(lift, high * MS_US)):
            return None
        while low < high:
            middle = (low + high) // 2
            if so(*self.speed_and_height(lift, middle * MS_US)):
                high = middle
            else:
                low = middle + 1
        return high * MS_US

    def instant_between_landings(self, lift: int, t_us: int) -> int | None:
        """Return when to brake so that the car comes to rest outside every door zone."""
        lasts_us = int(self._cars.phase_end_us[lift]) - t_us
        for pct in _STRIKE_PCT:
            at_us = t_us + lasts_us * pct // 100 // MS_US * MS_US
            speed_mps, height_m = self.speed_and_height(lift, at_us)
            rest_m = height_m + speed_mps * abs(speed_mps) / (2 * EMERGENCY_MPS2)
            if not self._cars.plan.in_zone(np.array([lift]), np.array([rest_m]))[0]:
                return at_us
        return None
