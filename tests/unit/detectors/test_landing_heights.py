"""Where landings lie: what one more stop makes of what is known of its landing."""

import numpy as np
import pytest

from detectors.lift.landing_heights import LANDING_FIELDS, learn

FLOOR, SURE_STOPS = 7, 4


def after(*heights_m):
    """Height and credit of one landing after these stops, and what was known before the last."""
    state = {f.name: np.full((1, *f.shape), f.initial, f.dtype) for f in LANDING_FIELDS}
    known_m = np.array([np.nan])
    for height_m in heights_m:
        one = np.array([height_m], np.float32)
        known_m, state = learn(state, np.array([0]), np.array([FLOOR]), one, SURE_STOPS)
    return state["landings_m"][0, FLOOR], state["stops"][0, FLOOR], known_m[0]


def test_stops_that_agree_are_averaged():
    height_m, credit, known_m = after(12.0, 12.009)
    assert (height_m, credit) == (pytest.approx(12.0045, abs=1e-5), 2)
    assert np.isnan(known_m)


@pytest.mark.parametrize(("height_m", "credit"), [(0.01, 2), (0.011, 1), (-0.01, 2)])
def test_stops_agree_up_to_ten_millimetres(height_m, credit):
    assert after(0.0, height_m)[1] == credit


def test_a_landing_is_known_after_as_many_stops_as_make_it_sure():
    assert np.isnan(after(12.0, 12.0, 12.0, 12.0)[2])
    assert after(12.0, 12.0, 12.0, 12.0, 12.009)[2] == 12.0


def test_a_stop_that_disagrees_costs_a_known_landing_credit_and_not_its_height():
    height_m, credit, _ = after(*[12.0] * 8, 12.011)
    assert (height_m, credit) == (12.0, 6)


@pytest.mark.parametrize(("stops", "given_up"), [(5, True), (6, False)])
def test_a_landing_with_little_credit_is_given_up_for_the_stop_that_disagrees(stops, given_up):
    height_m, credit, _ = after(*[12.0] * stops, 12.5)
    assert (height_m, credit) == ((12.5, 1) if given_up else (12.0, stops - 2))


def test_the_average_is_of_sixteen_stops_at_most():
    height_m, credit, _ = after(*[12.0] * 40, 12.008)
    assert (height_m, credit) == (pytest.approx(12.0005, abs=1e-5), 16)
