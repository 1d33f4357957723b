"""The cover of an escalator, one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass, field

from tests.oracles import escalator_oracle
from tests.oracles.escalator_oracle import EscalatorOracle

VALUES = escalator_oracle.VALUES | {"cover_open": (0, 1, 1), "car": (0, 0, 1)}
SHORT = {"escalator_state_bridge_s": 1, "cover_open_window_s": 3}
REACHES = {(55, 1, 0), (55, 3, 2), (55, 3, 3)}


@dataclass
class Rules:
    cover_open_window_s: float = 300
    escalator_state_bridge_s: float = 0.5


@dataclass
class Oracle(EscalatorOracle):
    rules: Rules = field(default_factory=Rules)
    kind = 55

    def window_s(self):
        return 0 if self.runs() else self.rules.cover_open_window_s

    def condition(self, told, time):
        cover = self.held.get("cover_open")
        self.says = {
            "cover_open": None if cover is None else cover == 1,
            "not_inspected": not self.inspected(),
            "running": self.runs(),
        }
        return cover == 1 and not self.inspected()

    def bridge_s(self):
        return self.rules.escalator_state_bridge_s
