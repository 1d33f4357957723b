"""A baseline of one quantity of one lift in constant memory, and whether the present is off it.

Two exponential means of the same values: a slow one, the *base*, and a fast one, *now*, with the
mean absolute deviation as scale. Both begin as plain means and slow down; values far off count as
the limit of what is ordinary, and the base hardly moves while the present is on its way out of the
band, so that it does not learn what is to be noticed. Decides nothing about findings.

A *cell* is one quantity of one lift. Values of a cell are taken one after another, those of
different cells at once: the only loop is over how many values the busiest cell has in a batch.
Everything is rounded to the state's single precision after each value, so splits change nothing.
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.segments import Bools, Ints
from detectors.windows import limit_at

Reals = NDArray[np.float64]

ORDINARY_SCALES: Final = 6.0
ORDINARY_LIMITS: Final = 2.0
"""Values further off the base than so many mean deviations, and so many times what is too far,
count as so far (practice)."""
ROUGH: Final = 20
"""So many values are taken as they are: until then there is no scale to speak of."""
LAGS: Final = 10.0
"""How much slower than else the base follows a present that is on its way out (practice): what was
changed for good, and not worn, is the new base at last."""
SIGMA_PER_DEVIATION: Final = 1.2533
"""Standard deviation of a normal quantity with mean absolute deviation 1: √(π/2)."""
MOST: Final = 2**16 - 1


@dataclass(slots=True)
class Cells:
    """Baselines, arrays over cells; changed by ``take``.

    Parameters
    ----------
    base, now, scale
        Slow mean, fast mean, mean absolute deviation, float32.
    count
        Values taken, uint16.
    since_s
        Second in which the present began to leave the band, uint32; 0 = it is inside.
    off
        It has left it.
    """

    base: NDArray[np.float32]
    now: NDArray[np.float32]
    scale: NDArray[np.float32]
    count: NDArray[np.uint16]
    since_s: NDArray[np.uint32]
    off: Bools


class Values(NamedTuple):
    """Values to take, in the order in which they came, with the limits of their cells.

    Arrays of shape (k,); limits may be scalars. Off the base is whoever is at ``least`` beyond it
    and at ``ratio`` times it; ``both_ways`` also below. ``speaks``: the cell has been watched for
    long enough.
    """

    cell: Ints
    second: Ints
    value: Reals
    slow: Reals | float  # values that the slow mean remembers
    fast: Reals | float
    ratio: Reals
    least: Reals
    stray: Reals  # a value further off than this is none of this quantity
    sigmas: Reals | float  # of the fast mean's own standard deviation it must be off besides
    enough: Reals | float  # values before it may speak
    speaks: Bools
    both_ways: Bools


class Taken(NamedTuple):
    """What each value led to, shape (k,): its cell afterwards, and whether it was off before."""

    base: NDArray[np.float32]
    now: NDArray[np.float32]
    since_s: NDArray[np.uint32]
    off: Bools
    was_off: Bools


def take(cells: Cells, values: Values) -> Taken:
    """Take values into their cells, in place, and return what each led to."""
    k = len(values.cell)
    taken = Taken(
        np.empty(k, np.float32), np.empty(k, np.float32), np.empty(k, np.uint32),
        np.empty(k, np.bool_), np.empty(k, np.bool_),
    )  # fmt: skip
    order, ends = _in_rounds(values.cell)
    for begin, end in zip([0, *ends[:-1]], ends, strict=True):
        here = order[begin:end]
        cell = values.cell[here]
        one = Values._make(limit_at(field, here) for field in values)
        taken.was_off[here] = cells.off[cell]
        _take_all(cells, one)
        taken.base[here], taken.now[here] = cells.base[cell], cells.now[cell]
        taken.since_s[here], taken.off[here] = cells.since_s[cell], cells.off[cell]
    return taken


def _in_rounds(cell: Ints) -> tuple[Ints, list[int]]:
    """Order values so that no round holds a cell twice; return where each round ends."""
    by_cell = np.argsort(cell, kind="stable")
    ordered = cell[by_cell]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    number = np.arange(len(cell)) - np.repeat(starts, np.diff(np.r_[starts, len(cell)]))
    order = by_cell[np.argsort(number, kind="stable")]
    return order, np.cumsum(np.bincount(number)).tolist()


def _take_all(cells: Cells, v: Values) -> None:
    """Take one value of each of some cells, strays left out; young cells begin anew with one."""
    strays = (cells.count[v.cell] > 0) & (np.abs(v.value - cells.base[v.cell]) > v.stray)
    if strays.any():
        young = strays & (cells.count[v.cell] < ROUGH)
        cells.count[v.cell[young]] = 0
        left = (~strays | young).nonzero()[0]
        v = Values._make(limit_at(field, left) for field in v)
    _take_one(cells, v.cell, v)


def _take_one(cells: Cells, cell: Ints, v: Values) -> None:
    n = cells.count[cell].astype(np.float64)
    base, now, scale = (a[cell].astype(np.float64) for a in (cells.base, cells.now, cells.scale))
    wide = np.maximum(ORDINARY_SCALES * scale, ORDINARY_LIMITS * _limit(base, v))
    value = np.where(n < ROUGH, v.value, np.clip(v.value, base - wide, base + wide))
    leaves = cells.since_s[cell] != 0
    share = np.where(leaves, 1 / (LAGS * v.slow), 1 / np.minimum(n + 1, v.slow))
    off_base = np.abs(value - base)
    base = np.where(n == 0, value, base + share * (value - base))
    scale = np.where(n == 0, 0.0, scale + share * (off_base - scale))
    now = np.where(n == 0, value, now + (value - now) / np.minimum(n + 1, v.fast))
    cells.base[cell], cells.now[cell], cells.scale[cell] = base, now, scale
    cells.count[cell] = np.minimum(n + 1, MOST)
    _judge(cells, cell, v)


def _limit(base: Reals, v: Values) -> Reals:
    """Return how far off the base is too far."""
    return np.maximum(v.least, np.where(v.both_ways, 0.0, base * (v.ratio - 1)))


def _judge(cells: Cells, cell: Ints, v: Values) -> None:
    """Tell by the state as it is stored whether the present is off, or on its way."""
    base, now, scale = (a[cell].astype(np.float64) for a in (cells.base, cells.now, cells.scale))
    way = np.where(v.both_ways, np.abs(now - base), now - base)
    sure = v.sigmas * SIGMA_PER_DEVIATION * scale / np.sqrt(2 * v.fast)
    whole = np.maximum(_limit(base, v), sure)
    ready = v.speaks & (cells.count[cell] >= v.enough)
    leaves = ready & (way >= whole / 2)
    since_s = cells.since_s[cell]
    cells.since_s[cell] = np.where(leaves, np.where(since_s == 0, v.second, since_s), 0)
    cells.off[cell] = leaves & (cells.off[cell] | (way >= whole))


def cells_of(state: Any) -> Cells:
    """Return the cells of ``m`` lifts, flat and copied, from state of shape (m, quantities)."""
    names = ("base", "now", "scale", "count", "since_s", "off")
    return Cells(*(np.array(state[name]).ravel() for name in names))
