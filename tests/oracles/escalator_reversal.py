"""Reversal of an escalator, one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass, field
from typing import Any

from tests.oracles import escalator_oracle
from tests.oracles.escalator_oracle import EscalatorOracle
from tests.oracles.windowed import us

VALUES = escalator_oracle.VALUES | {
    "direction": (1, 1, 2, 2, 0),
    "speed_mps": (0.5, 0.5, 0.5, -0.5, 0.3, 0.0),
    "codes": ((), (), (), (63,), (63, 65)),
}
SHORT = {"escalator_bridge_s": 1, "reversal_window_s": 2, "reversal_gap_s": 3}
REACHES = {(51, 1, 0), (51, 3, 2), (51, 3, 3)}


@dataclass
class Rules:
    reversal_window_s: float = 1
    reversal_gap_s: float = 6
    escalator_bridge_s: float = 5


@dataclass
class Oracle(EscalatorOracle):
    rules: Rules = field(default_factory=Rules)
    way: Any = None  # in which this run began; None = not told in it
    way_told: Any = None
    kind = 51
    code = 63

    def window_s(self):
        return self.rules.reversal_window_s

    def stands(self):
        speed = self.held.get("speed_mps")
        slow = speed is not None and abs(speed) < 0.05
        return not self.runs() or slow or self.held.get("direction") == 0

    def condition(self, told, time):
        unseen = self.way_told is not None and time - self.way_told > us(self.rules.reversal_gap_s)
        if "direction" in told:
            self.way_told = time
        if self.stands() or self.inspected():
            self.way = None
        elif "direction" in told and (self.way is None or unseen):
            self.way = told["direction"]
        sensed = None if self.way is None else self.held["direction"] != self.way
        self.says = {"sensed": sensed, "code_63": self.coded(), "standing": self.stands()}
        return sensed
