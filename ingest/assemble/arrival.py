"""The one order in which frames of a lane are looked at: (row, received_us, time_us, seq, place).

It can be derived from the stored columns alone, so recovery repeats what happened live.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_ROW_BITS: Final = 22
_RECEIVED_BITS: Final = 63 - _ROW_BITS
_MAX_ROW: Final = 1 << _ROW_BITS


def processing_order(row: Array, received_us: Array, time_us: Array, seq: Array) -> Array:
    """Return the permutation that sorts frames (arrays of shape (n,)) into processing order."""
    if not len(row):
        return np.empty(0, np.int64)
    since_us = received_us - received_us.min()
    if since_us.max() >> _RECEIVED_BITS or row.max() >= _MAX_ROW:
        return np.lexsort((seq, time_us, received_us, row))
    packed = (row.astype(np.int64) << _RECEIVED_BITS) | since_us
    order = np.argsort(packed, kind="stable")
    ordered = packed[order]
    tied = ordered[1:] == ordered[:-1]
    if tied.any() and _disordered(tied, time_us[order], seq[order]):
        return np.lexsort((seq, time_us, received_us, row))
    return order


def _disordered(tied: Array, time_us: Array, seq: Array) -> bool:
    earlier = time_us[1:] < time_us[:-1]
    lower = (time_us[1:] == time_us[:-1]) & (seq[1:] < seq[:-1])
    return bool((tied & (earlier | lower)).any())


def segment_starts(row: Array) -> Array:
    """Return the positions at which a new row begins in sorted ``row``, shape (n_rows_here,)."""
    if not len(row):
        return np.empty(0, np.int64)
    starts = np.empty(len(row), np.bool_)
    starts[0] = True
    np.not_equal(row[1:], row[:-1], out=starts[1:])
    return np.flatnonzero(starts)


def segment_ends(starts: Array, n: int) -> Array:
    """Return the ends (exclusive) of the segments that begin at ``starts`` in ``n`` frames."""
    return np.append(starts[1:], n)[: len(starts)]
