"""How well a car levels, one lift and one frame at a time. From docs/detectors.md."""

from dataclasses import dataclass, field

import numpy as np

from tests.oracles.lift_listener import Listener
from tests.oracles.windowed import us

OFF, BACK = 15, 14
VALUES = {
    "car": (0, 0, 1),
    "speed_mps": (0.0, 0.0, 0.0, 0.03, 1.5),
    "zone": (1, 1, 0),
    "door": (2, 2, 2, 4, 0),
    "floor": (3, 3, 3, 3, 3, 3, 4, 35),
    "height_m": (9.0, 9.0, 9.0, 9.0, 9.004, 9.035, 9.022, 9.035, 9.6),
    "unit": (0,),
    "mode": (1,),
}
SHORT = {
    "landing_sure_stops": 1,
    "stopping_window_s": 5,
    "holding_window_s": 5,
    "relevellings": 2,
}
REACHES = {
    *((kind, change, reason) for kind in (14, 15) for change, reason in ((1, 0), (3, 2))),
    (14, 2, 0),
    (15, 3, 3),
}


@dataclass
class Rules:
    stopping_error_m: float = 0.010
    holding_error_m: float = 0.020
    levelling_noise_m: float = 0.003
    zone_reach_m: float = 0.35
    stopping_window_s: float = 1
    holding_window_s: float = 10
    landing_sure_stops: int = 5
    relevellings: int = 5
    relevelling_pause_s: float = 300
    relevelling_speed_mps: float = 0.02


@dataclass
class Oracle(Listener):
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self):
        super().__init__(self.rules)

    def start(self):
        self.known = {}  # slot -> (height, stops that agreed)
        self.travels = self.stopped_off = self.sagged = self.opened = False
        self.landing = None
        self.returns, self.returned = 0, None
        self.ran = self.away = self.has_returned = False
        self.floor_before = None
        self.window(OFF, us(self.rules.stopping_window_s), 0)
        self.window(BACK, 0, 0)

    def look(self, time, told):
        self.stop(told)
        self.judge_error(time)
        self.windows[BACK].judged(time, self.returns >= self.rules.relevellings)

    # --- beside the landing

    def stop(self, told):
        zone = self.get("zone")
        self.leaves = self.moves and zone == 0
        self.parked = self.stands and zone == 1
        if self.leaves:
            self.travels = True
        if self.leaves or self.get("floor") != self.floor_before:
            self.landing = None
        self.floor_before = self.get("floor")
        measured = self.parked and "height_m" in told and self.get("floor") is not None
        if measured and self.travels:
            self.travels = False
            self.learn(self.get("floor") % 32, np.float32(self.get("height_m")))

    def learn(self, slot, height):
        landing, stops = self.known.get(slot, (None, 0))
        self.landing = landing if stops >= self.rules.landing_sure_stops else None
        if landing is not None and abs(height - landing) <= np.float32(0.010):
            stops = min(stops + 1, 16)
            landing = landing + (height - landing) / np.float32(stops)
        elif stops < self.rules.landing_sure_stops + 2:
            landing, stops = height, 1
        else:
            stops -= 2
        self.known[slot] = landing, stops

    def judge_error(self, time):
        rules, noise = self.rules, np.float32(self.rules.levelling_noise_m)
        stopping, holding = np.float32(rules.stopping_error_m), np.float32(rules.holding_error_m)
        if self.leaves:
            self.opened = False
        elif self.get("door") in (1, 3, 4, 6):
            self.opened = True
        height, error = self.get("height_m"), None
        if height is not None and self.landing is not None:
            error = abs(np.float32(height) - self.landing)
            if error > np.float32(rules.zone_reach_m):
                error = None
        if self.leaves or error is None or error <= stopping:
            self.stopped_off = self.sagged = False
        elif self.parked:
            if error > stopping + noise and not self.opened:
                self.stopped_off = True
            if error > holding + noise:
                self.sagged = True
        window = self.windows[OFF]
        seconds = rules.stopping_window_s if self.stopped_off else rules.holding_window_s
        window.window_us = us(seconds)
        window.judged(time, self.stopped_off or self.sagged)

    # --- back to the landing

    def has_news(self, before):
        """Count a run back; only of runs back is told anew."""
        speed, zone, floor = self.speed, self.get("zone"), self.get("floor")
        runs = self.get("car") == 1
        runs = runs or (speed is not None and speed >= np.float32(self.rules.relevelling_speed_mps))
        was = before.get("floor")
        left = zone == 0 or (was is not None and floor != was)
        returns = self.ran and not runs and not self.away and not left and zone == 1
        self.away = (self.away or left) if runs else left
        self.ran = runs
        if left:
            self.returns = 0
        if returns:
            time = self.time
            pause = us(self.rules.relevelling_pause_s)
            if self.returned is not None and time - self.returned > pause:
                self.returns = 0
            self.returned = time
            self.returns += 1
        return returns

    def said(self, kind):
        if kind == BACK:
            too_many = self.returns >= self.rules.relevellings
            return {"returns": self.returns, "too_many": too_many, "in_zone": self.get("zone")}
        return {
            "stopped_off": self.stopped_off,
            "moved_while_standing": self.sagged,
            "doors_opened": self.opened,
        }

    def frame(self, frame):
        window = self.windows[OFF]
        window.update = lambda time: None
        super().frame(frame)
