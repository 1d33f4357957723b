"""The window of a condition, one lift and one instant at a time. Written from docs/detectors.md.

An oracle of a detector hears a frame, decides whether its condition holds, and leaves the rest to a
``Window``: ``passes`` with the frame's time before it is heard, ``judged`` with what is so now, and
``passes`` once more, ``told=True``, if the frame told anything. A window that asks for witnesses
(``silent_us``) also hears of every frame that told anything (``heard``), before it is ``judged``.
"""

RAISED, UPDATED, CLEARED = 1, 2, 3
CONDITION_ENDED, LATE_EVIDENCE = 2, 3


def us(seconds):
    return round(seconds * 1_000_000)


class Window:
    """Tells by ``tell(change, time, onset, reason)`` when its finding begins and ends."""

    def __init__(self, tell, window_us, bridge_us, silent_us=None):
        self.tell = tell
        self.silent_us = silent_us
        self.seen = None
        self.window_us = window_us
        self.bridge_us = bridge_us
        self.holds = False
        self.onset = None
        self.gone = None
        self.active = False
        self.raised_by_tick = None
        self.judged_at = None

    def heard(self, time):
        """Something was told; after a long silence what is pending is forgotten."""
        silence_us = 0 if self.seen is None else time - self.seen
        waits = self.silent_us is not None and not self.active
        if waits and silence_us > self.silent_us:
            self.forget()
        self.seen = time

    def judged(self, time, holds):
        """The condition holds, or does not, from ``time`` on."""
        if holds and self.onset is None:
            self.onset = time
        if self.holds and not holds:
            self.gone = time
        self.holds = holds
        self.judged_at = time
        if self.raised_by_tick is not None and time <= self.raised_by_tick and not holds:
            self.tell(CLEARED, time, self.onset, LATE_EVIDENCE)
            self.forget()

    def update(self, time):
        """Something new is to be told of an active finding; ask before and after ``passes``."""
        if self.active:
            self.tell(UPDATED, time, self.onset, 0)

    def passes(self, time, told=False, tick=False):
        """Time moves on to ``time``; at that very instant something happens only if told."""

        def due(deadline):
            return deadline <= time if told or tick else deadline < time

        if self.holds and not self.active and self.silent_us is not None:
            if told and self.onset + self.window_us <= time:
                self.active = True
                self.tell(RAISED, time, self.onset, 0)
        elif self.holds and not self.active:
            complete = max(self.judged_at, self.onset + self.window_us)
            if due(complete):
                self.active = True
                self.raised_by_tick = complete if tick else None
                self.tell(RAISED, complete, self.onset, 0)
        elif not self.holds and self.onset is not None and due(self.gone + self.bridge_us):
            if self.active:
                self.tell(CLEARED, self.gone, self.onset, CONDITION_ENDED)
            self.forget()

    def forget(self):
        self.onset, self.active, self.raised_by_tick = None, False, None
