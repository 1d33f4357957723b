"""Door operators: how long each movement takes, and when a closing door opens again.

A closing door reopens if somebody steps into it, or if something stands in it and stays for a few
closings (both drawn per closing). After ``NUDGING_AFTER`` reopenings of one stop the operator
*nudges*: it closes at half speed and people cannot make it reopen, only what really stands in it.
So ordinary life reopens a door at most ``NUDGING_AFTER`` times in one stop; more is a fault. Door
status by phase is in ``state``.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.randomness import Stream, Words, between, chance, words

REOPEN_PPM: Final = 30_000
"""Closings that are interrupted by somebody: 3 % (practice)."""
OBSTRUCTED_PPM: Final = 2_000
"""First closings of a stop that meet something in the way: 0.2 % (practice)."""
NUDGING_AFTER: Final = 3
"""Reopenings in one stop after which the operator nudges (practice)."""
NUDGING_SLOWNESS: Final = 2


@dataclass(frozen=True, slots=True)
class Closings:
    """How doors close now, as arrays of shape (k,).

    Parameters
    ----------
    lasts_us
        Until they are closed, or until they turn.
    part_pct
        How far they close.
    opens_again
        Whether they turn.
    in_the_way
        How many further closings will meet what stands in the door.
    spare
        Two random words of each closing that decide nothing about the door.
    """

    lasts_us: NDArray[np.int64]
    part_pct: NDArray[np.int64]
    opens_again: NDArray[np.bool_]
    in_the_way: NDArray[np.int64]
    spare: tuple[Words, Words]


def close(
    seed: int, lifts: NDArray[np.int64], closings: NDArray[Any], full_us: NDArray[Any],
    reopened: NDArray[Any], in_the_way: NDArray[Any],
) -> Closings:  # fmt: skip
    """Close doors.

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
    in_the_way
        How many closings, this one included, will meet what stands in the door.
    """
    who, how, *spare = words(seed, Stream.DOOR, lifts, closings)
    begins = (reopened == 0) & chance(who, OBSTRUCTED_PPM)
    in_the_way = np.maximum(in_the_way, np.where(begins, 2 + (how & np.uint64(1)).astype("i8"), 0))
    nudging = reopened >= NUDGING_AFTER
    again = (in_the_way > 0) | (chance(who, OBSTRUCTED_PPM + REOPEN_PPM) & ~nudging)
    part_pct = np.where(again, between(how, 30, 80), 100)
    full_us = np.where(nudging, NUDGING_SLOWNESS * full_us, full_us)
    return Closings(
        full_us * part_pct // 100_000 * 1000, part_pct, again, np.maximum(in_the_way - 1, 0),
        (spare[0], spare[1]),
    )  # fmt: skip
