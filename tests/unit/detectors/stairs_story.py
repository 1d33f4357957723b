"""An escalator told in seconds: how it runs and stands, for tests that read like a story."""

from tests.unit.detectors.story import Lift

RUNS = {
    "unit": 1, "mode": 1, "car": 1, "direction": 1, "speed_mps": 0.5, "power": 0,
    "safety_circuit": 1, "codes": (), "handrail_left_pct": 100.0, "handrail_right_pct": 100.0,
    "step_frequency_hz": 1.25, "cover_open": 0, "emergency_stop": 0,
}  # fmt: skip
STANDS = {
    **RUNS, "car": 0, "direction": 0, "speed_mps": 0.0, "handrail_left_pct": 0.0,
    "handrail_right_pct": 0.0, "step_frequency_hz": 0.0,
}  # fmt: skip


def stairs(**overrides):
    return Lift(rated_speed_mps=0.5, **overrides)


def last(unit, kind):
    return [t for t in unit.found if t.kind == kind][-1]
