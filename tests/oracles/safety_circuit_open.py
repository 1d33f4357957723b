"""The safety circuit opened on a run, one lift and one frame at a time. From docs/detectors.md."""

from dataclasses import dataclass, field

from tests.oracles.lift_listener import Listener, merged
from tests.oracles.windowed import us

CIRCUIT = 19
VALUES = {
    "safety_circuit": (1, 1, 0),
    "car": (0, 1),
    "door": (2, 2, 1, 3, 4, 0, 5),
    "codes": ((), (), (1,), (41,)),
}
SHORT = {"safety_circuit_window_s": 0.5, "safety_circuit_bridge_s": 1}
REACHES = {(19, 1, 0), (19, 3, 2), (19, 3, 3)}


@dataclass
class Rules:
    safety_circuit_window_s: float = 1
    safety_circuit_bridge_s: float = 2


@dataclass
class Oracle(Listener):
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self):
        super().__init__(self.rules)

    def start(self):
        self.tripped = self.was_open = self.was_running = False
        rules = self.rules
        bridge = us(rules.safety_circuit_bridge_s)
        self.window(CIRCUIT, us(rules.safety_circuit_window_s), bridge)

    def look(self, time, told):
        circuit = self.get("safety_circuit")
        is_open = circuit == 0
        runs = self.moves or self.get("car") == 1
        opened_now = is_open and not self.was_open
        by_door = self.get("door") in (1, 3, 4, 6) and self.get("zone") != 0
        by_hand = self.get("mode") == 2
        on_a_run = runs or (opened_now and self.was_running)
        if not is_open:
            self.tripped = False
        elif on_a_run and not by_door and not by_hand:
            self.tripped = True
        self.was_open, self.was_running = is_open, runs
        self.sensed = None if circuit is None else self.tripped
        holds, self.sure = merged(self.sensed, self.code(1))
        self.windows[CIRCUIT].judged(time, holds)

    def confidence(self, kind):
        return self.sure

    def said(self, kind):
        circuit = self.get("safety_circuit")
        return {
            "sensed": self.sensed,
            "code_01": self.code(1),
            "circuit_open": None if circuit is None else circuit == 0,
        }
