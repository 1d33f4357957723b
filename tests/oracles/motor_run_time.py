"""Motor run-time limit, one lift and one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass, field

from tests.oracles.lift_listener import Listener, merged
from tests.oracles.windowed import us

MOTOR = 16
VALUES = {
    "car": (0, 1, 1, 1),
    "speed_mps": (0.0, 0.0, 0.0, 0.04, 1.5),
    "brake": (0, 1, 1, 1),
    "codes": ((), (), (), (6,), (41,)),
}
SHORT = {"motor_run_time_s": 3, "motor_run_time_bridge_s": 1, "silent_after_s": 3}
REACHES = {(16, 1, 0), (16, 3, 2)}


@dataclass
class Rules:
    motor_run_time_s: float = 45
    motor_run_time_more_s: float = 10
    motor_run_time_bridge_s: float = 2
    silent_after_s: float = 45
    rated_speed_mps: float | None = None
    top_height_m: float | None = None
    bottom_height_m: float | None = None


@dataclass
class Oracle(Listener):
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self):
        super().__init__(self.rules)

    def start(self):
        rules = self.rules
        self.limit_us = us(rules.motor_run_time_s)
        if None not in (rules.rated_speed_mps, rules.top_height_m, rules.bottom_height_m):
            travel_s = (rules.top_height_m - rules.bottom_height_m) / rules.rated_speed_mps
            with_travel_s = max(travel_s + rules.motor_run_time_more_s, 20)
            self.limit_us = min(self.limit_us, us(with_travel_s))
        self.window(
            MOTOR, self.limit_us, us(rules.motor_run_time_bridge_s), us(rules.silent_after_s)
        )

    def look(self, time, told):
        self.sensed = None
        if self.get("car") is not None and self.speed is not None:
            turns = self.get("car") == 1 and self.get("brake") != 0
            self.sensed = turns and self.speed < 0.05
        code = self.code(6)
        self.windows[MOTOR].window_us = 0 if code else self.limit_us
        holds, self.sure = merged(self.sensed, code)
        self.windows[MOTOR].judged(time, holds)

    def confidence(self, kind):
        return self.sure

    def said(self, kind):
        return {"sensed": self.sensed, "code_06": self.code(6)}
