"""Recordings: bytes a frame, rates of writing and reading, and what other formats would cost.

Run: .venv/bin/python -m bench recordings [--lifts 2000] [--minutes 60]
Frames are made beforehand; rates are frames per second of this process's processor time.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from simulator.fleet import Fleet, FleetSpec
from simulator.frames import MISSING, Digest, Frames
from simulator.network.networked import NetworkedFleet
from simulator.network.spec import NetworkSpec
from simulator.recordings.layout import RecordedUnit, RecordingInfo, batch_of, schema_of
from simulator.recordings.recorded import RecordedSource
from simulator.recordings.recorder import BATCH_FRAMES, Recorder

START_US = 1_790_031_600_000_000  # a Monday, 07:00 in Wuhan: traffic of the morning
MINUTE_US = 60_000_000


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--lifts", type=int, default=2_000)
    asked.add_argument("--minutes", type=int, default=60)
    options = asked.parse_args()
    fleet = NetworkedFleet(Fleet(FleetSpec(START_US, options.lifts), 1), NetworkSpec(), 1)
    ends_us = [START_US + k * MINUTE_US for k in range(1, options.minutes + 1)]
    parts = [fleet.arrived_until(t_us) for t_us in ends_us]
    frames = Frames.concat(parts)
    print(f"{len(frames)} frames of {options.lifts} lifts in {options.minutes} min")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.arrows"
        wrote_s = timed(lambda: write(path, fleet, parts, ends_us[-1]))
        size = path.stat().st_size
        source = RecordedSource(path)
        back: list[Frames] = []
        read_s = timed(lambda: back.extend(source.arrived_until(t_us) for t_us in ends_us))
        show("recording (Arrow stream, zstd)", len(frames), size, wrote_s, read_s)
        same = digest(frames) == digest(Frames.concat(back))
        print(f"  read back bit for bit: {'yes' if same else 'NO'}")
        compare(Path(folder), frames, fleet)
    sys.exit(0 if same else 1)


def write(path: Path, fleet: NetworkedFleet, parts: list[Frames], end_us: int) -> None:
    with Recorder(path, fleet, RecordingInfo(START_US, 1)) as recorder:
        for part in parts:
            recorder.add(part)
        recorder.complete(end_us)


def compare(folder: Path, frames: Frames, fleet: NetworkedFleet) -> None:
    """Write the same frames in other formats, units and truth left out."""
    info = RecordingInfo(START_US, 1)
    units = [RecordedUnit(row, ()) for row in fleet.registry()[:1]]
    schema = schema_of(info, units)
    starts = range(0, len(frames), BATCH_FRAMES)
    batches = [batch_of(schema, frames.take(slice(k, k + BATCH_FRAMES)), []) for k in starts]

    def stream(compression: str | None) -> Path:
        path = folder / "other.arrows"
        options = pa.ipc.IpcWriteOptions(compression=compression, use_threads=False)
        with (
            pa.OSFile(str(path), "wb") as file,
            pa.ipc.new_stream(file, schema, options=options) as writer,
        ):
            for batch in batches:
                writer.write_batch(batch)
        return path

    def parquet() -> Path:
        path = folder / "other.parquet"
        with pa.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_batch(batch)
        return path

    def npz() -> Path:
        path = folder / "other.npz"
        told = {n: v for n, v in frames.columns.items() if (v != MISSING).any()}
        np.savez_compressed(path, **told)
        return path

    others: dict[str, Callable[[], Path]] = {
        "Arrow stream, zstd, frames alone": lambda: stream("zstd"),
        "Arrow stream, lz4": lambda: stream("lz4"),
        "Arrow stream, plain": lambda: stream(None),
        "Parquet, zstd": parquet,
        "npz, deflate": npz,
    }
    for name, make in others.items():
        made: list[Path] = []
        wrote_s = timed(lambda make=make, made=made: made.append(make()))
        show(name, len(frames), made[0].stat().st_size, wrote_s, None)


def digest(frames: Frames) -> str:
    sums = Digest()
    sums.update(frames)
    return sums.hexdigest()


def timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return max(time.process_time() - began, 1e-9)


def show(name: str, n: int, size: int, wrote_s: float, read_s: float | None) -> None:
    read = "" if read_s is None else f", read {n / read_s / 1e6:.1f} M/s"
    print(f"{name:36} {size / n:6.1f} B a frame, write {n / wrote_s / 1e6:.1f} M/s{read}")


if __name__ == "__main__":
    main()
