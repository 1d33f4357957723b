"""A terminal on its own battery, one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass, field

from tests.oracles.lift_listener import Listener
from tests.oracles.windowed import us

ON_BATTERY = 38
REACHES = {(38, 1, 0), (38, 3, 2), (38, 3, 3)}
SHORT = {"terminal_battery_window_s": 2, "terminal_battery_calm_s": 3}
VALUES = {"terminal_power": (0, 0, 1)}


@dataclass
class Rules:
    terminal_battery_window_s: float = 10
    terminal_battery_calm_s: float = 60


@dataclass
class Oracle(Listener):
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self):
        super().__init__(self.rules)

    def start(self):
        rules = self.rules
        window_us, calm_us = us(rules.terminal_battery_window_s), us(rules.terminal_battery_calm_s)
        self.window(ON_BATTERY, window_us, calm_us)

    def look(self, time, told):
        self.windows[ON_BATTERY].judged(time, self.get("terminal_power") == 1)

    def said(self, kind):
        return {"on_battery": self.get("terminal_power") == 1}
