"""Sensors and controller merged: the whole truth table of ``detectors.codes``."""

import numpy as np
import pytest

from detectors.codes import merged
from telemetry.findings import Confidence

CERTAIN, PROBABLE, POSSIBLE = Confidence


@pytest.mark.parametrize(
    ("sensed", "code", "confidence"),
    [
        (1, 1, CERTAIN),
        (1, -1, CERTAIN),
        (1, 0, PROBABLE),
        (-1, 1, PROBABLE),
        (0, 1, POSSIBLE),
        (0, 0, None),
        (0, -1, None),
        (-1, 0, None),
        (-1, -1, None),
    ],
)
def test_either_suffices_and_the_other_says_how_sure(sensed, code, confidence):
    both = merged(np.array([1, sensed], np.int8), np.array([1, code], np.int8))
    assert both.holds.tolist() == [True, confidence is not None]
    if confidence is not None:
        assert both.confidence(np.arange(2)).tolist() == [CERTAIN, confidence]
    shown = both.criteria("code_05", np.array([1]))
    assert {name: values.tolist() for name, values in shown.items()} == {
        "sensed": [sensed],
        "code_05": [code],
    }


def test_where_nothing_holds_there_is_nothing_to_be_sure_of():
    quiet = merged(np.zeros(3, np.int8), np.full(3, -1, np.int8))
    assert not quiet.holds.any()
    assert quiet.confidence(np.arange(3)).tolist() == [CERTAIN] * 3
