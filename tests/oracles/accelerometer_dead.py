"""A dead accelerometer, one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass

from tests.oracles.listener import Listener

REACHES = {(35, 1, 0), (35, 3, 2), (35, 3, 3)}
SHORT = {"accelerometer_floors": 1, "accelerometer_window_s": 3}
VALUES = {"acceleration_mps2": (0.0, 0.0, 0.0, 0.0, 0.0, 0.5), "floor": (1, 2, 3)}


@dataclass
class Rules:
    accelerometer_floors: int = 3
    accelerometer_window_s: float = 120


class Oracle(Listener):
    def __init__(self, rules=None):
        super().__init__()
        self.rules = rules or Rules()
        self.floors = 0
        window_s = self.rules.accelerometer_window_s
        self.follow(35, window_s, 0, self.holds, lambda: {"unchanged": self.holds()})

    def holds(self):
        known = "acceleration_mps2" in self.held
        return known and self.floors >= self.rules.accelerometer_floors

    def heard(self, time, frame, told):
        if self.held.get("acceleration_mps2") != self.before.get("acceleration_mps2"):
            self.floors = 0
        if "acceleration_mps2" in told and self.was("floor") not in (-1, self.now("floor")):
            self.floors += 1
