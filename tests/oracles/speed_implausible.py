"""Speed against way, one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass, field
from math import isnan

from tests.oracles.lift_listener import CERTAIN, PROBABLE, Listener

OFF = 36
REACHES = {(36, 1, 0)}
SHORT = {
    "speed_way_off_m": 0.5,
    "speed_way_off_pct": 70,
    "speed_way_runs": 1,
    "rated_speed_mps": 1.0,
}
VALUES = {"car": (0, 1), "speed_mps": (1.5, 1.5, 2.0), "height_m": (0.0, 1.5, 3.0)}
NAN = float("nan")


@dataclass
class Rules:
    speed_way_off_m: float = 3
    speed_way_off_pct: float = 30
    speed_way_runs: int = 3
    rated_speed_mps: float | None = None


@dataclass
class Oracle(Listener):
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self):
        super().__init__(self.rules)

    def start(self):
        self.way_um = self.wrong = 0
        self.ahead = self.off = self.past = self.unheeded = False
        self.past_runs, self.calm_runs = 0, 20
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
        self.heed_governor(told)
        self.windows[OFF].judged(time, self.off or self.unheeded)

    def said(self, kind):
        return {"off": self.off, "governor_unheeded": self.unheeded, "window_us": None}

    def confidence(self, kind):
        return CERTAIN if self.off else PROBABLE

    def heed_governor(self, told):
        """Runs at a speed that no governor lets pass, and that end at a landing all the same."""
        rated = self.rules.rated_speed_mps
        runs, ran = self.get("car") == 1, self.was("car") == 1
        if ran and not runs and self.get("zone") == 1:
            if self.past:
                self.past_runs, self.calm_runs = self.past_runs + 1, 0
            elif "speed_mps" in self.before:
                self.calm_runs += 1
                if self.calm_runs >= 20:
                    self.past_runs = 0
        if runs and not ran:
            self.past = False
        if runs and rated is not None and "speed_mps" in told:
            self.past |= self.speed > max(1.5, 1.25 * rated + 0.25 / rated)
        self.unheeded = self.past_runs >= self.rules.speed_way_runs

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
