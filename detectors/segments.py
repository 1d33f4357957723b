"""Grouped vector helpers: what happened on each lift, without a loop over frames.

A batch is laid out as a *strip*: for every row first one *head* that holds what was carried in
from earlier batches, then the frames of that row in stepping order. Thanks to the heads, "the last
known value", "since when" and "was it so before" need no special case at the start of a batch, and
chunked equals whole. Element ``i`` stands for the time from its own frame up to the next one of
its row (sample-and-hold), the last of a row up to the stream time of a tick.

``Segments`` knows positions only and is shared by all detectors; ``Timeline`` adds times.
Cost: a handful of passes over n + m elements per helper; memory of the same order.
"""

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

NEVER_US: Final = -(2**62)
"""A time before all times [µs]; far enough from the ends of int64 to add and subtract."""

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Segments:
    """Where the head and the frames of each of ``m`` rows stand in a strip of ``n + m`` elements.

    Parameters
    ----------
    index
        0 ... n + m - 1.
    row
        Compact row of each element, shape (n + m,).
    head
        Index of the head of each element's row, shape (n + m,).
    is_head
        Elements that stand for the carried state, shape (n + m,).
    head_at, last_at
        Index of each row's head and of its last element, shape (m,).
    frame_at
        Index of each frame of the batch, shape (n,).
    before
        Index of the element before, within the row; a head points at itself, shape (n + m,).
    source
        Index of each element in what the rows carried in, followed by the frames, shape (n + m,).
    """

    index: Ints
    row: Ints
    head: Ints
    is_head: Bools
    head_at: Ints
    last_at: Ints
    frame_at: Ints
    before: Ints
    source: Ints

    @classmethod
    def of(cls, row: NDArray[Any], m: int) -> Self:
        """Build from the compact rows of ``n`` frames, sorted, each in ``[0, m)``."""
        counts = np.bincount(row, minlength=m) if len(row) else np.zeros(m, np.int64)
        ends = np.cumsum(counts + 1)
        head_at = ends - counts - 1
        size = len(row) + m
        is_head = np.zeros(size, np.bool_)
        is_head[head_at] = True
        index = np.arange(size)
        before = index - 1
        before[head_at] = head_at
        frame_at = np.flatnonzero(~is_head)
        return cls(
            index=index,
            row=np.repeat(np.arange(m), counts + 1),
            head=np.repeat(head_at, counts + 1),
            is_head=is_head,
            head_at=head_at,
            last_at=ends - 1,
            frame_at=frame_at,
            before=before,
            source=_source(head_at, frame_at),
        )

    def __len__(self) -> int:
        """Return the number of elements, ``n + m``."""
        return len(self.row)

    def part(self, rows: Bools) -> "tuple[Segments, Ints]":
        """Return the strip of some rows alone, and the index here of each of its elements.

        ``rows``: marks of the rows to keep, shape (m,); they are numbered anew, in order.
        """
        kept = rows.take(self.row).nonzero()[0]
        number = rows.cumsum() - 1
        is_head = self.is_head.take(kept)
        head_at = is_head.nonzero()[0]
        index = np.arange(len(kept))
        before = index - 1
        before[head_at] = head_at
        last_at = np.concatenate([head_at[1:], [len(kept)]]) - 1 if len(head_at) else head_at
        row, frame_at = number.take(self.row.take(kept)), (~is_head).nonzero()[0]
        head, source = head_at.take(row), _source(head_at, frame_at)
        part = Segments(index, row, head, is_head, head_at, last_at, frame_at, before, source)
        return part, kept

    def nth(self, at: Ints) -> Ints:
        """Return how many frames of its row come up to each of the given elements, shape (k,)."""
        return at - self.head_at[self.row[at]]

    def at_frames(self, marks: Bools) -> Bools:
        """Lay out marks of frames (n,) in a strip; heads are not marked."""
        strip = np.zeros(len(self), np.bool_)
        strip[self.frame_at] = marks
        return strip

    def join(self, carried: NDArray[Any], frames: NDArray[Any] | float) -> NDArray[Any]:
        """Lay out carried values (m,) and frame values (n,), or one for all, in a strip."""
        if isinstance(frames, np.ndarray) and frames.dtype == carried.dtype:
            return np.concatenate([carried, frames]).take(self.source)
        strip = np.empty(len(self), carried.dtype)
        strip[self.head_at] = carried
        strip[self.frame_at] = frames
        return strip

    def headed(self, values: NDArray[Any], carried: NDArray[Any]) -> NDArray[Any]:
        """Return values of a strip with what was carried in (m,) at the heads."""
        strip = values.copy()
        strip[self.head_at] = carried
        return strip

    def last(self, marks: Bools) -> Ints:
        """Return the index of the last marked element so far in the row; its head if none."""
        if not np.count_nonzero(marks):
            return self.head
        at, lengths = self._runs(marks)
        return at.repeat(lengths)

    def hold(self, values: NDArray[Any], marks: Bools) -> NDArray[Any]:
        """Carry the value of the last marked element (or the head) forward."""
        if not np.count_nonzero(marks):
            return values.take(self.head)
        at, lengths = self._runs(marks)
        return values.take(at).repeat(lengths)

    def _runs(self, marks: Bools) -> tuple[Ints, Ints]:
        """Return where a value begins to be held, and over how many elements."""
        at = (marks | self.is_head).nonzero()[0]
        lengths = np.empty(len(at), np.int64)
        np.subtract(at[1:], at[:-1], out=lengths[:-1])
        lengths[-1:] = len(self.row) - at[-1:]
        return at, lengths

    def latch(self, sets: Bools, resets: Bools) -> Bools:
        """Return whether a latch is set after each element.

        At heads ``sets`` is the carried latch; an element with both marks ends up reset.
        """
        if not np.count_nonzero(sets):
            return np.zeros(len(self.row), np.bool_)
        return self.hold(sets & ~resets, sets | resets)

    def prior(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the value of the element before, within the row; a head gives its own."""
        return values.take(self.before)

    def rises(self, held: Bools) -> Bools:
        """Mark frames at which a condition begins to hold; never a head."""
        return held & ~held.take(self.before)

    def changes(self, values: NDArray[Any]) -> Bools:
        """Mark frames whose value differs from the one before; never a head."""
        return values != values.take(self.before)

    def first(self, marks: Bools) -> Bools:
        """Keep the first mark of each row."""
        if not np.count_nonzero(marks):
            return marks
        count = marks.cumsum()
        at_head = count[self.head_at] - marks[self.head_at]
        return marks & (count - at_head[self.row] == 1)

    def count_since(self, marks: Bools, resets: Bools, carried: NDArray[Any]) -> Ints:
        """Count marks in the row since the last reset, up to and including each element.

        A reset forgets the marks before its element, not the one at it. ``carried``, shape (m,),
        is the count before the head's own mark.
        """
        begun = carried * ~resets.take(self.head_at)
        if not np.count_nonzero(marks):
            if not np.count_nonzero(begun):
                return np.zeros(len(self), np.int64)
            return self.hold(self.headed(np.zeros(len(self), np.int64), begun), resets)
        steps = marks.astype(np.int64)
        steps[self.head_at] += begun
        through = steps.cumsum()
        at, lengths = self._runs(resets)
        return through - (through - steps).take(at).repeat(lengths)


def _source(head_at: Ints, frame_at: Ints) -> Ints:
    source = np.empty(len(head_at) + len(frame_at), np.int64)
    source[head_at] = np.arange(len(head_at))
    source[frame_at] = np.arange(len(head_at), len(source))
    return source


@dataclass(frozen=True, slots=True)
class Timeline:
    """A strip with times: when each element begins and ends, and which windows complete in it.

    Parameters
    ----------
    segments
        The strip.
    t_us
        Time at which each element begins, non-decreasing within a row, shape (n + m,) [µs].
    end_us
        A window completes within the element if its deadline is before this, shape (n + m,):
        the next frame's time; for the last of a row the tick's time + 1, ``NEVER_US`` without.
    told
        Frames that told any input of the rule; never a head.
    confirms
        Frames at whose time something was told, by them or by one before them in the batch.
    """

    segments: Segments
    t_us: Ints
    end_us: Ints
    told: Bools
    confirms: Bools

    @classmethod
    def of(
        cls, segments: Segments, carried_us: Ints, time_us: Ints, now_us: Ints, told: Bools
    ) -> Self:
        """Build from the time carried in (m,), of the frames (n,), and of the tick (m,)."""
        t_us, end_us = times(segments, carried_us, time_us, now_us)
        return cls.heard(segments, t_us, end_us, told)

    @classmethod
    def heard(cls, segments: Segments, t_us: Ints, end_us: Ints, told: Bools) -> Self:
        """Build from times (strips) and the elements at which something was told."""
        if told[segments.frame_at].all():
            return cls(segments, t_us, end_us, told, told)
        last_told = segments.last(told)
        confirms = told[last_told] & (t_us[last_told] == t_us)
        return cls(segments, t_us, end_us, told, confirms)

    def part(self, segments: Segments, kept: Ints) -> "Timeline":
        """Return the timeline of the part of the strip that ``Segments.part`` gave."""
        t_us, end_us = self.t_us.take(kept), self.end_us.take(kept)
        return Timeline(segments, t_us, end_us, self.told.take(kept), self.confirms.take(kept))

    def reached(self, deadline_us: Ints) -> Bools:
        """Tell in which elements a deadline has passed while what the element says still held.

        A frame at exactly the deadline counts only if it told something: it confirms. A frame at
        exactly the deadline that refutes is an element of its own and comes in time.
        """
        return self.by_frame(deadline_us) | (deadline_us < self.end_us)

    def by_tick(self, deadline_us: Ints) -> Bools:
        """Tell which of the deadlines reached were reached by the tick's time alone."""
        is_last = np.zeros(len(self.t_us), np.bool_)
        is_last[self.segments.last_at] = True
        return is_last & ~self.by_frame(deadline_us) & (deadline_us < self.end_us)

    def by_frame(self, deadline_us: Ints) -> Bools:
        """Tell which of the deadlines had passed when the element began."""
        return (deadline_us < self.t_us) | ((deadline_us == self.t_us) & self.confirms)

    def since(self, starts: Bools, carried_us: Ints) -> Ints:
        """Return the time of the last start so far; before the first one the carried time (m,)."""
        if not np.count_nonzero(starts):
            return carried_us.take(self.segments.row)
        times = self.t_us.copy()
        times[self.segments.head_at] = carried_us
        return self.segments.hold(times, starts)


def times(segments: Segments, carried_us: Ints, time_us: Ints, now_us: Ints) -> tuple[Ints, Ints]:
    """Return when each element begins and ends (``Timeline.t_us``, ``end_us``)."""
    t_us = _in_order(segments, segments.join(carried_us, time_us))
    end_us = np.empty_like(t_us)
    end_us[:-1] = t_us[1:]
    last_us = t_us[segments.last_at]
    end_us[segments.last_at] = np.where(now_us > last_us, now_us + 1, NEVER_US)
    return t_us, end_us


def _in_order(segments: Segments, t_us: Ints) -> Ints:
    """Raise a time that lies before an earlier one of its row to that one.

    The order stage never sends such frames; a row that has one costs a pass of its own.
    """
    behind = t_us < t_us.take(segments.before)
    if not np.count_nonzero(behind):
        return t_us
    for row in np.unique(segments.row[behind]):
        part = slice(segments.head_at[row], segments.last_at[row] + 1)
        np.maximum.accumulate(t_us[part], out=t_us[part])
    return t_us
