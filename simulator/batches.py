"""Integer frames to the batches that detectors and store read, without a byte in between.

Gives what encoding, decoding and the registry give together (tested): thousandths become float32,
what is not told becomes unknown, a value outside its column's range becomes unknown and is marked
in ``quality``, the registered unit wins. One thing differs: a floor's key is the index of its label
in the fleet, while the registry counts labels in the order in which a lift first told them. Event
times are not given here: the key stage does that. What was refused before it was stored
(``frames.REFUSED``) stays so.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.frames import MISSING, REFUSED, Frames
from telemetry.batch import FrameBatch
from telemetry.columns import COLUMNS, QUALITY_BIT, UNKNOWN, Column, EscalatorMode, Unit

_PER_UNIT: Final = 1000
"""Wire units of a real quantity in one of ``telemetry.columns``."""


class Batcher:
    """Makes batches of the frames of some units of a fleet.

    Parameters
    ----------
    lifts
        Indices of the units in their fleet, ascending: row ``r`` of a batch is unit ``lifts[r]``.
    units
        ``telemetry.columns.Unit`` of each, shape (len(lifts),), as registered.
    gateways
        Registry key of the gateway of each, shape (len(lifts),).
    """

    def __init__(self, lifts: Sequence[int], units: Sequence[int], gateways: Sequence[int]) -> None:
        self._row_of = np.full(max(lifts, default=-1) + 1, -1, "i4")
        self._row_of[list(lifts)] = np.arange(len(lifts))
        self._gateways = np.asarray(gateways, "i4")
        self._units = np.asarray(units, "i1")
        self._all_lifts = bool((self._units == Unit.LIFT).all())

    def batch(self, frames: Frames) -> FrameBatch:
        """Return the frames in their order; ``elevator_id`` is the index in the fleet.

        Frames of other units are a mistake of the caller: ``IndexError`` or row -1.
        """
        n = len(frames)
        row = self._row_of[frames["lift"]]
        quality = np.zeros(n, "i8")
        if (refused := frames.columns.get(REFUSED)) is not None:
            quality |= np.where(refused == MISSING, 0, refused)
        columns: dict[str, NDArray[Any]] = {
            "row": row,
            "elevator_id": frames["lift"],
            "gateway_id": self._gateways[row],
            "device_time_us": frames["device_time_us"] // 1000 * 1000,
            "received_us": frames["arrival_us"],
            "seq": frames["seq"],
        }
        for column in COLUMNS:
            told = frames.columns.get(column.name)
            if told is not None:
                columns[column.name] = _values(column, told, quality)
        columns["unit"] = self._units[row]
        if "mode" in columns and not self._all_lifts:
            columns["mode"] = _mode_of_unit(columns["mode"], columns["unit"], quality)
        return FrameBatch.make(n, quality=quality, **columns)


def _values(column: Column, told: NDArray[np.int64], quality: NDArray[np.int64]) -> NDArray[Any]:
    """Return values in the column's unit and dtype; marks what is out of range in ``quality``."""
    is_real = column.kind == "real"
    scale = _PER_UNIT if is_real else 1
    missing = told == MISSING
    outside = (told > column.high * scale) | ((told < column.low * scale) & ~missing)
    if outside.any() and column.kind != "floor":
        quality |= outside.astype("i8") << QUALITY_BIT[column.key]
        missing |= outside
    values = (told / scale if is_real else told).astype(column.dtype)
    values[missing] = column.unknown
    return values


def _mode_of_unit(
    mode: NDArray[Any], unit: NDArray[Any], quality: NDArray[np.int64]
) -> NDArray[Any]:
    """Return the mode, unknown where no escalator or walk has such a one."""
    impossible = (unit != Unit.LIFT) & (mode > max(EscalatorMode))
    quality |= impossible.astype("i8") << QUALITY_BIT["mode"]
    return np.where(impossible, UNKNOWN, mode).astype(mode.dtype)
