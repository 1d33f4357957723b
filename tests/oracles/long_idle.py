"""Unusually long idle, one lift and one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.oracles.windowed import CLEARED, CONDITION_ENDED, LATE_EVIDENCE, RAISED, us

LONG_IDLE = 22
LIFT = 0
NORMAL, BATTERY = 1, 1
VALUES = {
    "car": (0, 1, 0, 1),
    "mode": (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 5),
    "power": (0, 0, 0, 0, 0, 0, 0, 1),
    "codes": ((), (), (), (), (41,), (90,)),
}
SHORT = {
    "idle_slot_s": 3,
    "idle_expected_runs": 0.1,
    "idle_least_s": 1,
    "idle_gap_s": 100,
    "idle_busy_runs": 0,
    "utc_offset_h": -3.5,
}
REACHES = {(22, 1, 0), (22, 3, 2), (22, 3, 3)}


@dataclass
class Rules:
    idle_expected_runs: float = 25
    idle_least_s: float = 1800
    idle_gap_s: float = 300
    idle_busy_runs: float = 5
    utc_offset_h: float = 8
    idle_slot_s: float = 3600


@dataclass
class Oracle:
    rules: Rules = field(default_factory=Rules)
    found: list = field(default_factory=list)
    held: dict = field(default_factory=dict)
    pattern: dict = field(default_factory=dict)
    slot: Any = None
    runs: int = 0
    whole: bool = False
    ran: int = 0
    expected: Any = 0.0
    ordinary: bool = True
    stands: Any = None
    deadline: Any = None
    raised_at: Any = None
    last_time: Any = None
    last_seen: Any = None

    def frame(self, frame):
        time = frame["time_us"]
        if self.last_time is not None:
            time = max(time, self.last_time)
            self.passes(lambda due: due < time)
        self.last_time = time
        told = {k: v for k, v in frame.items() if k not in ("time_us", "unit")}
        if told.get("door") == 0:
            del told["door"]
        if frame.get("unit", LIFT) != LIFT or not told:
            return
        gap = self.last_seen is not None and time - self.last_seen > us(self.rules.idle_gap_s)
        was_running = self.held.get("car") == 1
        self.hear(told)
        was_ordinary, self.ordinary = self.ordinary, self.in_ordinary_service()
        running = self.held.get("car") == 1
        self.last_seen = time
        self.turn_slot(time, gap, was_ordinary)
        if gap or not self.ordinary:
            self.whole = False
        if running and not was_running:
            self.ran += 1
            self.runs += 1
        if gap:
            self.deadline = None
        if (running and not was_running) or not self.ordinary:
            self.over(time)
        if was_running and not running:
            self.stands = time
            self.deadline = None
            if self.ordinary and not gap:
                self.deadline = self.judge(time)
        self.passes(lambda due: due <= time)

    def tick(self, now):
        if self.last_time is not None and now > self.last_time:
            self.passes(lambda due: due <= now)

    def hear(self, told):
        self.held |= told
        if told.get("power") == 0 and "codes" not in told and "codes" in self.held:
            self.held["codes"] = tuple(c for c in self.held["codes"] if c != 41)

    def in_ordinary_service(self):
        mains_off = self.held.get("power") == BATTERY or 41 in self.held.get("codes", ())
        return self.held.get("mode", NORMAL) == NORMAL and not mains_off

    # --- the pattern

    def local(self, time):
        return time + round(self.rules.utc_offset_h * 3_600_000_000)

    def turn_slot(self, time, gap, was_ordinary):
        slot, before = self.local(time) // us(self.rules.idle_slot_s), self.slot
        self.slot = slot
        if before is None or slot == before:
            return
        usual = self.usual(before)
        if self.whole and not gap:
            share = 0.25 if before % 168 in self.pattern else 0.5
            after = usual + share * (self.runs - usual)
            self.pattern[before % 168] = min(round(float(np.sqrt(after)) * 16), 254)
        same_day = (slot - 4) // 24 == (before - 4) // 24
        self.expected = np.float32(float(self.expected) + usual) if same_day else 0.0
        self.ran = self.ran if same_day else 0
        self.runs = 0
        self.whole = was_ordinary

    def usual(self, slot):
        return (self.pattern.get(slot % 168, 0) / 16) ** 2

    # --- standing

    def judge(self, time):
        rules, length = self.rules, us(self.rules.idle_slot_s)
        if self.ran < rules.idle_busy_runs or 2 * self.ran < self.expected:
            return None
        into = self.local(time) - self.slot * length
        total, slot, begin, lasts = 0.0, self.slot, 0, length - into
        while True:
            rate = self.usual(slot)
            through = total + rate * (lasts / length)
            if through >= rules.idle_expected_runs:
                needs = (rules.idle_expected_runs - total) / rate * length
                return time + max(begin + round(needs), us(rules.idle_least_s))
            total, slot, begin, lasts = through, slot + 1, begin + lasts, length
            if slot % 24 == 4:
                return None

    def passes(self, due):
        if self.raised_at is not None or self.deadline is None or not due(self.deadline):
            return
        if self.deadline - self.last_seen <= us(self.rules.idle_gap_s):
            self.raised_at = self.deadline
            self.tell(RAISED, self.deadline)

    def over(self, time):
        if self.raised_at is not None:
            late = time <= self.raised_at
            self.raised_at = None
            self.tell(CLEARED, time, LATE_EVIDENCE if late else CONDITION_ENDED)
        self.deadline = None

    def tell(self, change, time, reason=0):
        self.found.append(
            {
                "t_us": time,
                "onset_us": self.stands,
                "kind": LONG_IDLE,
                "kind_now": LONG_IDLE,
                "change": change,
                "reason": reason,
                "confidence": 0 if change == CLEARED else 1,
                "last_seen_us": self.last_seen,
                "ordinary_service": self.ordinary,
                "stood_us": time - self.stands,
                "ran_today": self.ran,
            }
        )
