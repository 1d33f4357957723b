"""Frames that contradict themselves, one at a time. Written from docs/detectors.md."""

from dataclasses import dataclass, field

from tests.oracles.lift_listener import Listener
from tests.oracles.windowed import us

IMPLAUSIBLE = 40
REACHES = {(40, 1, 0), (40, 3, 2)}
SHORT = {"implausible_per_10_min": 2, "implausible_open_s": 8, "implausible_calm_s": 60}
VALUES = {
    "quality": (0, 0, 0, 0, 0, 0, 4096),
    "floor": (1, 1, 1, 1, 1, 2),
    "speed_mps": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 2.5, 21.0, 25.0),
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


@dataclass
class Oracle(Listener):
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self):
        super().__init__(self.rules)

    def start(self):
        self.frames, self.marked_at, self.open_since = 0, None, None
        self.signs = dict.fromkeys(SIGNS, False)
        self.window(IMPLAUSIBLE, 0, us(self.rules.implausible_calm_s))

    def look(self, time, told):
        if self.is_new(600):
            self.frames = 0
        if self.get("car") == 1 and self.get("door") == 4:
            self.open_since = time if self.open_since is None else self.open_since
        else:
            self.open_since = None
        self.mark(time, told)
        many = self.frames >= self.rules.implausible_per_10_min
        self.windows[IMPLAUSIBLE].judged(time, many or self.long_open())

    def said(self, kind):
        return {**self.signs, "running_with_open_doors": self.long_open(), "window_us": None}

    def long_open(self):
        if self.open_since is None:
            return False
        return self.seen - self.open_since >= us(self.rules.implausible_open_s)

    def mark(self, time, told):
        wrong = self.wrong(told)
        if any(wrong.values()):
            self.signs = wrong
            if self.marked_at is None or time > self.marked_at:
                self.frames += 1
            self.marked_at = time

    def wrong(self, told):
        rules, speed = self.rules, abs(self.now.get("speed_mps", 0))
        fastest = rules.rated_speed_mps * rules.implausible_rated_times or 21
        stands = self.get("car") == 0
        return {
            "values_refused": bool(told) and self.frame_heard.get("quality", 0) != 0,
            "too_fast": bool(told) and speed > fastest,
            "standing_at_speed": bool(told) and stands and speed >= rules.implausible_standing_mps,
            "floor_jumped": stands
            and self.was("car") == 0
            and self.was("floor") not in (None, self.get("floor")),
        }
