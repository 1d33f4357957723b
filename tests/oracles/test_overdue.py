"""The overdue test of the alarm, one lift and one frame at a time. From docs/detectors.md."""

from dataclasses import dataclass, field
from typing import Any

from tests.oracles.windowed import CLEARED, CONDITION_ENDED, LATE_EVIDENCE, RAISED

TEST_OVERDUE = 27
LIFT = 0
DAY_US = 86_400_000_000
VALUES = {"alarm_test": (0, 0, 0, 0, 0, 0, 0, 0, 1)}
SHORT = {"test_interval_d": 0.0002}
REACHES = {(27, 1, 0), (27, 3, 2), (27, 3, 3)}


@dataclass
class Rules:
    test_interval_d: Any = None


@dataclass
class Oracle:
    rules: Rules = field(default_factory=Rules)
    found: list = field(default_factory=list)
    base: Any = None
    tested: bool = False
    active_since: Any = None
    last_time: Any = None
    last_seen: Any = None

    def frame(self, frame):
        time = frame["time_us"]
        if self.last_time is not None:
            time = max(time, self.last_time)
            self.passes(lambda due: due < time)
        self.last_time = time
        told = {k for k in frame if k not in ("time_us", "unit")}
        told -= {"door"} if frame.get("door") == 0 else set()
        if frame.get("unit", LIFT) != LIFT or not told:
            return
        self.last_seen = time
        if self.base is None:
            self.base = time
        if frame.get("alarm_test") == 1:
            self.test(time)
        self.passes(lambda due: due <= time)

    def tick(self, now):
        if self.last_time is not None and now > self.last_time:
            self.passes(lambda due: due <= now)

    def test(self, time):
        if self.active_since is not None:
            late = time <= self.active_since
            self.tell(CLEARED, time, LATE_EVIDENCE if late else CONDITION_ENDED)
            self.active_since = None
        self.base, self.tested = time, True

    def passes(self, due):
        interval_d = self.rules.test_interval_d
        if self.base is None or self.active_since is not None:
            return
        if interval_d is None and not self.tested:
            return
        overdue = self.base + round((3 if interval_d is None else interval_d) * DAY_US)
        if due(overdue):
            self.active_since = overdue
            self.tell(RAISED, overdue)

    def tell(self, change, time, reason=0):
        self.found.append(
            {
                "t_us": time,
                "onset_us": self.active_since,
                "kind": TEST_OVERDUE,
                "kind_now": TEST_OVERDUE,
                "change": change,
                "reason": reason,
                "confidence": 0,
                "last_seen_us": self.last_seen,
                "ever_tested": self.tested,
                "tested_now": change == CLEARED,
                "last_test_us": self.base if self.tested else None,
            }
        )
