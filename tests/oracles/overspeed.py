"""Overspeed, one lift and one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass, field

import numpy as np

from tests.oracles.lift_listener import CERTAIN, PROBABLE, Listener
from tests.oracles.windowed import us

OVERSPEED = 4
VALUES = {
    "speed_mps": (0.0, 0.0, 1.0, 1.2, 1.25, -1.3, 2.0),
    "car": (1, 1, 0),
    "height_m": (0.0, 0.0, 1.2, 2.4, 5.0),
}
SHORT = {
    "rated_speed_mps": 1.0,
    "overspeed_factor": 1.25,
    "overspeed_bridge_s": 1,
    "overspeed_alone_s": 1,
}
REACHES = {(4, 1, 0), (4, 3, 2)}


@dataclass
class Rules:
    rated_speed_mps: float | None = None
    overspeed_factor: float = 1.15
    overspeed_apart_s: float = 0.1
    overspeed_alone_s: float = 10
    overspeed_stop_s: float = 5
    overspeed_bridge_s: float = 10


@dataclass
class Oracle(Listener):
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self):
        super().__init__(self.rules)

    def start(self):
        self.since = self.last = self.from_m = None
        self.confirmed = self.stopped = self.fast_on_run = self.was_here = False
        self.was_outside = self.denied = self.stood = False
        self.agrees = None
        self.stops = 20
        self.window(OVERSPEED, 0, us(self.rules.overspeed_bridge_s))

    @property
    def limit(self):
        rated = self.rules.rated_speed_mps
        return None if rated is None else rated * self.rules.overspeed_factor

    def fast(self):
        if self.speed is None or self.limit is None:
            return None
        return self.speed > self.limit

    def lets_pass(self):
        """Whether a governor may not have acted yet (EN 81-20)."""
        rated = self.rules.rated_speed_mps
        return self.speed <= max(1.5, 1.25 * rated + 0.25 / rated)

    def look(self, time, told):
        height = float(np.float32(told["height_m"])) if "height_m" in told else None
        reading = bool(self.fast()) and "speed_mps" in told
        if not self.fast():
            self.since, self.confirmed = None, False
        elif self.since is None:
            self.since, self.from_m = time, height
        self.last = time if reading else self.last
        self.agrees = self.by_height(time, height)
        self.arrive(reading)
        lasted = time - self.since if self.fast() else 0
        believed = self.agrees or (
            self.agrees is None
            and self.stops >= 20
            and reading
            and self.lets_pass()
            and (self.get("height_m") is not None or lasted >= us(self.rules.overspeed_alone_s))
        )
        if self.fast() and self.agrees is False:
            self.denied = True
        elif self.stood:
            self.denied = False
        self.stood = self.stands
        if reading and believed and time - self.since >= us(self.rules.overspeed_apart_s):
            self.confirmed = True
        recent = self.last is not None and time - self.last <= us(self.rules.overspeed_stop_s)
        outside = self.stands and self.get("zone") == 0
        by_hand = self.get("mode") == 2 or self.denied
        braked = (
            recent and not self.was_outside and not by_hand and (self.agrees or self.stops >= 20)
        )
        self.stopped = outside and bool(self.stopped or braked)
        self.was_outside = outside
        self.windows[OVERSPEED].judged(time, self.confirmed or self.stopped)

    def by_height(self, time, height):
        """Whether the way since the first reading bears the speed out."""
        if not self.fast() or time == self.since or self.get("door") is None:
            return None
        if height is None or self.from_m is None:
            return None
        return abs(height - self.from_m) >= 0.95 * self.limit * (time - self.since) / 1_000_000

    def arrive(self, reading):
        here = self.stands and self.get("zone") == 1
        if here and not self.was_here:
            self.stops = 0 if self.fast_on_run else min(self.stops + 1, 20)
        self.was_here = here
        self.fast_on_run = not self.stands and (self.fast_on_run or reading)

    def confidence(self, kind):
        return CERTAIN if self.confirmed and self.agrees else PROBABLE

    def said(self, kind):
        return {
            "over_limit": self.fast(),
            "height_agrees": self.agrees,
            "stopped_outside_zone": self.stopped,
            "scale_trusted": self.stops >= 20,
            "window_us": None,
        }
