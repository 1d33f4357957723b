"""Over-travel, one lift and one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass, field

import numpy as np

from tests.oracles.lift_listener import Listener
from tests.oracles.windowed import us

TOP, BOTTOM = 7, 8
VALUES = {
    "car": (0, 0, 0, 0, 1),
    "speed_mps": (0.0, 0.0, 0.0, 0.04, 1.5),
    "door": (4, 4, 2),
    "height_m": (0.0, 0.0, 0.01, -0.125, -0.2, -0.2, -1.5, 3.0, 3.0, 3.125, 3.21, 4.5, 6.0),
    "mode": (1, 1, 1, 1, 2),
}
SHORT = {
    "over_travel_m": 0.125,
    "over_travel_window_s": 4,
    "over_travel_bridge_s": 1,
    "landing_visits": 1,
    "top_height_m": 3.0,
    "bottom_height_m": 0.0,
}
REACHES = {(7, 1, 0), (7, 3, 2), (7, 3, 3), (8, 1, 0), (8, 3, 2), (8, 3, 3)}


@dataclass
class Rules:
    top_height_m: float | None = None
    bottom_height_m: float | None = None
    over_travel_m: float = 0.1
    over_travel_at_most_m: float = 1.5
    landings_apart_m: float = 2.0
    landing_visits: int = 2
    over_travel_window_s: float = 2
    over_travel_bridge_s: float = 10


class End:
    """The furthest landing learned at one end."""

    def __init__(self, sign):
        self.sign = sign
        self.mm = None
        self.visits = 0

    def learn(self, height_mm, new_visit):
        out = height_mm * self.sign
        before = self.mm
        self.mm = out if before is None else max(before, out)
        if before is None or self.mm - before > 300:
            self.visits = 0
        if new_visit and self.mm - out <= 300:
            self.visits += 1

    @property
    def height(self):
        return None if self.mm is None else self.mm * self.sign / 1000


@dataclass
class Oracle(Listener):
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self):
        super().__init__(self.rules)

    def start(self):
        rules = self.rules
        self.ends = {TOP: End(1), BOTTOM: End(-1)}
        self.was_open = self.counted = False
        self.time_before = None
        self.height_before = None
        for kind in self.ends:
            self.window(kind, us(rules.over_travel_window_s), us(rules.over_travel_bridge_s))

    @property
    def height(self):
        """As it is held: a 32-bit real."""
        height = self.get("height_m")
        return None if height is None else float(np.float32(height))

    def look(self, time, told):
        is_open = self.get("door") == 4 and self.get("zone") == 1 and self.stands
        steady = self.height_before is not None and abs(self.height - self.height_before) <= 0.02
        later = self.time_before is not None and time > self.time_before
        learns = is_open and self.was_open and later and steady and "height_m" in told
        if learns:
            for end in self.ends.values():
                end.learn(round(self.height * 1000), not self.counted)
        self.counted = is_open and (self.counted or learns)
        self.was_open, self.height_before, self.time_before = is_open, self.height, time
        for kind in self.ends:
            beyond = self.beyond(kind)
            rests = self.stands and self.get("zone") != 1 and self.get("mode") != 2
            rules = self.rules
            holds = (
                rests
                and beyond is not None
                and rules.over_travel_m <= beyond <= rules.over_travel_at_most_m
            )
            self.windows[kind].judged(time, holds)

    def registered(self, kind):
        return self.rules.top_height_m if kind == TOP else self.rules.bottom_height_m

    def beyond(self, kind):
        landing, end = self.registered(kind), self.ends[kind]
        if landing is None:
            top, bottom = self.ends[TOP].height, self.ends[BOTTOM].height
            if top is None or top - bottom < self.rules.landings_apart_m:
                return None
            if min(end.visits, 255) < self.rules.landing_visits:
                return None
            landing = end.height
        return None if self.height is None else (self.height - landing) * end.sign

    def confidence(self, kind):
        sure = self.registered(kind) is not None or self.ends[kind].visits >= 10
        return 0 if sure else 1

    def said(self, kind):
        beyond = self.beyond(kind)
        return {
            "stopped": self.stands if self.stands or self.moves else None,
            "beyond_last_landing": None if beyond is None else beyond >= self.rules.over_travel_m,
            "landing_visits": min(self.ends[kind].visits, 255),
        }
