"""Frames of escalators never move a rule of lifts, nor the other way round."""

import pytest

from detectors.bank import BANK
from telemetry.findings import FindingKind
from tests.contract.detector_streams import random_fleet, run_bank

OF_TERMINALS = range(FindingKind.TERMINAL_SILENT, FindingKind.ESCALATOR_OVERSPEED)
"""Kinds about the terminal itself, which may hear all that it tells."""
OF_UNITS = [d for d in BANK if not set(d.kinds) & set(OF_TERMINALS)]


def units_of(detector):
    """A unit that the rule hears, and one that it does not."""
    return (1, 0) if getattr(detector, "hears_escalators", False) else (0, 2)


def as_unit(fleet, unit, end_us):
    """Frames of that unit, and one at the end that tells nothing."""
    return [[*({**f, "unit": unit} for f in frames), {"time_us": end_us}] for frames in fleet]


def found(detector, fleet):
    frames = [(lift, f) for lift, own in enumerate(fleet) for f in own]
    return run_bank(fleet, [frames], only=detector)


def streams(detector, seed):
    """Frames that the rule hears, and others that it does not."""
    fleets = [random_fleet(s, 3, 60, detector=detector) for s in (seed, 50 + seed)]
    end_us = max(f["time_us"] for fleet in fleets for frames in fleet for f in frames)
    return [
        as_unit(fleet, unit, end_us) for fleet, unit in zip(fleets, units_of(detector), strict=True)
    ]


@pytest.mark.parametrize("detector", OF_UNITS, ids=lambda d: d.name)
@pytest.mark.parametrize("seed", range(3))
def test_frames_of_escalators_never_move_a_rule_of_lifts_nor_the_other_way_round(detector, seed):
    mine, other = streams(detector, seed)
    both = [sorted((*a, *b), key=lambda f: f["time_us"]) for a, b in zip(mine, other, strict=True)]
    assert found(detector, other) == []
    assert found(detector, both) == found(detector, mine)


def test_the_streams_of_that_property_reach_something():
    reached = {d.name for d in OF_UNITS for seed in range(3) if found(d, streams(d, seed)[0])}
    assert reached >= {d.name for d in OF_UNITS if getattr(d, "hears_escalators", False)} - {
        "step_missing"
    }
    assert "entrapment" in reached
