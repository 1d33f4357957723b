"""Doubt over the whole bank: findings on sensors lower the confidence of what rests on them.

``told`` says so once more, one instant at a time (docs/detectors.md, "Health lowers confidence");
the bank must say the same, whatever the batches are.
"""

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from detectors.bank import BANK, Bank
from detectors.doubt import DOUBTS
from detectors.segments import NEVER_US
from telemetry.columns import COLUMN_NAMES
from telemetry.findings import Change, Confidence
from tests.contract.detector_streams import (
    SHORT,
    VALUES,
    bank_of,
    by_time,
    canonical,
    end_us,
    interleaved,
    oracle_module,
    random_splits,
    random_stream,
    step_once,
)

SEEDS = range(6)
seeded = pytest.mark.parametrize("seed", SEEDS)
# Rules that find fault with sensors, and some that rest on those sensors.
DOUBTERS = ("implausible_frames", "stuck_sensors")
NAMES = (*DOUBTERS, "entrapment", "door_faults", "open_doors", "motor_run_time")
RULES = tuple(d for d in BANK if d.name in NAMES)


def fleet_and_overrides(seed):
    rng = Random(seed)
    values, short = dict(VALUES), dict(SHORT)
    for name in NAMES:
        short |= getattr(oracle_module(name), "SHORT", {})
    for name in DOUBTERS:
        values |= oracle_module(name).VALUES
    values["unit"] = (0,)
    fleet = [random_stream(rng, 100, calm=i == 0, values=values) for i in range(3)]
    return fleet, dict.fromkeys(range(3), short)


def run(fleet, overrides, batches):
    bank, found = Bank(len(fleet), overrides, RULES), []
    for batch in [*batches, dict.fromkeys(range(len(fleet)), end_us(fleet))]:
        found += step_once(bank, batch)
    return canonical(found)


def told(fleet, overrides):
    """What the rules say, each alone in a bank, lowered here instant by instant."""
    found = []
    for lift, frames in enumerate(fleet):
        banks = [bank_of(d, 1, {0: overrides[lift]}) for d in RULES]
        active, newest_us = set(), NEVER_US
        for frame in [*frames, None]:
            end = end_us(fleet) if frame is None else frame["time_us"] - 1
            while (due_us := min(b.next_due_us() for b in banks)) <= end and newest_us < end:
                tick = {0: max(due_us, newest_us + 1)}
                found += instant(lift, [step_once(b, tick) for b in banks], active)
            if frame is not None:
                found += instant(lift, [step_once(b, [(0, frame)]) for b in banks], active)
                newest_us = frame["time_us"]
    return found


def instant(lift, of_rules, active):
    """What one instant told: health findings begin and end before the others are judged."""
    for found in of_rules:
        for f in found:
            t = f["record"]
            if t.kind in DOUBTS and t.change is Change.RAISED:
                active.add(t.kind)
            elif t.kind in DOUBTS and t.change is Change.CLEARED:
                active.discard(t.kind)
    return [
        {"row": lift, "record": doubtful(f["record"], rule, active)}
        for rule, found in zip(RULES, of_rules, strict=True)
        for f in found
    ]


def doubtful(t, rule, active):
    columns = {column for kind in active for column in DOUBTS[kind]}
    suspect = columns & set(getattr(rule, "depends", None) or t.values)
    if not suspect or t.change is Change.CLEARED or set(rule.kinds) <= set(DOUBTS):
        return t
    lower = Confidence(min(t.confidence + 1, Confidence.POSSIBLE))
    named = tuple(name for name in COLUMN_NAMES if name in suspect)
    return replace(t, confidence=lower, suspect=named)


@seeded
def test_confidence_is_as_told_one_instant_at_a_time(seed):
    fleet, overrides = fleet_and_overrides(seed)
    found = run(fleet, overrides, [interleaved(fleet)])
    assert found == canonical(told(fleet, overrides))
    assert any(suspect for *_, suspect in found)


@seeded
def test_no_split_into_batches_and_no_tick_changes_it(seed):
    rng = Random(seed)
    fleet, overrides = fleet_and_overrides(seed)
    plain = run(fleet, overrides, [interleaved(fleet)])
    split = random_splits(rng, by_time(fleet))
    assert run(fleet, overrides, split) == plain
    ticked = []
    for batch in split:
        ticked += [batch, ticks_before(rng, fleet, batch)]
    assert run(fleet, overrides, ticked) == plain


def ticks_before(rng, fleet, batch):
    """A tick of the lifts in ``batch``, each short of its next frame."""
    newest = dict.fromkeys((lift for lift, _ in batch), NEVER_US)
    newest |= {lift: frame["time_us"] for lift, frame in batch}
    tick = {}
    for lift, time_us in newest.items():
        later = [f["time_us"] for f in fleet[lift] if f["time_us"] > time_us]
        again = sum(f["time_us"] == time_us for f in fleet[lift])
        high = min(later, default=time_us + 1) - 1
        if again == 1 and high > time_us:
            tick[lift] = int(np.int64(rng.randint(time_us, high)))
    return tick
