"""Binary COPY: what NumPy writes is what PostgreSQL's format says, read back field by field."""

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.store.copy_binary import SIGNATURE, TRAILER, decode_frames, encode_frames, null_masks
from ingest.store.errors import ContentError
from ingest.store.layout import HEADER_COLUMNS, PG_EPOCH_US, STORED, VALUE_COLUMNS
from telemetry.batch import HEADER, FrameBatch
from telemetry.columns import COLUMN_NAMES, COLUMNS

FORMATS = {
    "smallint": ">h",
    "int": ">i",
    "bigint": ">q",
    "real": ">f",
    "timestamptz": ">q",
    "boolean": ">?",
}
SQL = {stored.name: stored.sql for stored in STORED}


def read_slowly(names: list[str], data: bytes) -> list[dict[str, Any]]:
    """Read binary COPY after the manual, one field at a time."""
    assert data[:19] == b"PGCOPY\n\xff\r\n\0" + b"\0" * 8
    at = 19
    rows = []
    while (count := struct.unpack_from(">h", data, at)[0]) != -1:
        at += 2
        assert count == len(names)
        row: dict[str, Any] = {}
        for name in names:
            (length,) = struct.unpack_from(">i", data, at)
            at += 4
            row[name] = None
            if length >= 0:
                assert length == struct.calcsize(FORMATS[SQL[name]])
                (row[name],) = struct.unpack_from(FORMATS[SQL[name]], data, at)
                at += length
        rows.append(row)
    assert at + 2 == len(data)
    return rows


def random_batch(seed: int, n: int, masks: int) -> FrameBatch:
    """Return frames with ``masks`` different patterns of unknowns and extreme values."""
    rng = np.random.default_rng(seed)
    patterns = rng.random((masks, len(COLUMNS))) < rng.choice([0.1, 0.5, 0.97])
    pattern = rng.integers(0, masks, n)
    values: dict[str, Any] = {}
    for i, column in enumerate(COLUMNS):
        ends = np.array([column.low, column.high])
        known = np.where(
            rng.random(n) < 0.2, rng.choice(ends, n), rng.uniform(column.low, column.high, n)
        ).astype(column.dtype)
        values[column.name] = np.where(
            patterns[pattern, i], np.asarray(column.unknown, column.dtype), known
        )
    return FrameBatch.make(
        n,
        elevator_id=rng.integers(1, 2**63 - 1, n),
        gateway_id=rng.integers(1, 2**31 - 1, n),
        time_us=rng.choice(np.array([0, -1, 1_795_000_000_000_001, 253_402_300_799_999_999]), n),
        device_time_us=rng.integers(-(10**15), 10**16, n),
        received_us=rng.integers(10**15, 2 * 10**15, n),
        seq=rng.choice(np.array([0, 1, 2**63 - 1]), n),
        clock=rng.integers(0, 2, n),
        late=rng.random(n) < 0.5,
        quality=rng.integers(0, 2**40, n),
        **values,
    )


def expected(frames: FrameBatch, batch: int) -> list[dict[str, Any]]:
    rows = []
    for row in frames.to_rows():
        out: dict[str, Any] = {}
        for stored in STORED:
            value = batch if stored.source == "batch" else row[stored.source]
            if stored.is_time:
                value -= PG_EPOCH_US
            if stored.column is not None and (value == -1 or value != value):
                value = None
            if (
                stored.column is not None
                and stored.column.kind == "real"
                and row[stored.source] == -1
            ):
                value = -1.0
            out[stored.name] = value
        rows.append(out)
    return rows


def as_text(rows: list[dict[str, Any]], names: tuple[str, ...]) -> list[str]:
    return sorted(str([row.get(name) for name in names]) for row in rows)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from([1, 2, 7, 200, 700]), st.sampled_from([1, 2, 5, 60]))
def test_bytes_say_the_same_as_the_batch(seed: int, n: int, masks: int) -> None:
    frames = random_batch(seed, n, masks)
    names, pieces = encode_frames(frames, 4711)
    read = read_slowly(names, b"".join(pieces))
    order = tuple(stored.name for stored in STORED)
    assert as_text(read, order) == as_text(expected(frames, 4711), order)


def test_columns_without_any_value_are_not_sent() -> None:
    frames = FrameBatch.make(3, speed_mps=np.array([np.nan, 1.0, np.nan]), mode=1)
    names, _ = encode_frames(frames, 1)
    assert names == [*(c.name for c in HEADER_COLUMNS), "mode", "speed_mps"]


def test_no_frames_are_no_rows() -> None:
    names, pieces = encode_frames(FrameBatch.empty(), 1)
    assert names == [c.name for c in HEADER_COLUMNS]
    assert b"".join(pieces) == SIGNATURE + TRAILER


@pytest.mark.parametrize(
    "time_us", [2**63 - 1, -(2**63), 253_402_300_800_000_000, -62_135_596_800_000_001]
)
@pytest.mark.parametrize("name", ["time_us", "device_time_us", "received_us"])
def test_times_that_nobody_can_read_back_are_refused(name: str, time_us: int) -> None:
    times = np.array([0, time_us])
    with pytest.raises(ContentError) as caught:
        encode_frames(FrameBatch.make(2, **{name: times}), 1)
    assert caught.value.sqlstate == "22008"


def test_every_column_of_a_frame_is_stored_but_its_row() -> None:
    assert {c.source for c in STORED} - {"batch"} == ({*HEADER} - {"row"}) | {*COLUMN_NAMES}
    assert tuple(c.name for c in VALUE_COLUMNS) == COLUMN_NAMES


def test_null_masks_tell_unknown_apart_from_zero_and_false() -> None:
    frames = FrameBatch.make(2, car=np.array([0, -1]), speed_mps=np.array([0.0, np.nan]))
    bits = 1 << COLUMN_NAMES.index("car") | 1 << COLUMN_NAMES.index("speed_mps")
    assert (null_masks(frames) & bits).tolist() == [0, bits]


@pytest.mark.parametrize("data", [b"", SIGNATURE, SIGNATURE + b"\0" + TRAILER])
def test_what_is_no_copy_data_is_not_read(data: bytes) -> None:
    with pytest.raises(ValueError, match="COPY"):
        decode_frames(data)
