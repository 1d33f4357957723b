"""What a baseline takes: strays are none of its values, and its count does not overflow."""

import numpy as np
import pytest

from detectors.trend.baseline import ROUGH, Cells, Values, take

MOST = 2**16 - 1
BASE, STRAY = 2.0, 4.0


def cells(*counts):
    """Baselines that have taken so many values of ``BASE``."""
    k = len(counts)
    real = (np.full(k, value, np.float32) for value in (BASE, BASE, 0.1))
    return Cells(*real, np.array(counts, np.uint16), np.zeros(k, np.uint32), np.zeros(k, np.bool_))


def taken(into, cell, value):
    """Take values, one a second."""
    k = len(cell)
    take(
        into,
        Values(
            cell=np.array(cell), second=np.arange(k), value=np.array(value), slow=500.0, fast=50.0,
            ratio=np.full(k, 2.0), least=np.full(k, 1.0), stray=np.full(k, STRAY), sigmas=3.0,
            enough=20.0, speaks=np.ones(k, np.bool_), both_ways=np.zeros(k, np.bool_),
        ),
    )  # fmt: skip
    return into.count.tolist()


def test_the_count_stays_at_the_most_it_can_hold():
    assert taken(cells(MOST, MOST - 1), [0, 0, 1], [BASE] * 3) == [MOST, MOST]


@pytest.mark.parametrize(("off", "counted"), [(STRAY, 1), (-STRAY, 1), (STRAY + 0.01, 0)])
def test_what_is_further_off_than_a_stray_is_left_out(off, counted):
    assert taken(cells(ROUGH), [0], [BASE + off]) == [ROUGH + counted]


def test_a_young_baseline_begins_anew_with_a_stray():
    into = cells(ROUGH - 1)
    assert taken(into, [0], [BASE + 9]) == [1]
    assert into.base[0] == BASE + 9
