"""What every detector of the bank tells of why, held against what the unit had told by then.

Found by walking ``BANK``, as the battery does. Evidence that is named after a column must be that
column as it was held at the frame of the transition, no earlier and no later; likewise a national
code; and a threshold must be the one in force for that lift. What a rule derives is its oracle's.
"""

import re
from collections import defaultdict
from random import Random
from types import SimpleNamespace

import numpy as np
import pytest

from detectors.bank import BANK
from detectors.parameters import thresholds
from detectors.segments import NEVER_US
from telemetry.batch import FrameBatch
from telemetry.columns import COLUMN
from telemetry.findings import Change
from tests.contract.detector_streams import (
    bank_of,
    batch_of,
    end_us,
    random_stream,
    side_by_side,
    some_short,
    values_for,
    with_ticks,
)
from tests.oracles.escalator_oracle import COLUMNS as OF_ESCALATORS
from tests.oracles.escalator_oracle import LIFT, EscalatorOracle
from tests.oracles.lift_listener import ESCALATORS_ALONE, HEADER, Listener

every_detector = pytest.mark.parametrize("detector", BANK, ids=lambda d: d.name)
N_LIFTS = 5
SEEDS = range(16)
ENOUGH = 60
"""Transitions, if every column that they show was seen as two things; rare ones take all seeds."""

DRAWN_BESIDES = {
    "floor": (1, 2, 3),
    "height_m": (0.0, 3.5, 7.0),
    "direction": (0, 1, 2),
    "load_pct": (0.0, 30.0, 110.0),
}
"""What a rule may show though nothing hangs on it; drawn where its oracle draws none."""

WITHOUT_SIGN = ("overspeed", "open_doors", "motor_run_time")
"""Rules that tell how fast a car is, not which way."""

WINDOWS_DIFFER = ("entrapment", "motor_run_time", "vibration", "clock_wrong", "terminal_silent")
"""Rules whose window is worked out from several thresholds; their oracles tell it."""

SEEN_AS_ONE_THING = {
    "levelling": {"car", "mode"},
    "long_idle": {"door", "mode", "passenger"},
    "stuck_sensors": {"door"},
}
"""Columns that a rule shows and that can be but one thing, or are rarely another."""

TOLD_BY = {"in_zone": "zone", "emergency_stop": "emergency_stop", "cover_open": "cover_open"}
"""Criteria that are a column and nothing else."""


# ------------------------------------------------------------------ what was so, frame by frame


class Held(Listener):
    """What a unit has told as a lift; it judges nothing."""

    def start(self):
        self.as_escalator = EscalatorOracle(SimpleNamespace(escalator_bridge_s=0))

    def hears(self, frame):
        told = {k: v for k, v in frame.items() if k not in HEADER and (k, v) != ("door", 0)}
        if frame.get("unit", LIFT) == LIFT:
            self.hear({k: v for k, v in told.items() if k not in ESCALATORS_ALONE})
        else:
            self.as_escalator.hold({k: v for k, v in told.items() if k in OF_ESCALATORS})

    def now_of(self, detector):
        """What is held of the kind of unit that the detector hears."""
        if getattr(detector, "hears_escalators", False):
            return dict(self.as_escalator.held)
        return dict(self.now) if self.codes is None else {**self.now, "codes": set(self.codes)}


def stepped(detector, seed):
    """Yield each transition with what its unit told by then and the parameters that judged it."""
    rng = Random(seed)
    values = {**(DRAWN_BESIDES if seed % 2 else {}), **values_for(detector)}
    fleet = [random_stream(rng, 120, calm=seed % 4 < 2, values=values) for _ in range(N_LIFTS)]
    overrides = some_short(rng, N_LIFTS, detector)
    bank, units = bank_of(detector, N_LIFTS, overrides), [Held(None) for _ in range(N_LIFTS)]
    ends = dict.fromkeys(range(N_LIFTS), end_us(fleet))
    for batch in [*with_ticks(rng, side_by_side(rng, fleet, largest=8)), ends]:
        outcome = step(bank, batch)
        so_far = {lift: [unit.now_of(detector)] for lift, unit in enumerate(units)}
        for lift, frame in () if isinstance(batch, dict) else batch:
            units[lift].hears(frame)
            so_far[lift].append(units[lift].now_of(detector))
        for block in outcome.transitions:
            for row, nth, record in zip(
                block["row"], block["nth"], block.records(np.arange(N_LIFTS)), strict=True
            ):
                yield record, so_far[row][nth], in_force(detector, overrides.get(row, {}))


def step(bank, batch):
    if isinstance(batch, dict):
        now_us = np.full(N_LIFTS, NEVER_US)
        now_us[list(batch)] = list(batch.values())
        outcome = bank.step(FrameBatch.empty(), now_us, list(batch))
    else:
        outcome = bank.step(batch_of([lift for lift, _ in batch], [frame for _, frame in batch]))
    bank.adopt(outcome)
    return outcome


def in_force(detector, given):
    """Thresholds of a lift by the names that evidence may call them: outside, and within."""
    found, defaults = {}, detector.params_type()
    for key, (name, spec) in thresholds(detector.params_type).items():
        value = given[key] * spec.scale if key in given else getattr(defaults, name)
        found[key] = found[name] = None if value != value else value
    return found


# ------------------------------------------------------------------ the test


@every_detector
def test_evidence_is_what_was_told_by_then(detector):
    shown, n = defaultdict(set), 0
    for seed in SEEDS:
        if n >= ENOUGH and not once_only(detector, shown):
            break
        for record, now, params in stepped(detector, seed):
            n += 1
            for name in record.values.keys() & COLUMN.keys():
                value = record.values[name]
                assert value == as_told(detector, name, now), (name, record, now)
                shown[name].add(value)
            for name, value in record.values.items():
                span = name.endswith("_us")
                assert not span or value is None or value >= 0, (name, record)
            for name, value in record.criteria.items():
                assert value in criterion(name, now), (name, record, now)
            for name, value in record.thresholds.items():
                wanted = limits(detector, record.kind.slug, name, params)
                assert wanted is None or value in wanted, (name, record, params)
            assert record.change is not Change.RAISED or says_why(record), record
    assert not once_only(detector, shown), "too little was compared"


def once_only(detector, shown):
    """Columns of which a comparison would not notice another element's value."""
    same = {name for name, values in shown.items() if len(values) < 2}
    return same - SEEN_AS_ONE_THING.get(detector.name, set())


def as_told(detector, name, now):
    value = now.get(name)
    if value is None:
        return None
    without_sign = name == "speed_mps" and detector.name in WITHOUT_SIGN
    return pytest.approx(abs(value) if without_sign else value)


def criterion(name, now):
    """Tell what a criterion may be: one thing, if its name is that of something told."""
    told, code = TOLD_BY.get(name), re.fullmatch(r"code_(\d\d)", name)
    if told:
        return [now[told] == 1 if told in now else None]
    if code:
        return [int(code[1]) in now["codes"] if "codes" in now else None]
    return [True, False, None]


def limits(detector, kind, name, params):
    """Thresholds in force that may be called so, if any; a code does away with a window.

    Of several, ``fails_to_close_window_us`` and its like, those of the finding's kind.
    """
    longer = {key.removesuffix(f"_{name}"): key for key in params if key.endswith(f"_{name}")}
    own = [key for rule, key in longer.items() if rule in kind] or longer.values()
    found = {params[key] for key in ([name] if name in params else own)}
    if name != "window_us":
        return found or None
    return None if detector.name in WINDOWS_DIFFER else found | {0}


def says_why(record):
    """Tell whether what is merged of sensors and a code holds by one of them."""
    by_code = [value for name, value in record.criteria.items() if name.startswith("code_")]
    return True in (record.criteria.get("sensed", True), *by_code)
