"""A prevented restart of an escalator, one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass, field

from tests.oracles import escalator_oracle
from tests.oracles.escalator_oracle import EscalatorOracle

VALUES = escalator_oracle.VALUES | {"codes": ((), (), (65,), (62, 65), (63,))}
SHORT = {"escalator_state_bridge_s": 1}
REACHES = {(57, 1, 0), (57, 3, 2)}


@dataclass
class Rules:
    escalator_state_bridge_s: float = 0.5


@dataclass
class Oracle(EscalatorOracle):
    rules: Rules = field(default_factory=Rules)
    kind = 57
    code = 65

    def condition(self, told, time):
        sensed = False if self.runs() else None
        self.says = {"sensed": sensed, "code_65": self.coded(), "running": self.runs()}
        return sensed

    def bridge_s(self):
        return self.rules.escalator_state_bridge_s
