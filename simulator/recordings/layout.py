"""How a recording lies in its file: an Arrow IPC stream of frames with the truth among them.

Any reader of Arrow streams (pandas, polars, DuckDB, pyarrow) reads it. A row is a frame, or holds
one JSON object in the last column, ``truth``, and nothing else:

- ``{"n": 3, "event": {…}}``, ``{"n": 7, "look_alike": {…}}``: a true event or a look-alike as it
  was known then; a later row of the same number replaces the earlier one;
- ``{"end": {…}}``: the last row of a complete recording.

Batches are in order of arrival, and frames by unit within a batch: one signed integer column for
each quantity, as wide as its valid range asks for, reals in thousandths, null where nothing was
told. ``clock_us`` is the terminal's clock minus the true time, ``delay_us`` the arrival minus the
true time: mostly zero, so they cost nothing. Metadata of the schema say the format version, where
the frames come from, and the units.

pyarrow is an extra: it is imported when the first recording is opened.
"""

from types import MappingProxyType, ModuleType
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from simulator.frames import MISSING, Frames
from simulator.source import RegistryRow
from simulator.truth import LookAlike, TruthEvent
from telemetry.columns import COLUMNS, Column

FORMAT_VERSION: Final = 1
VERSION_KEY: Final = b"hoistway.recording"
INFO_KEY: Final = b"hoistway.info"
UNITS_KEY: Final = b"hoistway.units"
TRUTH: Final = "truth"

_WIDTH: Final = MappingProxyType(
    {"flag": "i1", "enum": "i1", "count_flag": "i2", "floor": "i2", "real": "i4", "codes": "i8",
     "integer": "i8"}
)  # fmt: skip
"""Dtype of each kind of column; a thousandth of the widest real range fits four bytes."""
_KEYS: Final = (
    ("lift", "i4", "", "index of the unit"),
    ("time_us", "i8", "µs", "true time since 1970-01-01 UTC"),
    ("clock_us", "i8", "µs", "clock of the terminal minus the true time"),
    ("seq", "i8", "", "sequence number of the terminal"),
    ("delay_us", "i8", "µs", "arrival at the broker minus the true time"),
)
_DTYPE: Final = MappingProxyType(
    {name: np.dtype(width) for name, width, _, _ in _KEYS}
    | {c.name: np.dtype(_WIDTH[c.kind]) for c in COLUMNS}
)


class RecordingError(Exception):
    """A recording that cannot be read or written; one line with file, position and remedy."""


class RecordingInfo(msgspec.Struct, frozen=True):
    """Where the frames of a recording come from.

    Parameters
    ----------
    start_us
        First instant of the run [µs].
    seed
        Of the world and its network; ``None`` = not made by the simulator.
    scenario
        Name of the scenario, empty = none.
    text
        The scenario file, or the command that made the frames.
    """

    start_us: int
    seed: int | None = None
    scenario: str = ""
    text: str = ""


class RecordedUnit(msgspec.Struct, frozen=True):
    """One unit: its registry row and its floor labels."""

    row: RegistryRow
    labels: tuple[str, ...]


class End(msgspec.Struct, frozen=True):
    """What the end of a complete recording says.

    Parameters
    ----------
    frames
        Rows that are frames.
    end_us
        End of the run [µs]; no frame arrives at or after it.
    sha256
        Digest over what the terminals told before the network, as the fleet prints it.
    crc32
        Of the bytes of each batch before this one, the first with the schema: damage is found
        before it is decoded.
    """

    frames: int
    end_us: int
    sha256: str
    crc32: list[int]


class TruthRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One row of the truth: exactly one of the last three is set."""

    n: int = 0
    event: TruthEvent | None = None
    look_alike: LookAlike | None = None
    end: End | None = None


def arrow() -> ModuleType:
    """Import pyarrow with its streams. Raises ``RecordingError`` naming the remedy."""
    try:
        import pyarrow as pa
        import pyarrow.ipc
    except ImportError as error:
        raise RecordingError(
            "recordings need pyarrow; install it with: pip install 'hoistway[simulation]'"
        ) from error
    return pa


def schema_of(info: RecordingInfo, units: list[RecordedUnit]) -> Any:
    """Return the Arrow schema of a recording."""
    pa = arrow()
    fields = [_field(pa, name, unit, about) for name, _, unit, about in _KEYS]
    fields += [_field(pa, c.name, _unit(c), c.about) for c in COLUMNS]
    fields.append(pa.field(TRUTH, pa.string(), metadata={"about": "JSON; null for a frame"}))
    return pa.schema(
        fields,
        metadata={
            VERSION_KEY: str(FORMAT_VERSION),
            INFO_KEY: msgspec.json.encode(info),
            UNITS_KEY: msgspec.json.encode(units),
        },
    )


def _field(pa: ModuleType, name: str, unit: str, about: str) -> Any:
    said = {"unit": unit, "about": about}
    return pa.field(name, pa.from_numpy_dtype(_DTYPE[name]), metadata=said)


def _unit(column: Column) -> str:
    return f"1/1000 {column.unit}" if column.kind == "real" else column.unit


def batch_of(schema: Any, frames: Frames, truth: list[str]) -> Any:
    """Return frames, by unit, and after them rows of the truth, as one Arrow record batch.

    What one unit tells changes little from frame to frame: by unit it takes a third less than by
    arrival. Frames of a batch are put in order again when they are read.

    Raises ``RecordingError`` if a value does not fit its column.
    """
    pa = arrow()
    frames = frames.take(np.argsort(frames["lift"], kind="stable"))
    n, more = len(frames), len(truth)
    arrays = []
    for field in schema:
        if field.name == TRUTH:
            told = pa.nulls(n, field.type)
            if more:
                told = pa.concat_arrays([told, pa.array(truth, field.type)])
            arrays.append(told)
            continue
        values = _stored(frames, field.name)
        if values is None:
            arrays.append(pa.nulls(n + more, field.type))
        else:
            arrays.append(_array(pa, field.name, values, more))
    return pa.record_batch(arrays, schema=schema)


def _stored(frames: Frames, name: str) -> NDArray[np.int64] | None:
    if name == "clock_us":
        return frames["device_time_us"] - frames["time_us"]
    if name == "delay_us":
        return frames["arrival_us"] - frames["time_us"]
    return frames.columns.get(name)


def _array(pa: ModuleType, name: str, values: NDArray[np.int64], more: int) -> Any:
    """Return a narrow Arrow array with nulls for ``MISSING`` and for ``more`` rows at the end."""
    missing = values == MISSING
    narrow = values.astype(_DTYPE[name])
    if narrow.itemsize < values.itemsize:
        lost = np.flatnonzero((narrow != values) & ~missing)
        if len(lost):
            raise RecordingError(
                f"a frame tells {name} {values[lost[0]]}, which {narrow.dtype} cannot hold; "
                "values must lie in the range of telemetry.columns"
            )
    if more:
        narrow = np.concatenate([narrow, np.zeros(more, narrow.dtype)])
        missing = np.concatenate([missing, np.ones(more, bool)])
    return pa.array(narrow, mask=missing)


def frames_of(batch: Any) -> Frames:
    """Return the frames of a record batch by arrival; columns that nothing tells are left out."""
    n = batch.column(TRUTH).null_count
    keys = [_values(batch.column(name), n) for name in ("time_us", "clock_us", "delay_us")]
    if not n or any(key is None for key in keys):
        return Frames.empty()
    time_us, clock_us, delay_us = (np.asarray(key) for key in keys)
    order = np.argsort(time_us + delay_us, kind="stable")
    time_us = time_us[order]
    columns = {
        "time_us": time_us,
        "device_time_us": time_us + clock_us[order],
        "arrival_us": time_us + delay_us[order],
    }
    for name in batch.schema.names:
        if name not in (TRUTH, "time_us", "clock_us", "delay_us"):
            values = _values(batch.column(name), n, order)
            if values is not None:
                columns[name] = values
    return Frames(columns)


def _values(array: Any, n: int, order: NDArray[np.int64] | None = None) -> NDArray[np.int64] | None:
    """Return the first ``n`` of a column, in ``order``, ``MISSING`` for null; None = all null."""
    if array.null_count == len(array):
        return None
    mask, data = array.buffers()
    narrow = np.frombuffer(data, array.type.to_pandas_dtype(), n)
    wide = (narrow if order is None else narrow[order]).astype("i8")
    if array.null_count and mask is not None:
        known = np.unpackbits(np.frombuffer(mask, "u1"), count=n, bitorder="little")
        wide[(known if order is None else known[order]) == 0] = MISSING
    return wide


def truth_of(batch: Any) -> list[TruthRow]:
    """Return the rows of the truth in a record batch. Raises ``msgspec.DecodeError``."""
    told = batch.column(TRUTH)
    rows = told.slice(told.null_count).to_pylist()
    return [msgspec.json.decode(text, type=TruthRow) for text in rows]
