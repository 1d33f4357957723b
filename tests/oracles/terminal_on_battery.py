"""A terminal on its own battery, one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass

from tests.oracles.listener import Listener

REACHES = {(38, 1, 0), (38, 3, 2), (38, 3, 3)}
SHORT = {"terminal_battery_window_s": 2, "terminal_battery_calm_s": 3}
VALUES = {"terminal_power": (0, 0, 1)}


@dataclass
class Rules:
    terminal_battery_window_s: float = 10
    terminal_battery_calm_s: float = 60


class Oracle(Listener):
    def __init__(self, rules=None):
        super().__init__()
        rules = rules or Rules()
        window_s, calm_s = rules.terminal_battery_window_s, rules.terminal_battery_calm_s
        self.follow(38, window_s, calm_s, self.holds, lambda: {"on_battery": self.holds()})

    def holds(self):
        return self.now("terminal_power") == 1

    def heard(self, time, frame, told):
        """Nothing beyond what is held."""
