"""Sequence gaps, one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass

from tests.oracles.lift_listener import ESCALATORS_ALONE, HEADER
from tests.oracles.windowed import Window, us

REACHES = {(39, 1, 0), (39, 2, 0), (39, 3, 2)}
SHORT = {"gaps_per_1024": 4, "gaps_silence_s": 5, "gaps_calm_s": 20}
VALUES = {
    "seq": (*range(1, 30), *range(1015, 1035), 2040, 2050, 2060, 5000, 2**40, 2**63 - 1),
    "received_us": (0, 2_000_000_000 * 1_000_000),
}
OF_ESCALATORS = {
    *("mode", "car", "direction", "speed_mps", "power", "terminal_power", "safety_circuit"),
    *("codes", *ESCALATORS_ALONE),
}
MOST = 65_535


@dataclass
class Rules:
    gaps_per_1024: int = 16
    gaps_silence_s: float = 120
    gaps_calm_s: float = 3600


class Oracle:
    def __init__(self, rules=None):
        self.rules = rules or Rules()
        self.found = []
        self.time = self.seen = self.gap_s = None
        self.number = self.after_gap = 0
        self.pages = {}  # number // 1024: [missing, of these in a silence]
        self.newest = None  # the gap met by the frame that is being heard
        self.window = Window(self.tell, 0, us(self.rules.gaps_calm_s))

    def frame(self, frame):
        time = frame["time_us"] if self.time is None else max(frame["time_us"], self.time)
        self.newest = None
        self.window.passes(time)
        self.time = time
        number = frame.get("seq", 0)
        opens = number > 0 and self.count(number, time)
        if self.newest:
            late = frame.get("received_us", 0) - time > us(120)
            self.newest["history_followed"] = late
        if self.tells(frame):
            self.seen = time
        was_active = self.window.active
        self.window.judged(time, self.holds())
        self.window.passes(time, told=number > 0)
        if opens and was_active and self.full():
            self.window.update(time)

    def tick(self, now):
        self.newest = None
        if self.time is not None and now > self.time:
            self.window.passes(now, tick=True)

    def tells(self, frame):
        told = {k for k, v in frame.items() if not (k == "door" and v == 0)} - HEADER
        if frame.get("unit", 0) == 0:
            return told - ESCALATORS_ALONE
        return told & OF_ESCALATORS

    def count(self, number, time):
        """Take up a number; tell whether it shows the first gap of its page."""
        missing, before = number - self.number - 1, self.number
        if missing in (-1, 0) and not (before == 0 and number > 1):
            self.number = number
            return False
        since = None if self.seen is None else time - self.seen
        many = since is not None and missing > (since // us(1) + 1) * 10
        self.number = self.after_gap = number
        # whole seconds are as fine as is kept
        apart_s = None if self.gap_s is None else time // us(1) - self.gap_s
        self.gap_s = time // us(1)
        if before == 0 or missing < 0 or many:
            self.pages = {}
            return False
        if apart_s is not None and apart_s > self.rules.gaps_calm_s:
            self.pages = {}
        self.newest = {"first_missing": before + 1, "last_missing": number - 1}
        page = number // 1024
        opens = page not in self.pages
        counted = self.pages.setdefault(page, [0, 0])
        counted[0] = min(counted[0] + missing, MOST)
        if since is None or since > us(self.rules.gaps_silence_s):
            counted[1] = min(counted[1] + missing, MOST)
        return opens

    def of_page(self, back=0):
        return self.pages.get(self.after_gap // 1024 - back, [0, 0])

    def full(self):
        return max(self.of_page()[0], self.of_page(1)[0]) >= self.rules.gaps_per_1024

    def holds(self):
        return self.number == self.after_gap and self.full()

    def tell(self, change, time, onset, reason):
        missing, silent = self.of_page()
        newest = self.newest or {}
        self.found.append(
            {
                "t_us": time,
                "onset_us": onset,
                "kind": 39,
                "kind_now": 39,
                "change": change,
                "reason": reason,
                "confidence": 0,
                "last_seen_us": max(self.seen or onset, onset),
                "missing": missing,
                "missing_in_a_silence": silent,
                "missing_before": self.of_page(1)[0],
                "first_missing": newest.get("first_missing"),
                "last_missing": newest.get("last_missing"),
                "in_a_silence": None if missing == 0 else 2 * silent >= missing,
                "amid_a_stream": None if missing == 0 else 2 * silent < missing,
                "history_followed": newest.get("history_followed"),
            }
        )
