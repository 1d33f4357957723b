"""What a terminal remembers of the pieces before: since when something is so, which way it went.

All arrays are over the pieces of a timeline, in which the pieces of a lift follow each other.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


class Since:
    """Since when a condition of each lift has held; it survives from call to call.

    Parameters
    ----------
    n_lifts
        Lifts.
    start_us
        Since when conditions hold that hold from the beginning on.
    holds
        They do.
    """

    def __init__(self, n_lifts: int, start_us: int, *, holds: bool) -> None:
        self._holds = np.full(n_lifts, holds)
        self._since_us = np.full(n_lifts, start_us)

    def __call__(self, lift: Indices, holds: NDArray[np.bool_], lo_us: Indices) -> Indices:
        """Return since when ``holds`` was true last, for each piece; while false, its last begin.

        Parameters
        ----------
        lift, lo_us
            Lift and begin of each piece, all pieces of one lift after another.
        holds
            The condition, constant in a piece.
        """
        if not lift.size:
            return lo_us
        first = np.r_[True, lift[1:] != lift[:-1]]
        before = np.r_[False, holds[:-1]]
        before[first] = self._holds[lift[first]]
        begins = holds & ~before
        since_us = np.where(begins, lo_us, self._since_us[lift])
        since_us = since_us[last_mark(begins | first)]
        last = np.r_[first[1:], True]
        self._holds[lift[last]] = holds[last]
        self._since_us[lift[last]] = since_us[last]
        return since_us


class LastWay:
    """The direction in which each lift went last: +1, -1; +1 if it never went."""

    def __init__(self, n_lifts: int) -> None:
        self._way = np.ones(n_lifts, "i1")

    def __call__(self, lift: Indices, sign: NDArray[Any]) -> NDArray[np.int8]:
        """Return the way of each piece; pieces with ``sign`` 0 keep the one before."""
        if not lift.size:
            return np.empty(0, "i1")
        first = np.r_[True, lift[1:] != lift[:-1]]
        way = np.where(sign != 0, sign, self._way[lift]).astype("i1")
        way = way[last_mark((sign != 0) | first)]
        last = np.r_[first[1:], True]
        self._way[lift[last]] = way[last]
        return way


def last_mark(marks: NDArray[np.bool_]) -> Indices:
    """Return for each place the last marked one up to it; the first is marked."""
    return np.maximum.accumulate(np.where(marks, np.arange(len(marks)), 0))
