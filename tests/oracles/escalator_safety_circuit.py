"""The safety circuit of an escalator, one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass, field

from tests.oracles import escalator_oracle
from tests.oracles.escalator_oracle import EscalatorOracle

VALUES = escalator_oracle.VALUES | {
    "safety_circuit": (1, 1, 0, 0),
    "codes": ((), (), (61,), (41, 61), (65,)),
    "power": (0, 0, 0, 1),
}
SHORT = {"escalator_state_bridge_s": 1, "escalator_circuit_window_s": 3}
REACHES = {(56, 1, 0), (56, 3, 2), (56, 3, 3)}


@dataclass
class Rules:
    escalator_circuit_window_s: float = 1
    escalator_state_bridge_s: float = 0.5


@dataclass
class Oracle(EscalatorOracle):
    rules: Rules = field(default_factory=Rules)
    kind = 56
    code = 61

    def window_s(self):
        return self.rules.escalator_circuit_window_s

    def condition(self, told, time):
        circuit, power = self.held.get("safety_circuit"), self.held.get("power")
        sensed = None
        if circuit is not None:
            sensed = circuit == 0 and not self.inspected() and power != 1
        self.says = {
            "sensed": sensed,
            "code_61": self.coded(),
            "circuit_open": None if circuit is None else circuit == 0,
            "mains_off": None if power is None else power == 1,
            "not_inspected": not self.inspected(),
        }
        return sensed

    def bridge_s(self):
        return self.rules.escalator_state_bridge_s
