"""The mains of an escalator, one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass, field

from tests.oracles import escalator_oracle
from tests.oracles.escalator_oracle import EscalatorOracle

VALUES = escalator_oracle.VALUES | {
    "power": (0, 0, 0, 1),
    "codes": ((), (), (41,), (41, 65)),
}
SHORT = {"escalator_state_bridge_s": 1}
REACHES = {(18, 1, 0), (18, 3, 2)}


@dataclass
class Rules:
    escalator_state_bridge_s: float = 0.5


@dataclass
class Oracle(EscalatorOracle):
    rules: Rules = field(default_factory=Rules)
    kind = 18
    code = 41

    def condition(self, told, time):
        power = self.held.get("power")
        sensed = None if power is None else power == 1
        self.says = {"sensed": sensed, "code_41": self.coded()}
        return sensed

    def bridge_s(self):
        return self.rules.escalator_state_bridge_s
