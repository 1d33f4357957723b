"""Overspeed, one lift and one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass, field

from tests.oracles.lift_listener import Listener
from tests.oracles.windowed import us

OVERSPEED = 4
VALUES = {"speed_mps": (0.0, 0.04, 1.0, 1.1, 1.2, -1.3, 2.0), "car": (1, 1, 0)}
SHORT = {"rated_speed_mps": 1.0, "overspeed_bridge_s": 1}
REACHES = {(4, 1, 0), (4, 3, 2)}


@dataclass
class Rules:
    rated_speed_mps: float | None = None
    overspeed_factor: float = 1.15
    overspeed_apart_s: float = 0.1
    overspeed_bridge_s: float = 10


@dataclass
class Oracle(Listener):
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self):
        super().__init__(self.rules)

    def start(self):
        self.since = None
        self.confirmed = False
        self.window(OVERSPEED, 0, us(self.rules.overspeed_bridge_s))

    def fast(self):
        if self.speed is None or self.rules.rated_speed_mps is None:
            return None
        return self.speed > self.rules.rated_speed_mps * self.rules.overspeed_factor

    def look(self, time, told):
        if not self.fast():
            self.since, self.confirmed = None, False
        else:
            self.since = time if self.since is None else self.since
            apart = time - self.since >= us(self.rules.overspeed_apart_s)
            self.confirmed = self.confirmed or ("speed_mps" in told and apart)
        self.windows[OVERSPEED].judged(time, self.confirmed)

    def said(self, kind):
        return {"over_limit": self.fast(), "window_us": None}
