"""What a table of frames would answer about keys, from memory and for a while only.

Live, a frame that is not ahead of its lift's newest stored frame is looked up in the table. Here
the frames that arrived lately are kept instead. That is enough: the only thing a look-up decides is
whether a frame is stored already, and such a frame is never stepped, found or not. If a copy comes
later than ``keep_us`` after its original, it counts as a late frame instead of a duplicate: it is
not stepped either, because its lift's head is past it. Detection is the same; two counters differ.
"""

from typing import Final

import numpy as np

from ingest.assemble import KeyPlan
from telemetry.batch import FrameBatch

KEEP_US: Final = 120_000_000
"""How long frames are kept, in arrival time [µs]: the lag above which a lift counts as behind."""


class KeyMemory:
    """Frames that arrived lately.

    Parameters
    ----------
    keep_us
        For how long, in arrival time [µs]; by whole batches.
    """

    def __init__(self, keep_us: int = KEEP_US) -> None:
        self._keep_us = keep_us
        self._kept: list[FrameBatch] = []

    def keep(self, frames: FrameBatch, now_us: int) -> None:
        """Take in frames sorted by row, all of which arrived before ``now_us``; forget old ones."""
        since_us = now_us - self._keep_us
        self._kept = [f for f in self._kept if int(f["received_us"].max()) >= since_us]
        if len(frames):
            self._kept.append(frames)

    def find(self, plan: KeyPlan) -> FrameBatch:
        """Return the kept frames that have one of the keys of ``plan``."""
        if not len(plan):
            return FrameBatch.empty()
        found = [batch.take(at) for batch in self._kept if len(at := _places(batch, plan))]
        return FrameBatch.concat(found)


def _places(batch: FrameBatch, plan: KeyPlan) -> np.ndarray:
    """Return the places in ``batch`` of the keys of ``plan`` that it holds."""
    ids, time_us, seq = batch["elevator_id"], batch["time_us"], batch["seq"]
    low = np.searchsorted(ids, plan.elevator_ids, "left").tolist()
    high = np.searchsorted(ids, plan.elevator_ids, "right").tolist()
    places: set[int] = set()
    keys = zip(plan.times_us.tolist(), plan.seqs.tolist(), low, high, strict=True)
    for t_us, number, first, end in keys:
        hit = (time_us[first:end] == t_us) & (seq[first:end] == number)
        places.update((np.flatnonzero(hit) + first).tolist())
    return np.array(sorted(places), np.int64)
