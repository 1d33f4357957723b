"""Snapshots of a lane's memory: raw arrays in pieces, named after the batch that they follow.

A piece covers at most ``LIFTS_PER_PIECE`` lifts. Only changed pieces are written, and in the same
transaction the head row names the batch at which copying them began. A piece that was not copied
then is unchanged, so it is the state after that batch; one that was names the batch after which it
was copied, at or after the head's. Lifts do not influence each other, so recovery can begin with
the head's batch and leave a later piece out until its own.

No pickle: a piece is a small JSON list of (name, dtype, shape) and the bytes of the arrays. What
cannot be read, because the layout changed or the checksum is wrong, is said so by type, never
guessed.
"""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import asyncpg
import numpy as np
from numpy.typing import NDArray

from ingest.store.connect import execute, fetch, fetchrow, micros, moment, transaction
from ingest.store.sql import queries
from ingest.store.writer_lock import Lease, check_epoch

LIFTS_PER_PIECE: Final = 4096

CHECKSUM_BYTES: Final = 32

_PLAIN_KINDS: Final = "biuf"
"""Array kinds that are plain bytes: bool, integers, floats."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a snapshot is of: the state after ``batch`` or later, of ``lifts``, in ``layout``."""

    batch: int
    at_us: int
    lifts: int
    layout: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A readable snapshot: by piece its arrays, and the batch after which they are the state."""

    head: Head
    pieces: Mapping[int, Mapping[str, NDArray[Any]]]
    batches: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """There is a snapshot and it cannot be used: rebuild instead, and say ``reason``."""

    batch: int
    reason: str


def pieces_for(lifts: int) -> int:
    """Return how many pieces a snapshot of that many lifts has."""
    return -(-lifts // LIFTS_PER_PIECE)


async def write(
    conn: asyncpg.Connection,
    lease: Lease,
    head: Head,
    pieces: Mapping[int, Mapping[str, NDArray[Any]]],
    batches: Mapping[int, int] = MappingProxyType({}),
) -> None:
    """Write changed pieces and the head in one transaction of its own.

    The caller gives all pieces the first time and after any failure of this function, later only
    the ones that changed since the snapshot before. ``batches``: after which batch a piece was
    copied, where that is later than the head's. Packing is done in a thread, piece by piece.
    """
    values = lease.lane, head.batch, moment(head.at_us), head.lifts
    async with transaction(conn):
        await check_epoch(conn, lease.lane, lease.epoch)
        await execute(conn, "write snapshot", queries()["write_snapshot_head"], *values)
        for piece, arrays in sorted(pieces.items()):
            data, digest = await asyncio.to_thread(_packed, head.layout, arrays)
            batch = batches.get(piece, head.batch)
            row = (lease.lane, piece, batch, head.layout, digest, data)
            await execute(conn, "write snapshot", queries()["write_snapshot_piece"], *row)


async def read(conn: asyncpg.Connection, lane: int, layout: str) -> Snapshot | Unreadable | None:
    """Return the lane's snapshot if it is whole and in ``layout``; None if there is none."""
    async with transaction(conn, "repeatable_read", writes=False):
        head = await fetchrow(conn, "read snapshot", queries()["snapshot_head"], lane)
        rows = await fetch(conn, "read snapshot", queries()["snapshot_pieces"], lane)
    if head is None:
        return None
    missing = set(range(pieces_for(head["lifts"]))) - {row["piece"] for row in rows}
    if missing:
        return Unreadable(head["batch"], f"pieces {sorted(missing)} are missing")
    pieces: dict[int, Mapping[str, NDArray[Any]]] = {}
    batches: dict[int, int] = {}
    for row in rows:
        if row["piece"] >= pieces_for(head["lifts"]):
            continue
        read_piece = _piece(row, layout)
        if isinstance(read_piece, str):
            return Unreadable(head["batch"], f"piece {row['piece']}: {read_piece}")
        pieces[row["piece"]] = read_piece
        batches[row["piece"]] = max(row["batch"], head["batch"])
    at_us = micros(head["at"])
    return Snapshot(Head(head["batch"], at_us, head["lifts"], layout), pieces, batches)


async def newest_layout(conn: asyncpg.Connection) -> str | None:
    """Return the layout of the newest snapshot of any lane; None if there is none."""
    row = await fetchrow(conn, "read snapshot", queries()["newest_layout"])
    return None if row is None else row["layout"]


async def drop(conn: asyncpg.Connection, lane: int) -> None:
    """Forget the lane's snapshot, so that the next start rebuilds."""
    await execute(conn, "drop snapshot", queries()["drop_snapshot"], lane)


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return plain arrays as bytes; ``TypeError`` for arrays of objects or text."""
    index = []
    parts = []
    for name, array in arrays.items():
        if array.dtype.kind not in _PLAIN_KINDS:
            raise TypeError(f"array {name} of dtype {array.dtype} is not plain")
        little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
        index.append((name, little.dtype.str, list(little.shape)))
        parts.append(little.tobytes())
    header = json.dumps(index, separators=(",", ":")).encode()
    return b"".join([len(header).to_bytes(4, "little"), header, *parts])


def unpack(data: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of ``pack``, writable; ``ValueError`` if the bytes do not fit."""
    start = 4 + int.from_bytes(data[:4], "little")
    arrays: dict[str, NDArray[Any]] = {}
    for name, dtype_text, shape in json.loads(data[4:start]):
        dtype = np.dtype(dtype_text)
        if dtype.kind not in _PLAIN_KINDS:
            raise ValueError(f"array {name} is not plain")
        size = int(np.prod(shape, dtype=np.int64))
        flat = np.frombuffer(data, dtype, size, offset=start)
        arrays[name] = flat.reshape(shape).copy()
        start += flat.nbytes
    if start != len(data):
        raise ValueError("bytes left over")
    return arrays


def checksum(layout: str, data: bytes) -> bytes:
    """Return the digest that tells whether a piece is what was written."""
    digest = hashlib.blake2b(layout.encode(), digest_size=CHECKSUM_BYTES)
    digest.update(data)
    return digest.digest()


def _packed(layout: str, arrays: Mapping[str, NDArray[Any]]) -> tuple[bytes, bytes]:
    data = pack(arrays)
    return data, checksum(layout, data)


def _piece(row: Any, layout: str) -> Mapping[str, NDArray[Any]] | str:
    if row["layout"] != layout:
        theirs, ours = _apart(row["layout"], layout), _apart(layout, row["layout"])
        return f"layout {theirs}, this program reads {ours}"
    if row["checksum"] != checksum(row["layout"], row["data"]):
        return "checksum is wrong"
    try:
        return unpack(row["data"])
    except (ValueError, TypeError) as error:
        return f"arrays are damaged: {error}"


def _apart(layout: str, other: str) -> str:
    """Name the parts of a layout that the other does not have, without their fields."""
    parts = [part for part in layout.split(";") if part not in other.split(";")]
    return ", ".join(part.split("(")[0] for part in parts) or "nothing else"
