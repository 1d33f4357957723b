"""Frequent resets, one lift and one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass, field
from typing import Any

from tests.oracles.windowed import CLEARED, CONDITION_ENDED, RAISED, UPDATED, us

FREQUENT_RESETS = 21
STOPPED, INSPECTION = 0, 2
LIFT = 0
VALUES = {
    "mode": (1, 0, 1, 0, 1, 2),
    "codes": ((), (), (42,), (40,), (42,), (4,)),
}
SHORT = {"resets_window_s": 150, "resets_after_inspection_s": 2, "resets_restart_s": 20}
REACHES = {(21, 1, 0), (21, 2, 0), (21, 3, 2)}


@dataclass
class Rules:
    resets_window_s: float = 86_400
    resets_after_inspection_s: float = 60
    resets_restart_s: float = 180


@dataclass
class Oracle:
    rules: Rules = field(default_factory=Rules)
    found: list = field(default_factory=list)
    mode: Any = None
    codes: Any = None
    down: bool = False
    back: bool = False
    was: Any = (None, None)
    fell: Any = None
    inspecting: bool = False
    inspection_ended: Any = None
    service_resumed: Any = None
    resets: list = field(default_factory=list)
    onset: Any = None
    last_time: Any = None
    last_seen: Any = None

    def frame(self, frame):
        time = frame["time_us"]
        if self.last_time is not None:
            time = max(time, self.last_time)
            self.lapses(lambda deadline: deadline < time)
        self.last_time = time
        self.was = (self.mode, self.codes)
        told = {k: v for k, v in frame.items() if k not in ("time_us", "unit")}
        told = {k: v for k, v in told.items() if not (k == "door" and v == 0)}
        if frame.get("unit", LIFT) != LIFT or not told:
            return
        self.last_seen = time
        self.mode = frame.get("mode", self.mode)
        self.codes = frame.get("codes", self.codes)
        self.judge(time)
        self.lapses(lambda deadline: deadline <= time)

    def tick(self, now):
        if self.last_time is not None and now > self.last_time:
            self.lapses(lambda deadline: deadline <= now)

    def judge(self, time):
        inspecting = self.mode == INSPECTION
        if self.inspecting and not inspecting:
            self.inspection_ended = time
        down = self.mode == STOPPED or (self.codes is not None and 42 in self.codes)
        back = self.codes is not None and 40 in self.codes
        quiet_us, longest_us = (
            us(self.rules.resets_after_inspection_s), us(self.rules.resets_restart_s),
        )  # fmt: skip
        ended = self.inspection_ended
        by_mechanic = inspecting or (ended is not None and time - ended <= quiet_us)
        returns = back and not self.back and not down
        if returns and self.service_resumed is not None:
            returns = time - self.service_resumed > longest_us
        if down and not self.down:
            self.fell = None if by_mechanic else time
        if self.down and not down:
            self.service_resumed = time
            returns = self.fell is not None and time - self.fell <= longest_us
        self.inspecting, self.down, self.back = inspecting, down, back
        if returns and not by_mechanic:
            self.reset(time)

    def reset(self, time):
        self.resets = [*self.resets[-4:], time]
        if len(self.resets) < 5 or time - self.resets[0] > us(self.rules.resets_window_s):
            return
        change = RAISED if self.onset is None else UPDATED
        self.onset = time if self.onset is None else self.onset
        self.lapse_at = self.resets[0] + us(self.rules.resets_window_s)
        self.tell(change, time)

    def lapses(self, due):
        if self.onset is not None and due(self.lapse_at):
            self.tell(CLEARED, self.lapse_at)
            self.onset = None

    def tell(self, change, time):
        cleared = change == CLEARED
        mode, codes = (self.mode, self.codes) if cleared else self.was
        code_42 = None if codes is None else 42 in codes
        code_40 = None if self.codes is None else 40 in self.codes
        sensed = None if mode is None else mode == STOPPED
        sure = cleared or (sensed is True and (code_42 is not False or code_40 is True))
        self.found.append(
            {
                "t_us": time,
                "onset_us": self.onset,
                "kind": FREQUENT_RESETS,
                "kind_now": FREQUENT_RESETS,
                "change": change,
                "reason": CONDITION_ENDED if cleared else 0,
                "confidence": 0 if sure else 1,
                "last_seen_us": self.last_seen,
                "was_out_of_service": sensed,
                "code_42_before": code_42,
                "code_40": code_40,
                "five_resets_in_us": None if cleared else time - self.resets[0],
            }
        )
