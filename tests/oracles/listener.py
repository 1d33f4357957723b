"""What the oracles of one lift share: hear a frame, hold what was told, follow windows.

Written from docs/detectors.md ("What all detectors share"). A derived oracle says in ``heard`` what
a frame means to it and in ``windows`` what it follows.
"""

from tests.oracles.windowed import Window, us

ESCALATORS_ALONE = {
    *("handrail_left_pct", "handrail_right_pct", "step_frequency_hz"),
    *("cover_open", "emergency_stop"),
}
HEADER = {"time_us", "seq", "device_time_us", "received_us", "clock", "quality", "unit", "late"}


class Listener:
    """Hears one lift; frames of other units only let time pass."""

    def __init__(self):
        self.held = {}
        self.before = {}
        self.last_time = None
        self.seen = None
        self.seen_before = None
        self.found = []
        self.followed = []

    def follow(self, kind, window_s, bridge_s, holds, evidence):
        """Follow a condition ``holds()``; ``evidence()`` is told with what becomes of it."""

        def tell(change, time, onset, reason):
            said = evidence()
            sure = 0 if change == 3 else said.pop("confidence", 0)
            said.pop("confidence", None)
            self.found.append(
                {
                    "t_us": time,
                    "onset_us": onset,
                    "kind": kind,
                    "kind_now": kind,
                    "change": change,
                    **dict(reason=reason, confidence=sure, last_seen_us=self.seen, **said),
                }
            )

        self.followed.append((Window(tell, us(window_s), us(bridge_s)), holds))

    def frame(self, frame):
        time = frame["time_us"]
        if self.last_time is not None:
            time = max(time, self.last_time)
            self.pass_time(time)
        self.last_time = time
        if frame.get("unit", 0) != 0:
            return
        told = {
            k: v
            for k, v in frame.items()
            if k not in HEADER and k not in ESCALATORS_ALONE and not (k == "door" and v == 0)
        }
        self.seen_before = self.seen
        if told:
            self.seen = time
        self.before = dict(self.held)
        self.held |= told
        if "speed_mps" not in told and self.held.get("car") != self.before.get("car"):
            self.held.pop("speed_mps", None)
        self.heard(time, frame, told)
        for window, holds in self.followed:
            window.judged(time, holds())
        self.pass_time(time, told=bool(told))

    def tick(self, now):
        if self.last_time is not None and now > self.last_time:
            self.pass_time(now, tick=True)

    def pass_time(self, time, **how):
        for window, _ in self.followed:
            window.passes(time, **how)

    def new_minute(self):
        """Tell whether this is the first frame of its minute that told anything."""
        before = None if self.seen_before is None else self.seen_before // 60_000_000
        return self.seen is not None and self.seen // 60_000_000 != before

    def now(self, name):
        return self.held.get(name, -1)

    def was(self, name):
        return self.before.get(name, -1)
