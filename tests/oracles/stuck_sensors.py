"""Sensors that do not follow the lift, one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass

from tests.oracles.listener import Listener

PRESENCE, DOOR, ZONE, FLOOR = 31, 32, 33, 34
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


class Oracle(Listener):
    def __init__(self, rules=None):
        super().__init__()
        self.rules = rules or Rules()
        self.run_floor = self.run_zone = -1
        self.left_zone = False
        self.runs = dict.fromkeys(("passenger", "door", "zone", "floor"), 0)
        self.flaps = dict.fromkeys(("door", "zone"), 0)
        r = self.rules
        for kind, column, most, flaps in (
            (PRESENCE, "passenger", r.presence_stuck_runs, None),
            (DOOR, "door", r.door_stuck_runs, r.door_flaps_per_min),
            (ZONE, "zone", r.zone_stuck_runs, r.zone_flaps_per_min),
            (FLOOR, "floor", r.floor_frozen_runs, None),
        ):
            self.watch(kind, column, most, flaps)

    def watch(self, kind, column, most, flaps):
        def stuck():
            return self.runs[column] >= most and self.now(column) != -1

        def flapping():
            return flaps is not None and self.flaps[column] >= flaps

        def evidence():
            said = {"stuck": stuck(), "runs_unchanged": min(self.runs[column], 255)}
            return {**said, "confidence": 0 if flapping() else 1}

        window_s = self.rules.presence_stuck_s if kind == PRESENCE else 0
        self.follow(
            kind, window_s, self.rules.sensor_calm_s, lambda: stuck() or flapping(), evidence
        )

    def heard(self, time, frame, told):
        if self.new_minute():
            self.flaps = dict.fromkeys(self.flaps, 0)
        started = self.now("car") == 1 and self.was("car") != 1
        ended = self.was("car") == 1 and self.now("car") == 0
        if started:
            self.run_floor, self.run_zone = self.was("floor"), self.was("zone")
            self.left_zone = False
        if self.now("car") == 1 and self.now("zone") == 0:
            self.left_zone = True
        for column in ("passenger", "door", "zone", "floor"):
            if self.now(column) != self.was(column):
                self.runs[column] = 0
        if ended:
            self.count_run()
        if self.now("door") == CLOSED and self.was("door") not in (CLOSED, -1):
            self.flaps["door"] += 1
        stands = self.now("car") == 0 and self.was("car") == 0
        if self.now("floor") != self.was("floor"):
            self.flaps["zone"] = 0
        elif stands and self.was("zone") != -1 and self.now("zone") != self.was("zone"):
            self.flaps["zone"] += 1

    def count_run(self):
        floor, zone = self.now("floor"), self.now("zone")
        if -1 not in (floor, self.run_floor) and floor != self.run_floor:
            self.runs["passenger"] += 1
            self.runs["zone"] += 1
            if zone != 0 and self.now("mode") != INSPECTION:
                self.runs["door"] += 1
        if self.left_zone and self.run_zone == 1 and zone == 1:
            self.runs["floor"] += 1
