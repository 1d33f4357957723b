"""The speed at which every governor has stopped the car (EN 81-20, 5.6.2.2.1.1)."""

import numpy as np
import pytest

from detectors.governor import governor_mps


@pytest.mark.parametrize(
    ("rated_mps", "stops_mps"), [(0.5, 1.5), (1.0, 1.5), (1.75, 2.3303571), (4.0, 5.0625)]
)
def test_it_is_the_formula_of_the_standard_and_at_least_that_of_a_slow_car(rated_mps, stops_mps):
    assert governor_mps(rated_mps) == pytest.approx(stops_mps)


def test_of_an_unknown_rated_speed_nobody_can_tell():
    assert np.isnan(governor_mps(np.array([np.nan, 4.0]))).tolist() == [True, False]
