"""A wrong clock, one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass

from tests.oracles.listener import Listener

REACHES = {(37, 1, 0), (37, 3, 2), (37, 3, 3)}
SHORT = {
    "clock_lag_s": 2,
    "clock_steady_s": 1,
    "clock_window_s": 4,
    "clock_refused_window_s": 2,
    "clock_calm_s": 3,
}
VALUES = {
    "clock": (0, 0, 0, 1),
    "received_us": (0, 1_000_000, 500_000_000),
    "device_time_us": (0, 0, 1_000_000),
}


@dataclass
class Rules:
    clock_lag_s: float = 120
    clock_steady_s: float = 5
    clock_window_s: float = 300
    clock_refused_window_s: float = 10
    clock_calm_s: float = 60


class Oracle(Listener):
    def __init__(self, rules=None):
        super().__init__()
        self.rules = rules or Rules()
        self.refused = self.steady = False
        self.lag = None
        self.follow(37, 0, self.rules.clock_calm_s, self.holds, self.evidence)

    def behind(self):
        late = self.lag is not None and self.lag > self.rules.clock_lag_s * 1_000_000
        return not self.refused and self.steady and late

    def holds(self):
        return self.refused or self.behind()

    def evidence(self):
        return {"time_refused": self.refused, "steadily_behind": self.behind()}

    def heard(self, time, frame, told):
        if told:
            self.refused = frame.get("clock", 0) == 1
        if self.new_minute():
            lag = frame.get("received_us", 0) - frame.get("device_time_us", 0)
            same = self.lag is not None
            self.steady = same and abs(lag - self.lag) <= self.rules.clock_steady_s * 1_000_000
            self.lag = lag
        rules, window = self.rules, self.followed[0][0]
        window_s = rules.clock_refused_window_s if self.refused else rules.clock_window_s
        window.window_us = round(window_s * 1_000_000)
