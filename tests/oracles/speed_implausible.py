"""Speed against way, one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass
from math import isnan

from tests.oracles.listener import Listener

REACHES = {(36, 1, 0)}
SHORT = {"speed_way_off_m": 0.5, "speed_way_off_pct": 70, "speed_way_runs": 1}
VALUES = {"car": (0, 1), "speed_mps": (1.5, 1.5, 2.0), "height_m": (0.0, 1.5, 3.0)}
NAN = float("nan")


@dataclass
class Rules:
    speed_way_off_m: float = 3
    speed_way_off_pct: float = 30
    speed_way_runs: int = 3


class Oracle(Listener):
    def __init__(self, rules=None):
        super().__init__()
        self.rules = rules or Rules()
        self.way_um = self.wrong = 0
        self.begin_m, self.blind, self.heard_at, self.speed = NAN, True, None, NAN
        self.follow(36, 0, 0, self.holds, lambda: {"off": self.holds()})

    def holds(self):
        return self.wrong >= self.rules.speed_way_runs

    def frame(self, frame):
        if frame.get("unit", 0) != 0 and self.last_time is not None:
            self.walk(max(frame["time_us"], self.last_time))
        super().frame(frame)

    def walk(self, time):
        """While the car runs, the way grows by the mean of both speeds."""
        speed = abs(self.held.get("speed_mps", NAN))
        if self.heard_at is not None and self.ran:
            step_us = time - self.heard_at
            mean = (speed + self.speed) / 2
            if isnan(mean):
                self.blind = True
            if not isnan(mean):
                self.way_um += round(mean * step_us)
        self.speed, self.heard_at = speed, time
        self.ran = self.now("car") == 1

    def heard(self, time, frame, told):
        self.walk(time)
        if self.was("car") == 1 and self.seen - self.seen_before > 3_000_000:
            self.blind = True
        if self.now("car") == 1 and self.was("car") != 1:
            self.way_um, self.blind = 0, False
            self.begin_m = self.before.get("height_m", NAN)
        elif self.now("car") != 1 and self.was("car") == 1 and not self.blind:
            self.run_ended(abs(self.held.get("height_m", NAN) - self.begin_m))

    def run_ended(self, climbed_m):
        rules, way_m = self.rules, self.way_um / 1e6
        if isnan(climbed_m):
            return
        if abs(way_m - climbed_m) > max(
            rules.speed_way_off_m, climbed_m * rules.speed_way_off_pct / 100
        ):
            self.wrong += 1
        elif climbed_m * rules.speed_way_off_pct / 100 >= rules.speed_way_off_m:
            self.wrong = 0
