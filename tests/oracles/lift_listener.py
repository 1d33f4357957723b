"""What the oracles of windowed lift rules share: holding what was told, and passing time.

One lift, one frame at a time; written from docs/detectors.md ("What all detectors share"). A rule
derives, makes its windows in ``start``, looks at ``self.now`` and ``self.before`` in ``look`` after
every frame, tells each window whether its condition holds, and says in ``said`` what it wants
compared of each kind; ``window_us`` None if the rule tells no window.
"""

from tests.oracles.windowed import Window, us

LIFT = 0
HEADER = {"time_us", "seq", "device_time_us", "received_us", "clock", "quality", "unit", "late"}
ESCALATORS_ALONE = {
    *("handrail_left_pct", "handrail_right_pct", "step_frequency_hz"),
    *("cover_open", "emergency_stop"),
}
CERTAIN, PROBABLE, POSSIBLE = 0, 1, 2


class Listener:
    def __init__(self, rules):
        self.rules = rules
        self.found = []
        self.frame_heard = {}
        self.now, self.before = {}, {}
        self.codes = None
        self.time = None
        self.seen = self.seen_before = None
        self.windows = {}
        self.start()

    def window(self, kind, window_us, bridge_us, silent_us=None):
        def tell(change, time, onset, reason):
            self.tell(kind, change, time, onset, reason)

        made = self.windows[kind] = Window(tell, window_us, bridge_us, silent_us)
        return made

    def frame(self, frame):
        time = frame["time_us"] if self.time is None else max(frame["time_us"], self.time)
        self.pass_to(time)
        self.time = time
        told = {k: v for k, v in frame.items() if k not in HEADER | ESCALATORS_ALONE}
        if told.get("door") == 0:
            del told["door"]
        if frame.get("unit", LIFT) != LIFT:
            told = {}
        self.frame_heard, self.seen_before = frame, self.seen
        if told:
            self.seen = time
            for window in self.windows.values():
                window.heard(time)
        before = {kind: window.active for kind, window in self.windows.items()}
        news = self.hear(told)
        self.look(time, told)
        self.pass_to(time, told=bool(told))
        for kind, window in self.windows.items():
            if news and before[kind] and window.active and window.holds:
                window.update(time)

    def tick(self, now):
        if self.time is not None and now > self.time:
            self.pass_to(now, tick=True)

    def pass_to(self, time, **how):
        for window in self.windows.values():
            window.passes(time, **how)

    def hear(self, told):
        """Take over what was told; return whether an active finding has something new to tell."""
        self.before = dict(self.now)
        if "car" in told and told["car"] != self.now.get("car") and "speed_mps" not in told:
            self.now.pop("speed_mps", None)
        if "codes" in told:
            self.codes = set(told["codes"])
        elif self.codes is not None:
            if told.get("power") == 0:
                self.codes.discard(41)
            if told.get("button") == 0:
                self.codes.discard(90)
        self.now |= {k: v for k, v in told.items() if k != "codes"}
        return self.has_news(self.before)

    def has_news(self, before):
        return False

    def get(self, name):
        return self.now.get(name)

    def was(self, name):
        return self.before.get(name)

    def is_new(self, period_s):
        """Tell whether this is the first frame of its period that told anything."""
        if self.seen == self.seen_before:
            return False
        period = us(period_s)
        return self.seen_before is None or self.seen // period != self.seen_before // period

    def code(self, number):
        return None if self.codes is None else number in self.codes

    @property
    def speed(self):
        speed = self.now.get("speed_mps")
        return None if speed is None else abs(speed)

    @property
    def moves(self):
        return self.speed >= 0.05 if self.speed is not None else self.get("car") == 1

    @property
    def stands(self):
        if self.speed is not None:
            return self.speed < 0.05 and self.get("car") != 1
        return self.get("car") == 0

    def tell(self, kind, change, time, onset, reason):
        window = self.windows[kind]
        self.found.append(
            {
                "t_us": time,
                "onset_us": onset,
                "kind": kind,
                "kind_now": kind,
                "change": change,
                "reason": reason,
                "confidence": CERTAIN if change == 3 else self.confidence(kind),
                "last_seen_us": self.seen,
                "window_us": window.window_us if change == 1 else None,
                **self.said(kind),
            }
        )

    def confidence(self, kind):
        return CERTAIN

    def said(self, kind):
        return {}


def merged(sensed, code):
    """Holds, and how sure: the table of docs/detectors.md."""
    if sensed and code:
        return True, CERTAIN
    if sensed:
        return True, CERTAIN if code is None else PROBABLE
    if code:
        return True, PROBABLE if sensed is None else POSSIBLE
    return False, CERTAIN
