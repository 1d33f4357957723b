"""Jerk-limited trips in closed form.

A trip is rest to rest with limits on speed, acceleration and jerk: seven phases, symmetric about
its middle (jerk up, constant acceleration, jerk down, cruise, and mirrored). Position, speed and
acceleration at any instant follow from the phase durations, so nothing is integrated step by step
and frames are sampled only where they are due. An emergency stop is a constant deceleration.

Only ``+ - * / sqrt`` and comparisons are used: IEEE 754 rounds them correctly, hence results are
bit-identical on every machine. The cube root is Newton's method for the same reason.

Source of the limits and of the trip time: domain facts, "Physics and traffic".
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_NEWTON_STEPS: Final = 64
"""From the upper bound 4 a/j each step takes a third off until it converges quadratically."""


@dataclass(frozen=True, slots=True)
class Trips:
    """Trips as phase durations; every array has shape (n,).

    Parameters
    ----------
    distance_m
        Way, >= 0 [m].
    jerk_mps3
        Jerk [m/s³].
    jerk_s
        Duration of each of the four jerk phases [s].
    steady_s
        Duration of each of the two phases of constant acceleration [s].
    cruise_s
        Duration at top speed [s].
    """

    distance_m: Floats
    jerk_mps3: Floats
    jerk_s: Floats
    steady_s: Floats
    cruise_s: Floats

    @property
    def duration_s(self) -> Floats:
        """Return the time from rest to rest [s]."""
        return 4 * self.jerk_s + 2 * self.steady_s + self.cruise_s


def plan(
    distance_m: ArrayLike, speed_mps: ArrayLike, acceleration_mps2: ArrayLike, jerk_mps3: ArrayLike
) -> Trips:
    """Plan the quickest trips within the limits.

    Three cases: top speed is reached; full acceleration is reached but not top speed; neither.
    A lift whose top speed is reached before full acceleration (``v < a²/j``) never uses more than
    ``sqrt(v j)``, which is then its limit.

    Parameters
    ----------
    distance_m
        Ways, >= 0 [m].
    speed_mps, acceleration_mps2, jerk_mps3
        Limits, > 0 [m/s, m/s², m/s³].
    """
    d, v, a, j = np.broadcast_arrays(
        *(np.asarray(x, "f8") for x in (distance_m, speed_mps, acceleration_mps2, jerk_mps3))
    )
    a = np.minimum(a, np.sqrt(v * j))
    ramp_s = a / j
    full = d >= v * v / a + v * a / j
    middle = ~full & (d >= 2 * a * a * a / (j * j))
    peak_mps = np.where(full, v, a * (np.sqrt(ramp_s * ramp_s + 4 * d / a) - ramp_s) / 2)
    jerk_s = np.array(ramp_s)
    short = ~(full | middle)
    if short.any():
        jerk_s[short] = _cube_root((32 * d / j)[short], 4 * ramp_s[short]) / 4
    steady_s = np.where(full | middle, np.maximum(peak_mps / a - ramp_s, 0.0), 0.0)
    cruise_s = np.where(full, (d - (v * v / a + v * a / j)) / v, 0.0)
    return Trips(d, j, jerk_s, steady_s, cruise_s)


def sample(trips: Trips, elapsed_s: Floats) -> tuple[Floats, Floats, Floats]:
    """Return way [m], speed [m/s] and acceleration [m/s²] at ``elapsed_s`` after each start.

    Before the start it is at rest at 0, after the end at rest at ``distance_m``.
    """
    total = trips.duration_s
    t = np.clip(elapsed_s, 0.0, total)
    second_half = t > total / 2
    s = np.where(second_half, total - t, t)
    j = trips.jerk_mps3
    s1 = np.minimum(s, trips.jerk_s)
    s2 = np.clip(s - trips.jerk_s, 0.0, trips.steady_s)
    s3 = np.clip(s - trips.jerk_s - trips.steady_s, 0.0, trips.jerk_s)
    s4 = np.maximum(s - 2 * trips.jerk_s - trips.steady_s, 0.0)
    a = j * s1
    v1 = a * s1 / 2
    v2 = v1 + a * s2
    v3 = v2 + a * s3 - j * s3 * s3 / 2
    way = a * s1 * s1 / 6 + (v1 + a * s2 / 2) * s2 + (v2 + a * s3 / 2 - j * s3 * s3 / 6) * s3
    way = way + v3 * s4
    a = a - j * s3
    way = np.where(second_half, trips.distance_m - way, way)
    return way, v3, np.where(second_half, -a, a)


def brake(
    speed_mps: Floats, deceleration_mps2: Floats, elapsed_s: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return way, speed and acceleration ``elapsed_s`` into an emergency stop."""
    stopping_s = speed_mps / deceleration_mps2
    t = np.clip(elapsed_s, 0.0, stopping_s)
    speed = speed_mps - deceleration_mps2 * t
    slowing = elapsed_s < stopping_s
    return (
        speed_mps * t - deceleration_mps2 * t * t / 2,
        np.where(slowing, speed, 0.0),
        np.where(slowing, -deceleration_mps2, 0.0),
    )


def _cube_root(x: Floats, upper: Floats) -> Floats:
    """Return cube roots of ``x`` >= 0, clipped to ``upper``; from above, so it cannot overshoot.

    Each root only ever falls and stays once it does not, so more steps, which others in the same
    call may need, change none.
    """
    x = np.minimum(x, upper * upper * upper)
    y = upper
    for _ in range(_NEWTON_STEPS):
        closer = np.where(y > 0, y - (y - x / np.where(y > 0, y * y, 1.0)) / 3, 0.0)
        closer = np.minimum(closer, y)
        if (closer == y).all():
            break
        y = closer
        # iterates stay above the root; far below float resolution they are as good as zero
    return np.where(x > 0, y, 0.0)
