"""An empty car outside the zone, one lift and one frame at a time. From docs/detectors.md."""

from dataclasses import dataclass, field

from tests.oracles.lift_listener import Listener, merged
from tests.oracles.windowed import us

OUTSIDE = 9
VALUES = {
    "passenger": (0, 0, 0, 1, 3),
    "zone": (0, 0, 1),
    "door": (2, 2, 2, 1, 3, 4, 0, 5),
    "codes": ((), (), (4,), (41,)),
}
SHORT = {"stopped_outside_window_s": 2, "stopped_outside_bridge_s": 1}
REACHES = {(9, 1, 0), (9, 3, 2), (9, 3, 3)}


@dataclass
class Rules:
    stopped_outside_window_s: float = 45
    stopped_outside_bridge_s: float = 2


@dataclass
class Oracle(Listener):
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self):
        super().__init__(self.rules)

    def start(self):
        self.at_landing = self.occupied = False
        rules = self.rules
        bridge = us(rules.stopped_outside_bridge_s)
        self.window(OUTSIDE, us(rules.stopped_outside_window_s), bridge)

    def look(self, time, told):
        zone, door, passenger = self.get("zone"), self.get("door"), self.get("passenger")
        doors_apart = door in (1, 3, 4, 6)
        if self.moves:
            self.at_landing = False
        elif self.stands and (zone == 1 or doors_apart):
            self.at_landing = True
        if doors_apart or (door is None and self.stands and zone == 1):
            self.occupied = False
        elif passenger:
            self.occupied = True
        empty = passenger == 0 and not self.occupied and self.get("mode") != 2
        self.sensed = None
        if zone is not None and (self.moves or self.stands):
            self.sensed = self.stands and zone == 0 and not self.at_landing and empty
        code = self.code(4)
        holds, self.sure = merged(self.sensed, code if empty or code is None else False)
        self.windows[OUTSIDE].judged(time, holds)

    def confidence(self, kind):
        return self.sure

    def said(self, kind):
        passenger = self.get("passenger")
        return {
            "sensed": self.sensed,
            "code_04": self.code(4),
            "at_landing_since_it_moved": self.at_landing,
            "inside": None if passenger is None else bool(passenger) or self.occupied,
        }
