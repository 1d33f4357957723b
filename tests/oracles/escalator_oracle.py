"""What the oracles of escalators share: holding columns, codes, merging, telling.

One unit and one frame at a time; written from docs/detectors.md. An oracle says in ``condition``
what is so now: whether its sensors tell the finding (True, False, None = cannot tell), and what
else it wants compared. ``code`` is the national code of the finding, if it has one.
"""

from dataclasses import dataclass, field
from typing import Any

from tests.oracles.windowed import Window, us

CERTAIN, PROBABLE, POSSIBLE = 0, 1, 2
LIFT, ESCALATOR, WALK = 0, 1, 2
INSPECTION = 2
COLUMNS = (
    "mode", "car", "direction", "speed_mps", "power", "terminal_power", "safety_circuit", "codes",
    "handrail_left_pct", "handrail_right_pct", "step_frequency_hz", "cover_open", "emergency_stop",
)  # fmt: skip
"""What frames of escalators and walks can tell."""
VALUES = {
    "unit": (1, 1, 1, 1, 1, 1, 2, 0),
    "mode": (1, 1, 1, 1, 1, 0, 2, 3),
    "car": (1, 1, 1, 0),
}
"""Frames of escalators, mostly; what an oracle draws besides, it says itself."""


@dataclass
class EscalatorOracle:
    rules: Any = None
    found: list = field(default_factory=list)
    held: dict = field(default_factory=dict)
    last_time: Any = None
    last_seen: Any = None
    kind = 0
    code = None

    def __post_init__(self):
        self.window = Window(self.tell, 0, us(self.bridge_s()))
        self.says = {}

    # --- what an oracle says -----------------------------------------------------------------

    def bridge_s(self):
        return self.rules.escalator_bridge_s

    def window_s(self):
        return 0

    def condition(self, frame, time):
        raise NotImplementedError

    # --- frames and ticks --------------------------------------------------------------------

    def frame(self, frame):
        time = frame["time_us"]
        if self.last_time is not None:
            time = max(time, self.last_time)
        self.last_time = time
        self.window.passes(time)
        if frame.get("unit", LIFT) == LIFT:
            return
        told = {name: frame[name] for name in COLUMNS if name in frame}
        if not told:
            return
        self.last_seen = time
        self.hold(told)
        sensed = self.condition(told, time)
        code = self.coded()
        self.confidence = confidence_of(sensed, code, self.indirect())
        self.window.window_us = 0 if code else us(self.window_s())
        self.window.bridge_us = us(self.bridge_s())
        self.window.judged(time, bool(sensed) or bool(code))
        self.window.passes(time, told=True)

    def tick(self, now):
        if self.last_time is not None and now > self.last_time:
            self.window.passes(now, tick=True)

    def hold(self, told):
        if "car" in told and "speed_mps" not in told and told["car"] != self.held.get("car"):
            self.held.pop("speed_mps", None)
        self.held |= told
        if (
            "power" in told
            and told["power"] == 0
            and "codes" not in told
            and self.held.get("codes")
        ):
            self.held["codes"] = tuple(c for c in self.held["codes"] if c != 41)

    # --- what the unit does ------------------------------------------------------------------

    def coded(self):
        if self.code is None or "codes" not in self.held:
            return None
        return self.code in self.held["codes"]

    def indirect(self):
        return False

    def runs(self):
        car = self.held.get("car")
        if car is None:
            return abs(self.held.get("speed_mps", 0)) >= 0.05
        return car == 1

    def inspected(self):
        return self.held.get("mode") == INSPECTION

    def tell(self, change, time, onset, reason):
        self.found.append(
            {
                "t_us": time,
                "onset_us": onset,
                "kind": self.kind,
                "kind_now": self.kind,
                "change": change,
                "reason": reason,
                "confidence": CERTAIN if change == 3 else self.confidence,
                "last_seen_us": self.last_seen,
                **self.says,
            }
        )


def confidence_of(sensed, code, indirect=False):
    """Both agree: certain. One alone is less sure, the code even less than the sensors."""
    if sensed and code:
        return CERTAIN
    if sensed:
        return PROBABLE if code is False or indirect else CERTAIN
    return POSSIBLE if sensed is False else PROBABLE


def steps_pct(oracle):
    """The speed of the steps in percent of nominal, if it is known."""
    speed, rated = oracle.held.get("speed_mps"), oracle.rules.rated_speed_mps
    return None if speed is None or rated is None else 100 * abs(speed) / rated
