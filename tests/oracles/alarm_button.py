"""The alarm button, one lift and one frame at a time. Written from DESIGN.md promise 9 and
docs/detectors.md, not from the code.
"""

from dataclasses import dataclass, field
from typing import Any

RAISED, UPDATED, CLEARED = 1, 2, 3
CONDITION_ENDED = 2
ALARM_BUTTON = 3
DOOR_OPEN = 4
LIFT = 0
REACHES = {(3, 1, 0), (3, 2, 0), (3, 3, 2)}


@dataclass
class Rules:
    release_hold_s: float = 1


@dataclass
class Oracle:
    rules: Rules = field(default_factory=Rules)
    found: list = field(default_factory=list)
    button: Any = None
    code_90: Any = None
    door: Any = None
    zone: Any = None
    down: bool = False
    pressed_at: Any = None
    unanswered: bool = False
    presses: int = 0
    open_since: Any = None
    open_from: Any = None
    open_for: int = 0
    let_out: bool = False
    last_time: Any = None
    last_seen: Any = None

    def frame(self, frame):
        time = frame["time_us"]
        if self.last_time is not None:
            time = max(time, self.last_time)
            self.doors_may_let_out(lambda deadline: deadline < time)
        self.last_time = time
        if frame.get("unit", LIFT) != LIFT:
            return
        door = frame.get("door") or None  # 0 is a word for unknown
        told = [frame.get("button"), frame.get("codes"), door, frame.get("zone")]
        if all(value is None for value in told):
            return
        self.last_seen = time
        if "codes" in frame:
            self.code_90 = 90 in frame["codes"]
        elif frame.get("button") == 0:
            self.code_90 = False
        self.button = frame.get("button", self.button)
        self.door = self.door if door is None else door
        self.zone = frame.get("zone", self.zone)
        self.look_at_doors(time)
        self.press_or_let_go(time)
        self.doors_may_let_out(lambda deadline: deadline <= time)

    def tick(self, now):
        if self.last_time is not None and now > self.last_time:
            self.doors_may_let_out(lambda deadline: deadline <= now)

    def look_at_doors(self, time):
        if self.door != DOOR_OPEN:
            self.open_since, self.open_from, self.open_for, self.let_out = None, None, 0, False
        elif self.zone == 1:
            self.open_since = time if self.open_since is None else self.open_since
            self.open_from = time if self.open_from is None else self.open_from
        elif self.open_from is not None:
            self.open_for += time - self.open_from
            self.open_from = None

    def press_or_let_go(self, time):
        down = self.button == 1 or self.code_90 is True
        if down and not self.down:
            self.pressed_at = time
            self.unanswered = True
            self.presses += 1
            self.tell(RAISED, time)
            if self.let_out:
                self.answer()
        if self.down and not down:
            self.tell(CLEARED, time, CONDITION_ENDED)
        self.down = down

    def doors_may_let_out(self, due):
        if self.open_from is None or self.let_out:
            return
        hold_us = round(self.rules.release_hold_s * 1_000_000)
        if due(self.open_from + hold_us - self.open_for):
            self.let_out = True
            if self.unanswered:
                self.answer()
            self.presses = 0

    def answer(self):
        """The doors stand open for whoever pressed."""
        self.tell(UPDATED, max(self.open_since, self.pressed_at), opened=True)
        self.unanswered = False
        self.presses = 0

    def tell(self, change, time, reason=0, opened=False):
        self.found.append(
            {
                "t_us": time,
                "onset_us": self.pressed_at,
                "kind": ALARM_BUTTON,
                "kind_now": ALARM_BUTTON,
                "change": change,
                "reason": reason,
                "confidence": 0,
                "last_seen_us": self.last_seen,
                "doors_opened_in_zone": opened,
                "presses": self.presses,
            }
        )
