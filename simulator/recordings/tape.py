"""Frames that are all known already, as a ``Source``: ride logs, sensor traces, tests.

A tape has no truth of its own; whoever made it may give one. It reads nothing and changes nothing.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simulator.frames import Frames
from simulator.source import RegistryRow
from simulator.truth import LookAlike, TruthEvent
from telemetry.columns import Unit


class TapeSource:
    """Known frames, given out by arrival.

    Parameters
    ----------
    frames
        In any order; shape (n,), n >= 1.
    rows
        Units, by the index that frames have in ``lift``.
    labels
        Floor labels of each unit.
    truth, look_alikes
        What is known to be true of them.
    """

    def __init__(
        self,
        frames: Frames,
        rows: Sequence[RegistryRow],
        labels: Sequence[Sequence[str]],
        truth: Sequence[TruthEvent] = (),
        look_alikes: Sequence[LookAlike] = (),
    ) -> None:
        self._frames = frames.take(arrival_order(frames))
        self._rows = list(rows)
        self._labels = [tuple(one) for one in labels]
        self._truth = list(truth)
        self._look_alikes = list(look_alikes)
        self._given = 0

    @property
    def start_us(self) -> int:
        """Return the arrival of the first frame [µs]."""
        return int(self._frames["arrival_us"][0])

    @property
    def end_us(self) -> int:
        """Return the instant before which the last frame arrives [µs]."""
        return int(self._frames["arrival_us"][-1]) + 1

    @property
    def labels(self) -> Sequence[Sequence[str]]:
        """Return the floor labels of each unit."""
        return self._labels

    def registry(self) -> list[RegistryRow]:
        """Return all units."""
        return list(self._rows)

    def arrived_until(self, t_us: int) -> Frames:
        """Return the frames that arrive before ``t_us`` and were not returned yet."""
        end = max(int(np.searchsorted(self._frames["arrival_us"], t_us)), self._given)
        part = self._frames.take(slice(self._given, end))
        self._given = end
        return part

    def truth(self) -> list[TruthEvent]:
        """Return the true events."""
        return list(self._truth)

    def look_alikes(self) -> list[LookAlike]:
        """Return the look-alikes."""
        return list(self._look_alikes)


def arrival_order(frames: Frames) -> NDArray[np.int64]:
    """Return the index that sorts frames by (arrival_us, lift, seq), as a ``Source`` gives them."""
    return np.lexsort((frames["seq"], frames["lift"], frames["arrival_us"]))


def plain_lift(code: str, gateway: str, model: str) -> RegistryRow:
    """Return the registry row of a lift of which nothing else is known."""
    return RegistryRow(
        code=code, sticker="", unit=int(Unit.LIFT), building="", address="", district="",
        maintainer="", use_unit="", insurer="", policy="", model=model, rated_speed_mps=None,
        gateway=gateway, params={},
    )  # fmt: skip
