"""Overspeed of an escalator, one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass, field
from typing import Any

from tests.oracles import escalator_oracle
from tests.oracles.escalator_oracle import EscalatorOracle, steps_pct

VALUES = escalator_oracle.VALUES | {
    "speed_mps": (0.5, 0.5, -0.53, 0.575, -0.6, 0.2),
    "handrail_left_pct": (100.0, 110.0, 115.0, 120.0),
    "handrail_right_pct": (100.0, 110.0, 115.0, 90.0),
    "codes": ((), (), (), (62,), (62, 65)),
}
SHORT = {"escalator_bridge_s": 1, "escalator_overspeed_window_s": 3, "rated_speed_mps": 0.5}
REACHES = {(50, 1, 0), (50, 3, 2), (50, 3, 3)}


@dataclass
class Rules:
    escalator_overspeed_pct: float = 110
    escalator_overspeed_window_s: float = 1
    escalator_bridge_s: float = 5
    rated_speed_mps: Any = None


@dataclass
class Oracle(EscalatorOracle):
    rules: Rules = field(default_factory=Rules)
    kind = 50
    code = 62

    def window_s(self):
        return self.rules.escalator_overspeed_window_s

    def condition(self, told, time):
        pct = steps_pct(self)
        if pct is None:
            rails = self.held.get("handrail_left_pct"), self.held.get("handrail_right_pct")
            pct = None if None in rails else min(rails)
        sensed = None if pct is None else pct > self.rules.escalator_overspeed_pct
        self.says = {"sensed": sensed, "code_62": self.coded()}
        return sensed

    def indirect(self):
        return steps_pct(self) is None
