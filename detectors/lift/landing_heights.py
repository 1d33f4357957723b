"""Where the landings of a lift lie, learned from its own stops.

A small table per lift: the usual height of ``SLOTS`` floor keys, and how many stops agreed on it. A
landing is *known* once ``sure_stops`` stops in a row have agreed within ``AGREE_M``; then each
further one moves it a little. Stops that disagree take its credit away, and after some it is
learned anew, as after a new reference of the encoder. Two keys that share a slot (more than
``SLOTS`` floors) disagree by metres and are never known, unless one of them is hardly served. Nor
is a height that a barometer tells: its readings scatter by 0.8 m.

What it leaves to others: what is a stop, and what is too far off.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.contract import Field, State
from detectors.segments import Ints

SLOTS: Final = 32
"""Floor keys of a lift that are remembered; keys count from 0 as labels are met."""
AGREE_M: Final = 0.010
"""Two stops of a sound lift differ by less [m]: GB/T 10058 allows each ± 10 mm; usual are ± 5."""
_MOST: Final = 16
"""Stops over which the height is averaged, and the most credit."""
_LOSES: Final = 2
"""Credit lost by a stop that disagrees: a well known landing is given up after six in a row."""

LANDING_FIELDS: Final = (
    Field("landings_m", "f4", np.nan, (SLOTS,)),
    Field("stops", "u1", 0, (SLOTS,)),
)
"""State of a detector that learns landings."""


def learn(
    state: State,
    row: Ints,
    floor: NDArray[Any],
    height_m: NDArray[np.float32],
    sure_stops: NDArray[Any] | int,
) -> tuple[NDArray[np.float32], dict[str, NDArray[Any]]]:
    """Learn from ``k`` stops, and tell where each should have been.

    Parameters
    ----------
    state
        Fields of ``LANDING_FIELDS``.
    row, floor, height_m
        Row, floor key (not negative) and height of each stop, in the order in which they came.
    sure_stops
        So many stops must agree before a landing is known, one for all or of each stop.

    Returns
    -------
    landing_m
        What was known of the landing before the stop, shape (k,); NaN if nothing.
    fields
        The new state.
    """
    landings_m, stops = state["landings_m"].copy(), state["stops"].copy()
    known_m = np.full(len(row), np.nan, np.float32)
    sure = np.broadcast_to(sure_stops, len(row))
    slot = floor % SLOTS
    for now in _rounds(row):  # the k-th stop of every lift: a lift's stops build on each other
        at = row[now], slot[now]
        known_m[now] = np.where(stops[at] >= sure[now], landings_m[at], np.nan)
        landings_m[at], stops[at] = _after(landings_m[at], stops[at], height_m[now], sure[now])
    return known_m, {"landings_m": landings_m, "stops": stops}


def _rounds(row: Ints) -> list[Ints]:
    """Return the indices of the first stop of each row, of the second, and so on."""
    if not len(row):
        return []
    begins = np.flatnonzero(np.diff(row, prepend=-1))
    rank = np.arange(len(row)) - np.repeat(begins, np.diff(np.append(begins, len(row))))
    return [np.flatnonzero(rank == k) for k in range(int(rank.max()) + 1)]


def _after(
    landing_m: NDArray[np.float32],
    stops: NDArray[np.uint8],
    height_m: NDArray[np.float32],
    sure_stops: NDArray[Any],
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return height and credit of landings after one more stop each."""
    off_m, credit = height_m - landing_m, stops.astype(np.int64)
    agrees = np.abs(off_m) <= AGREE_M  # not with NaN
    given_up = ~agrees & (credit < sure_stops + _LOSES)
    more = np.minimum(credit + 1, _MOST)
    moved_m = landing_m + np.where(agrees, off_m, np.float32(0)) / more.astype(np.float32)
    return (
        np.where(given_up, height_m, moved_m),
        np.where(agrees, more, np.where(given_up, 1, credit - _LOSES)),
    )
