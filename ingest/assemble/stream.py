"""Order of one lift, frame by frame: for lifts on which anything but the next frame has come.

Frames in sequence never get here (``order`` steps them as arrays). Here it is decided, for one lift
and frames in processing order, what is stepped, at which time, what waits, and what is late:

- a gap in ``seq`` makes later frames wait, at most the reorder window of arrival time;
- a frame with neither a higher ``seq`` nor a later time than the head is late;
- a lower ``seq`` with a later time is a terminal restart: windows continue, nothing is waited for,
  except, as for a first frame, for the beginning of the new stream when ``seq`` > 1;
- a higher ``seq`` with an earlier time is a clock set back: stepped at the head's time. Step time
  then goes on at three quarters of the terminal's own pace until the terminal's time has caught
  up, so that hold windows still complete while the clock is behind;
- a frame of the stream before a restart, overtaken by it, is late and no clock set back;
- a run of late frames that keeps pace with arrival is a restart with the clock set back.

Invariants: a frame is stepped at most once, step times never fall, and the outcome depends on the
frames and their arrivals, not on how arrivals were grouped into batches.
"""

from bisect import bisect_right, insort
from collections.abc import Sequence
from enum import Enum, auto
from typing import NamedTuple

from ingest.assemble.params import NEVER, NO_SEQ, NO_TIME, AssembleParams


class Item(NamedTuple):
    """A frame as far as order is concerned; ``place`` is the serial number of its columns."""

    seq: int
    time_us: int
    arrival_us: int
    place: int


class Head(NamedTuple):
    """The newest stepped frame of a lift, and what came before it.

    ``step_us`` is the time at which it was stepped. ``gap_seq`` is the ``seq`` since which frames
    followed each other, ``gaps`` how many gaps in a row nothing filled. ``previous_seq`` and
    ``restart_us`` are the head before the last terminal restart and the time of its first frame.
    """

    seq: int = NO_SEQ
    time_us: int = NO_TIME
    step_us: int = NO_TIME
    arrival_us: int = NO_TIME
    gap_seq: int = 0
    previous_seq: int = NO_SEQ
    restart_us: int = NO_TIME
    gaps: int = 0
    unreliable: bool = False


class SetBack(NamedTuple):
    """A clock that is behind: device time ``low_us`` was stepped at ``high_us``."""

    low_us: int
    high_us: int


class LateRun(NamedTuple):
    """Late frames in sequence with nothing else in between."""

    seq: int
    time_us: int
    started_us: int
    lag_low_us: int
    lag_high_us: int
    frames: int


class Oddity(NamedTuple):
    """All about a lift that ``Head`` does not hold; most lifts have none.

    ``waiting`` is sorted by (seq, time); ``oldest_us`` is the earliest arrival in it.
    """

    waiting: tuple[Item, ...] = ()
    oldest_us: int = NEVER
    set_back: SetBack | None = None
    late_run: LateRun | None = None

    def is_empty(self) -> bool:
        """Tell whether there is nothing to remember."""
        return not self.waiting and self.set_back is None and self.late_run is None

    def shifted(self, by_us: int) -> "Oddity":
        """Return the same with all arrivals moved by ``by_us`` [µs]."""
        run = self.late_run
        return self._replace(
            waiting=tuple(w._replace(arrival_us=w.arrival_us + by_us) for w in self.waiting),
            oldest_us=self.oldest_us + by_us if self.waiting else self.oldest_us,
            late_run=run
            and run._replace(
                started_us=run.started_us + by_us,
                lag_low_us=run.lag_low_us + by_us,
                lag_high_us=run.lag_high_us + by_us,
            ),
        )


class _Verdict(Enum):
    STEP = auto()
    WAIT = auto()
    LATE = auto()


class Line:
    """Working copy of one lift while its frames of a batch are put in order.

    ``stepped`` collects (place, step time [µs]) in stepping order, ``late`` places.
    """

    __slots__ = (
        "_late_run", "_oldest_us", "_params", "_set_back", "_waiting",
        "gaps", "head", "late", "restarts", "set_backs", "stepped",
    )  # fmt: skip

    def __init__(self, head: Head, oddity: Oddity, params: AssembleParams) -> None:
        self.head = head
        self._params = params
        self._waiting = list(oddity.waiting)
        self._oldest_us = oddity.oldest_us  # or earlier: what left is not looked for at once
        self._set_back = oddity.set_back
        self._late_run = oddity.late_run
        self.stepped: list[tuple[int, int]] = []
        self.late: list[int] = []
        self.restarts = self.set_backs = self.gaps = 0

    def oddity(self) -> Oddity:
        """Return what is to be remembered beside the head."""
        waiting = tuple(self._waiting)
        return Oddity(waiting, _oldest_us(waiting), self._set_back, self._late_run)

    def take(self, item: Item) -> None:
        """Put the next frame, in processing order, in its place."""
        self.expire(item.arrival_us)
        verdict = self._judge(item)
        if verdict is _Verdict.WAIT:
            insort(self._waiting, item)
            self._oldest_us = min(self._oldest_us, item.arrival_us)
        elif verdict is _Verdict.STEP or self._is_present(item):
            self._step_now(item)
        else:
            self.late.append(item.place)

    def expire(self, now_us: int) -> None:
        """Step what has waited long enough at ``now_us``, and whatever goes before it.

        One deadline after another: several that passed since the last batch end as they would have
        with a tick in between.
        """
        latest_us = now_us - self._params.reorder_window_us
        while self._oldest_us <= latest_us:
            self._oldest_us = _oldest_us(self._waiting)
            if self._oldest_us <= latest_us:
                queue = self._in_rank()
                last = max(i for i, w in enumerate(queue) if w.arrival_us == self._oldest_us)
                self._release(queue[: last + 1], sorted(queue[last + 1 :]))

    def _in_rank(self) -> list[Item]:
        """Return the waiting frames: those of the head's stream by ``seq``, then of a new one."""
        split = self._after(self.head.seq)
        return self._waiting[split:] + self._waiting[:split]

    def _judge(self, item: Item) -> _Verdict:
        head = self.head
        if item.seq > head.seq:
            if self._was_overtaken(item):
                return _Verdict.LATE
            first = head.seq == NO_SEQ
            in_sequence = item.seq <= 1 if first else item.seq == head.seq + 1
        else:
            if item.time_us <= head.time_us:
                return _Verdict.LATE
            in_sequence = item.seq <= 1
        return _Verdict.STEP if in_sequence or head.unreliable else _Verdict.WAIT

    def _was_overtaken(self, item: Item) -> bool:
        """Tell whether the frame belongs to the stream before a restart that came first."""
        head = self.head
        if item.time_us >= head.restart_us or item.seq == head.seq + 1:
            return False
        return abs(item.seq - head.previous_seq) < item.seq - head.seq

    def _is_present(self, item: Item) -> bool:
        """Tell whether a late frame completes a run of late frames that keeps pace with arrival."""
        lag_us = item.arrival_us - item.time_us
        run = self._late_run
        if run is None or item.seq != run.seq + 1 or item.time_us < run.time_us:
            run = LateRun(item.seq, item.time_us, item.arrival_us, lag_us, lag_us, 1)
        else:
            run = LateRun(
                item.seq, item.time_us, run.started_us,
                min(run.lag_low_us, lag_us), max(run.lag_high_us, lag_us), run.frames + 1,
            )  # fmt: skip
        self._late_run = run
        return (
            run.frames >= self._params.late_run_frames
            and item.arrival_us - run.started_us >= self._params.late_run_us
            and run.lag_high_us - run.lag_low_us <= self._params.shrink_us
        )

    def _step_now(self, item: Item) -> None:
        """Step a frame that need not wait, after what goes before it, with what it lets go."""
        if not self._waiting:
            self._step(item)
            return
        if item.seq > max(self.head.seq, 1):
            first, end = self._after(self.head.seq), self._after(item.seq)
            before, rest = self._waiting[first:end], self._waiting
            del rest[first:end]
        else:
            before, rest = [], []
            for frame in self._in_rank():
                (before if self._goes_before(frame, item) else rest).append(frame)
            rest.sort()
        if not before and item.seq == self.head.seq + 1:  # it fills the gap the others wait for
            self.head = self.head._replace(gaps=0)
        self._release([*before, item], rest)

    def _after(self, seq: int) -> int:
        """Return how many of the waiting frames have this ``seq`` or a lower one."""
        return bisect_right(self._waiting, seq, key=lambda w: w.seq)

    def _goes_before(self, frame: Item, item: Item) -> bool:
        """Tell whether a waiting frame is to be stepped before one that begins a stream."""
        if frame.seq > item.seq:
            return frame.time_us <= item.time_us
        return (frame.seq > self.head.seq) == (item.seq > self.head.seq)

    def _release(self, chosen: Sequence[Item], rest: list[Item]) -> None:
        """Step ``chosen`` in that order, then all of ``rest`` (sorted) that follows without a gap.

        One frame after another may fill one gap each while thousands wait, so this touches no more
        than what it steps.
        """
        for frame in chosen:
            self._step(frame)
        self._waiting = rest
        while rest:
            if self.head.unreliable:
                queue = self._in_rank()
                rest.clear()
            else:
                first = self._after(self.head.seq)
                end = first + _contiguous(rest, first, self.head.seq)
                queue = rest[first:end]
                del rest[first:end]
            if not queue:
                break
            for frame in queue:
                self._step(frame)

    def _step(self, item: Item) -> None:
        head = self.head
        restarted = item.seq <= head.seq
        self.restarts += restarted
        step_us = self._step_time(item)
        self._late_run = None
        gap_seq, gaps, unreliable = self._gaps_after(item)
        self.head = Head(
            item.seq, item.time_us, step_us, item.arrival_us, gap_seq,
            head.seq if restarted else head.previous_seq,
            item.time_us if restarted else head.restart_us,
            gaps, unreliable,
        )  # fmt: skip
        self.stepped.append((item.place, step_us))

    def _step_time(self, item: Item) -> int:
        head, set_back = self.head, self._set_back
        if item.time_us >= head.step_us:
            self._set_back = None
            return item.time_us
        again_us = head.time_us - self._params.reorder_window_us  # less is jitter of the clock
        if set_back is None or item.time_us < max(set_back.low_us, again_us):
            self.set_backs += 1
            self._set_back = SetBack(item.time_us, head.step_us)
            return head.step_us
        paced_us = set_back.high_us + (item.time_us - set_back.low_us) * 3 // 4
        # What is sent faster than it was made is set back with every copy: no further than a clock.
        believed_us = item.arrival_us + self._params.believed_future_us
        return max(head.step_us, min(paced_us, believed_us))

    def _gaps_after(self, item: Item) -> tuple[int, int, bool]:
        """Count a gap that nothing filled; a first frame and ``seq`` <= 1 come after none."""
        head, params = self.head, self._params
        if item.seq == head.seq + 1 and head.seq != NO_SEQ:
            return head.gap_seq, head.gaps, head.unreliable
        if item.seq <= 1:
            return 0, head.gaps, head.unreliable
        if head.seq == NO_SEQ:
            return item.seq, head.gaps, head.unreliable
        self.gaps += 1
        in_a_row = head.seq - head.gap_seq < params.gapless_frames
        gaps = min(head.gaps + 1, params.gaps_until_unreliable) if in_a_row else 1
        return item.seq, gaps, gaps >= params.gaps_until_unreliable


def _contiguous(waiting: Sequence[Item], first: int, seq: int) -> int:
    """Return how many of ``waiting``, from ``first`` on, follow ``seq`` one after another."""
    n = 0
    while first + n < len(waiting) and waiting[first + n].seq == seq + n + 1:
        n += 1
    return n


def _oldest_us(waiting: Sequence[Item]) -> int:
    return min((w.arrival_us for w in waiting), default=NEVER)
