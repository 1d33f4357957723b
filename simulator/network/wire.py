"""Integer frames to wire objects, many at a time.

``telemetry.wire.encode`` does the same for any columns; this one knows that terminals of one type
tell the same keys: each such group has a type of its own, whose objects are made and encoded
without a look at names. Both give the same bytes' worth (tested).
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from simulator.frames import MISSING, Frames
from telemetry.columns import COLUMNS, Column, code_texts


def to_wire(
    frames: Frames, codes: Sequence[str], labels: Sequence[Sequence[str]]
) -> list[msgspec.Struct]:
    """Turn frames into objects that encode as wire v1, in their order.

    Parameters
    ----------
    frames
        Frames of any units.
    codes
        Registration code of each unit of the fleet.
    labels
        Floor labels of each unit of the fleet.
    """
    held = [c for c in COLUMNS if c.name in frames.columns]
    pattern = np.zeros(len(frames), "i8")
    for bit, column in enumerate(held):
        pattern |= (frames.columns[column.name] != MISSING).astype("i8") << bit
    wire = cast("list[msgspec.Struct]", [None] * len(frames))
    for told in np.unique(pattern).tolist():
        where = np.flatnonzero(pattern == told)
        group = frames if len(where) == len(frames) else frames.take(where)
        known = [c for bit, c in enumerate(held) if told >> bit & 1]
        objects = _objects(group, known, codes, labels)
        if len(where) == len(frames):
            return objects
        for i, one in zip(where.tolist(), objects, strict=True):
            wire[i] = one
    return wire


def _objects(
    frames: Frames, known: list[Column], codes: Sequence[str], labels: Sequence[Sequence[str]]
) -> list[msgspec.Struct]:
    """Turn frames that tell exactly the columns ``known`` into objects."""
    lifts: list[int] = frames["lift"].tolist()
    keys = ["elevator", "seq", "time"]
    values: list[list[Any]] = [
        [codes[lift] for lift in lifts],
        frames["seq"].tolist(),
        (frames["device_time_us"] // 1000).tolist(),
    ]
    for column in known:
        keys.append(column.key)
        told = frames.columns[column.name]
        if column.kind == "floor":
            values.append([labels[i][f] for i, f in zip(lifts, told.tolist(), strict=True)])
        else:
            values.append(_wire_values(column, told))
    return list(map(_shape(tuple(keys)), *values))


@cache
def _shape(keys: tuple[str, ...]) -> type[msgspec.Struct]:
    """Return the type of frames that tell exactly ``keys``."""
    return msgspec.defstruct("ToldFrame", list(keys), gc=False)


def _wire_values(column: Column, told: NDArray[np.int64]) -> list[Any]:
    match column.kind:
        case "real":
            return (told / 1000.0).tolist()
        case "flag":
            return told.astype(bool).tolist()
        case "codes":
            return [_code_texts(mask) for mask in told.tolist()]
        case _ if column.words:
            return [column.words[value] for value in told.tolist()]
        case _:
            return told.tolist()


@cache
def _code_texts(mask: int) -> list[str]:
    return code_texts(mask)
