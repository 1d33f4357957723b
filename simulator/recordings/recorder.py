"""``Recorder``: writes what a ``Source`` gives into one file, with its truth.

Use::

    with Recorder(path, source, RecordingInfo(source.start_us, seed, name, text)) as recorder:
        while t_us < end_us:
            t_us = min(t_us + step_us, end_us)
            recorder.add(source.arrived_until(t_us))
        recorder.complete(end_us, sha256)

or let ``Recorded(source, recorder)`` do the adding for whoever draws from it.

The truth is asked from the source whenever a batch is written. The file is called ``<path>.part``
until ``complete``: whatever ends the run before, the ``.part`` replays up to the last whole batch.
What is recorded are frames as they reached the broker, copies included. Payloads that the network
broke or spoiled are messages and no frames: they are not in the recording.
"""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self
from zlib import crc32

import msgspec
import numpy as np

from simulator.frames import Frames
from simulator.recordings.layout import (
    End,
    RecordedUnit,
    RecordingError,
    RecordingInfo,
    TruthRow,
    arrow,
    batch_of,
    schema_of,
)
from simulator.source import RegistryRow, Source
from simulator.truth import LookAlike, TruthEvent

BATCH_FRAMES: Final = 65_536
"""Most frames in a batch: some 9 MB in memory, 1 MB in the file."""
BATCH_SPAN_US: Final = 60_000_000
"""Frames wait at most this long (in time of arrival) for their batch to fill: a run that dies loses
no more of its recording."""
SUFFIX: Final = ".part"


class Recorder:
    """A recording in the making.

    Parameters
    ----------
    path
        The file; it is replaced when the recording is complete.
    source
        Whose frames are added; gives units and truth.
    info
        What the file says about them.

    Raises
    ------
    RecordingError
        The file cannot be written, or pyarrow is missing.
    """

    def __init__(self, path: Path, source: Source, info: RecordingInfo) -> None:
        units = [
            RecordedUnit(row, tuple(labels))
            for row, labels in zip(source.registry(), source.labels, strict=True)
        ]
        self.path = path
        self.part = path.with_name(path.name + SUFFIX)
        self.frames = 0
        self._source = source
        self._schema = schema_of(info, units)
        self._waiting: list[Frames] = []
        self._n_waiting = 0
        self._last_us = info.start_us
        self._notes = _Notes()
        self._sink = _open(self.part)
        pa = arrow()
        options = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)
        self._writer = pa.ipc.new_stream(self._sink, self._schema, options=options)
        self._crc32: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file; a recording that is not complete keeps its suffix."""
        self._sink.close()

    def add(self, frames: Frames) -> None:
        """Add frames in order of arrival. Raises ``RecordingError`` if they cannot be written."""
        if not len(frames):
            return
        arrival_us = frames["arrival_us"]
        if arrival_us[0] < self._last_us or np.any(np.diff(arrival_us) < 0):
            raise ValueError("frames must be added in the order in which they arrive")
        cuts = np.flatnonzero(np.diff(arrival_us // BATCH_SPAN_US)) + 1
        new_span = arrival_us[0] // BATCH_SPAN_US != self._last_us // BATCH_SPAN_US
        for k, low in enumerate([0, *cuts.tolist()]):
            high = int(cuts[k]) if k < len(cuts) else len(frames)
            if k or new_span:
                self._flush()
            self._take(frames.take(slice(low, high)))
        self._last_us = int(arrival_us[-1])

    def _take(self, frames: Frames) -> None:
        while len(frames):
            room = BATCH_FRAMES - self._n_waiting
            part, frames = frames.take(slice(0, room)), frames.take(slice(room, None))
            self._waiting.append(part)
            self._n_waiting += len(part)
            if self._n_waiting == BATCH_FRAMES:
                self._flush()

    def _flush(self) -> None:
        """Write what waits and what has become known since the last batch."""
        frames = Frames.concat(self._waiting)
        rows = self._notes.new(self._source.truth(), self._source.look_alikes())
        self._waiting, self._n_waiting = [], 0
        if len(frames) or rows:
            self._write(frames, rows)
            self.frames += len(frames)

    def _write(self, frames: Frames, rows: Sequence[TruthRow]) -> None:
        truth = [msgspec.json.encode(row).decode() for row in rows]
        try:
            self._writer.write_batch(batch_of(self._schema, frames, truth))
            self._sink.flush()
        except OSError as error:
            raise _unwritable(self.part, error) from error
        self._crc32.append(self._sink.crc32_of_new())

    def complete(self, end_us: int, sha256: str = "") -> None:
        """Write the rest and give the file its name.

        Parameters
        ----------
        end_us
            End of the run [µs]; later if a frame arrived later.
        sha256
            Digest of the fleet, see ``layout.End``.
        """
        self._flush()
        end_us = max(end_us, self._last_us + 1) if self.frames else end_us
        end = End(self.frames, end_us, sha256, list(self._crc32))
        self._write(Frames.empty(), [TruthRow(end=end)])
        try:
            self._writer.close()
            self._sink.close()
            self.part.replace(self.path)
        except OSError as error:
            raise _unwritable(self.path, error) from error


class Recorded:
    """A source that records what is drawn from it.

    Parameters
    ----------
    source
        Where frames come from.
    recorder
        Where they go as well.
    """

    def __init__(self, source: Source, recorder: Recorder) -> None:
        self._source = source
        self._recorder = recorder

    @property
    def start_us(self) -> int:
        """Return the first instant of the run [µs]."""
        return self._source.start_us

    @property
    def labels(self) -> Sequence[Sequence[str]]:
        """Return the floor labels of each unit."""
        return self._source.labels

    def registry(self) -> list[RegistryRow]:
        """Return all units."""
        return self._source.registry()

    def arrived_until(self, t_us: int) -> Frames:
        """Return the frames that arrive before ``t_us``, recorded."""
        frames = self._source.arrived_until(t_us)
        self._recorder.add(frames)
        return frames

    def truth(self) -> list[TruthEvent]:
        """Return the true events so far."""
        return self._source.truth()

    def look_alikes(self) -> list[LookAlike]:
        """Return the look-alikes so far."""
        return self._source.look_alikes()


class _Notes:
    """What is written of the truth: events and look-alikes by number, as last written.

    What never changes of an event tells it from others; two that agree even in that are numbered
    in their order.
    """

    def __init__(self) -> None:
        self._number: dict[tuple[object, ...], int] = {}
        self._written: dict[int, TruthEvent | LookAlike] = {}

    def new(self, truth: Sequence[TruthEvent], looks: Sequence[LookAlike]) -> list[TruthRow]:
        """Return rows for what is new or has changed."""
        rows: list[TruthRow] = []
        seen: dict[tuple[object, ...], int] = {}
        for one in (*truth, *looks):
            key = _identity(one)
            nth = seen[key] = seen.get(key, -1) + 1
            n = self._number.setdefault((*key, nth), len(self._number))
            if self._written.get(n) != one:
                self._written[n] = one
                rows.append(_row(n, one))
        return rows


def _identity(one: TruthEvent | LookAlike) -> tuple[object, ...]:
    if isinstance(one, TruthEvent):
        return (one.lift, one.cause, one.onset_us, int(one.kind))
    return (one.lift, one.cause, one.from_us)


def _row(n: int, one: TruthEvent | LookAlike) -> TruthRow:
    return TruthRow(n, event=one) if isinstance(one, TruthEvent) else TruthRow(n, look_alike=one)


class _Sink:
    """A file that sums up what passes through it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._crc32 = 0

    @property
    def closed(self) -> bool:
        return self._file.closed

    def write(self, data: Any) -> int:
        self._crc32 = crc32(data, self._crc32)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def crc32_of_new(self) -> int:
        """Return the checksum of what was written since the last call."""
        value, self._crc32 = self._crc32, 0
        return value


def _open(path: Path) -> _Sink:
    try:
        return _Sink(path.open("wb"))
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> RecordingError:
    why = error.strerror or error
    return RecordingError(f"{path}: cannot be written: {why}; choose another place")
