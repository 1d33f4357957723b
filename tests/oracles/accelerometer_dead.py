"""A dead accelerometer, one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass, field

from tests.oracles.lift_listener import Listener
from tests.oracles.windowed import us

DEAD = 35
REACHES = {(35, 1, 0), (35, 3, 2), (35, 3, 3)}
SHORT = {"accelerometer_floors": 1, "accelerometer_window_s": 3}
VALUES = {"acceleration_mps2": (0.0, 0.0, 0.0, 0.0, 0.0, 0.5), "floor": (1, 2, 3)}


@dataclass
class Rules:
    accelerometer_floors: int = 3
    accelerometer_window_s: float = 120


@dataclass
class Oracle(Listener):
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self):
        super().__init__(self.rules)

    def start(self):
        self.floors = 0
        self.window(DEAD, us(self.rules.accelerometer_window_s), 0)

    def look(self, time, told):
        reading = self.get("acceleration_mps2")
        if reading != self.was("acceleration_mps2"):
            self.floors = 0
        if "acceleration_mps2" in told and self.was("floor") not in (None, self.get("floor")):
            self.floors += 1
        self.unchanged = reading is not None and self.floors >= self.rules.accelerometer_floors
        self.windows[DEAD].judged(time, self.unchanged)

    def said(self, kind):
        return {"unchanged": self.unchanged}
