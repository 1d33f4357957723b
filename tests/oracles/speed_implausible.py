"""Speed against way, one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass, field
from math import isnan

from tests.oracles.lift_listener import Listener

OFF = 36
REACHES = {(36, 1, 0)}
SHORT = {"speed_way_off_m": 0.5, "speed_way_off_pct": 70, "speed_way_runs": 1}
VALUES = {"car": (0, 1), "speed_mps": (1.5, 1.5, 2.0), "height_m": (0.0, 1.5, 3.0)}
NAN = float("nan")


@dataclass
class Rules:
    speed_way_off_m: float = 3
    speed_way_off_pct: float = 30
    speed_way_runs: int = 3


@dataclass
class Oracle(Listener):
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self):
        super().__init__(self.rules)

    def start(self):
        self.way_um = self.wrong = 0
        self.ahead = self.off = False
        self.begin_m, self.blind, self.heard_at, self.last_speed = NAN, True, None, NAN
        self.window(OFF, 0, 0)

    def look(self, time, told):
        self.walk(time)
        if self.is_new(7200):
            self.wrong = 0
        if self.was("car") == 1 and self.seen - self.seen_before > 3_000_000:
            self.blind = True
        if self.get("car") == 1 and self.was("car") != 1:
            self.way_um, self.blind = 0, False
            self.begin_m = self.before.get("height_m", NAN)
        elif self.get("car") != 1 and self.was("car") == 1 and not self.blind:
            self.run_ended(abs(self.now.get("height_m", NAN) - self.begin_m))
        self.off = self.off or self.wrong >= self.rules.speed_way_runs
        self.windows[OFF].judged(time, self.off)

    def said(self, kind):
        return {"off": self.off, "window_us": None}

    def walk(self, time):
        """While the car runs, the way grows by the mean of both speeds."""
        speed = abs(self.now.get("speed_mps", NAN))
        if self.heard_at is not None and self.ran:
            step_us = time - self.heard_at
            mean = (speed + self.last_speed) / 2
            if isnan(mean):
                self.blind = True
            else:
                self.way_um += round(mean * step_us)
        self.last_speed, self.heard_at = speed, time
        self.ran = self.get("car") == 1

    def run_ended(self, climbed_m):
        rules, way_m = self.rules, self.way_um / 1e6
        if isnan(climbed_m):
            return
        if abs(way_m - climbed_m) > max(
            rules.speed_way_off_m, climbed_m * rules.speed_way_off_pct / 100
        ):
            if self.ahead != (way_m > climbed_m):
                self.wrong, self.off = 0, False
            self.ahead = way_m > climbed_m
            self.wrong += 1
        elif climbed_m * rules.speed_way_off_pct / 100 >= rules.speed_way_off_m:
            self.wrong, self.off = 0, False
