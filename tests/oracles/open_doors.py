"""Cars with open doors, one lift and one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass, field

from telemetry.columns import QUALITY_BIT
from tests.oracles.lift_listener import Listener, merged
from tests.oracles.windowed import us

UNINTENDED, RUNNING_OPEN = 5, 6
SEEN_BY = {"car": "car", "speed": "speed_mps", "door": "door", "zone": "zone"}
VALUES = {
    "car": (0, 1),
    "speed_mps": (0.0, 0.0, 0.3, 0.3, -0.39, 1.5),
    "door": (2, 4, 4, 4, 1, 3, 0, 5, 6),
    "codes": ((), (), (5,), (41,)),
    "quality": (0, 0, 0, 1 << QUALITY_BIT["speed"], 1 << QUALITY_BIT["load"]),
}
SHORT = {
    "unintended_movement_window_s": 1,
    "unintended_movement_bridge_s": 0.5,
    "doors_open_running_window_s": 1.5,
}
REACHES = {(5, 1, 0), (5, 3, 2), (5, 3, 3), (6, 1, 0), (6, 3, 2), (6, 3, 3)}


@dataclass
class Rules:
    unintended_movement_window_s: float = 2
    unintended_movement_bridge_s: float = 2
    doors_open_running_window_s: float = 2
    creep_speed_mps: float = 0.4


@dataclass
class Oracle(Listener):
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self):
        super().__init__(self.rules)

    def start(self):
        rules = self.rules
        self.stood_open = self.moved = self.shut_on_run = self.parted = False
        self.refused_now, self.refused = set(), set()
        bridge = us(rules.unintended_movement_bridge_s)
        self.window(UNINTENDED, us(rules.unintended_movement_window_s), bridge)
        self.window(RUNNING_OPEN, us(rules.doors_open_running_window_s), 0)

    def frame(self, frame):
        bits = frame.get("quality", 0) if frame.get("unit", 0) == 0 else 0
        self.refused_now = {c for k, c in SEEN_BY.items() if bits >> QUALITY_BIT[k] & 1}
        super().frame(frame)

    def look(self, time, told):
        zone, door = self.get("zone"), self.get("door")
        self.refused = self.refused_now | (set() if self.stands else self.refused - set(told))
        self.open, shut = door in (1, 3, 4, 6), door in (2, 5)
        if shut:
            self.stood_open = False
        elif self.open and zone == 1 and self.stands:
            self.stood_open = True
        if not self.stood_open or (self.stands and zone == 1):
            self.moved = False
        elif self.moves:
            self.moved = True
        if self.stands:
            self.shut_on_run = False
        elif shut and self.moves:
            self.shut_on_run = True
        self.creeps = None if self.speed is None else self.speed < self.rules.creep_speed_mps
        outside = zone == 0 and self.open and self.get("mode") != 2
        away = outside and self.stood_open and self.moved and (self.creeps or self.stands)
        can_tell = zone is not None and door is not None and (self.moves or self.stands)
        self.sensed = bool(away) if can_tell else None
        holds, self.sure = merged(self.sensed, self.code(5))
        self.windows[UNINTENDED].judged(time, holds)
        if not self.open or not self.moves or self.get("mode") == 2 or self.refused:
            self.parted = False
        elif outside and self.shut_on_run:
            self.parted = True
        runs_open = self.parted or (outside and self.moves and self.creeps and not self.refused)
        self.windows[RUNNING_OPEN].judged(time, bool(runs_open))

    def confidence(self, kind):
        return self.sure if kind == UNINTENDED else 0

    def said(self, kind):
        return {
            "doors_open": None if self.get("door") is None else self.open,
            "moving": self.moves if self.moves or self.stands else None,
            "creeping": self.creeps,
            "doors_stood_open_at_landing": self.stood_open,
            "moved_since": self.moved,
            "doors_shut_on_this_run": self.shut_on_run,
        }
