"""Slow trends, one lift, one frame and one sign at a time. Written from docs/detectors.md."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.oracles.windowed import CLEARED, CONDITION_ENDED, RAISED, UPDATED

DEGRADING = 26
LIFT = 0
CLOSING, CLOSED, OPENING, OPEN, LOCKED, HELD = 1, 2, 3, 4, 5, 6
QUANTITIES = (
    "door_opening",
    "door_closing",
    "reopenings",
    "levelling",
    "vibration",
    "trip_time",
)
VALUES = {
    "door": (2, 3, 4, 1, 2, 3, 4, 1, 2, 0, 5, 6),
    "car": (0, 1, 0, 1),
    "mode": (1, 1, 1, 1, 1, 1, 1, 0, 2),
    "zone": (1, 1, 1, 1, 0),
    "floor": (0, 0, 0, 1),
    "height_m": (0.0, 0.0, 0.004, 0.02, 3.0, 3.01, 60.0),
    "vibration_mps2": (0.1, 0.1, 0.1, 0.14, 0.3, 3.0),
}
SHORT = {
    "degrading_fast_signs": 1,
    "degrading_slow_signs": 20,
    "degrading_warm_up_signs": 2,
    "degrading_sigmas": 0,
    "degrading_warm_up_d": 0,
    "degrading_ratio": 1.05,
    "degrading_trip_ratio": 1.02,
    "degrading_reopenings": 0.05,
}
REACHES = {(26, 1, 0), (26, 2, 0), (26, 3, 2)}
f4 = np.float32


@dataclass
class Rules:
    degrading_ratio: float = 1.25
    degrading_trip_ratio: float = 1.15
    degrading_reopenings: float = 0.3
    degrading_levelling_mm: float = 3
    degrading_fast_signs: float = 50
    degrading_slow_signs: float = 5000
    degrading_sigmas: float = 4
    degrading_warm_up_signs: float = 300
    degrading_warm_up_d: float = 7
    rated_speed_mps: float = math.nan


@dataclass
class Cell:
    base: Any = 0.0
    now: Any = 0.0
    scale: Any = 0.0
    count: int = 0
    since: Any = None
    off: bool = False


@dataclass
class Oracle:
    rules: Rules = field(default_factory=Rules)
    found: list = field(default_factory=list)
    held: dict = field(default_factory=dict)
    cells: dict = field(default_factory=lambda: {q: Cell() for q in QUANTITIES})
    begun: Any = None
    turns: int = 0
    ride: Any = None
    landing: Any = None
    first: Any = None
    onset: Any = None
    last_time: Any = None
    last_seen: Any = None

    def frame(self, frame):
        time = max(frame["time_us"], self.last_time or 0)
        self.last_time = time
        told = {k: v for k, v in frame.items() if k not in ("time_us", "unit")}
        if told.get("door") == 0:
            del told["door"]
        if frame.get("unit", LIFT) != LIFT or not told:
            return
        self.last_seen = time
        before = dict(self.held)
        self.held |= told
        if "height_m" in told and self.held.get("zone") == 1:
            stands = self.held.get("car") == 0
            if self.landing is None and stands and self.held.get("floor") is not None:
                self.landing = self.held["floor"]
        signs = {**self.doors(time, before.get("door")), **self.rides(time, before, told)}
        if self.held.get("mode") in (None, 1):
            self.take(time, signs)

    def tick(self, now):
        """Nothing comes of time alone."""

    # --- signs

    def doors(self, time, before):
        door, signs = self.held.get("door"), {}
        if door == before:
            return signs
        lasted = None if self.begun is None else (time - self.begun) / 1e6
        if lasted is not None and (before, door) == (OPENING, OPEN):
            signs["door_opening"] = lasted
        if lasted is not None and (before, door) == (CLOSING, CLOSED):
            signs["door_closing"] = lasted
        whole = (door == OPENING and before in (CLOSED, LOCKED)) or (
            door == CLOSING and before == OPEN
        )
        self.begun = time if whole else None
        if door == CLOSED:
            if before in (CLOSING, OPENING, OPEN, HELD, CLOSED):
                signs["reopenings"] = float(self.turns)
            self.turns = 0
        if before == CLOSING and door in (OPENING, OPEN):
            self.turns += 1
        return signs

    def rides(self, time, before, told):
        signs = {}
        runs = self.held.get("car") == 1
        if before.get("car") == 1 and not runs:
            signs = self.ended(time, told)
            self.ride = None
        if runs and before.get("car") != 1:
            self.ride = {"since": time, "from": before.get("height_m"), "peak": 0}
        if runs and "vibration_mps2" in told:
            self.ride["peak"] = max(self.ride["peak"], micro(told["vibration_mps2"]))
        return signs

    def ended(self, time, told):
        signs, height = {}, self.held.get("height_m")
        if "height_m" in told and self.held.get("zone") == 1:
            floor = self.held.get("floor")
            if floor is not None and floor == self.landing:
                signs["levelling"] = micro(height) / 1e6
        if self.ride["peak"] > 0:
            signs["vibration"] = self.ride["peak"] / 1e6
        if height is not None and self.ride["from"] is not None:
            way_m = abs(micro(height) - micro(self.ride["from"])) / 1e6
            if way_m >= 2.5:
                lasted = (time - self.ride["since"]) / 1e6
                signs["trip_time"] = lasted / self.ideal_s(way_m)
        return signs

    def ideal_s(self, way_m):
        rated, a, j = self.rules.rated_speed_mps, 0.8, 1.0
        v = 1.75 if math.isnan(rated) else rated
        if way_m >= v * v / a + v * a / j:
            return way_m / v + v / a + a / j
        return a / j + math.sqrt(4 * way_m / a + (a / j) ** 2)

    # --- baselines

    def take(self, time, signs):
        if not signs:
            return
        second = time // 1_000_000
        self.first = second if self.first is None else self.first
        off_before = {q for q in QUANTITIES if self.cells[q].off}
        for q in QUANTITIES:
            if q in signs:
                self.learn(q, signs[q], second)
        off = {q for q in QUANTITIES if self.cells[q].off}
        joined = [q for q in QUANTITIES if q in off - off_before]
        left = [q for q in QUANTITIES if q in off_before - off]
        if off and not off_before:
            self.onset = self.cells[joined[0]].since * 1_000_000
            self.tell(RAISED, time, joined[0], off)
        elif off_before and not off:
            self.tell(CLEARED, time, left[0], off)
        elif joined:
            self.tell(UPDATED, time, joined[0], off)

    def learn(self, q, value, second):
        cell, rules = self.cells[q], self.rules
        if q == "levelling" and cell.count and abs(value - float(cell.base)) > 0.1:
            if cell.count >= 20:
                return
            cell.count = 0
        n, base, now = float(cell.count), float(cell.base), float(cell.now)
        scale = float(cell.scale)
        if n >= 20:
            wide = max(6 * scale, 2 * self.limit(q, base))
            value = min(max(value, base - wide), base + wide)
        slow, fast = rules.degrading_slow_signs, rules.degrading_fast_signs
        share = 1 / (10 * slow) if cell.since is not None else 1 / min(n + 1, slow)
        off_base = abs(value - base)
        if n == 0:
            cell.base, cell.scale, cell.now = f4(value), f4(0), f4(value)
        else:
            cell.base = f4(base + share * (value - base))
            cell.scale = f4(scale + share * (off_base - scale))
            cell.now = f4(now + (value - now) / min(n + 1, fast))
        cell.count = min(cell.count + 1, 65535)
        self.judge(q, cell, second)

    def limit(self, q, base):
        """How far off the base is too far."""
        rules = self.rules
        ratio, least = {
            "reopenings": (3, rules.degrading_reopenings),
            "levelling": (None, rules.degrading_levelling_mm / 1000),
            "vibration": (rules.degrading_ratio, 0.03),
            "trip_time": (rules.degrading_trip_ratio, 0.1),
        }.get(q, (rules.degrading_ratio, 0.3))
        return max(least, 0 if ratio is None else base * (ratio - 1))

    def judge(self, q, cell, second):
        rules = self.rules
        base, now, scale = float(cell.base), float(cell.now), float(cell.scale)
        way = abs(now - base) if q == "levelling" else now - base
        whole = max(
            self.limit(q, base),
            rules.degrading_sigmas * 1.2533 * scale / math.sqrt(2 * rules.degrading_fast_signs),
        )
        ready = second - self.first >= rules.degrading_warm_up_d * 86_400
        ready = ready and cell.count >= rules.degrading_warm_up_signs
        leaves = ready and way >= whole / 2
        cell.since = (second if cell.since is None else cell.since) if leaves else None
        cell.off = leaves and (cell.off or way >= whole)

    def tell(self, change, time, q, off):
        cell = self.cells[q]
        base, now = float(cell.base), float(cell.now)
        relative = q != "levelling" and base != 0
        self.found.append(
            {
                "t_us": time,
                "onset_us": self.onset,
                "kind": DEGRADING,
                "kind_now": DEGRADING,
                "change": change,
                "reason": CONDITION_ENDED if change == CLEARED else 0,
                "confidence": 0 if change == CLEARED else 1,
                "last_seen_us": self.last_seen,
                **{name: name in off for name in QUANTITIES},
                "quantity": QUANTITIES.index(q) + 1,
                "affected": sum(2 ** QUANTITIES.index(name) for name in off),
                "since_us": None if cell.since is None else cell.since * 1_000_000,
                "baseline": round(base, 6),
                "present": round(now, 6),
                "ratio": round(now / base, 6) if relative else None,
            }
        )


def micro(value):
    return int(np.rint(f4(value) * 1e6))
