"""Columns or values to bytes: the side that gateways and the simulator use."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from telemetry.columns import COLUMN, COLUMNS, NATIONAL_CODES

WireFrame = dict[str, Any]
"""One frame with wire keys; keys that are unknown are left out."""

_JSON: Final = msgspec.json.Encoder()
_MSGPACK: Final = msgspec.msgpack.Encoder()


def encode_json(frames: WireFrame | Sequence[WireFrame]) -> bytes:
    """Encode one frame as an object, several as an array."""
    return _JSON.encode(frames)


def encode_msgpack(frames: WireFrame | Sequence[WireFrame]) -> bytes:
    """Encode one frame as a map, several as an array."""
    return _MSGPACK.encode(frames)


def wire_frames(
    elevators: Sequence[str],
    columns: Mapping[str, NDArray[Any]],
    floors: Sequence[str | None] | None = None,
) -> list[WireFrame]:
    """Turn columns into wire frames; ``time_us`` is rounded down to whole milliseconds.

    Parameters
    ----------
    elevators
        Elevator codes, length ``n``.
    columns
        ``time_us`` and ``seq`` (int64, shape (n,)) and any columns of ``COLUMNS`` but ``floor``.
    floors
        Display texts, ``None`` = unknown.
    """
    frames: list[WireFrame] = [
        {"elevator": elevator, "seq": seq, "time": time_us // 1000}
        for elevator, seq, time_us in zip(
            elevators, columns["seq"].tolist(), columns["time_us"].tolist(), strict=True
        )
    ]
    for column in COLUMNS:
        if column.name in columns and column.kind != "floor":
            _add(frames, column.name, columns[column.name])
    for frame, floor in zip(frames, floors or (), strict=False):
        if floor is not None:
            frame["floor"] = floor
    return frames


def _add(frames: list[WireFrame], name: str, values: NDArray[Any]) -> None:
    column = COLUMN[name]
    known = column.is_known(values)
    if not known.any():
        return
    # float32 as its shortest text: 1.3, not 1.2999999523162842
    told = [float(str(v)) for v in values] if column.kind == "real" else values.tolist()
    for i in np.flatnonzero(known).tolist():
        frames[i][column.key] = _wire_value(name, told[i])


def _wire_value(name: str, value: Any) -> Any:
    column = COLUMN[name]
    if column.kind == "flag":
        return bool(value)
    if column.kind == "codes":
        return [f"{code:02d}" for bit, code in enumerate(NATIONAL_CODES) if value >> bit & 1]
    return column.words[value] if column.words else value
