"""Counters that cannot be, one lift and one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass, field
from typing import Any

from tests.oracles.windowed import CLEARED, CONDITION_ENDED, RAISED, UPDATED

COUNTER_IMPLAUSIBLE = 23
LIFT = 0
COUNTERS = ("running_hours", "runs", "door_cycles", "rope_bends", "distance_m")
WRAPS = (2**16, 2**24, 2**31, 2**32, 10**5, 10**6, 10**7, 10**8, 10**9)
VALUES = {
    "running_hours": (100, 100, 101, 102, 5000),
    "runs": (65530, 65530, 65531, 65540, 0, 3, 900),
    "door_cycles": (1000, 1001, 1010, 1003, 4000),
    "rope_bends": (7000, 7010, 7200, 99990),
    "distance_m": (100, 130, 180, 900, 99995, 2),
}
SHORT = {"counter_slack": 2, "counter_runs_per_min": 60, "counter_distance_mps": 2}
REACHES = {(23, 1, 0), (23, 2, 0), (23, 3, 2)}


@dataclass
class Rules:
    counter_runs_per_min: float = 12
    counter_rope_bends_per_run: float = 20
    counter_distance_mps: float = 20
    counter_slack: float = 20


@dataclass
class Oracle:
    rules: Rules = field(default_factory=Rules)
    found: list = field(default_factory=list)
    last: dict = field(default_factory=dict)
    wrong: set = field(default_factory=set)
    onset: Any = None
    last_time: Any = None
    last_seen: Any = None

    def frame(self, frame):
        time = max(frame["time_us"], self.last_time or 0)
        self.last_time = time
        told = {k for k in frame if k not in ("time_us", "unit")}
        told -= {"door"} if frame.get("door") == 0 else set()
        if frame.get("unit", LIFT) != LIFT or not told:
            return
        self.last_seen = time
        was_active, news = bool(self.wrong), None
        for name in COUNTERS:
            if name in frame:
                said = self.look(name, frame[name], time // 1_000_000)
                news = news or said
        if news:
            if not was_active:
                self.onset = time
            self.tell(UPDATED if was_active else RAISED, time, news)
        elif was_active and not self.wrong:
            self.tell(CLEARED, time, {})

    def look(self, name, now, second):
        """What can be made of a value that cannot be; None if it can."""
        before, since = self.last.get(name, (None, None))
        self.last[name] = (now, second)
        if before is None or (before == now and since == second):
            return None
        most = self.most(name, second - since + 1)
        if before <= now <= before + most:
            self.wrong.discard(name)
            return None
        self.wrong.add(name)
        back = now < before
        wraps = back and any(before < w and now + w - before <= most for w in WRAPS)
        return {
            "backwards": back,
            "wrapped": wraps,
            "from_zero": back and not wraps and now <= most,
            "jumped": not back,
            "before": before,
            "now": now,
        }

    def most(self, name, seconds):
        rules = self.rules
        runs = seconds * rules.counter_runs_per_min / 60
        if name == "running_hours":
            return seconds / 3600 + 1
        if name == "rope_bends":
            return (runs + rules.counter_slack) * rules.counter_rope_bends_per_run
        if name == "distance_m":
            return seconds * rules.counter_distance_mps + rules.counter_slack
        return runs + rules.counter_slack

    def tick(self, now):
        """Nothing comes of time alone."""

    def tell(self, change, time, said):
        self.found.append(
            {
                "t_us": time,
                "onset_us": self.onset,
                "kind": COUNTER_IMPLAUSIBLE,
                "kind_now": COUNTER_IMPLAUSIBLE,
                "change": change,
                "reason": CONDITION_ENDED if change == CLEARED else 0,
                "confidence": 0,
                "last_seen_us": self.last_seen,
                **{k: said.get(k, False) for k in ("backwards", "wrapped", "from_zero", "jumped")},
                **{k: said.get(k) for k in ("before", "now")},
                **{f"{name}_wrong": name in self.wrong for name in COUNTERS},
            }
        )
