"""A wrong clock, one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass, field

from tests.oracles.lift_listener import Listener
from tests.oracles.windowed import us

WRONG = 37
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
    "received_us": (0, 1_000_000, 2_000_000, 500_000_000),
    "device_time_us": (0, 0, 1_000_000),
}


@dataclass
class Rules:
    clock_lag_s: float = 120
    clock_steady_s: float = 5
    clock_window_s: float = 300
    clock_refused_window_s: float = 10
    clock_calm_s: float = 60


@dataclass
class Oracle(Listener):
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self):
        super().__init__(self.rules)

    def start(self):
        self.refused = self.steady = False
        self.lag = None
        self.window(WRONG, 0, us(self.rules.clock_calm_s))

    def look(self, time, told):
        rules, frame = self.rules, self.frame_heard
        if told:
            self.refused = frame.get("clock", 0) == 1
        if self.is_new(60):
            lag = frame.get("received_us", 0) - frame.get("device_time_us", 0)
            same = self.lag is not None
            self.steady = same and abs(lag - self.lag) <= us(rules.clock_steady_s)
            self.lag = lag
        late = self.lag is not None and self.lag > us(rules.clock_lag_s)
        self.behind = not self.refused and self.steady and late
        window = self.windows[WRONG]
        window.window_us = us(
            rules.clock_refused_window_s if self.refused else rules.clock_window_s
        )
        window.judged(time, self.refused or self.behind)

    def said(self, kind):
        return {"time_refused": self.refused, "steadily_behind": self.behind}
