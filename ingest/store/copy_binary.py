"""Frames to and from PostgreSQL's binary COPY format, by NumPy alone.

Rows of one null mask have one length, so they are one structured array of big-endian fields; a
batch with few masks becomes a few such arrays. A batch with many masks (a terminal gone mad) is
written at full width and the bytes of unknown values are then cut out, so its cost stays flat.
Columns that nobody told anything about are not sent at all. Rows of the table have no order, so
neither have these.

Reading asks the server to replace NULL by the column's unknown, so every row has the same length.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from ingest.store.connect import MAX_TIME_US, MIN_TIME_US
from ingest.store.errors import ContentError
from ingest.store.layout import (
    HEADER_COLUMNS,
    PG_EPOCH_US,
    STORED,
    VALUE_COLUMNS,
    StoredColumn,
    memory_dtype,
)
from telemetry.batch import FrameBatch

SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
"""File signature, flags 0, no header extension."""

TRAILER: Final = b"\xff\xff"
"""A field count of -1 ends the data."""

NULL: Final = -1
"""Length of a NULL."""

ROWS_PER_GROUP: Final = 150
"""Below this mean size of a group of equal masks, cutting is cheaper than grouping (measured)."""

_COUNT: Final = "fields"
_LENGTH: Final = "length of "


def encode_frames(frames: FrameBatch, batch: int) -> tuple[list[str], list[bytes]]:
    """Return the columns to name in COPY and the data, in pieces.

    Raises ``ContentError`` (22008) for times that neither PostgreSQL's clients nor we can hold.
    """
    check_times(frames)
    masks = null_masks(frames)
    told = [
        stored
        for i, stored in enumerate(VALUE_COLUMNS)
        if len(masks) and not (masks >> i & 1).all()
    ]
    names = [stored.name for stored in (*HEADER_COLUMNS, *told)]
    return names, [SIGNATURE, *_pieces(frames, batch, masks, told), TRAILER]


def decode_frames(data: bytes | bytearray) -> tuple[FrameBatch, NDArray[np.int64]]:
    """Return the frames and the batch of each, from COPY of ``select_list``; ``row`` is 0."""
    if not data.startswith(SIGNATURE[:11]) or not data.endswith(TRAILER):
        raise ValueError("not a complete binary COPY")
    dtype = _row_dtype(STORED, STORED)
    count, rest = divmod(len(data) - len(SIGNATURE) - len(TRAILER), dtype.itemsize)
    if rest:
        raise ValueError("rows of binary COPY do not have the expected length")
    rows = np.frombuffer(data, dtype, count, offset=len(SIGNATURE))
    columns = {stored.source: _from_wire(rows, stored) for stored in STORED}
    batch = columns.pop("batch")
    return FrameBatch.make(count, **columns), batch


def null_masks(frames: FrameBatch) -> NDArray[np.int64]:
    """Return one mask per frame, shape (n,): bit ``i`` is set if value column ``i`` is unknown."""
    masks = np.zeros(len(frames), np.int64)
    for i, stored in enumerate(VALUE_COLUMNS):
        assert stored.column is not None
        unknown = ~stored.column.is_known(frames[stored.source])
        masks |= unknown.astype(np.int64) << i
    return masks


def check_times(frames: FrameBatch) -> None:
    """Raise ``ContentError`` if a time lies outside the years 1 to 9999."""
    for stored in HEADER_COLUMNS:
        if not stored.is_time or not len(frames):
            continue
        values = frames[stored.source]
        if values.min() < MIN_TIME_US or values.max() > MAX_TIME_US:
            raise ContentError(f"{stored.name} is outside the years 1 to 9999", "22008")


def _pieces(
    frames: FrameBatch, batch: int, masks: NDArray[np.int64], told: Sequence[StoredColumn]
) -> Iterator[bytes]:
    distinct, group, sizes = np.unique(masks, return_inverse=True, return_counts=True)
    columns = (*HEADER_COLUMNS, *told)
    if len(distinct) == 1:
        yield _rows(frames, batch, columns, _present(columns, int(distinct[0]))).tobytes()
    elif len(distinct) * ROWS_PER_GROUP > len(frames):
        yield _cut(_rows(frames, batch, columns, columns), frames, told)
    else:
        ordered = frames.take(np.argsort(group, kind="stable"))
        start = 0
        for mask, size in zip(distinct.tolist(), sizes.tolist(), strict=True):
            part = ordered.take(slice(start, start + size))
            yield _rows(part, batch, columns, _present(columns, mask)).tobytes()
            start += size


def _present(columns: Sequence[StoredColumn], mask: int) -> tuple[StoredColumn, ...]:
    unknown = {stored.name for i, stored in enumerate(VALUE_COLUMNS) if mask >> i & 1}
    return tuple(stored for stored in columns if stored.name not in unknown)


@lru_cache(maxsize=1024)
def _row_dtype(
    columns: tuple[StoredColumn, ...], present: tuple[StoredColumn, ...]
) -> np.dtype[Any]:
    fields = [(_COUNT, ">i2")]
    for stored in columns:
        fields.append((_LENGTH + stored.name, ">i4"))
        if stored in present:
            fields.append((stored.name, stored.binary))
    return np.dtype(fields)


def _rows(
    frames: FrameBatch,
    batch: int,
    columns: tuple[StoredColumn, ...],
    present: tuple[StoredColumn, ...],
) -> NDArray[Any]:
    dtype = _row_dtype(columns, present)
    fields = cast("Mapping[str, Any]", dtype.fields)
    rows = np.empty(len(frames), dtype)
    rows[_COUNT] = len(columns)
    for stored in columns:
        field = fields.get(stored.name)
        rows[_LENGTH + stored.name] = NULL if field is None else field[0].itemsize
        if field is None:
            continue
        if stored.source == "batch":
            rows[stored.name] = batch
        elif stored.is_time:
            rows[stored.name] = frames[stored.source] - PG_EPOCH_US
        else:
            rows[stored.name] = frames[stored.source]
    return rows


def _cut(rows: NDArray[Any], frames: FrameBatch, told: Sequence[StoredColumn]) -> bytes:
    """Mark unknown values as NULL in rows of full width and take their bytes out."""
    fields = cast("Mapping[str, Any]", rows.dtype.fields)
    keep = np.ones((len(rows), rows.dtype.itemsize), np.bool_)
    for stored in told:
        assert stored.column is not None
        known = stored.column.is_known(frames[stored.source])
        rows[_LENGTH + stored.name][~known] = NULL
        field, offset = fields[stored.name][:2]
        keep[:, offset : offset + field.itemsize] = known[:, np.newaxis]
    return rows.view(np.uint8).reshape(keep.shape)[keep].tobytes()


def _from_wire(rows: NDArray[Any], stored: StoredColumn) -> NDArray[Any]:
    values = rows[stored.name].astype(memory_dtype(stored))
    return values + PG_EPOCH_US if stored.is_time else values
