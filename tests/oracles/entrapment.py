"""The entrapment rule, one lift and one frame at a time, as slow and obvious as it can be.

Written from DOMAIN.md section 3 and docs/detectors.md, not from the code. A frame is a dictionary
that holds only what the terminal told. ``found`` collects what a dispatcher would be told.
"""

from dataclasses import dataclass, field
from typing import Any

BETWEEN, LANDING = 1, 2
RAISED, UPDATED, CLEARED = 1, 2, 3
DOORS_OPENED, LATE_EVIDENCE = 1, 3
CERTAIN, PROBABLE, POSSIBLE = 0, 1, 2
CLOSING, CLOSED, OPENING, OPEN, LOCKED, HELD = 1, 2, 3, 4, 5, 6
LIFT = 0
REACHES = {(k, c, r) for k in (1, 2) for c, r in ((1, 0), (2, 0), (3, 1), (3, 3))}


@dataclass
class Rules:
    """Thresholds, in seconds as people say them."""

    between_landings_window_s: float = 30
    at_landing_window_s: float = 60
    urgent_window_s: float = 10
    doubtful_stop_windows: int = 3
    moving_speed_mps: float = 0.05
    release_hold_s: float = 1
    interruption_s: float = 10
    class_hold_s: float = 10
    presence_stuck_openings: int = 20


def us(seconds):
    return round(seconds * 1_000_000)


@dataclass
class Oracle:
    rules: Rules = field(default_factory=Rules)
    found: list = field(default_factory=list)

    # what was last told of each thing; a thing never told is not in it
    told: dict = field(default_factory=dict)
    mains_code: Any = None  # was code 41 in the last list of codes
    button_code: Any = None  # was code 90
    last_time: Any = None
    last_seen: Any = None

    # the doors
    open_since: Any = None  # when the doors, open since then, were first open in the zone
    open_from: Any = None  # since when they are open in the zone without a break
    open_for: int = 0  # ... and for how long they were before that
    let_out: bool = False  # ... together long enough to let people out

    # who is inside
    latched: bool = False
    openings: int = 0  # in which the presence sensor never changed

    # the stop
    stopped: bool = False
    doubtful: bool = False
    stop_mode: Any = None
    called: bool = False
    down: bool = False  # the button
    unanswered: bool = False  # its press: no doors have let people out since
    class_now: int = 0
    class_since: Any = None
    holds: bool = False
    onset: Any = None
    interrupted: Any = None
    judged_at: Any = None

    # the alarm
    active: Any = None  # dict with kind, kind_now, onset, tick_raise

    # ------------------------------------------------------------------ what comes in

    def frame(self, frame):
        time = frame["time_us"]
        if self.last_time is not None:
            time = max(time, self.last_time)
            self.time_passes(time, told_there=False)
        self.last_time = time
        heard = self.hear(frame)
        if heard:
            self.last_seen = time
        self.judge(time)
        if heard:
            self.time_passes(time, told_there=True)

    def tick(self, now):
        if self.last_time is not None and now > self.last_time:
            self.time_passes(now, told_there=True, tick=True)

    def hear(self, frame):
        """Take over what the frame tells; unknown changes nothing. True if it told an input."""
        if frame.get("unit", LIFT) != LIFT:
            return False
        heard = False
        if "car" in frame and frame["car"] != self.told.get("car"):
            # a speed from before says nothing about a car that has started or stopped since
            self.told.pop("speed_mps", None)
        before = self.seen_people()
        for key in ("car", "speed_mps", "zone", "door", "passenger", "mode", "power", "button"):
            if key not in frame or (key == "door" and frame[key] == 0):
                continue
            self.told[key] = frame[key]
            heard = True
        if self.seen_people() != before:
            self.openings = 0
        if "codes" in frame:
            self.mains_code = 41 in frame["codes"]
            self.button_code = 90 in frame["codes"]
            heard = True
        else:
            if frame.get("power") == 0:
                self.mains_code = False
            if frame.get("button") == 0:
                self.button_code = False
        return heard

    def seen_people(self):
        people = self.told.get("passenger")
        return None if people is None else people > 0

    # ------------------------------------------------------------------ what is so

    def judge(self, time):
        left_open_doors = self.judge_doors(time)
        was_at_rest = self.stopped or self.doubtful
        self.judge_motion()
        at_rest = self.stopped or self.doubtful
        if at_rest and (not was_at_rest or left_open_doors):
            self.stop_mode = self.told.get("mode")
            self.called = False
            self.onset = None
            self.holds = False
        down = self.button_down()
        if down and not self.down:
            self.unanswered = not self.let_out
        self.down = down
        if down and self.unanswered:
            self.called = True
        if self.told.get("passenger", 0) > 0 and self.told.get("door") in (CLOSING, CLOSED):
            self.latched = True
        if not at_rest:
            self.onset = None
        self.judge_class(time, at_rest)
        self.judged_at = time
        if (
            self.active
            and self.active["tick_raise"] is not None
            and time <= self.active["tick_raise"]
            and not self.holds
        ):
            if self.doors_wait() and self.let_out_at() <= time:  # hold of 0 s
                self.let_people_out()
            self.clear(time, LATE_EVIDENCE)
            self.onset = None

    def judge_doors(self, time):
        """Return whether doors that had let people out are no longer open."""
        standing_open = self.told.get("door") == OPEN
        left = self.let_out and not standing_open
        if not standing_open:
            self.open_since, self.open_from, self.open_for = None, None, 0
            self.let_out = False
        elif self.told.get("zone") == 1:
            if self.open_since is None:
                self.open_since = time
            if self.open_from is None:
                self.open_from = time
        elif self.open_from is not None:
            self.open_for += time - self.open_from
            self.open_from = None
        return left

    def judge_motion(self):
        speed = self.told.get("speed_mps")
        car = self.told.get("car")
        fast = speed is not None and abs(speed) >= self.rules.moving_speed_mps
        slow = speed is not None and not fast
        self.stopped = not fast and (car == 0 or (car is None and slow))
        self.doubtful = slow and car == 1

    def judge_class(self, time, at_rest):
        class_now = self.which_class() if at_rest else 0
        if class_now != self.class_now:
            self.class_since = time
        self.class_now = class_now
        held = self.holds
        self.holds = class_now != 0 and self.mode_allows()
        if self.holds and not held:
            too_long = self.onset is not None and time - self.interrupted > us(
                self.rules.interruption_s
            )
            if self.onset is None or too_long:
                self.onset = time
        if held and not self.holds:
            self.interrupted = time

    def which_class(self):
        inside = self.inside()
        if self.told.get("zone") == 0:
            return BETWEEN if inside in ("yes", "unknown") else 0
        shut = self.told.get("door") in (CLOSING, CLOSED, LOCKED, HELD)
        somebody = inside == "yes" or (inside == "unknown" and self.called)
        return LANDING if self.told.get("zone") == 1 and shut and somebody else 0

    def inside(self):
        if self.latched:
            return "yes"
        if self.seen_people() is None:
            return "unknown"
        if self.seen_people():
            # seen, but never behind closing or closed doors
            return (
                "no" if self.told.get("door") in (OPENING, OPEN) and not self.stuck() else "unknown"
            )
        if self.stuck():
            return "unknown"
        return "no"

    def stuck(self):
        return (
            self.seen_people() is not None and self.openings >= self.rules.presence_stuck_openings
        )

    def mode_allows(self):
        if self.stop_mode in (2, 3, 4):
            return False
        return self.latched if self.stop_mode == 0 else True

    def mains_off(self):
        return self.told.get("power") == 1 or self.mains_code is True

    def button_down(self):
        return self.told.get("button") == 1 or self.button_code is True

    def window(self):
        rules = self.rules
        window = (
            rules.between_landings_window_s
            if self.class_now == BETWEEN
            else rules.at_landing_window_s
        )
        if self.called or (self.mains_off() and self.latched):
            window = min(window, rules.urgent_window_s)
        if self.doubtful:
            window *= rules.doubtful_stop_windows
        return us(window)

    # ------------------------------------------------------------------ what time brings

    def time_passes(self, until, told_there, tick=False):
        """Complete what completes before ``until``; at that very time only if something is told."""

        def due(deadline):
            return deadline <= until if told_there else deadline < until

        if self.doors_wait() and due(self.let_out_at()):
            self.let_people_out()
            if self.active:
                self.clear(self.open_since, DOORS_OPENED)
        if self.holds and not self.active:
            complete = max(self.judged_at, self.onset + self.window())
            if due(complete):
                self.active = {
                    "kind": self.class_now,
                    "kind_now": self.class_now,
                    "onset": self.onset,
                    "tick_raise": complete if tick else None,
                }
                self.tell(RAISED, complete)
        elif self.active and self.class_now not in (0, self.active["kind_now"]):
            steady = self.class_since + us(self.rules.class_hold_s)
            if due(steady):
                self.active["kind_now"] = self.class_now
                self.tell(UPDATED, steady)

    def doors_wait(self):
        return self.open_from is not None and not self.let_out

    def let_out_at(self):
        return self.open_from + us(self.rules.release_hold_s) - self.open_for

    def let_people_out(self):
        self.let_out = True
        self.latched = False
        self.unanswered = False
        self.openings += 1

    def clear(self, time, reason):
        self.tell(CLEARED, time, reason)
        self.active = None

    def tell(self, change, time, reason=0):
        if change == CLEARED:
            confidence = CERTAIN
        elif not self.latched:
            confidence = POSSIBLE
        elif self.doubtful or self.stuck():
            confidence = PROBABLE
        else:
            confidence = CERTAIN
        self.found.append(
            {
                "t_us": time,
                "onset_us": self.active["onset"],
                "kind": self.active["kind"],
                "kind_now": self.active["kind_now"],
                "change": change,
                "reason": reason,
                "confidence": confidence,
                "last_seen_us": self.last_seen,
                "inside": {"yes": True, "no": False, "unknown": None}[self.inside()],
                "in_zone": None if "zone" not in self.told else bool(self.told["zone"]),
                "mode_allows": self.mode_allows(),
                "window_us": self.window() if change == RAISED else None,
            }
        )
