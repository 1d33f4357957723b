"""Pressure and acceleration measured inside a real lift, as its terminal would have told them.

A trace is a pair of CSV files as the app *phyphox* writes them: acceleration about 26 times a
second, gravity taken away, and air pressure about once a second, on one clock that begins at zero.
The terminal made of it has a barometer and an accelerometer and nothing else: it tells height,
whether the car moves and which way, acceleration and vibration. Doors, zone, floor, speed and
passengers are not known to it and not told. The first ``SETTLE_S`` are the hand that puts the phone
down, and are dropped.

Whether the car moves is read from the slope of the pressure over the last ``SLOPE_S``, if the car
shakes as one that runs, so both start and stop are told two or three seconds late. Acceleration
does not add up to speed: the gravity that the phone takes away follows a start within seconds.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulator.frames import Frames
from simulator.recordings.tape import TapeSource, plain_lift
from telemetry.columns import Direction

ACCELERATION_HEADER: Final = ("Time (s)", "Acceleration (m/s²)")
PRESSURE_HEADER: Final = ("Time (s)", "Pressure (hPa)")
"""First columns of the file; what follows (altitude, velocity) is derived from them."""

PA_PER_M: Final = 12.0
"""Fall of air pressure with height, near the ground."""
SETTLE_S: Final = 5.0
SLOPE_S: Final = 5.0
MOVES_MPS: Final = 0.8
"""From this slope on the car moves: four times the scatter of the slope in a standing car."""
SHAKES_MPS2: Final = 0.04
"""And only with this vibration: real cars show 0.01-0.03 standing and 0.05-0.2 running."""
STANDS_MPS: Final = 0.4
"""Below this slope it stands again."""
HEIGHT_S: Final = 2.5
"""Height told is the mean over this long."""
VIBRATION_S: Final = 1.0
"""Vibration is peak to peak over this long, about a mean over ``_RIDE_SAMPLES``."""
_RIDE_SAMPLES: Final = 9
"""A third of a second: what is slower is the ride itself."""
MOVING_S: Final = 1.0
IDLE_S: Final = 30.0

Reals = NDArray[np.float64]


class TraceError(Exception):
    """A trace that cannot be used; one line with file, line and remedy."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What was measured; both series are in time order on one clock.

    Parameters
    ----------
    acceleration_s, acceleration_mps2
        Vertical acceleration without gravity, shape (n,).
    pressure_s, pressure_hpa
        Air pressure, shape (m,).
    """

    acceleration_s: Reals
    acceleration_mps2: Reals
    pressure_s: Reals
    pressure_hpa: Reals

    @property
    def height_m(self) -> Reals:
        """Return the height above that of the first sample, shape (m,)."""
        return (self.pressure_hpa[0] - self.pressure_hpa) * 100 / PA_PER_M

    def after(self, from_s: float) -> "Trace":
        """Return what was measured from ``from_s`` on."""
        a, p = self.acceleration_s >= from_s, self.pressure_s >= from_s
        return Trace(
            self.acceleration_s[a], self.acceleration_mps2[a],
            self.pressure_s[p], self.pressure_hpa[p],
        )  # fmt: skip


def read_trace(acceleration_path: Path, pressure_path: Path) -> Trace:
    """Read the two files of a trace. Raises ``TraceError``."""
    acceleration = _read(acceleration_path, ACCELERATION_HEADER)
    pressure = _read(pressure_path, PRESSURE_HEADER)
    trace = Trace(*acceleration, *pressure)
    if not len(trace.after(SETTLE_S).pressure_s):
        raise TraceError(
            f"{pressure_path}: ends within the first {SETTLE_S:g} s; give a longer measurement"
        )
    return trace


def _read(path: Path, header: tuple[str, ...]) -> tuple[Reals, Reals]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror}; give the path of a CSV file") from error
    except UnicodeDecodeError as error:
        raise TraceError(f"{path}: is no text in UTF-8; give a CSV file") from error
    lines = csv.reader(text.splitlines())
    found = next(lines, [])
    if tuple(name.strip() for name in found[: len(header)]) != header:
        raise TraceError(f"{path}:1: the first line must begin with {','.join(header)}")
    rows: list[tuple[float, float]] = []
    for number, fields in enumerate(lines, start=2):
        if fields:
            rows.append(_sample(f"{path}:{number}", fields, rows[-1][0] if rows else 0.0))
    if not rows:
        raise TraceError(f"{path}: holds no samples; give a CSV file with {','.join(header)}")
    times, values = np.array(rows).T
    return times, values


def _sample(where: str, fields: Sequence[str], before_s: float) -> tuple[float, float]:
    try:
        at_s, value = float(fields[0]), float(fields[1])
    except (ValueError, IndexError) as error:
        raise TraceError(f"{where}: want a time in seconds and a value ({error})") from error
    if not (isfinite(at_s) and isfinite(value)):
        raise TraceError(f"{where}: time and value must be finite numbers; take the line out")
    if at_s < before_s:
        raise TraceError(f"{where}: goes back in time, from {before_s:g} s to {at_s:g} s; sort it")
    return at_s, value


def trace_frames(trace: Trace, start_us: int) -> Frames:
    """Turn a trace into the frames of one lift.

    Parameters
    ----------
    trace
        What was measured.
    start_us
        The instant of its zero [µs], whole ms.

    Returns
    -------
    frames
        In time order, ``seq`` from 1, lift 0: one at every change, one a second while the car
        moves, one in ``IDLE_S`` otherwise.
    """
    settled = trace.after(SETTLE_S)
    rows = np.array(list(_told(settled)))
    at_s, way, height_m, acceleration, vibration = rows.T
    return Frames.make(
        len(rows),
        lift=0,
        time_us=start_us + np.rint(at_s * 1000).astype("i8") * 1000,
        seq=np.arange(1, len(rows) + 1),
        car=way != 0,
        direction=np.select([way > 0, way < 0], [Direction.UP, Direction.DOWN], Direction.NONE),
        height_m=np.rint(height_m * 1000),
        acceleration_mps2=np.rint(acceleration * 1000),
        vibration_mps2=np.rint(vibration * 1000),
    )


def _told(trace: Trace) -> Iterator[tuple[float, ...]]:
    """Yield time [s], way (+1, 0, -1), height [m], acceleration and vibration [m/s²] to be told."""
    at_s, height_m = trace.pressure_s, trace.height_m
    rough = trace.acceleration_mps2 - _moving_mean(trace.acceleration_mps2, _RIDE_SAMPLES)
    way, told_s = 0, -IDLE_S
    for i, now_s in enumerate(at_s.tolist()):
        recent = slice(int(np.searchsorted(at_s, now_s - SLOPE_S)), i + 1)
        slope_mps = _slope(at_s[recent], height_m[recent])
        shake = _shake(trace.acceleration_s, rough, now_s)
        before, way = way, _way(way, slope_mps, shake)
        every_s = MOVING_S if way else IDLE_S
        if way != before or now_s >= told_s + every_s - 0.01:  # 0.01: jitter of the samples
            told_s = now_s
            near = height_m[np.searchsorted(at_s, now_s - HEIGHT_S) : i + 1]
            pull = trace.acceleration_mps2[trace.acceleration_s <= now_s][-_RIDE_SAMPLES:]
            yield now_s, way, near.mean(), pull.mean() if len(pull) else 0.0, shake


def _shake(at_s: Reals, rough: Reals, now_s: float) -> float:
    """Return the vibration over the last ``VIBRATION_S``, 0 without samples."""
    last = rough[(at_s <= now_s) & (at_s > now_s - VIBRATION_S)]
    return float(np.ptp(last)) if len(last) else 0.0


def _way(before: int, slope_mps: float, shake_mps2: float) -> int:
    """Return whether the car moves up (1), down (-1) or stands (0)."""
    if abs(slope_mps) >= MOVES_MPS and (before or shake_mps2 >= SHAKES_MPS2):
        return 1 if slope_mps > 0 else -1
    return 0 if abs(slope_mps) < STANDS_MPS or slope_mps * before < 0 else before


def _slope(at_s: Reals, values: Reals) -> float:
    """Return the slope of the line through the samples, 0 for fewer than three."""
    if len(at_s) < 3:
        return 0.0
    away_s = at_s - at_s.mean()
    return float((away_s * values).sum() / (away_s * away_s).sum())


def _moving_mean(values: Reals, width: int) -> Reals:
    """Return the mean over ``width`` samples about each, fewer at the ends."""
    sums = np.r_[0.0, np.cumsum(values)]
    index = np.arange(len(values))
    low, high = np.maximum(index - width // 2, 0), np.minimum(index + width // 2 + 1, len(values))
    return (sums[high] - sums[low]) / (high - low)


class TraceSource(TapeSource):
    """A trace as the frames of one lift.

    Parameters
    ----------
    trace
        What was measured.
    start_us
        The instant of its zero [µs], whole ms: the files name none.
    code, gateway
        Registration code and name of the gateway.
    """

    def __init__(
        self, trace: Trace, start_us: int, code: str = "TRACE", gateway: str = "traces"
    ) -> None:
        super().__init__(
            trace_frames(trace, start_us), [plain_lift(code, gateway, "barometer")], [()]
        )
