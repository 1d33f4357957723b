"""Intervals against published values and against plain sums."""

from math import comb, exp, factorial

import pytest

from simulator.scoring.intervals import (
    beta_quantile,
    gamma_quantile,
    incomplete_beta,
    incomplete_gamma,
    poisson,
    proportion,
    weighted_poisson,
)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (8, 10, 0.4439045, 0.9747893),  # the tables of Clopper and Pearson
        (0, 10, 0.0, 0.3084971),
        (10, 10, 0.6915029, 1.0),
        (1, 1, 0.025, 1.0),
        (50, 100, 0.3983211, 0.6016789),
    ],
)
def test_proportions_have_the_interval_of_clopper_and_pearson(hits, n, low, high):
    assert proportion(hits, n) == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [
        (0, 0.0, 3.688879),  # the tables of Garwood
        (1, 0.025318, 5.571643),
        (10, 4.795389, 18.390356),
        (100, 81.363991, 121.626794),
    ],
)
def test_counts_have_the_interval_of_garwood(count, low, high):
    assert poisson(count) == pytest.approx((low, high), abs=1e-5)


@pytest.mark.parametrize(("hits", "n"), [(3, 20), (17, 20), (199, 200), (995, 1000)])
def test_beyond_the_bounds_of_a_proportion_lie_two_and_a_half_percent(hits, n):
    def at_least(p: float) -> float:
        return sum(comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(hits, n + 1))

    low, high = proportion(hits, n)
    assert at_least(low) == pytest.approx(0.025, rel=1e-6)
    assert 1 - at_least(high) + comb(n, hits) * high**hits * (1 - high) ** (n - hits) == (
        pytest.approx(0.025, rel=1e-6)
    )


@pytest.mark.parametrize("count", [1, 4, 30])
def test_beyond_the_bounds_of_a_count_lie_two_and_a_half_percent(count):
    def at_most(mean: float, k: int) -> float:
        return sum(exp(-mean) * mean**i / factorial(i) for i in range(k + 1))

    low, high = poisson(count)
    assert at_most(high, count) == pytest.approx(0.025, rel=1e-6)
    assert 1 - at_most(low, count - 1) == pytest.approx(0.025, rel=1e-6)


@pytest.mark.parametrize("weight", [0.005, 1.0, 40.0])
def test_equal_weights_only_scale_the_interval(weight):
    low, high = poisson(7)
    weighted = weighted_poisson([weight] * 7, weight)
    assert weighted == pytest.approx((weight * low, weight * high))


def test_what_was_not_seen_is_not_ruled_out():
    # no false alarm of ordinary life in many of look-alikes: the upper bound knows of the former
    light = weighted_poisson([0.05] * 40, 0.05)
    heavy = weighted_poisson([0.05] * 40, 1.0)
    assert heavy.low == pytest.approx(light.low)
    assert heavy.high > light.high + 2
    assert heavy.low < 2.0 < heavy.high


def test_no_event_at_all():
    assert weighted_poisson([], 0.5) == pytest.approx((0.0, 0.5 * 3.688879), abs=1e-5)


@pytest.mark.parametrize("p", [0.001, 0.025, 0.5, 0.975, 0.999])
def test_quantiles_undo_the_distributions(p):
    for a, b in ((0.5, 0.5), (2, 30), (4000, 3), (900, 1100)):
        assert incomplete_beta(a, b, beta_quantile(p, a, b)) == pytest.approx(p, abs=1e-9)
    for shape in (0.1, 1, 17.3, 5000):
        assert incomplete_gamma(shape, gamma_quantile(p, shape)) == pytest.approx(p, abs=1e-9)


def test_a_wider_confidence_is_a_wider_interval():
    assert proportion(90, 100, 0.975).low < proportion(90, 100).low
    assert poisson(9, 0.975).high > poisson(9).high
