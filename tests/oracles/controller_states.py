"""What a controller says of itself, one lift and one frame at a time. From docs/detectors.md."""

from dataclasses import dataclass, field

from tests.oracles.lift_listener import Listener, merged
from tests.oracles.windowed import us

MAINS_OFF, FLOOR_LOST, RESTART = 18, 20, 24
CODE = {MAINS_OFF: 41, FLOOR_LOST: 7, RESTART: 8}
VALUES = {"codes": ((), (), (41,), (7,), (8,), (7, 8))}
SHORT = {"mains_off_window_s": 1, "code_window_s": 0.5, "controller_states_bridge_s": 2}
REACHES = {(kind, *how) for kind in CODE for how in ((1, 0), (3, 2), (3, 3))}


@dataclass
class Rules:
    mains_off_window_s: float = 3
    code_window_s: float = 1
    controller_states_bridge_s: float = 5


@dataclass
class Oracle(Listener):
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self):
        super().__init__(self.rules)

    def start(self):
        rules = self.rules
        bridge = us(rules.controller_states_bridge_s)
        self.window(MAINS_OFF, us(rules.mains_off_window_s), bridge)
        self.window(FLOOR_LOST, us(rules.code_window_s), bridge)
        self.window(RESTART, us(rules.code_window_s), bridge)

    def sensed(self, kind):
        power = self.get("power")
        return None if kind != MAINS_OFF or power is None else power == 1

    def look(self, time, told):
        for kind, window in self.windows.items():
            window.judged(time, merged(self.sensed(kind), self.code(CODE[kind]))[0])

    def confidence(self, kind):
        return merged(self.sensed(kind), self.code(CODE[kind]))[1]

    def said(self, kind):
        return {"sensed": self.sensed(kind)}
