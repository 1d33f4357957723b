"""Deviation of a handrail, one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass, field
from typing import Any

from tests.oracles import escalator_oracle
from tests.oracles.escalator_oracle import EscalatorOracle, steps_pct

VALUES = escalator_oracle.VALUES | {
    "speed_mps": (0.5, 0.5, -0.5, 0.2, 0.125, 0.06),
    "handrail_left_pct": (100.0, 98.0, 85.0, 80.0, 40.0),
    "handrail_right_pct": (100.0, 101.0, 115.0, 120.0, 41.0),
}
SHORT = {
    "handrail_least_steps_pct": 25,
    "handrail_window_s": 3,
    "handrail_bridge_s": 1,
    "handrail_rest_s": 10,
    "rated_speed_mps": 0.5,
}
REACHES = {(52, 1, 0), (52, 3, 2), (52, 3, 3)}


@dataclass
class Rules:
    handrail_deviation_pct: float = 15
    handrail_least_steps_pct: float = 20
    handrail_window_s: float = 15
    handrail_bridge_s: float = 2
    handrail_rest_s: float = 600
    rated_speed_mps: Any = None


@dataclass
class Oracle(EscalatorOracle):
    rules: Rules = field(default_factory=Rules)
    kind = 52

    def against(self):
        """What the handrails are compared with: the steps, or else the faster handrail."""
        steps = steps_pct(self)
        if steps is not None:
            return steps
        rails = (self.held.get("handrail_left_pct"), self.held.get("handrail_right_pct"))
        return max((rail for rail in rails if rail is not None), default=None)

    def judged(self):
        against = self.against()
        return (
            self.runs() and against is not None and against >= self.rules.handrail_least_steps_pct
        )

    def deviates(self, rail):
        pct = self.held.get(rail)
        if pct is None or not self.judged():
            return None
        return 100 * abs(pct - self.against()) / self.against() > self.rules.handrail_deviation_pct

    def condition(self, told, time):
        self.says = {
            "running": bool(self.judged()),
            "left_deviates": self.deviates("handrail_left_pct"),
            "right_deviates": self.deviates("handrail_right_pct"),
            "steps_known": steps_pct(self) is not None,
        }
        return bool(self.says["left_deviates"] or self.says["right_deviates"])

    def coded(self):
        return None

    def indirect(self):
        return steps_pct(self) is None

    def window_s(self):
        return self.rules.handrail_window_s

    def bridge_s(self):
        if not self.held:
            return 0
        return self.rules.handrail_bridge_s if self.judged() else self.rules.handrail_rest_s
