"""Unusually long idle: the pattern of a week, a busy day, and what must not raise it.

An hour lasts ten seconds here, so a week is 28 minutes.
"""

from random import Random

import numpy as np
import pytest

from detectors.bank import BANK
from detectors.trend.week_pattern import learnt, until_expected_us, usual
from telemetry.findings import Change, Confidence, FindingKind
from tests.contract.detector_streams import (
    START_US,
    S,
    bank_of,
    by_time,
    end_us,
    in_words_of,
    random_splits,
    run_oracle,
    step_once,
)
from tests.unit.detectors.story import Lift, seconds

KIND = FindingKind.LONG_IDLE
HOUR_S = 10
DAY_S = 24 * HOUR_S
WEEK_S = 7 * DAY_S
QUICK = {"idle_slot_s": HOUR_S, "idle_least_s": 5, "idle_gap_s": 8, "idle_expected_runs": 10}
BEGINS_S = (-START_US // S - 8 * 3600) % WEEK_S
"""Seconds after the start of a story at which a week, counted from the epoch, begins."""


class Used(Lift):
    """A lift that is used by a pattern: runs in each hour of a day, weekends apart."""

    def __init__(self, **params):
        super().__init__(**{**QUICK, **params})
        self.now_s = float(BEGINS_S)
        self.pending = []

    def frame(self, step_s, **known):
        self.now_s += step_s
        self.pending.append((self.now_s, {"mode": 1, **known}))

    def hour(self, runs):
        """Live through an hour."""
        for n in range(5):
            goes = n < runs
            self.frame(1, car=int(goes))
            self.frame(1, car=0)

    def come(self):
        found = self.all_at_once(self.pending) if self.pending else []
        self.pending = []
        return [t for t in found if t.kind is KIND]

    def day(self, runs=5, *, hours=24):
        """Nights of six hours without a ride, then as many in each hour."""
        for hour in range(hours):
            self.hour(0 if hour < 6 else runs)
        return self.come()

    def weeks(self, n=3, runs=5):
        for _ in range(n):
            for weekday in range(7):
                self.day(0 if weekday in (2, 3) else runs)

    def said_kinds(self):
        return [c for c, _, _ in self.said(KIND)]


def test_a_busy_lift_that_stands_through_busy_hours_is_found():
    lift = Used()
    lift.weeks()
    assert lift.said(KIND) == []
    lift.day(hours=12)
    stood_s = lift.now_s
    for _ in range(6):
        lift.hour(0)
    [found] = lift.come()
    assert seconds(found.onset_us) <= stood_s
    assert seconds(found.t_us) == pytest.approx(seconds(found.onset_us) + 3 * HOUR_S, abs=HOUR_S)
    assert found.confidence is Confidence.PROBABLE
    criteria = {"ordinary_service": True, "runs_again": False, "stopped": True}
    assert found.evidence()["criteria"] == criteria
    lift.hour(5)
    [found] = lift.come()
    assert found.change is Change.CLEARED
    criteria = {"ordinary_service": True, "runs_again": True, "stopped": False}
    assert found.evidence()["criteria"] == criteria


def test_time_alone_raises_it_while_the_lift_is_heard_and_no_longer():
    lift = Used(idle_gap_s=60)
    lift.weeks()
    lift.day(hours=12)
    lift.wait_until(lift.now_s + 45)
    assert lift.said_kinds() == ["raised"]
    silent = Used(idle_gap_s=20)
    silent.weeks()
    silent.day(hours=12)
    silent.wait_until(silent.now_s + 300)
    assert silent.said(KIND) == []


def test_nights_and_weekends_are_as_they_are():
    lift = Used()
    lift.weeks(4)
    assert lift.said(KIND) == []


def test_a_holiday_is_no_fault():
    lift = Used()
    lift.weeks()
    lift.day(0)
    assert lift.said(KIND) == []
    for _ in range(6):
        lift.hour(0)
    lift.hour(1)  # the guard
    for _ in range(17):
        lift.hour(0)
    lift.come()
    assert lift.said(KIND) == []


def test_the_pattern_must_be_known():
    lift = Used()
    for _ in range(3):
        lift.day()
    lift.day(hours=12)
    for _ in range(12):
        lift.hour(0)
    assert lift.come() == []


@pytest.mark.parametrize("known", [{"mode": 2}, {"mode": 0}, {"power": 1}, {"codes": (41,)}])
def test_special_modes_and_a_lift_without_mains_are_not_asked(known):
    lift = Used()
    lift.weeks()
    lift.day(hours=12)
    for _ in range(60):
        lift.frame(1, car=0, **known)
    assert lift.come() == []


@pytest.mark.parametrize(("this_morning", "is_asked"), [(3, True), (2, False)])
def test_half_of_the_usual_runs_make_a_day_a_busy_one(this_morning, is_asked):
    lift = Used(idle_busy_runs=1)
    lift.weeks(8)
    lift.day(this_morning, hours=20)
    for _ in range(6):
        lift.hour(0)
    assert bool(lift.come()) is is_asked


def test_a_mechanic_who_comes_ends_it():
    lift = Used()
    lift.weeks()
    lift.day(hours=12)
    for _ in range(5):
        lift.hour(0)
    lift.frame(1, mode=2)
    lift.come()
    assert lift.said_kinds() == ["raised", "cleared"]


def test_a_silence_may_have_hidden_a_ride():
    lift = Used()
    lift.weeks()
    lift.day(hours=12)
    lift.now_s += 20
    for _ in range(5):
        lift.hour(0)
    assert lift.come() == []


# ------------------------------------------------------------------ the pattern


def test_slots_keep_what_they_learn_to_a_few_percent():
    code = np.zeros(4, np.uint8)
    runs = np.array([0, 2, 25, 200])
    for _ in range(12):
        code = learnt(code, runs)
    assert (np.abs(usual(code) - runs) <= np.sqrt(runs) / 3.5 + 0.05).all()
    assert usual(learnt(np.zeros(1, np.uint8), np.array([8]))) == pytest.approx([4], rel=0.05)


def test_expected_runs_are_added_up_slot_by_slot_until_the_day_is_over():
    pattern = np.zeros((2, 168), np.uint8)
    for _ in range(30):
        pattern[:, 24:48] = learnt(pattern[:, 24:48], np.full((2, 24), 4.0))
    slot, into = np.array([30, 50]), np.array([500, 0])
    [first, second] = until_expected_us(pattern, slot, into, 1000, 10.0)
    per_slot = float(usual(pattern[0, 30:31])[0])
    assert first == pytest.approx(10 / per_slot * 1000, abs=0.5)
    assert second == -1
    assert until_expected_us(pattern, np.array([46]), np.array([0]), 1000, 10.0) == [-1]


@pytest.mark.parametrize("runs", [0.5, 1, 3, 5, 9])
def test_an_even_pattern_expects_runs_in_proportion_to_time_whichever_slot_that_ends_in(runs):
    pattern = np.zeros((1, 168), np.uint8)
    for _ in range(30):
        pattern[:, 24:48] = learnt(pattern[:, 24:48], np.full((1, 24), 4.0))
    per_slot = float(usual(pattern[0, 30:31])[0])
    [lasts] = until_expected_us(pattern, np.array([30]), np.array([500]), 1000, runs)
    assert lasts == pytest.approx(runs / per_slot * 1000, abs=0.5)


def test_the_last_slot_of_a_day_is_the_one_before_four_in_the_morning():
    pattern = np.zeros((1, 168), np.uint8)
    pattern[:, 3] = learnt(pattern[:, 3], np.full(1, 100.0))
    assert until_expected_us(pattern, np.array([2]), np.array([0]), 1000, 1.0) > 1000
    assert until_expected_us(pattern, np.array([4]), np.array([0]), 1000, 1.0) == [-1]
    pattern[:, 3], pattern[:, 4] = 0, pattern[:, 3]
    assert until_expected_us(pattern, np.array([3]), np.array([0]), 1000, 1.0) == [-1]


# ------------------------------------------------------------------ equal to its oracle, for long

LONG = {
    "idle_slot_s": 1,
    "idle_expected_runs": 1.5,
    "idle_least_s": 2,
    "idle_gap_s": 9,
    "idle_busy_runs": 2,
    "utc_offset_h": 5.5,
}


def long_stream(rng):
    """A lift that is used by fits and starts for several short weeks."""
    time_us, frames, car = START_US, [], 0
    for n in range(1500):
        time_us += int(rng.choice((0, 0.25, 0.5, 0.5, 1, 1, 2)) * S)
        time_us += int(rng.random() < 0.004) * rng.randrange(8, 40) * S
        calm = (n // 60) % 5 == 4
        car = car if rng.random() < (0.97 if calm else 0.5) else 1 - car
        frame = {"time_us": time_us, "car": car if not calm or rng.random() < 0.03 else 0}
        if rng.random() < 0.1:
            frame |= {"mode": rng.choice((1, 1, 1, 1, 1, 2))}
        frames.append(frame)
    return frames


@pytest.mark.parametrize("seed", range(4))
def test_equals_its_oracle_over_weeks(seed):
    [detector] = [d for d in BANK if d.name == "long_idle"]
    rng = Random(seed)
    fleet = [long_stream(rng) for _ in range(3)]
    overrides = dict.fromkeys(range(3), LONG)
    batches = []
    for batch in random_splits(rng, by_time(fleet)):
        batches.append(batch)
        if batch and rng.random() < 0.3:
            lift, frame = rng.choice(batch)
            batches.append({lift: frame["time_us"] + rng.randrange(12) * S // 2})
    wanted = run_oracle("long_idle", fleet, batches, overrides)
    bank, found = bank_of(detector, 3, overrides), []
    for batch in batches:
        found += step_once(bank, batch)
    found += step_once(bank, dict.fromkeys(range(3), end_us(fleet)))
    assert sorted(in_words_of(wanted, found), key=repr) == sorted(wanted, key=repr)
    assert {f["change"] for f in wanted} == {1, 3}
    assert len(wanted) > 10
