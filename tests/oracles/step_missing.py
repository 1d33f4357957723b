"""A missing step, one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass, field
from typing import Any

from tests.oracles import escalator_oracle
from tests.oracles.escalator_oracle import EscalatorOracle
from tests.oracles.windowed import us

VALUES = escalator_oracle.VALUES | {
    "speed_mps": (0.5, 0.5, 0.5, 0.5, 0.49, 0.2),
    "step_frequency_hz": (1.25, 1.25, 1.25, 1.2, 0.9375, 0.625, 0.5),
    "codes": ((), (), (), (64,), (64, 65)),
}
SHORT = {"step_steady_s": 1, "step_apart_s": 2, "step_round_s": 60}
REACHES = {(53, 1, 0), (53, 3, 2)}


@dataclass
class Rules:
    step_dip_pct: float = 75
    step_steady_s: float = 3
    step_apart_s: float = 10
    step_round_s: float = 600


@dataclass
class Oracle(EscalatorOracle):
    rules: Rules = field(default_factory=Rules)
    speed: Any = None  # when last heard, if it ran
    frequency: Any = None
    unsteady: Any = None  # when its speed last was another
    gap: Any = None  # when the last gap passed
    passes: bool = False
    kind = 53
    code = 64

    def bridge_s(self):
        return self.rules.step_round_s

    def condition(self, told, time):
        speed = abs(self.held["speed_mps"]) if self.runs() and "speed_mps" in self.held else None
        same = (
            speed is not None
            and self.speed is not None
            and abs(speed - self.speed) <= 0.1 * max(speed, self.speed)
        )
        if not same:
            self.unsteady = time
        self.speed = speed
        steady = same and time - self.unsteady >= us(self.rules.step_steady_s)
        if "step_frequency_hz" in told:
            self.count(told, time, steady)
        self.says = {
            "sensed": None if self.frequency is None else self.passes,
            "code_64": self.coded(),
            "running": self.runs(),
        }
        return self.says["sensed"]

    def count(self, told, time, steady):
        before, self.frequency = self.frequency, told["step_frequency_hz"]
        if "speed_mps" not in told:
            return
        falls = before is not None and self.frequency < self.rules.step_dip_pct / 100 * before
        if steady and falls:
            since = None if self.gap is None else time - self.gap
            self.passes = since is not None and us(self.rules.step_apart_s) <= since <= us(
                self.rules.step_round_s
            )
            self.gap = time
        elif self.gap is not None and time > self.gap:
            self.passes = False
