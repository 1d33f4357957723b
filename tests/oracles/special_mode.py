"""Special modes, one lift and one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass, field

from tests.oracles.lift_listener import Listener, merged
from tests.oracles.windowed import us

SPECIAL_MODE = 25
MODE_OF = {42: 0, 43: 2, 44: 3, 45: 4, 46: 5, 47: 6}
VALUES = {"codes": ((), (), (), (42,), (40,), (43,), (44, 41), (45,), (46,), (47,), (40, 42))}
SHORT = {"special_mode_window_s": 1, "special_mode_bridge_s": 1}
REACHES = {(25, 1, 0), (25, 2, 0), (25, 3, 2), (25, 3, 3)}


@dataclass
class Rules:
    special_mode_window_s: float = 5
    special_mode_bridge_s: float = 5


@dataclass
class Oracle(Listener):
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self):
        super().__init__(self.rules)

    def start(self):
        rules = self.rules
        bridge = us(rules.special_mode_bridge_s)
        self.window(SPECIAL_MODE, us(rules.special_mode_window_s), bridge)

    def has_news(self, before):
        return before.get("mode") != self.get("mode")

    def look(self, time, told):
        mode, automatic = self.get("mode"), self.code(40)
        self.sensed = None if mode in (None, 7) else mode != 1
        if automatic:
            self.sensed = False
        by_code = [n for n in sorted(MODE_OF) if self.code(n)]
        self.said_by_code = None if self.codes is None else bool(by_code) and not automatic
        self.mode_by_code = MODE_OF[by_code[-1]] if self.said_by_code else None
        holds, self.sure = merged(self.sensed, self.said_by_code)
        self.windows[SPECIAL_MODE].judged(time, holds)

    def confidence(self, kind):
        return self.sure

    def said(self, kind):
        return {
            "sensed": self.sensed,
            "code_42_47": self.said_by_code,
            "mode": self.get("mode"),
            "mode_by_code": self.mode_by_code,
        }
