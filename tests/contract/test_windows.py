"""``detectors.windows`` against its oracle, by a rule that is made up for it."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
import pytest

from detectors.conditions import ConditionDetector, Evidence, Judged, tri
from detectors.contract import GapPolicy
from detectors.parameters import US_PER_S, LiftParams, in_seconds
from detectors.windows import window_fields
from telemetry.findings import FindingKind
from tests.contract.detector_streams import (
    bank_of,
    by_time,
    canonical,
    end_us,
    interleaved,
    random_fleet,
    random_splits,
    run_bank,
    step_once,
    with_ticks,
)
from tests.oracles.windowed import Window

SEEDS = range(40)
CLEARED = 3
SILENT_US = 2 * US_PER_S


@dataclass(frozen=True, slots=True)
class Params(LiftParams):
    window_us: Any = field(default=5 * US_PER_S, metadata=in_seconds("window_s", 0, 600, "made up"))
    bridge_us: Any = field(default=2 * US_PER_S, metadata=in_seconds("bridge_s", 0, 600, "made up"))


class DoorAndCar(ConditionDetector):
    """Doors open; the car running while they are; doors seen open without a silence."""

    name = "door_and_car"
    kinds = (
        FindingKind.DOOR_HELD_OPEN,
        FindingKind.DOORS_OPEN_WHILE_RUNNING,
        FindingKind.DOOR_FAILS_TO_CLOSE,
    )
    layout = (*window_fields("door_"), *window_fields("car_"), *window_fields("seen_"))
    params_type = Params

    def judge(self, state, heard, params):
        door, car = heard.held("door") == 4, heard.held("car") == 1

        def evidence(at):
            return Evidence({"door_open": tri(door[at])}, {"car": heard.held("car")[at]}, {})

        marks = heard.told_at("button")
        return (
            Judged(self.kinds[0], door, params.window_us, params.bridge_us, evidence,
                   prefix="door_", updates=marks),
            Judged(self.kinds[1], door & car, 0, 0, evidence, prefix="car_"),
            Judged(self.kinds[2], door, params.window_us, params.bridge_us, evidence,
                   prefix="seen_", anew=heard.after_silence(SILENT_US)),
        ), {}  # fmt: skip


class Oracle:
    """The same, one frame at a time."""

    def __init__(self, window_s=5, bridge_s=2):
        self.found, self.told, self.last, self.seen = [], {}, None, None
        self.windows = {
            12: Window(self.teller(12), window_s * US_PER_S, bridge_s * US_PER_S),
            6: Window(self.teller(6), 0, 0),
            11: Window(self.teller(11), window_s * US_PER_S, bridge_s * US_PER_S, SILENT_US),
        }

    def teller(self, kind):
        def tell(change, time, onset, reason):
            self.found.append((time, onset, kind, change, reason, self.seen))

        return tell

    def frame(self, frame):
        time = frame["time_us"] if self.last is None else max(frame["time_us"], self.last)
        self.last = time
        for window in self.windows.values():
            window.passes(time)
        known = {k: v for k, v in frame.items() if k not in ("time_us", "unit")}
        known = {k: v for k, v in known.items() if not (k == "door" and v == 0)}
        if frame.get("unit", 0) != 0:
            known = {}
        self.told |= known
        if known:
            self.seen = time
            self.windows[11].heard(time)
        door = self.told.get("door") == 4
        was_active = self.windows[12].active
        self.windows[12].judged(time, door)
        self.windows[6].judged(time, door and self.told.get("car") == 1)
        self.windows[11].judged(time, door)
        for window in self.windows.values():
            window.passes(time, told=bool(known))
        if "button" in known and was_active:
            self.windows[12].update(time)

    def tick(self, now):
        if self.last is not None and now > self.last:
            for window in self.windows.values():
                window.passes(now, tick=True)


def reduced(found):
    return sorted(
        (f["row"], r.t_us, r.onset_us, int(r.kind), int(r.change), int(r.reason), r.last_seen_us)
        for f in found
        for r in [f["record"]]
    )


def overrides_of(rng, n):
    return {
        lift: {"window_s": rng.choice((0, 1, 3)), "bridge_s": rng.choice((0, 0.5, 2))}
        for lift in range(n)
        if rng.random() < 0.6
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_a_window_equals_its_oracle(seed):
    rng = Random(seed)
    fleet = random_fleet(seed, 5, 80, calm=seed % 3 == 0)
    overrides = overrides_of(rng, 5)
    batches = with_ticks(rng, random_splits(rng, by_time(fleet), largest=7))
    oracles = [Oracle(**overrides.get(lift, {})) for lift in range(5)]
    bank, found = bank_of(DoorAndCar(), 5, overrides), []
    for batch in [*batches, dict.fromkeys(range(5), end_us(fleet))]:
        found += step_once(bank, batch)
        for lift, what in batch.items() if isinstance(batch, dict) else batch:
            (oracles[lift].tick if isinstance(batch, dict) else oracles[lift].frame)(what)
    wanted = sorted((lift, *f) for lift, o in enumerate(oracles) for f in o.found)
    assert reduced(found) == wanted


@pytest.mark.parametrize("seed", SEEDS)
def test_a_window_is_the_same_in_any_split(seed):
    rng = Random(seed)
    fleet, overrides = random_fleet(seed, 4, 60), overrides_of(rng, 4)
    whole = run_bank(fleet, [interleaved(fleet)], overrides, only=DoorAndCar())
    batches = random_splits(rng, by_time(fleet))
    assert run_bank(fleet, batches, overrides, only=DoorAndCar()) == whole


def test_a_quiet_lift_beside_a_busy_one_changes_nothing():
    fleet = [random_fleet(3, 1, 60)[0], [{"time_us": 1, "door": 2}], [], random_fleet(4, 1, 60)[0]]
    together = run_bank(fleet, [interleaved(fleet)], only=DoorAndCar())
    for lift in (0, 3):
        alone = [frames if i == lift else [] for i, frames in enumerate(fleet)]
        found = run_bank(alone, [interleaved(alone)], only=DoorAndCar(), end=False)
        assert [f for f in together if f[0] == lift][: len(found)] == found
    assert {f[0] for f in together} <= {0, 3}


def seen_open(found):
    """Onset and time of what is told of doors that are seen open [s]."""
    records = [f["record"] for f in found if f["record"].kind == FindingKind.DOOR_FAILS_TO_CLOSE]
    return [(r.onset_us // US_PER_S, r.t_us // US_PER_S) for r in records]


def test_a_window_that_asks_for_witnesses_begins_anew_after_a_silence():
    bank = bank_of(DoorAndCar(), 1)
    step_once(bank, [(0, {"time_us": 10 * US_PER_S, "door": 4})])
    assert seen_open(step_once(bank, {0: 20 * US_PER_S})) == []
    frames = [(0, {"time_us": t * US_PER_S, "door": 4}) for t in (30, 32, 34, 36)]
    assert seen_open(step_once(bank, frames)) == [(30, 36)]
    assert seen_open(step_once(bank, [(0, {"time_us": 90 * US_PER_S, "door": 4})])) == []
    assert seen_open(step_once(bank, [(0, {"time_us": 91 * US_PER_S, "door": 2})])) == []
    assert seen_open(step_once(bank, {0: 99 * US_PER_S})) == [(30, 91)]


def test_frames_that_tell_nothing_are_no_witnesses():
    bank = bank_of(DoorAndCar(), 1)
    frames = [(0, {"time_us": t * US_PER_S, "door": 4}) for t in (10, 11, 12, 13, 14)]
    nothing = [(0, {"time_us": t * US_PER_S, "door": 0}) for t in (15, 16, 17)]
    assert seen_open(step_once(bank, [*frames, *nothing])) == []
    assert seen_open(step_once(bank, [(0, {"time_us": 18 * US_PER_S, "floor": 3})])) == []
    beats = [(0, {"time_us": t * US_PER_S, "floor": 3}) for t in (20, 22, 24)]
    assert seen_open(step_once(bank, beats)) == [(18, 24)]


def test_a_window_waits_for_gaps():
    assert DoorAndCar().gap_policy is GapPolicy.HOLD
    bank = bank_of(DoorAndCar(), 1)
    step_once(bank, [(0, {"time_us": 10 * US_PER_S, "door": 4, "car": 0})])
    found = step_once(bank, [(0, {"time_us": 3600 * US_PER_S, "door": 4})])
    held = [f["record"] for f in found if f["record"].kind == FindingKind.DOOR_HELD_OPEN]
    assert [record.t_us for record in held] == [15 * US_PER_S]
    assert canonical(found)
    assert not step_once(bank, {0: 9000 * US_PER_S})
    assert np.all(bank.records([0])["door_and_car"]["door_phase"] == CLEARED)
