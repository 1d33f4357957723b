"""The emergency stop of an escalator, one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass, field

from tests.oracles import escalator_oracle
from tests.oracles.escalator_oracle import EscalatorOracle

VALUES = escalator_oracle.VALUES | {"emergency_stop": (0, 0, 1)}
SHORT = {"escalator_state_bridge_s": 1}
REACHES = {(54, 1, 0), (54, 3, 2)}


@dataclass
class Rules:
    escalator_state_bridge_s: float = 0.5


@dataclass
class Oracle(EscalatorOracle):
    rules: Rules = field(default_factory=Rules)
    kind = 54

    def condition(self, told, time):
        pressed = self.held.get("emergency_stop")
        self.says = {
            "emergency_stop": None if pressed is None else pressed == 1,
            "not_inspected": not self.inspected(),
        }
        return pressed == 1 and not self.inspected()

    def coded(self):
        return None

    def bridge_s(self):
        return self.rules.escalator_state_bridge_s
