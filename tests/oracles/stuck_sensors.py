"""Sensors that do not follow the lift, one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass, field

from tests.oracles.lift_listener import CERTAIN, PROBABLE, Listener
from tests.oracles.windowed import us

PRESENCE, DOOR, ZONE, FLOOR = 31, 32, 33, 34
COLUMN_OF = {PRESENCE: "passenger", DOOR: "door", ZONE: "zone", FLOOR: "floor"}
CLOSED, INSPECTION = 2, 2
REACHES = {(k, c, r) for k in (31, 32, 33, 34) for c, r in ((1, 0), (3, 2))} | {(31, 3, 3)}
SHORT = {
    "presence_stuck_runs": 2,
    "presence_stuck_s": 2,
    "door_stuck_runs": 2,
    "zone_stuck_runs": 2,
    "floor_frozen_runs": 1,
    "door_flaps_per_min": 3,
    "zone_flaps_per_min": 3,
    "sensor_calm_s": 5,
}
VALUES = {"floor": (1, 1, 1, 2), "car": (0, 1), "door": (2, 3, 4), "mode": (1, 1, 1, 2)}


@dataclass
class Rules:
    presence_stuck_runs: int = 20
    presence_stuck_s: float = 900
    door_stuck_runs: int = 8
    zone_stuck_runs: int = 4
    floor_frozen_runs: int = 4
    door_flaps_per_min: int = 15
    zone_flaps_per_min: int = 10
    sensor_calm_s: float = 120


@dataclass
class Oracle(Listener):
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self):
        super().__init__(self.rules)

    def start(self):
        self.run_floor = self.run_zone = None
        self.left_zone = False
        self.runs = dict.fromkeys(COLUMN_OF.values(), 0)
        self.flaps = dict.fromkeys(("door", "zone"), 0)
        calm_us = us(self.rules.sensor_calm_s)
        for kind in COLUMN_OF:
            self.window(kind, us(self.rules.presence_stuck_s if kind == PRESENCE else 0), calm_us)

    def stuck(self, kind):
        most = {
            PRESENCE: self.rules.presence_stuck_runs,
            DOOR: self.rules.door_stuck_runs,
            ZONE: self.rules.zone_stuck_runs,
            FLOOR: self.rules.floor_frozen_runs,
        }[kind]
        column = COLUMN_OF[kind]
        return self.runs[column] >= most and self.get(column) is not None

    def flapping(self, kind):
        most = {DOOR: self.rules.door_flaps_per_min, ZONE: self.rules.zone_flaps_per_min}
        return kind in most and self.flaps[COLUMN_OF[kind]] >= most[kind]

    def confidence(self, kind):
        return CERTAIN if self.flapping(kind) else PROBABLE

    def said(self, kind):
        return {
            "stuck": self.stuck(kind),
            "runs_unchanged": min(self.runs[COLUMN_OF[kind]], 255),
            "window_us": None,
        }

    def look(self, time, told):
        started = self.get("car") == 1 and self.was("car") != 1
        ended = self.was("car") == 1 and self.get("car") == 0
        if started:
            self.run_floor, self.run_zone = self.was("floor"), self.was("zone")
            self.left_zone = False
        if self.get("car") == 1 and self.get("zone") == 0:
            self.left_zone = True
        for column in self.runs:
            if self.get(column) != self.was(column):
                self.runs[column] = 0
        if ended:
            self.count_run()
        self.count_flaps()
        for kind, window in self.windows.items():
            window.judged(time, self.stuck(kind) or self.flapping(kind))

    def count_flaps(self):
        if self.is_new(60):
            self.flaps = dict.fromkeys(self.flaps, 0)
        if self.get("door") == CLOSED and self.was("door") not in (CLOSED, None):
            self.flaps["door"] += 1
        stands = self.get("car") == 0 and self.was("car") == 0
        if self.get("floor") != self.was("floor"):
            self.flaps["zone"] = 0
        elif stands and self.was("zone") is not None and self.get("zone") != self.was("zone"):
            self.flaps["zone"] += 1

    def count_run(self):
        floor, zone = self.get("floor"), self.get("zone")
        if None not in (floor, self.run_floor) and floor != self.run_floor:
            self.runs["passenger"] += 1
            self.runs["zone"] += 1
            if zone != 0 and self.get("mode") != INSPECTION:
                self.runs["door"] += 1
        if self.left_zone and self.run_zone == 1 and zone == 1:
            self.runs["floor"] += 1
