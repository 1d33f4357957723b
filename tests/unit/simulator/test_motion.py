"""Trips against the formulas of the domain facts, and against integration in small steps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.world import motion

LIMITS = [(1.0, 0.6, 0.8), (2.0, 0.6, 0.8), (1.75, 1.0, 1.2), (4.0, 1.0, 1.2)]


def formula_s(d, v, a, j):
    """Travel time, word for word as the domain facts give it."""
    if d >= v**2 / a + v * a / j:
        return d / v + v / a + a / j
    if 2 * a**3 / j**2 <= d:
        return a / j + np.sqrt(4 * d / a + (a / j) ** 2)
    return (32 * d / j) ** (1 / 3)


@pytest.mark.parametrize("limits", LIMITS)
@given(distance_m=st.floats(1e-6, 500))
def test_trip_time_is_the_formula(limits, distance_m):
    trip = motion.plan([distance_m], *limits)
    assert trip.duration_s[0] == pytest.approx(formula_s(distance_m, *limits), rel=1e-9)


@given(
    distance_m=st.floats(1e-4, 500), v=st.floats(0.05, 10), a=st.floats(0.1, 2), j=st.floats(0.1, 3)
)
def test_trip_time_is_the_formula_within_any_limits(distance_m, v, a, j):
    # where top speed is reached before full acceleration, acceleration never gets further
    reached = min(a, np.sqrt(v * j))
    trip = motion.plan([distance_m], v, a, j)
    assert trip.duration_s[0] == pytest.approx(formula_s(distance_m, v, reached, j), rel=1e-9)


@given(st.lists(st.floats(1e-4, 2), min_size=2, max_size=20))
def test_a_trip_does_not_depend_on_those_planned_with_it(distances_m):
    together = motion.plan(distances_m, 0.3, 0.6, 0.8).duration_s
    alone = [motion.plan([d], 0.3, 0.6, 0.8).duration_s[0] for d in distances_m]
    assert together.tolist() == alone


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("distance_m", [0.01, 0.3, 1.0, 2.9, 6.0, 40.0, 250.0])
def test_samples_agree_with_integration(limits, distance_m):
    v, a, j = limits
    trip = motion.plan([distance_m], *limits)
    step_s = trip.duration_s[0] / 20_000
    t = np.arange(20_001) * step_s
    many = motion.Trips(*(np.broadcast_to(x, t.shape) for x in (
        trip.distance_m, trip.jerk_mps3, trip.jerk_s, trip.steady_s, trip.cruise_s)))  # fmt: skip
    way, speed, acceleration = motion.sample(many, t)
    assert way[0] == 0
    assert way[-1] == pytest.approx(distance_m, abs=1e-9)
    assert (np.diff(way) >= -1e-9).all()
    assert way.max() <= distance_m + 1e-9
    assert speed.max() <= v + 1e-9
    assert speed[[0, -1]] == pytest.approx([0, 0], abs=1e-9)
    assert np.abs(acceleration).max() <= a + 1e-9
    jerk = np.abs(np.diff(acceleration)) / step_s
    assert jerk.max() <= j * (1 + 1e-6) + 1e-6
    integrated = np.concatenate([[0], np.cumsum((speed[1:] + speed[:-1]) / 2 * step_s)])
    assert integrated == pytest.approx(way, abs=1e-5 * max(distance_m, 1))


def test_before_and_after_a_trip_the_car_rests():
    trip = motion.plan([10.0, 10.0], 1.0, 0.6, 0.8)
    way, speed, acceleration = motion.sample(trip, np.array([-5.0, 1e4]))
    assert way.tolist() == [0.0, 10.0]
    assert speed.tolist() == [0.0, 0.0]
    assert np.abs(acceleration).tolist() == [0.0, 0.0]


def test_a_zero_trip_takes_no_time():
    trip = motion.plan([0.0], 1.0, 0.6, 0.8)
    assert trip.duration_s[0] == 0


def test_a_slow_lift_never_reaches_full_acceleration():
    # v < a²/j: the rescue speed of 0.3 m/s with 0.6 m/s², 0.8 m/s³
    trip = motion.plan([3.0], 0.3, 0.6, 0.8)
    _, speed, acceleration = motion.sample(trip, trip.duration_s / 2)
    assert speed[0] == pytest.approx(0.3)
    top = motion.sample(trip, trip.jerk_s)[2][0]
    assert top == pytest.approx(np.sqrt(0.3 * 0.8))
    assert acceleration[0] == pytest.approx(0)


def test_an_emergency_stop_is_a_constant_deceleration():
    way, speed, acceleration = motion.brake(
        np.array([2.0, 2.0, 2.0]), np.array([2.0, 2.0, 2.0]), np.array([0.0, 0.5, 3.0])
    )
    assert way.tolist() == [0.0, 0.75, 1.0]
    assert speed.tolist() == [2.0, 1.0, 0.0]
    assert acceleration.tolist() == [-2.0, -2.0, 0.0]
