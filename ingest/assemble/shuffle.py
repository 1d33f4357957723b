"""Lifts on which the next frames came, all of them, yet out of order: put in order as arrays.

A network that overtakes itself now and then does that to many lifts of a large batch, and nothing
about them needs judgement: every missing frame came before any of the others had waited too long.
``stream.Line`` steps such frames in order of ``seq``, each at its own time, and forgets earlier
gaps; so does this, for all those lifts at once. Any other lift is left to ``Line``.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ingest.assemble.arrival import segment_starts
from ingest.assemble.params import AssembleParams
from telemetry.batch import FrameBatch

Array = NDArray[Any]

_LONGEST_US: Final = 2**42
"""Span of arrivals that fits beside a row's number into an int64 [µs], 50 days."""


def unshuffled(
    frames: FrameBatch, order: Array, heads: Array, odd: Array, params: AssembleParams
) -> tuple[Array, Array]:
    """Return ``order`` with the frames of merely shuffled lifts in order of ``seq``, and the lifts.

    Parameters
    ----------
    frames
        Frames of a batch, shape (n,).
    order
        Their processing order, shape (n,).
    heads
        Head records of all lifts, before the batch.
    odd
        Which lifts have anything to remember beside their head.
    params
        The reorder window.
    """
    row, seq = frames["row"][order], frames["seq"][order]
    backwards = (row[1:] == row[:-1]) & (seq[1:] != seq[:-1] + 1)
    candidates = np.unique(row[1:][backwards])
    candidates = candidates[
        ~odd[candidates] & ~heads["unreliable"][candidates] & (heads["seq"][candidates] >= 1)
    ]
    if not len(candidates):
        return order, candidates
    is_candidate = np.zeros(len(heads), np.bool_)
    is_candidate[candidates] = True
    places = np.flatnonzero(is_candidate[row])
    by_seq = order[places[np.lexsort((seq[places], row[places]))]]
    shuffled = _merely_shuffled(frames.take(by_seq), candidates, heads[candidates], params)
    if not shuffled.any():
        return order, candidates[:0]
    new = order.copy()
    new[places] = by_seq  # both are sorted by row, so each row keeps its places
    if not shuffled.all():
        is_candidate[candidates[~shuffled]] = False
        kept = ~is_candidate[row]
        new[kept] = order[kept]
    return new, candidates[shuffled]


def _merely_shuffled(
    frames: FrameBatch, rows: Array, heads: Array, params: AssembleParams
) -> NDArray[np.bool_]:
    """Tell of which of ``rows`` the frames, sorted by (row, seq), follow the head without a gap.

    Their times must not fall, and none may have waited for the ones before it as long as the
    reorder window.
    """
    row, seq, time_us = frames["row"], frames["seq"], frames["time_us"]
    since_us = frames["received_us"] - frames["received_us"].min()
    if int(since_us.max()) >= _LONGEST_US:
        return np.zeros(len(rows), np.bool_)
    starts = segment_starts(row)
    before_seq, before_us = np.empty_like(seq), np.empty_like(time_us)
    before_seq[1:], before_us[1:] = seq[:-1], time_us[:-1]
    before_seq[starts], before_us[starts] = heads["seq"], heads["time_us"]
    follows = (seq == before_seq + 1) & (time_us >= before_us)
    nth_us = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(row)))) * _LONGEST_US
    complete_us = np.maximum.accumulate(nth_us + since_us) - nth_us
    in_time = complete_us - since_us < params.reorder_window_us
    return np.logical_and.reduceat(follows & in_time, starts)
