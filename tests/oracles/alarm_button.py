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
VALUES = {
    "button": (0, 0, 0, 1, 1),
    "alarm_test": (0, 0, 0, 1),
}
SHORT = {"button_bounce_s": 0.5, "button_burst_gap_s": 5, "button_burst_presses": 2}
CERTAIN, PROBABLE, POSSIBLE = 0, 1, 2
REACHES = {(3, 1, 0), (3, 2, 0), (3, 3, 2)}


@dataclass
class Rules:
    release_hold_s: float = 1
    button_bounce_s: float = 0.1
    button_burst_gap_s: float = 10
    button_burst_presses: int = 5


def us(seconds):
    return round(seconds * 1_000_000)


@dataclass
class Oracle:
    rules: Rules = field(default_factory=Rules)
    found: list = field(default_factory=list)
    button: Any = None
    code_90: Any = None
    door: Any = None
    zone: Any = None
    down: bool = False  # pressed, or let go for a bounce at most
    contact: bool = False
    let_go_at: Any = None
    in_a_row: int = 0
    is_test: bool = False
    car: Any = None
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
            self.time_passes(lambda deadline: deadline < time)
        self.last_time = time
        if frame.get("unit", LIFT) != LIFT:
            return
        door = frame.get("door") or None  # 0 is a word for unknown
        told = {key for key in frame if key not in ("time_us", "unit", "door")}
        if not told and door is None:
            return
        self.last_seen = time
        if "codes" in frame:
            self.code_90 = 90 in frame["codes"]
        elif frame.get("button") == 0 and self.code_90:
            self.code_90 = False
        self.button = frame.get("button", self.button)
        self.door = self.door if door is None else door
        self.zone = frame.get("zone", self.zone)
        self.car = frame.get("car", self.car)
        self.look_at_doors(time)
        self.press_or_let_go(time, frame.get("alarm_test") == 1)
        self.time_passes(lambda deadline: deadline <= time)

    def tick(self, now):
        if self.last_time is not None and now > self.last_time:
            self.time_passes(lambda deadline: deadline <= now)

    def time_passes(self, due):
        self.doors_may_let_out(due)
        broken = self.down and not self.contact
        if broken and due(self.let_go_at + us(self.rules.button_bounce_s)):
            self.down = False
            self.tell(CLEARED, self.let_go_at, CONDITION_ENDED)

    def look_at_doors(self, time):
        if self.door != DOOR_OPEN:
            self.open_since, self.open_from, self.open_for, self.let_out = None, None, 0, False
        elif self.zone == 1:
            self.open_since = time if self.open_since is None else self.open_since
            self.open_from = time if self.open_from is None else self.open_from
        elif self.open_from is not None:
            self.open_for += time - self.open_from
            self.open_from = None

    def press_or_let_go(self, time, is_test):
        contact = self.button == 1 or self.code_90 is True
        if contact and not self.down:
            self.down = True
            self.is_test = is_test
            gap = us(self.rules.button_burst_gap_s)
            soon = self.pressed_at is not None and time - self.pressed_at <= gap
            self.in_a_row = self.in_a_row + 1 if soon else 1
            self.pressed_at = time
            self.unanswered = True
            self.presses += 1
            self.tell(RAISED, time)
            if self.let_out:
                self.answer()
        if self.contact and not contact:
            self.let_go_at = time
        self.contact = contact

    def burst(self):
        people_can_leave = self.door == DOOR_OPEN and self.zone == 1
        many = self.in_a_row >= self.rules.button_burst_presses
        return many and (people_can_leave or self.car == 1)

    def confidence(self):
        """The controller denies it; only the controller says it; children; sure."""
        if self.code_90 is True and self.button != 1:
            sure = POSSIBLE if self.button == 0 else PROBABLE
        else:
            sure = PROBABLE if self.code_90 is False else CERTAIN
        return max(sure, PROBABLE) if self.burst() else sure

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
                "confidence": self.confidence() if change == RAISED else CERTAIN,
                "last_seen_us": self.last_seen,
                "doors_opened_in_zone": opened,
                "burst": self.burst(),
                "test": self.is_test,
                "presses": None if change == CLEARED else self.presses,
            }
        )
