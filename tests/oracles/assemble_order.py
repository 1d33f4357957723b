"""Oracle of the order stage: one lift, one frame after another, slow and obvious.

Written from DESIGN section 5 and docs/adr/0003-time.md, not from the code. It keeps every event in
plain lists and recomputes what it needs each time.
"""

from dataclasses import dataclass, field

WINDOW_US = 2_000_000
AHEAD_US = 60_000_000


@dataclass
class SlowFrame:
    seq: int
    time_us: int
    arrival_us: int
    name: int


@dataclass
class SlowLift:
    """``stepped`` holds (name, step time), ``late`` names, in the order in which it happened."""

    stepped: list = field(default_factory=list)
    late: list = field(default_factory=list)
    history: list = field(default_factory=list)  # stepped frames
    waiting: list = field(default_factory=list)
    marks: list = field(default_factory=list)  # "gap", "filled" or "restart" per stepped frame
    late_row: list = field(default_factory=list)  # late frames since something was stepped
    behind: tuple | None = None  # (device time, step time) at which a set-back clock began

    def arrive(self, frame):
        self.pass_time(frame.arrival_us)
        where = self.where(frame)
        if where == "late" and not self.keeps_pace(frame):
            self.late.append(frame.name)
        elif where == "wait":
            self.waiting.append(frame)
        else:
            self.step_now(frame)

    def pass_time(self, now_us):
        while any(w.arrival_us + WINDOW_US <= now_us for w in self.waiting):
            queue = self.queue()
            oldest_us = min(w.arrival_us for w in queue)
            overdue = [w for w in queue if w.arrival_us == oldest_us]
            last = max(queue.index(w) for w in overdue)
            for frame in queue[: last + 1]:
                self.step(frame)
            self.step_followers()

    def where(self, frame):
        if not self.history:
            return "step" if frame.seq <= 1 else "wait"
        head = self.history[-1]
        if frame.seq <= head.seq and frame.time_us <= head.time_us:
            return "late"
        if frame.seq > head.seq and self.belongs_to_previous_stream(frame):
            return "late"
        if frame.seq == head.seq + 1 or (frame.seq <= head.seq and frame.seq <= 1):
            return "step"
        return "step" if self.unreliable() else "wait"

    def belongs_to_previous_stream(self, frame):
        restarts = [
            (a, b) for a, b in zip(self.history, self.history[1:], strict=False) if b.seq <= a.seq
        ]
        if not restarts or frame.seq == self.history[-1].seq + 1:
            return False
        last_of_old, first_of_new = restarts[-1]
        if frame.time_us >= first_of_new.time_us:
            return False
        return abs(frame.seq - last_of_old.seq) < abs(frame.seq - self.history[-1].seq)

    def keeps_pace(self, frame):
        row = self.late_row
        if row and not (frame.seq == row[-1].seq + 1 and frame.time_us >= row[-1].time_us):
            row.clear()
        row.append(frame)
        lags = [f.arrival_us - f.time_us for f in row]
        long = frame.arrival_us - row[0].arrival_us >= 60_000_000
        return len(row) >= 4 and long and max(lags) - min(lags) <= 5_000_000

    def queue(self):
        head_seq = self.history[-1].seq if self.history else -1
        same = [w for w in self.waiting if w.seq > head_seq]
        new = [w for w in self.waiting if w.seq <= head_seq]
        return [
            *sorted(same, key=lambda w: (w.seq, w.time_us)),
            *sorted(new, key=lambda w: (w.seq, w.time_us)),
        ]

    def step_now(self, frame):
        head_seq = self.history[-1].seq if self.history else -1
        fills = frame.seq == head_seq + 1 and bool(self.waiting)
        for other in self.queue():
            if frame.seq <= max(head_seq, 1) and other.seq > frame.seq:
                first = other.time_us <= frame.time_us
            else:
                first = other.seq <= frame.seq and (other.seq > head_seq) == (frame.seq > head_seq)
            if first:
                self.step(other)
        self.step(frame, fills=fills)
        self.step_followers()

    def step_followers(self):
        while self.waiting:
            queue = self.queue()
            if self.unreliable():
                for frame in queue:
                    self.step(frame)
            elif queue[0].seq == self.history[-1].seq + 1:
                self.step(queue[0])
            else:
                return

    def step(self, frame, fills=False):
        if frame in self.waiting:
            self.waiting.remove(frame)
        head = self.history[-1] if self.history else None
        if head is None:
            mark = "first"
        elif frame.seq == head.seq + 1:
            mark = "filled" if fills else "next"
        elif frame.seq <= 1:
            mark = "start"
        else:
            mark = "gap"
        self.stepped.append((frame.name, self.step_time(frame)))
        self.history.append(frame)
        self.marks.append((mark, frame.seq))
        self.late_row.clear()

    def step_time(self, frame):
        if not self.stepped or frame.time_us >= self.stepped[-1][1]:
            self.behind = None
            return frame.time_us
        at = self.stepped[-1][1]
        fell = frame.time_us < self.history[-1].time_us - WINDOW_US
        if self.behind is None or fell or frame.time_us < self.behind[0]:
            self.behind = (frame.time_us, at)
            return at
        low, high = self.behind
        paced_us = high + (frame.time_us - low) * 3 // 4
        return max(at, min(paced_us, frame.arrival_us + AHEAD_US))

    def unreliable(self):
        """Eight gaps in a row that nothing filled, none followed by 256 frames in sequence."""
        gaps, run, off = 0, 0, False
        for mark, seq in self.marks:
            if mark == "filled":
                gaps = 0
            if mark == "gap":
                gaps = 1 if run >= 256 else gaps + 1
                off = gaps >= 8
                run = 0
            elif mark in ("start", "first"):
                run = seq if seq <= 1 else 0
            else:
                run += 1
        return off
