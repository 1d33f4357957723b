"""Traces of real lifts, and made-up ones of the same shape, as a terminal would have told them."""

from pathlib import Path

import numpy as np
import pytest

from simulator.frames import MISSING
from simulator.recordings.traces import TraceError, TraceSource, read_trace, trace_frames
from telemetry.columns import Direction

REAL = Path(__file__).parents[3].parent / "shared" / "data" / "real-rides"
START_US = 1_774_374_000_000_000


def made_up(folder: Path, *, noise_m: float = 0.4) -> tuple[Path, Path]:
    """Write a trace: stand 20 s, 30 s up at 2 m/s, stand 20 s, down again, stand 20 s."""
    rng = np.random.default_rng(5)
    at_s = np.arange(0.1, 150, 1.0)
    height_m = np.interp(at_s, [20, 50, 70, 100], [0, 60, 60, 0])
    hpa = 1010 - (height_m + rng.normal(0, noise_m, len(at_s))) * 0.12
    fine_s = np.arange(0, 150, 0.0377)
    running = ((fine_s > 20) & (fine_s < 50)) | ((fine_s > 70) & (fine_s < 100))
    pull = rng.normal(0, 1, len(fine_s)) * np.where(running, 0.02, 0.004)
    for start_s, sign in ((20, 1), (48, -1), (70, -1), (98, 1)):
        pull += sign * np.interp(fine_s, start_s + np.arange(3.0), [0, 0.8, 0])
    acceleration, pressure = folder / "t-acceleration.csv", folder / "t-pressure.csv"
    acceleration.write_text(
        '"Time (s)","Acceleration (m/s²)"\n'
        + "".join(f"{t:.9E},{a:.9E}\n" for t, a in zip(fine_s, pull, strict=True))
    )
    pressure.write_text(
        '"Time (s)","Pressure (hPa)","Altitude (m)"\n'
        + "".join(f"{t:.9E},{p:.9E},0\n" for t, p in zip(at_s, hpa, strict=True))
    )
    return acceleration, pressure


def stretches(frames) -> list[tuple[int, float, float]]:
    """Return (direction, from [s], height travelled [m]) of each run that was told."""
    runs, car = [], frames["car"]
    begins = np.flatnonzero(np.diff(np.r_[0, car]) == 1)
    for i in begins.tolist():
        end = i + int(np.argmin(np.r_[car[i:], 0]))
        last = min(end, len(car) - 1)
        travelled_m = (frames["height_m"][last] - frames["height_m"][i]) / 1000
        at_s = (frames["time_us"][i] - START_US) / 1e6
        runs.append((int(frames["direction"][last - 1]), at_s, travelled_m))
    return runs


def test_a_ride_is_told_as_one_run_a_few_seconds_late(tmp_path):
    frames = trace_frames(read_trace(*made_up(tmp_path)), START_US)
    (up, up_s, up_m), (down, down_s, down_m) = stretches(frames)
    assert (up, down) == (Direction.UP, Direction.DOWN)
    assert 20 < up_s < 25
    assert 70 < down_s < 75
    assert 50 < up_m < 62
    assert -62 < down_m < -50


def test_what_a_barometer_does_not_know_is_not_told(tmp_path):
    frames = trace_frames(read_trace(*made_up(tmp_path)), START_US)
    for name in ("door", "zone", "floor", "passenger", "speed_mps", "mode", "button"):
        assert (frames[name] == MISSING).all()
    assert (frames["vibration_mps2"] < 300).all()
    assert np.array_equal(frames["seq"], np.arange(1, len(frames) + 1))
    gap_us = np.diff(frames["time_us"])
    assert gap_us.min() > 0
    assert gap_us.max() <= 31_000_000


def test_a_source_gives_all_frames_however_it_is_asked(tmp_path):
    trace = read_trace(*made_up(tmp_path))
    source = TraceSource(trace, START_US)
    assert source.registry()[0].model == "barometer"
    got = 0
    for t_us in range(source.start_us, source.end_us + 3_000_000, 3_000_000):
        part = source.arrived_until(t_us)
        assert (part["arrival_us"] < t_us).all()
        got += len(part)
    assert got == len(trace_frames(trace, START_US))
    assert not source.truth()


@pytest.mark.parametrize("n", [0, 1])
def test_real_rides_keep_their_shape(n):
    if not REAL.is_dir():
        pytest.skip("the recordings of real lifts are not beside this checkout")
    trace = read_trace(REAL / f"trace-{n}-acceleration.csv", REAL / f"trace-{n}-pressure.csv")
    runs = stretches(trace_frames(trace, START_US))
    long_runs = [run for run in runs if abs(run[2]) > 20]
    assert [run[0] for run in long_runs] == [Direction.UP, Direction.DOWN]
    assert all(60 < abs(run[2]) < 80 for run in long_runs)


@pytest.mark.parametrize(
    ("which", "text", "says"),
    [
        (0, "", ":1: the first line must begin with Time (s),Acceleration"),
        (1, "Time (s),Height (m)\n", ":1: the first line must begin with Time (s),Pressure"),
        (0, '"Time (s)","Acceleration (m/s²)"\n', "holds no samples"),
        (1, '"Time (s)","Pressure (hPa)"\n1,x\n', ":2: want a time in seconds"),
        (1, '"Time (s)","Pressure (hPa)"\n1\n', ":2: want a time in seconds"),
        (1, '"Time (s)","Pressure (hPa)"\n1,nan\n', ":2: time and value must be finite"),
        (1, '"Time (s)","Pressure (hPa)"\n9,1000\n8,1000\n', ":3: goes back in time, from 9 s"),
        (1, '"Time (s)","Pressure (hPa)"\n1,1000\n', "ends within the first 5 s"),
    ],
)
def test_bad_files_are_one_line_with_file_and_remedy(tmp_path, which, text, says):
    paths = made_up(tmp_path)
    paths[which].write_text(text)
    with pytest.raises(TraceError) as raised:
        read_trace(*paths)
    assert str(raised.value).startswith(str(paths[which]))
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_missing_and_binary_files_are_one_line(tmp_path):
    acceleration, pressure = made_up(tmp_path)
    with pytest.raises(TraceError, match="No such file"):
        read_trace(tmp_path / "none.csv", pressure)
    acceleration.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TraceError, match="UTF-8"):
        read_trace(acceleration, pressure)
