"""A car that shakes, one lift and one frame at a time. From docs/detectors.md."""

from dataclasses import dataclass, field

from tests.oracles.lift_listener import Listener
from tests.oracles.windowed import us

SHAKES = 17
VALUES = {
    "car": (0, 1, 1, 1),
    "speed_mps": (0.0, 1.0, 1.5),
    "vibration_mps2": (0.1, 0.2, 0.25, 0.3, 0.301, 0.6, 0.6),
    "vibration_horizontal_mps2": (0.1, 0.1, 0.1, 0.125, 0.2, 0.5),
}
SHORT = {
    "vibration_lasts_s": 1,
    "vibration_vertical_mps2": 0.25,
    "vibration_horizontal_mps2": 0.125,
}
REACHES = {(17, 1, 0), (17, 3, 2)}


@dataclass
class Rules:
    vibration_vertical_mps2: float = 0.30
    vibration_horizontal_mps2: float = 0.20
    vibration_lasts_s: float = 2


@dataclass
class Oracle(Listener):
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self):
        super().__init__(self.rules)

    def start(self):
        self.spell, self.since, self.shakes = None, None, False
        self.window(SHAKES, 0, 0)

    def look(self, time, told):
        if not (self.moves or self.get("car") == 1):
            self.spell = None
        elif "vibration_mps2" in told or "vibration_horizontal_mps2" in told:
            spell = "high" if self.too_much() else "calm"
            if spell != self.spell:
                self.spell, self.since = spell, time
            if time - self.since >= us(self.rules.vibration_lasts_s):
                self.shakes = spell == "high"
        self.windows[SHAKES].judged(time, self.shakes)

    def too_much(self):
        vertical, horizontal = self.get("vibration_mps2"), self.get("vibration_horizontal_mps2")
        high = vertical is not None and vertical > self.rules.vibration_vertical_mps2
        return high or (
            horizontal is not None and horizontal > self.rules.vibration_horizontal_mps2
        )

    def tell(self, kind, change, time, onset, reason):
        super().tell(kind, change, time, onset, reason)
        self.found[-1]["window_us"] = us(self.rules.vibration_lasts_s) if change == 1 else None
