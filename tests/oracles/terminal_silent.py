"""A silent terminal, one frame at a time. Written from docs/detectors.md."""

from dataclasses import dataclass

from tests.oracles.windowed import CLEARED, CONDITION_ENDED, LATE_EVIDENCE, RAISED, UPDATED, us

EVERY_FRAME_COUNTS = True
TERMINAL_SILENT = 30
REACHES = {(30, 1, 0), (30, 2, 0), (30, 3, 2), (30, 3, 3)}
SHORT = {
    "heartbeat_s": 7,
    "silent_intervals": 2,
    "silent_maintenance_s": 35,
    "silent_again_intervals": 3,
    "silent_again_s": 60,
}


@dataclass
class Rules:
    heartbeat_s: float = 30
    silent_intervals: float = 1.5
    silent_maintenance_s: float = 3600
    silent_again_intervals: float = 5
    silent_again_s: float = 3600


class Oracle:
    def __init__(self, rules=None):
        self.rules = rules or Rules()
        self.short = us(self.rules.heartbeat_s * self.rules.silent_intervals)
        self.last = self.over = None
        self.raised = self.updated = False
        self.found = []

    @property
    def again(self):
        """Whether the newest frame came soon after a silence."""
        return self.over is not None and self.last - self.over < us(self.rules.silent_again_s)

    @property
    def limit(self):
        longer = us(self.rules.heartbeat_s * self.rules.silent_again_intervals)
        return max(self.short, longer) if self.again else self.short

    @property
    def long(self):
        return max(self.limit, us(self.rules.silent_maintenance_s))

    def frame(self, frame):
        time = frame["time_us"]
        if self.last is not None:
            time = max(time, self.last)
            self.passes(time - 1)
            if self.raised:
                late = time <= self.last + self.limit
                self.tell(CLEARED, time, time, LATE_EVIDENCE if late else CONDITION_ENDED)
            if time > self.last + self.short:
                self.over = time
        self.last, self.raised, self.updated = time, False, False

    def tick(self, now):
        if self.last is not None and now > self.last:
            self.passes(now)

    def passes(self, time):
        if not self.raised and self.last + self.limit <= time:
            self.raised = True
            self.tell(RAISED, self.last + self.limit, self.last)
        if not self.updated and self.last + self.long <= time:
            self.updated = True
            self.tell(UPDATED, self.last + self.long, self.last)

    def tell(self, change, time, seen, reason=0):
        self.found.append(
            {
                "t_us": time,
                "onset_us": self.last,
                "kind": TERMINAL_SILENT,
                "kind_now": TERMINAL_SILENT,
                "change": change,
                "reason": reason,
                "confidence": 0,
                "last_seen_us": seen,
                "silent": change != CLEARED,
                "maintenance": time - self.last >= self.long,
                "again": self.again,
                "silent_us": time - self.last,
                "window_us": self.limit if change == RAISED else None,
            }
        )
