"""Where the landings are, asked by height for many cars at once.

Each shaft is divided into equal cells no higher than its lowest storey, so that at most one landing
lies inside a cell, and a table of cells answers without a search.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.world.motion import Floats

Indices = NDArray[np.int64]


class Landings:
    """The landings of a fleet.

    Parameters
    ----------
    landings_m
        Heights, ascending from 0, ``inf`` beyond the last, shape (n_lifts, most landings).
    """

    def __init__(self, landings_m: Floats) -> None:
        n, most = landings_m.shape
        self._heights_m = np.c_[landings_m, np.full(n, np.inf)].ravel()
        self._row = most + 1
        known = np.isfinite(landings_m)
        with np.errstate(invalid="ignore"):
            storeys_m = np.diff(landings_m, axis=1, append=np.inf)
        storeys_m = np.where(known & (storeys_m > 0), storeys_m, np.inf)
        top_m = np.where(known, landings_m, 0.0).max(axis=1)
        lowest_m = np.minimum(storeys_m.min(axis=1), top_m)
        self._cell_m = np.where(lowest_m > 0, lowest_m, 1.0)
        self._cells = int((top_m / self._cell_m).max(initial=0)) + 2
        floors_m = np.arange(self._cells) * self._cell_m[:, np.newaxis]
        below = np.empty((n, self._cells), "i8")
        for lift in range(n):
            below[lift] = np.searchsorted(landings_m[lift], floors_m[lift], side="right") - 1
        self._below = below.ravel()

    def height_m(self, lift: Indices, landing: Indices) -> Floats:
        """Return the height of landings; ``inf`` for the one after the last."""
        return self._heights_m[lift * self._row + landing]

    def below(self, lift: Indices, height_m: Floats) -> Indices:
        """Return the last landing at or below each height; 0 below the lowest."""
        cell = np.floor(height_m / self._cell_m[lift]).astype("i8")
        np.clip(cell, 0, self._cells - 1, out=cell)
        landing = self._below[lift * self._cells + cell]
        return landing + (height_m >= self._heights_m[lift * self._row + landing + 1])

    def above(self, lift: Indices, height_m: Floats) -> Indices:
        """Return the first landing at or above each height, at most the one after the last."""
        landing = self.below(lift, height_m)
        return landing + (self.height_m(lift, landing) < height_m)

    def nearest(self, lift: Indices, height_m: Floats) -> tuple[Indices, Floats]:
        """Return the nearest landing, the lower of two, and how far away it is [m]."""
        landing = self.below(lift, height_m)
        from_below = np.abs(height_m - self.height_m(lift, landing))
        from_above = np.abs(self.height_m(lift, landing + 1) - height_m)
        upper = from_above < from_below
        return landing + upper, np.where(upper, from_above, from_below)


def last_flag(
    landings: Landings, lift: Indices, height_m: Floats, way: NDArray[Any], half_m: float
) -> Indices:
    """Return the landing whose flag a car entered last.

    Parameters
    ----------
    landings
        The landings of the fleet.
    lift, height_m
        The cars.
    way
        +1 if it came from below, -1 from above.
    half_m
        Half height of a flag [m].
    """
    from_below = landings.below(lift, height_m + half_m)
    from_above = landings.above(lift, height_m - half_m)
    return np.where(way < 0, from_above, from_below)
