"""Frames that contradict themselves, one at a time. Written from docs/detectors.md."""

from dataclasses import dataclass

from tests.oracles.listener import Listener

REACHES = {(40, 1, 0), (40, 3, 2)}
SHORT = {"implausible_per_10_min": 2, "implausible_open_s": 8, "implausible_calm_s": 60}
VALUES = {
    "quality": (0, 0, 0, 0, 0, 0, 4096),
    "floor": (1, 1, 1, 1, 1, 2),
    "speed_mps": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.5, 25.0),
    "door": (2, 4, 4),
}


SIGNS = ("values_refused", "too_fast", "standing_at_speed", "floor_jumped")


@dataclass
class Rules:
    implausible_per_10_min: int = 5
    implausible_standing_mps: float = 0.5
    implausible_rated_times: float = 2.5
    rated_speed_mps: float = 0
    implausible_open_s: float = 600
    implausible_calm_s: float = 1200


class Oracle(Listener):
    def __init__(self, rules=None):
        super().__init__()
        self.rules = rules or Rules()
        self.frames, self.marked_at, self.open_since = 0, None, None
        self.signs = dict.fromkeys(SIGNS, False)
        self.follow(40, 0, self.rules.implausible_calm_s, self.holds, self.evidence)

    def evidence(self):
        return {**self.signs, "running_with_open_doors": self.long_open()}

    def long_open(self):
        if self.open_since is None:
            return False
        return self.seen - self.open_since >= self.rules.implausible_open_s * 1_000_000

    def holds(self):
        return self.frames >= self.rules.implausible_per_10_min or self.long_open()

    def heard(self, time, frame, told):
        period = 600_000_000
        if self.seen is not None and (
            self.seen_before is None or self.seen // period != self.seen_before // period
        ):
            self.frames = 0
        if self.now("car") == 1 and self.now("door") == 4:
            self.open_since = time if self.open_since is None else self.open_since
        else:
            self.open_since = None
        wrong = self.wrong(frame, told)
        if any(wrong.values()):
            self.signs = wrong
            if self.marked_at is None or time > self.marked_at:
                self.frames += 1
            self.marked_at = time

    def wrong(self, frame, told):
        rules, speed = self.rules, abs(self.held.get("speed_mps", 0))
        fastest = rules.rated_speed_mps * rules.implausible_rated_times or 21
        stands = self.now("car") == 0
        return {
            "values_refused": bool(told) and frame.get("quality", 0) != 0,
            "too_fast": bool(told) and speed > fastest,
            "standing_at_speed": bool(told) and stands and speed >= rules.implausible_standing_mps,
            "floor_jumped": stands
            and self.was("car") == 0
            and self.was("floor") not in (-1, self.now("floor")),
        }
