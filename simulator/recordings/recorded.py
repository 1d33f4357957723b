"""``RecordedSource``: a recording as a ``Source``, read batch by batch in bounded memory.

Opening looks through the heads of all batches without decoding them, so the end of the run and
whether the file was cut off are known before the first frame. A file cut off gives everything up to
its last whole batch. Damage inside a complete file is found before the damaged batch is decoded.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import numpy as np

from simulator.frames import Frames
from simulator.recordings.layout import (
    FORMAT_VERSION,
    INFO_KEY,
    TRUTH,
    UNITS_KEY,
    VERSION_KEY,
    End,
    RecordedUnit,
    RecordingError,
    RecordingInfo,
    arrow,
    frames_of,
    schema_of,
    truth_of,
)
from simulator.recordings.recorder import SUFFIX
from simulator.source import RegistryRow
from simulator.truth import LookAlike, TruthEvent


def _unreadable() -> tuple[type[Exception], ...]:
    """Return what pyarrow and the JSON in it raise for bytes that make no sense."""
    return OSError, ValueError, KeyError, msgspec.MsgspecError, arrow().ArrowException


class RecordedSource:
    """A recording.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    RecordingError
        It is no recording, of another version, damaged, or cut off before its first frame; also
        from ``arrived_until`` when it comes to a damaged batch.

    Attributes
    ----------
    info
        Where the frames come from.
    truncated
        The file was cut off: it gives frames up to the cut.
    end_us
        End of the run, or of what is left of it [µs].
    sha256
        Digest of the fleet; empty = not known.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._bytes, self._marks, schema = _scan(path)
        self._schema = schema
        self.info, self._units = _said_by(path, schema)
        self._n_batches = len(self._marks) - 1
        end = self._end()
        self.truncated = end is None
        self._crc32 = [] if end is None else end.crc32
        self.sha256 = "" if end is None else end.sha256
        self.end_us = self._last_arrival_us() + 1 if end is None else end.end_us
        if end is not None:
            self._check(0)
        self._next = 0
        self._ready = Frames.empty()
        self._events: dict[int, TruthEvent] = {}
        self._look_alikes: dict[int, LookAlike] = {}

    @property
    def start_us(self) -> int:
        """Return the first instant of the run [µs]."""
        return self.info.start_us

    @property
    def cut_at(self) -> int:
        """Return how many bytes could be read."""
        return self._marks[-1]

    @property
    def labels(self) -> Sequence[Sequence[str]]:
        """Return the floor labels of each unit."""
        return [unit.labels for unit in self._units]

    def registry(self) -> list[RegistryRow]:
        """Return all units."""
        return [unit.row for unit in self._units]

    def arrived_until(self, t_us: int) -> Frames:
        """Return the frames that arrive before ``t_us`` and were not returned yet."""
        parts: list[Frames] = []
        while True:
            end = int(np.searchsorted(self._ready["arrival_us"], t_us))
            parts.append(self._ready.take(slice(0, end)))
            self._ready = self._ready.take(slice(end, None))
            if len(self._ready) or self._next == self._n_batches:
                return Frames.concat(parts)
            self._ready = self._read_next()

    def truth(self) -> list[TruthEvent]:
        """Return the true events as known by the last batch that was read, by onset."""
        return sorted(self._events.values(), key=lambda e: (e.onset_us, e.lift, e.kind))

    def look_alikes(self) -> list[LookAlike]:
        """Return the look-alikes as known by the last batch that was read, by their beginning."""
        return sorted(self._look_alikes.values(), key=lambda e: (e.from_us, e.lift, e.cause))

    def _read_next(self) -> Frames:
        k = self._next
        batch = self._batch(k)
        self._next += 1
        try:
            rows = truth_of(batch)
            frames = frames_of(batch)
        except _unreadable() as error:
            raise self._damaged(k, error) from error
        for row in rows:
            if row.event is not None:
                self._events[row.n] = row.event
            if row.look_alike is not None:
                self._look_alikes[row.n] = row.look_alike
        return frames

    def _batch(self, k: int) -> Any:
        low, high = self._marks[k], self._marks[k + 1]
        self._check(k)
        pa = arrow()
        try:
            message = pa.ipc.read_message(self._bytes.slice(low, high - low))
            batch = pa.ipc.read_record_batch(message, self._schema)
            batch.validate(full=True)  # texts of a damaged batch may point anywhere
        except _unreadable() as error:
            raise self._damaged(k, error) from error
        return batch

    def _check(self, k: int) -> None:
        """Compare batch ``k`` with its checksum, if there is one; the first has the schema too."""
        low, high = self._marks[k] if k else 0, self._marks[k + 1]
        if k < len(self._crc32) and crc32(self._bytes.slice(low, high - low)) != self._crc32[k]:
            raise RecordingError(
                f"{self.path}: bytes {low} to {high} are not what was written; "
                "take a copy that is whole"
            )

    def _damaged(self, k: int, error: Exception) -> RecordingError:
        where = f"{self.path}: batch {k + 1} at byte {self._marks[k]}"
        return RecordingError(f"{where} is damaged ({_one_line(error)}); take a whole copy")

    def _end(self) -> End | None:
        """Return what the end of the recording says; None = it has none."""
        if not self._n_batches:
            return None
        self._crc32: list[int] = []
        last = self._batch(self._n_batches - 1)
        try:
            rows = truth_of(last)
        except _unreadable() as error:
            raise self._damaged(self._n_batches - 1, error) from error
        return rows[-1].end if rows else None

    def _last_arrival_us(self) -> int:
        """Return the arrival of the last frame that can be read."""
        for k in reversed(range(self._n_batches)):
            frames = frames_of(self._batch(k))
            if len(frames):
                return int(frames["arrival_us"][-1])
        raise RecordingError(
            f"{self.path}: cut off at byte {self._bytes.size}, before the first frame; "
            "record it again"
        )


def _scan(path: Path) -> tuple[Any, list[int], Any]:
    """Return the bytes of a file, where the schema and each whole batch end, and the schema."""
    pa = arrow()
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
        if empty:
            raise RecordingError(f"{path}: is empty; record it again")
        held = pa.memory_map(str(path)).read_buffer()
    except OSError as error:
        raise RecordingError(f"{path}: {_why(path, error)}") from error
    stream = pa.BufferReader(held)
    try:
        schema = pa.ipc.open_stream(stream).schema
    except _unreadable() as error:
        raise RecordingError(_no_stream(path, held, error)) from error
    stream.seek(0)
    reader = pa.ipc.MessageReader.open_stream(stream)
    marks: list[int] = []
    try:
        while True:
            reader.read_next_message()
            marks.append(stream.tell())
    except StopIteration:
        pass
    except _unreadable():
        pass  # cut off within a batch: what is whole so far is what there is
    return held, marks, schema


def _why(path: Path, error: OSError) -> str:
    part = path.with_name(path.name + SUFFIX)
    if isinstance(error, FileNotFoundError) and part.is_file():
        return f"No such file; a run that did not end left {part.name}: give that"
    return f"{error.strerror or error}; give the path of a recording"


def _no_stream(path: Path, held: Any, error: Exception) -> str:
    head = held.slice(0, min(8, held.size)).to_pybytes()
    if head[:6] == b"ARROW1":
        return f"{path}: is an Arrow file and no recording; recordings are Arrow streams"
    if head[:4] == b"\xff\xff\xff\xff":
        return (
            f"{path}: cut off at byte {held.size}, within the list of its units; "
            f"record it again ({_one_line(error)})"
        )
    return f"{path}: is no recording; give a file made with --record"


def _said_by(path: Path, schema: Any) -> tuple[RecordingInfo, list[RecordedUnit]]:
    """Read the metadata of a recording's schema."""
    told = schema.metadata or {}
    version = told.get(VERSION_KEY)
    if version is None:
        raise RecordingError(f"{path}: is an Arrow stream of something else; give a recording")
    if version != str(FORMAT_VERSION).encode():
        raise RecordingError(
            f"{path}: has format version {version.decode(errors='replace')}, this version reads "
            f"{FORMAT_VERSION}; use the version of hoistway that wrote it"
        )
    try:
        info = msgspec.json.decode(told[INFO_KEY], type=RecordingInfo)
        units = msgspec.json.decode(told[UNITS_KEY], type=list[RecordedUnit])
        columns = {field.name: field.type for field in schema}
    except _unreadable() as error:
        raise RecordingError(
            f"{path}: its metadata are damaged ({_one_line(error)}); take a whole copy"
        ) from error
    known = {field.name: field.type for field in schema_of(info, [])}
    for name, kind in columns.items():
        if known.get(name) != kind:
            raise RecordingError(
                f"{path}: column {name} ({kind}) is not known here; "
                "use the version of hoistway that wrote it"
            )
    if missing := [n for n in ("lift", "time_us", "seq", TRUTH) if n not in columns]:
        raise RecordingError(f"{path}: has no column {missing[0]}; take a whole copy")
    return info, units


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
