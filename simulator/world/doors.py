"""Door operators: how long each movement takes, and when a closing door opens again.

A closing door reopens if somebody steps into it (drawn per closing), at most
``MAX_REOPENINGS`` times in a row. Door status by phase is in ``state``; faults are in ``faults``.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.randomness import Stream, between, chance, words

REOPEN_PPM: Final = 30_000
"""Closings that are interrupted by somebody: 3 % (practice)."""
MAX_REOPENINGS: Final = 3


def closing_us(
    seed: int, lifts: NDArray[np.int64], closings: NDArray[Any], full_us: NDArray[Any],
    reopened: NDArray[Any],
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:  # fmt: skip
    """Return how long the door of each lift closes now, and whether it then opens again.

    Parameters
    ----------
    seed
        Seed of the world.
    lifts
        Numbers of the lifts in the whole fleet.
    closings
        Closings of each lift so far: the index of the draw.
    full_us
        Time of an undisturbed closing [µs].
    reopened
        How often this stop's door was reopened already.
    """
    drawn = words(seed, Stream.DOOR, lifts, closings)
    again = chance(drawn[0], REOPEN_PPM) & (reopened < MAX_REOPENINGS)
    part_pct = between(drawn[1], 30, 80)
    return np.where(again, full_us * part_pct // 100 // 1000 * 1000, full_us), again
