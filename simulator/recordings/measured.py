"""What a trace of a real lift says about the sensor model: noise, drift, and the shape of trips.

A trip is fitted by the closed form of ``world.motion`` (speed, acceleration, jerk) seen through a
phone, which takes gravity away as a slow mean that follows every start within seconds. Then
``simulated`` measures the same trips with the noise of ``terminals.noise``, on the same instants,
so that both traces can be laid over each other. Analysis only: no frame depends on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulator.randomness import Stream, normal, words
from simulator.recordings.traces import PA_PER_M, SETTLE_S, Trace
from simulator.terminals.noise import PRESSURE_MPA, REST_MMPS2, RIDE_MMPS2
from simulator.world import motion

Reals = NDArray[np.float64]

MOVES_MPS: Final = 0.8
"""A car whose pressure falls or rises this fast over ``_SLOPE_S`` is on a trip."""
AROUND_S: Final = 4.0
"""What is looked at before and after a trip."""
_SLOPE_S: Final = 6.0
_SHORTEST_S: Final = 5.0
_STEPS: Final = {"start_s": 1.0, "speed_mps": 0.1, "acceleration_mps2": 0.2, "jerk_mps3": 0.3,
                 "gravity_s": 0.5}  # fmt: skip
"""First steps of the fit; each is halved until it is a sixty-fourth."""
_HALVINGS: Final = 6


@dataclass(frozen=True, slots=True)
class TripFit:
    """A trip as the closed form that comes nearest to it.

    Parameters
    ----------
    start_s
        When the car began to move, by the clock of the trace.
    distance_m
        Way by the change of pressure, down negative.
    speed_mps, acceleration_mps2, jerk_mps3
        Limits of the drive.
    gravity_s
        Time constant of the mean that the phone takes for gravity.
    residual_mps2
        Root mean square of measured minus fitted acceleration.
    agreement
        Correlation of measured and fitted acceleration.
    """

    start_s: float
    distance_m: float
    speed_mps: float
    acceleration_mps2: float
    jerk_mps3: float
    gravity_s: float
    residual_mps2: float = float("nan")
    agreement: float = float("nan")

    @property
    def end_s(self) -> float:
        """Return when the car stood again."""
        return self.start_s + float(self._trip().duration_s[0])

    def _trip(self) -> motion.Trips:
        return motion.plan(
            [abs(self.distance_m)], self.speed_mps, self.acceleration_mps2, self.jerk_mps3
        )

    def at(self, t_s: Reals) -> tuple[Reals, Reals]:
        """Return the way [m] and the true acceleration [m/s²] at each instant."""
        trip = self._trip()
        names = ("distance_m", "jerk_mps3", "jerk_s", "steady_s", "cruise_s")
        spread = motion.Trips(*(np.broadcast_to(getattr(trip, n), t_s.shape) for n in names))
        way_m, _, acceleration = motion.sample(spread, t_s - self.start_s)
        sign = np.sign(self.distance_m)
        return sign * way_m, sign * acceleration


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of a trace.

    Parameters
    ----------
    rest_mmps2, ride_mmps2
        Standard deviation of acceleration while the car stands, and while it runs steadily.
    rest_vibration_mmps2, ride_vibration_mmps2
        Median of the vibration, peak to peak in one second.
    pressure_pa
        Standard deviation of one reading of pressure at rest, by its median deviation: the hand on
        the phone and doors that part make outliers.
    drift_pa
        Pressure at the end minus at the beginning, if the car came back; else ``nan``.
    trips
        The trips.
    """

    rest_mmps2: float
    ride_mmps2: float
    rest_vibration_mmps2: float
    ride_vibration_mmps2: float
    pressure_pa: float
    drift_pa: float
    trips: tuple[TripFit, ...]

    @property
    def line(self) -> str:
        """Return all figures in one line."""
        trips = "; ".join(
            f"{t.distance_m:.1f} m at {t.speed_mps:.2f} m/s, {t.acceleration_mps2:.2f} m/s2,"
            f" {t.jerk_mps3:.2f} m/s3, residual {t.residual_mps2 * 1000:.0f} mm/s2,"
            f" agreement {t.agreement:.3f}"
            for t in self.trips
        )
        return (
            f"acceleration {self.rest_mmps2:.1f} mm/s2 at rest, {self.ride_mmps2:.1f} running;"
            f" peak to peak {self.rest_vibration_mmps2:.0f} and {self.ride_vibration_mmps2:.0f};"
            f" pressure {self.pressure_pa:.1f} Pa, drift {self.drift_pa:.1f} Pa; {trips}"
        )


def measure(trace: Trace) -> Measured:
    """Measure noise and drift of a trace and fit its trips. ``ValueError`` if it has none."""
    trace = trace.after(SETTLE_S)
    spans = _spans(trace)
    if not spans:
        raise ValueError("the trace has no trip: its pressure hardly changes")
    trips = tuple(_fit(trace, begin_s, end_s) for begin_s, end_s in spans)
    rests = _rests(trace, trips)
    rides = [(t.start_s + 8.0, t.end_s - 8.0) for t in trips if t.end_s - t.start_s > 20.0]
    rest, ride = _pulls(trace, rests), _pulls(trace, rides)
    levels = [trace.pressure_hpa[_inside(trace.pressure_s, *span)] * 100 for span in rests]
    off = np.concatenate([level - np.median(level) for level in levels if len(level) >= 4])
    way_m = sum(trip.distance_m for trip in trips)
    back = abs(way_m) < 3.0 and min(len(levels[0]), len(levels[-1])) >= 4
    return Measured(
        rest_mmps2=_deviation(rest),
        ride_mmps2=_deviation(ride),
        rest_vibration_mmps2=_vibration(rest),
        ride_vibration_mmps2=_vibration(ride),
        pressure_pa=float(1.4826 * np.median(np.abs(off))),
        drift_pa=float(np.median(levels[-1]) - np.median(levels[0])) if back else float("nan"),
        trips=trips,
    )


def simulated(trace: Trace, trips: Sequence[TripFit], seed: int = 1) -> Trace:
    """Return what the sensor model measures on the same instants and the same trips."""
    t_s, p_s = trace.acceleration_s, trace.pressure_s
    pull, height_m = np.zeros(len(t_s)), np.zeros(len(p_s))
    runs = np.zeros(len(t_s), bool)
    for trip in trips:
        pull += trip.at(t_s)[1]
        height_m += trip.at(p_s)[0]
        runs |= _inside(t_s, trip.start_s, trip.end_s)
    bits = words(seed, Stream.SENSOR, np.arange(max(len(t_s), len(p_s))), 0)[0].astype("i8")
    noise = normal(bits[: len(t_s)] & 1023, np.where(runs, RIDE_MMPS2, REST_MMPS2)) / 1000
    noise_pa = normal(bits[: len(p_s)] >> 10 & 1023, PRESSURE_MPA) / 1000
    ground_pa = np.median(trace.pressure_hpa[p_s <= trips[0].start_s]) * 100
    gravity_s = float(np.median([trip.gravity_s for trip in trips]))
    return replace(
        trace,
        acceleration_mps2=without_gravity(t_s, pull, gravity_s) + noise,
        pressure_hpa=(ground_pa - height_m * PA_PER_M + noise_pa) / 100,
    )


def without_gravity(t_s: Reals, pull: Reals, gravity_s: float) -> Reals:
    """Return acceleration less the slow mean of it that a phone takes for gravity."""
    mean, left = 0.0, np.empty(len(pull))
    steps = np.diff(t_s, prepend=t_s[0]) / gravity_s
    for i, (value, step) in enumerate(zip(pull.tolist(), steps.tolist(), strict=True)):
        mean += (value - mean) * min(step, 1.0)
        left[i] = value - mean
    return left


# --- noise --------------------------------------------------------------------------------------


def _inside(t_s: Reals, low_s: float, high_s: float) -> NDArray[np.bool_]:
    return (t_s >= low_s) & (t_s < high_s)


def _rests(trace: Trace, trips: Sequence[TripFit]) -> list[tuple[float, float]]:
    """Return where the car stood, without the seconds in which the phone finds gravity again."""
    begins = [float(trace.acceleration_s[0]), *(trip.end_s + AROUND_S for trip in trips)]
    ends = [*(trip.start_s - 0.5 for trip in trips), float(trace.acceleration_s[-1])]
    return [(low, high) for low, high in zip(begins, ends, strict=True) if high > low]


def _pulls(trace: Trace, spans: Sequence[tuple[float, float]]) -> list[Reals]:
    pulls = [trace.acceleration_mps2[_inside(trace.acceleration_s, *span)] for span in spans]
    return [pull for pull in pulls if len(pull) > 1]


def _deviation(pulls: Sequence[Reals]) -> float:
    """Return the median over the spans, so that one shove of the phone does not decide."""
    return float(np.median([pull.std() for pull in pulls])) * 1000 if pulls else float("nan")


def _vibration(pulls: Sequence[Reals], width: int = 26) -> float:
    seconds = [
        float(np.ptp(pull[i : i + width]))
        for pull in pulls
        for i in range(0, len(pull) - width + 1, width)
    ]
    return float(np.median(seconds)) * 1000 if seconds else float("nan")


# --- trips --------------------------------------------------------------------------------------


def _spans(trace: Trace) -> list[tuple[float, float]]:
    """Return when the pressure changes as on a trip, roughly."""
    p_s, height_m = trace.pressure_s, _without_spikes(trace.height_m)
    slope = np.array([
        _slope(p_s, height_m, float(now) - _SLOPE_S / 2, float(now) + _SLOPE_S / 2) for now in p_s
    ])  # fmt: skip
    way = np.where(np.abs(slope) >= MOVES_MPS, np.sign(slope), 0.0)
    edges = np.flatnonzero(np.diff(way, prepend=0.0, append=0.0))
    spans = [
        (float(p_s[low]), float(p_s[high - 1]))
        for low, high in pairwise(edges.tolist())
        if way[low]
    ]
    return [span for span in spans if span[1] - span[0] >= _SHORTEST_S]


def _without_spikes(values: Reals) -> Reals:
    """Return the median of each value and its neighbours."""
    padded = np.r_[values[:1], values, values[-1:]]
    return np.median([padded[:-2], padded[1:-1], padded[2:]], axis=0)


def _slope(t_s: Reals, values: Reals, low_s: float, high_s: float) -> float:
    own = _inside(t_s, low_s, high_s + 1e-9)
    away_s = t_s[own] - t_s[own].mean()
    square = float((away_s * away_s).sum())
    return float((away_s * values[own]).sum() / square) if square > 0 else 0.0


def _fit(trace: Trace, begin_s: float, end_s: float) -> TripFit:
    """Fit the closed form to the acceleration around a trip, by a pattern search."""
    p_s = trace.pressure_s
    before = trace.height_m[_inside(p_s, begin_s - AROUND_S - 2, begin_s - 1)]
    after = trace.height_m[_inside(p_s, end_s + 1, end_s + AROUND_S + 2)]
    distance_m = float(np.median(after) - np.median(before))
    third_s = (end_s - begin_s) / 3
    speed_mps = abs(_slope(p_s, trace.height_m, begin_s + third_s, end_s - third_s))
    own = _inside(trace.acceleration_s, begin_s - AROUND_S, end_s + AROUND_S)
    t_s, pull = trace.acceleration_s[own], trace.acceleration_mps2[own]
    best = TripFit(begin_s - 2.0, distance_m, speed_mps, 0.8, 0.8, 1.5)
    best = replace(best, residual_mps2=_residual(best, t_s, pull))
    for halving in range(_HALVINGS + 1):
        best = _improved(best, t_s, pull, 0.5**halving)
    fitted = without_gravity(t_s, best.at(t_s)[1], best.gravity_s)
    return replace(best, agreement=float(np.corrcoef(fitted, pull)[0, 1]))


def _improved(best: TripFit, t_s: Reals, pull: Reals, scale: float) -> TripFit:
    """Step from the best fit in one parameter after the other while it gets better."""
    better = True
    while better:
        better = False
        for name, step in _STEPS.items():
            for signed in (step * scale, -step * scale):
                value = getattr(best, name) + signed
                if name != "start_s" and value < 0.2:
                    continue
                tried = replace(best, **{name: value})
                tried = replace(tried, residual_mps2=_residual(tried, t_s, pull))
                if tried.residual_mps2 < best.residual_mps2 - 1e-7:
                    best, better = tried, True
    return best


def _residual(trip: TripFit, t_s: Reals, pull: Reals) -> float:
    off = without_gravity(t_s, trip.at(t_s)[1], trip.gravity_s) - pull
    return float(np.sqrt((off * off).mean()))
