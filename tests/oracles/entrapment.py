"""The entrapment rule, one lift and one frame at a time, as slow and obvious as it can be.

Written from DOMAIN.md section 3 and docs/detectors.md, not from the code. A frame is a dictionary
that holds only what the terminal told. ``found`` collects what a dispatcher would be told.
"""

from dataclasses import dataclass, field
from typing import Any

from tests.oracles.entrapment_people import (
    CLOSED,
    CLOSING,
    HELD,
    LOCKED,
    OPEN,
    OPENING,
    People,
    Rules,
)

BETWEEN, LANDING = 1, 2
RAISED, UPDATED, CLEARED = 1, 2, 3
DOORS_OPENED, CONDITION_ENDED, LATE_EVIDENCE = 1, 2, 3
CERTAIN, PROBABLE, POSSIBLE = 0, 1, 2
LIFT = 0
REACHES = {(k, c, r) for k in (1, 2) for c, r in ((1, 0), (2, 0), (3, 1), (3, 3))} | {(1, 3, 2)}
VALUES = {
    "load_pct": (0.0, 1.0, 2.0, 2.5, 30.0, 110.0, 111.0),
    "safety_circuit": (1, 1, 1, 1, 1, 0),
    "codes": ((), (), (), (41,), (90,), (4,), (40,)),
}
SHORT = {
    "between_landings_window_s": 3,
    "at_landing_window_s": 6,
    "urgent_window_s": 1,
    "unexplained_window_s": 15,
    "unseen_window_s": 60,
    "silent_after_s": 10,
    "presence_stuck_openings": 2,
    "interruption_s": 2,
    "class_hold_s": 2,
    "unheard_doors_s": 2,
}


def us(seconds):
    return round(seconds * 1_000_000)


@dataclass
class Oracle(People):
    rules: Rules = field(default_factory=Rules)
    found: list = field(default_factory=list)

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
    shut_since: Any = None  # at rest behind closed doors
    long_stay: bool = False  # the last stay behind closed doors was long
    at_landing_since: Any = None  # at rest in the zone, doors never told

    # the stop
    stopped: bool = False
    doubtful: bool = False
    moving: bool = False
    tried: bool = False  # the doors began to open in this stop
    stop_mode: Any = None
    moved_unheard: bool = False  # in a silence that this frame ends
    down: bool = False  # the button
    unanswered: bool = False  # its press: no doors have let people out since
    class_now: int = 0
    class_since: Any = None
    holds: bool = False
    onset: Any = None
    closing: bool = False  # the onset is that of closing doors
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
        silent_until = None if self.last_seen is None else self.silent_from()
        before = [self.told.get(name) for name in ("zone", "floor")]
        was_open = self.told.get("door") == OPEN
        heard = self.hear(frame)
        self.stays_open = heard and was_open and self.told.get("door") == OPEN
        now = [self.told.get(name) for name in ("zone", "floor")]
        moved = any(a != b and None not in (a, b) for a, b in zip(before, now, strict=True))
        after_silence = heard and silent_until is not None and time > silent_until
        if heard:
            self.last_seen = time
        self.moved_unheard = bool(after_silence and moved)
        self.judge(time, after_silence)
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
        before, word = self.seen_people(), self.scale_word()
        for key in frame:
            if key in ("time_us", "unit", "codes") or (key == "door" and frame[key] == 0):
                continue
            self.told[key] = frame[key]
            heard = True
        if self.seen_people() != before:
            self.openings = 0
        if word is not None and self.scale_word() != word:
            self.scale_openings = 0
        if "codes" in frame:
            self.told["codes"] = frame["codes"]
            self.mains_code = 41 in frame["codes"]
            self.button_code = 90 in frame["codes"]
            heard = True
        else:
            if frame.get("power") == 0:
                self.mains_code = False
            if frame.get("button") == 0:
                self.button_code = False
        return heard

    def silent_from(self):
        return self.last_seen + us(self.rules.silent_after_s)

    # ------------------------------------------------------------------ what is so

    def judge(self, time, after_silence):
        left_open_doors = self.judge_doors(time)
        was_at_rest = self.stopped or self.doubtful
        self.judge_motion()
        at_rest = self.stopped or self.doubtful
        begins = at_rest and (not was_at_rest or left_open_doors or self.moved_unheard)
        if begins:
            self.stop_mode = self.told.get("mode")
            self.called = False
            self.tried = False
            if not self.holds:
                self.onset = None
        if at_rest and self.told.get("door") == OPENING:
            self.tried = True
        down = self.button_down()
        if down and not self.down:
            self.unanswered = not self.let_out
        self.down = down
        if down and self.unanswered:
            self.called = True
        self.judge_latch(time, at_rest, after_silence)
        self.judge_emptied(at_rest)
        if not at_rest:
            self.onset = None
        self.judge_class(time, at_rest)
        if begins and not self.holds:
            self.onset = None
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

    def judge_latch(self, time, at_rest, after_silence):
        """Who is seen inside, and who had a chance to leave."""
        door, shut = self.told.get("door"), (CLOSING, CLOSED, LOCKED, HELD)
        seen = bool(self.seen_people()) and (door in (CLOSING, CLOSED) or self.moving)
        since = self.at_landing_since
        goes_on = (
            since is not None and self.moving and time - since >= us(self.rules.unheard_doors_s)
        )
        if goes_on:
            self.latched = self.stale = False
        waits_unheard = at_rest and self.told.get("zone") == 1 and door is None
        if not waits_unheard:
            self.at_landing_since = None
        elif since is None:
            self.at_landing_since = time
        if seen and not self.let_out:
            self.latched = True
        if after_silence and self.latched:
            self.stale = True
        if seen:
            self.stale = False
        if at_rest and door in shut:
            self.shut_since = time if self.shut_since is None else self.shut_since
        elif self.shut_since is not None:
            stay = time - self.shut_since
            self.long_stay = stay >= us(self.rules.at_landing_window_s)
            self.shut_since = None
        if goes_on and self.active:
            self.clear(time, CONDITION_ENDED)

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
        self.moving = fast or (speed is None and car == 1)

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
                self.closing = class_now == LANDING and self.told.get("door") == CLOSING
        still_closing = class_now == LANDING and self.told.get("door") == CLOSING
        if self.holds and self.closing and not still_closing:
            if class_now == LANDING:
                self.onset = time  # until now whoever is inside could have stopped the doors
            self.closing = False
        if held and not self.holds:
            self.interrupted = time

    def which_class(self):
        inside = self.inside()
        if self.told.get("zone") == 0:
            return BETWEEN if inside in ("yes", "unknown") else 0
        shut = self.told.get("door") in (CLOSING, CLOSED, LOCKED, HELD)
        perhaps = inside == "unknown" and (self.called or (self.claimed() and self.faulty()))
        somebody = inside == "yes" or perhaps
        return LANDING if self.told.get("zone") == 1 and shut and somebody else 0

    def explained(self):
        """Something tells why the doors stay closed."""
        return self.faulty() or self.called or self.tried

    def faulty(self):
        """The lift itself tells that it cannot serve."""
        told = self.told
        faults = set(range(1, 9)) & set(told.get("codes", ()))
        overloaded = told.get("load_pct", 0) > self.rules.overload_pct
        out_of_order = told.get("mode") in (5, 6) or told.get("safety_circuit") == 0
        return bool(faults or overloaded or out_of_order or self.mains_off())

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
        landing = self.class_now == LANDING
        window = rules.at_landing_window_s if landing else rules.between_landings_window_s
        if self.called or (self.mains_off() and self.latched):
            window = min(window, rules.urgent_window_s)
        if landing and not self.explained() and "codes" in self.told:
            window = max(window, rules.unexplained_window_s)
        if self.doubtful:
            window *= rules.doubtful_stop_windows
        if self.unseen(window):
            window = max(window, rules.unseen_window_s)
        return us(window)

    def unseen(self, window):
        """Nobody was seen inside lately, or it is silent when the window is complete."""
        if self.class_now != LANDING or self.explained():
            return False
        silent = self.onset is not None and self.onset + us(window) > self.silent_from()
        return self.stale or silent

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
        self.latched = self.stale = False
        self.unanswered = False
        self.openings += 10 if self.long_stay and self.seen_people() else 1
        self.scale_openings += 1

    def clear(self, time, reason):
        self.tell(CLEARED, time, reason)
        self.active = None

    def tell(self, change, time, reason=0):
        by_hand = self.stop_mode in (None, 7)  # a mechanic may have stopped it
        unexplained = (self.class_now == LANDING or by_hand) and not self.explained()
        if change == CLEARED:
            confidence = CERTAIN
        elif self.inside() != "yes" or self.window() == us(self.rules.unseen_window_s):
            confidence = POSSIBLE
        elif self.doubtful or unexplained:
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
