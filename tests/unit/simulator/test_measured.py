"""The sensor model beside recordings of a real lift: noise, drift, and the shape of a trip.

A made-up trace of the same format always runs; the real ones when they lie beside this checkout.
"""

from pathlib import Path

import numpy as np
import pytest

from bench import plots
from simulator.recordings.measured import TripFit, measure, simulated, without_gravity
from simulator.recordings.traces import Trace, TraceError, read_trace
from simulator.terminals.noise import (
    DRIFT_MPA,
    PRESSURE_MPA,
    REST_MMPS2,
    RIDE_MMPS2,
    VIBRATION_MMPS2,
)

REAL = Path(__file__).parents[4] / "shared" / "data" / "real-rides"
TRIPS = (
    TripFit(20.0, 60.0, 2.0, 0.8, 0.7, 0.6),
    TripFit(75.0, -60.0, 2.0, 0.8, 0.7, 0.6),
)


def made_up(folder: Path, seed: int = 1) -> Path:
    """Write a trace as the app does: up, a stop, down again, a hand on the phone at the start."""
    t_s, p_s = np.arange(0.0, 130.0, 1 / 26.5), np.arange(1.0, 130.0)
    empty = Trace(t_s, np.zeros(len(t_s)), p_s, np.full(len(p_s), 1010.0))
    trace = simulated(empty, TRIPS, seed)
    rng = np.random.default_rng(seed)
    pull = trace.acceleration_mps2 + np.where(t_s < 3, rng.normal(0, 1, len(t_s)), 0)
    level = trace.pressure_hpa + np.where(p_s == 65.0, 0.8, 0.0)  # doors
    lines = ['"Time (s)","Acceleration (m/s²)"']
    lines += [f"{t:.9E},{a:.9E}" for t, a in zip(t_s, pull, strict=True)]
    (folder / "trace-0-acceleration.csv").write_text("\n".join(lines) + "\n")
    header = '"Time (s)","Pressure (hPa)","Altitude (m)","Time (velocity) (s)","Velocity (m/s)"'
    rows = [header, *(f"{t:.9E},{p:.9E},0,," for t, p in zip(p_s, level, strict=True))]
    (folder / "trace-0-pressure.csv").write_text("\n".join(rows) + "\n")
    return folder


def read(folder: Path, number: int) -> Trace:
    return read_trace(
        folder / f"trace-{number}-acceleration.csv", folder / f"trace-{number}-pressure.csv"
    )


@pytest.fixture(params=["made up", "real 0", "real 1"])
def trace(request, tmp_path) -> Trace:
    if request.param == "made up":
        return read(made_up(tmp_path), 0)
    if not (REAL / "trace-0-acceleration.csv").is_file():
        pytest.skip("the recordings of the real lift are not beside this checkout")
    return read(REAL, int(request.param[-1]))


def test_the_noise_of_the_model_is_what_was_measured(trace):
    found = measure(trace)
    assert found.rest_mmps2 == pytest.approx(REST_MMPS2, rel=0.3)
    assert found.ride_mmps2 == pytest.approx(RIDE_MMPS2, rel=0.3)
    assert found.pressure_pa == pytest.approx(PRESSURE_MPA / 1000, rel=0.3)
    # a quiet lift: its vibration is at the lower end of what is drawn
    assert VIBRATION_MMPS2[0] * 0.8 < found.ride_vibration_mmps2 < VIBRATION_MMPS2[1]


def test_the_pressure_drifts_no_more_than_the_model_allows(trace):
    drift_pa = measure(trace).drift_pa
    # two medians of some readings each, beside at most 30 Pa a day; a recording that begins
    # in motion has no rest to come back to
    bound_pa = 2 * PRESSURE_MPA / 1000 + 2 * DRIFT_MPA / 1000 * 130 / 86_400
    assert np.isnan(drift_pa) or abs(drift_pa) < bound_pa


def test_trips_have_the_shape_of_the_closed_form(trace):
    found = measure(trace)
    assert len(found.trips) == 2
    up, down = found.trips
    assert up.distance_m > 40 > -40 > down.distance_m
    assert up.distance_m == pytest.approx(-down.distance_m, rel=0.05)
    for trip in found.trips:
        assert trip.agreement > 0.9
        assert trip.residual_mps2 < 0.05
        assert 1.5 < trip.speed_mps < 3.0
        assert 0.5 < trip.acceleration_mps2 < 1.2  # the field's 0.6-1.0
        assert 0.4 < trip.jerk_mps3 < 1.3  # the field's 0.8-1.2


def test_the_model_measures_the_same_trips_alike(trace):
    found = measure(trace)
    again = measure(simulated(trace, found.trips))
    for name in ("rest_mmps2", "ride_mmps2", "rest_vibration_mmps2", "ride_vibration_mmps2",
                 "pressure_pa"):  # fmt: skip
        assert getattr(again, name) == pytest.approx(getattr(found, name), rel=0.35), name
    assert len(again.trips) == len(found.trips)
    for trip, twin in zip(found.trips, again.trips, strict=True):
        assert twin.start_s == pytest.approx(trip.start_s, abs=0.3)
        assert twin.end_s == pytest.approx(trip.end_s, abs=0.8)
        assert twin.distance_m == pytest.approx(trip.distance_m, rel=0.03)
        assert twin.speed_mps == pytest.approx(trip.speed_mps, rel=0.05)
        assert twin.acceleration_mps2 == pytest.approx(trip.acceleration_mps2, rel=0.1)
        assert twin.jerk_mps3 == pytest.approx(trip.jerk_mps3, rel=0.2)


def test_a_made_up_trip_is_fitted_as_it_was_made(tmp_path):
    found = measure(read(made_up(tmp_path), 0))
    for trip, made in zip(found.trips, TRIPS, strict=True):
        assert trip.start_s == pytest.approx(made.start_s, abs=0.2)
        assert trip.end_s == pytest.approx(made.end_s, abs=0.8)
        assert trip.speed_mps == pytest.approx(made.speed_mps, rel=0.05)
        assert trip.acceleration_mps2 == pytest.approx(made.acceleration_mps2, rel=0.1)
        assert trip.jerk_mps3 == pytest.approx(made.jerk_mps3, rel=0.25)
        assert trip.gravity_s == pytest.approx(made.gravity_s, rel=0.2)


def test_gravity_is_a_slow_mean():
    t_s = np.arange(0, 10, 0.01)
    left = without_gravity(t_s, np.ones(len(t_s)), 1.0)
    assert left[0] == 1.0
    assert left[100] == pytest.approx(np.exp(-1), rel=0.02)
    assert abs(left[-1]) < 1e-3


def test_a_trace_without_a_trip_is_refused():
    t_s = np.arange(0.0, 60.0, 0.04)
    still = Trace(t_s, np.zeros(len(t_s)), np.arange(60.0), np.full(60, 1000.0))
    with pytest.raises(ValueError, match="no trip"):
        measure(still)


def test_the_comparison_is_drawn_by_a_command(tmp_path, capsys):
    path = plots.write_sensors(made_up(tmp_path), tmp_path / "images")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size < 200_000
    told = capsys.readouterr().out
    assert "trace 0, measured: acceleration" in told
    assert "trace 0, model: acceleration" in told


def test_a_folder_without_traces_is_one_line(tmp_path):
    with pytest.raises(TraceError, match=r"holds no trace-N-acceleration\.csv"):
        plots.write_sensors(tmp_path, tmp_path)
