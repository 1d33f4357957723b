"""Random streams for the detector battery, and how to run them through a bank or an oracle.

A stream is one list of frames per lift; a frame is a dictionary that holds only what is told.
Times lie on a coarse grid, so frames meet windows exactly, and each other. What is drawn for a
detector beside the common columns, its oracle's module says (``VALUES``, ``SHORT``).
"""

import importlib
from dataclasses import fields
from random import Random

import numpy as np
from hypothesis import strategies as st

from detectors.bank import Bank
from detectors.parameters import thresholds
from detectors.segments import NEVER_US
from telemetry.batch import FrameBatch
from telemetry.columns import CODE_BIT, COLUMN

S = 1_000_000
START_US = 1_790_000_000 * S
STEPS_S = (0, 0, 0.5, 0.5, 1, 1, 2, 2, 5, 10, 15, 30, 60)

VALUES = {
    "car": (0, 0, 0, 1),
    "speed_mps": (0.0, 0.0, 0.0, 0.04, -0.05, 1.5),
    "zone": (0, 1),
    "door": (2, 2, 2, 1, 3, 4, 4, 4, 0, 5, 6),
    "passenger": (0, 1, 1, 3),
    "mode": (1, 1, 1, 1, 1, 0, 2, 3, 4, 5, 6, 7),
    "power": (0, 0, 0, 1),
    "button": (0, 0, 0, 0, 1),
    "codes": ((), (), (41,), (90,), (4,)),
    "unit": (0, 0, 0, 0, 0, 0, 1, 2),
}
SHORT = {
    "between_landings_window_s": 3,
    "at_landing_window_s": 6,
    "urgent_window_s": 1,
    "presence_stuck_openings": 2,
    "interruption_s": 2,
    "class_hold_s": 2,
}


def oracle_module(name):
    return importlib.import_module(f"tests.oracles.{name}")


def values_for(detector=None):
    """Columns and the values drawn for them."""
    if detector is None:
        return VALUES
    return {**VALUES, **getattr(oracle_module(detector.name), "VALUES", {})}


def short_for(detector=None):
    """Parameters that make windows short."""
    if detector is None:
        return SHORT
    return {**SHORT, **getattr(oracle_module(detector.name), "SHORT", {})}


def some_short(rng, n_lifts, detector=None):
    short = short_for(detector)
    return {lift: short for lift in range(n_lifts) if rng.random() < 0.5}


def random_stream(rng, n_frames, *, calm=False, values=VALUES):
    """One lift's frames: things mostly stay as they are, and are mostly told."""
    keys = [k for k in values if rng.random() < 0.85]
    change, omit = rng.choice((0.05, 0.15, 0.4)), rng.choice((0, 0.1, 0.5))
    steps_s = STEPS_S
    if calm:
        change, steps_s = 0.02, (0.5, 1, 2, 2, 5)
    now = {key: rng.choice(values[key]) for key in keys}
    if calm:
        now |= {"car": 0, "speed_mps": 0.0, "zone": rng.choice((0, 1)), "door": 2, "passenger": 1}
        now["mode"] = 1
    if "unit" in now:
        now["unit"] = values["unit"][0]
    time_us, frames = START_US + rng.randrange(10) * S // 2, []
    for _ in range(n_frames):
        time_us += int(rng.choice(steps_s) * S)
        for key in now:
            rare = 0.2 if key in ("unit", "mode") else 1
            if rng.random() < change * rare:
                now[key] = rng.choice(values[key])
        told = {k: v for k, v in now.items() if k == "unit" or rng.random() >= omit}
        frames.append({"time_us": time_us, **told})
    return frames


def random_fleet(seed, n_lifts, n_frames, *, calm=False, detector=None):
    rng, values = Random(seed), values_for(detector)
    return [random_stream(rng, n_frames, calm=calm, values=values) for _ in range(n_lifts)]


def frames_of(detector):
    """Frames at small steps of time, each telling some columns."""
    drawn = {k: st.sampled_from(sorted(set(v))) for k, v in values_for(detector).items()}
    steps = {"step": st.sampled_from((0, 0.5, 1, 2, 5, 10, 30, 60))}
    return st.fixed_dictionaries(steps, optional=drawn)


def timed(stream):
    """Turn steps into times."""
    time_us, out = START_US, []
    for frame in stream:
        time_us += int(frame["step"] * S)
        out.append({"time_us": time_us, **{k: v for k, v in frame.items() if k != "step"}})
    return out


def fleets_of(detector):
    """Up to three lifts with few frames."""
    one = st.lists(frames_of(detector), max_size=25).map(timed)
    return st.lists(one, min_size=1, max_size=3)


def nothing_after(rng, frame):
    return [
        {"time_us": frame["time_us"] + rng.randrange(121) * S // 2}
        for _ in range(rng.choice((0, 0, 1, 3)))
    ]


def codes_mask(codes):
    return sum(1 << CODE_BIT[code] for code in codes)


def batch_of(rows, frames):
    """Build a batch from dense rows and frame dictionaries, in the order given."""
    columns = {}
    for name in {key for frame in frames for key in frame}:
        unknown = COLUMN[name].unknown if name in COLUMN else 0
        values = [frame.get(name, unknown) for frame in frames]
        if name == "codes":
            values = [v if v == -1 else codes_mask(v) for v in values]
        columns[name] = values
    return FrameBatch.make(len(frames), row=list(rows), **columns)


def interleaved(fleet):
    """All frames as (lift, frame), by lift and step order."""
    return [(lift, frame) for lift, frames in enumerate(fleet) for frame in frames]


def by_time(fleet):
    """All frames as (lift, frame), by time; equal times stay in step order."""
    return sorted(interleaved(fleet), key=lambda pair: pair[1]["time_us"])


def side_by_side(rng, fleet, largest=1):
    """Batches in which every lift moves on by a few of its frames, or none; by one if not more.

    Each lift's stream is cut as finely as into single frames, in a fraction of the steps. That
    lifts do not influence each other is proven apart.
    """
    at, batches = [0] * len(fleet), []
    while any(n < len(frames) for n, frames in zip(at, fleet, strict=True)):
        sizes = [rng.randint(0, largest) if largest > 1 else 1 for _ in fleet]
        batch = [
            (lift, frame)
            for lift, frames in enumerate(fleet)
            for frame in frames[at[lift] : at[lift] + sizes[lift]]
        ]
        at = [n + size for n, size in zip(at, sizes, strict=True)]
        batches.append(sorted(batch, key=lambda pair: pair[1]["time_us"]))
    return batches


def end_us(fleet):
    return max((f["time_us"] for frames in fleet for f in frames), default=START_US) + 400 * S


def found_in(outcome, name):
    """The transitions of one detector as dictionaries."""
    rows = []
    for block in outcome.transitions:
        if block.rule != name:
            continue
        for i, record in enumerate(block.records(np.arange(1 << 16))):
            rows.append({"row": int(block["row"][i]), "record": record})
    return rows


def bank_of(detector, n_rows, overrides=None):
    """A bank with one detector alone, and of the overrides those that it knows."""
    known = thresholds(detector.params_type)
    own = {
        row: {key: value for key, value in given.items() if key in known}
        for row, given in (overrides or {}).items()
    }
    return Bank(n_rows, own, (detector,))


def run_bank(fleet, batches, overrides=None, end=True, only=None):
    """Step a fresh bank through batches; a batch is a list of (lift, frame) or {lift: now_us}."""
    n = len(fleet)
    bank = Bank(n, overrides) if only is None else bank_of(only, n, overrides)
    found = []
    for batch in batches:
        found += step_once(bank, batch)
    if end:
        found += step_once(bank, dict.fromkeys(range(n), end_us(fleet)))
    return canonical(found)


def step_once(bank, batch):
    """Step and adopt a list of (lift, frame) or, as a tick, {lift: now_us}."""
    if isinstance(batch, dict):
        now_us = np.full(bank.n_rows, NEVER_US)
        for lift, now in batch.items():
            now_us[lift] = now
        outcome = bank.step(FrameBatch.empty(), now_us, list(batch))
    else:
        outcome = bank.step(batch_of([lift for lift, _ in batch], [frame for _, frame in batch]))
    assert outcome.failed == []
    bank.adopt(outcome)
    return all_found_in(outcome)


def all_found_in(outcome):
    """The transitions of all detectors as dictionaries."""
    rules = {block.rule for block in outcome.transitions}
    return [f for rule in sorted(rules) for f in found_in(outcome, rule)]


def canonical(found):
    """Comparable form: sorted, with everything a transition says."""
    rows = []
    for f in found:
        r = f["record"]
        rows.append(
            (
                f["row"],
                r.t_us,
                r.onset_us,
                int(r.kind),
                int(r.kind_now),
                int(r.change),
                int(r.reason),
                int(r.confidence),
                r.last_seen_us,
                tuple(r.criteria.items()),
                tuple(r.values.items()),
                tuple(r.thresholds.items()),
                r.suspect,
            )
        )
    return sorted(rows, key=repr)


def oracle_for(name, overrides=None):
    module = oracle_module(name)
    known = {f.name for f in fields(module.Rules)}
    given = {k: v for k, v in (overrides or {}).items() if k in known}
    return module.Oracle(module.Rules(**given))


def run_oracle(name, fleet, batches, overrides=None, end=True):
    """The same through one oracle per lift."""
    oracles = [oracle_for(name, (overrides or {}).get(lift)) for lift in range(len(fleet))]
    for batch in batches:
        if isinstance(batch, dict):
            for lift, now in batch.items():
                oracles[lift].tick(now)
        else:
            for lift, frame in batch:
                oracles[lift].frame(frame)
    if end:
        for oracle in oracles:
            oracle.tick(end_us(fleet))
    return [{"row": lift, **f} for lift, oracle in enumerate(oracles) for f in oracle.found]


def in_words_of(wanted, found):
    """The bank's findings, each reduced to what the oracle tells of its kind."""
    words = {f["kind"]: list(f) for f in wanted}
    said = []
    for f in found:
        r = f["record"]
        everything = {
            "row": f["row"],
            **{k: getattr(r, k) for k in ("t_us", "onset_us", "last_seen_us")},
            **{k: int(getattr(r, k)) for k in ("kind", "kind_now", "change", "reason")},
            "confidence": int(r.confidence),
            **r.values,
            **r.criteria,
            "window_us": r.thresholds.get("window_us") if r.change == 1 else None,
        }
        said.append({k: everything[k] for k in words.get(everything["kind"], everything)})
    return said


def random_splits(rng, pairs, largest=100):
    """Cut a list of frames into random batches, single frames and empty ones among them."""
    batches, at = [], 0
    while at < len(pairs):
        size = min(rng.choice((0, 1, 1, 2, 3, 7, 20, 100)), largest)
        batches.append(pairs[at : at + size])
        at += size
    return batches


def with_ticks(rng, batches):
    """Put ticks of some lifts behind batches, some of them beyond the lift's next frame."""
    out = []
    for batch in batches:
        out.append(batch)
        ticks = {
            lift: frame["time_us"] + int(rng.choice((0.5, 1, 3, 10, 30, 100)) * S)
            for lift, frame in dict(batch).items()
            if rng.random() < 0.3
        }
        if ticks:
            out.append(ticks)
    return out


def ticked_run(rng, fleet, overrides, detector, driven_by_due):
    """Step frame by frame; before each frame tick its lift to times short of that frame."""
    bank, found, head_us = bank_of(detector, len(fleet), overrides), [], {}
    for batch in side_by_side(rng, fleet):
        for ticks in ticks_before(rng, batch, head_us):
            stream_us = np.full(bank.n_rows, NEVER_US)
            stream_us[list(ticks)] = list(ticks.values())
            due = bank.due_rows(stream_us) if driven_by_due else ticks
            if kept := {lift: now for lift, now in ticks.items() if lift in due}:
                found += step_once(bank, kept)
        found += step_once(bank, batch)
        head_us |= {lift: frame["time_us"] for lift, frame in batch}
    return found + step_once(bank, dict.fromkeys(range(len(fleet)), end_us(fleet)))


def ticks_before(rng, batch, head_us):
    """Three ticks of each lift between its last frame and its next, which is in the batch."""
    times = {
        lift: sorted(rng.randint(head_us[lift], frame["time_us"] - 1) for _ in range(3))
        for lift, frame in batch
        if lift in head_us and head_us[lift] < frame["time_us"] - 1
    }
    return [{lift: three[n] for lift, three in times.items()} for n in range(3)]
