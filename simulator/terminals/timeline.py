"""Pieces of the world as one table in the order (terminal type, lift, time), and what is due in it.

Sample instants lie on the grid of the piece (its start plus whole intervals), so how the world was
cut into calls does not change them. Pieces may be cut further here, where a chattering switch makes
a terminal tell more often or a silent terminal tells nothing; the grid stays that of the piece.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.world.buildings import Plan, Terminal
from simulator.world.state import MOTION_FIELDS, QUIET, Pieces

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often a terminal tells, whole ms.

    Parameters
    ----------
    moving_us
        While anything moves or something is wrong: 0.5-5 s in the field.
    idle_us
        Heartbeat.
    """

    moving_us: int = 1_000_000
    idle_us: int = 30_000_000


class Ranks:
    """The order of lifts in a timeline: by terminal type, then by number.

    Parameters
    ----------
    plan
        The lifts.
    """

    def __init__(self, plan: Plan) -> None:
        order = np.argsort(plan.terminal, kind="stable")
        self.of_lift = np.empty(len(plan), "i8")
        """Rank of each lift."""
        self.of_lift[order] = np.arange(len(plan))
        ends = np.searchsorted(plan.terminal[order], np.arange(len(Terminal)), side="right")
        self.ends = ends.astype("i8")
        """First rank after each terminal type."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A stretch of one lift's time in which its terminal tells otherwise than usual.

    Parameters
    ----------
    lift
        Row of the plan.
    from_us, to_us
        ``[from_us, to_us)``.
    silent
        It tells nothing; otherwise it tells at the cadence of something that moves.
    """

    lift: int
    from_us: int
    to_us: int
    silent: bool


@dataclass(slots=True)
class _Shape:
    """Which piece each row of a timeline comes from, and its stretch of time."""

    source: Indices
    rank: Indices
    lo_us: Indices
    hi_us: Indices
    restless: NDArray[np.bool_] = field(init=False)
    silent: NDArray[np.bool_] = field(init=False)

    def cut(self, cuts: Sequence[Cut], rank_of_lift: Indices) -> None:
        """Part pieces where a cut begins or ends, and mark what lies inside."""
        bounds = sorted(
            (self._piece(int(rank_of_lift[c.lift]), t_us), t_us)
            for c in cuts
            for t_us in (c.from_us, c.to_us)
        )
        inside = sorted({(at, t) for at, t in bounds if at >= 0 and self.lo_us[at] < t})
        if inside:
            at = np.array([a for a, _ in inside])
            t_us = np.array([t for _, t in inside])
            self.source = np.insert(self.source, at + 1, self.source[at])
            self.rank = np.insert(self.rank, at + 1, self.rank[at])
            self.lo_us = np.insert(self.lo_us, at + 1, t_us)
            self.hi_us = np.insert(self.hi_us, at, t_us)
        self.restless = np.zeros(len(self.source), bool)
        self.silent = np.zeros(len(self.source), bool)
        for c in cuts:
            marks = self.silent if c.silent else self.restless
            first, last = np.searchsorted(self.rank, rank_of_lift[c.lift] + np.array([0, 1]))
            own = slice(first, last)
            marks[own] |= (self.lo_us[own] >= c.from_us) & (self.hi_us[own] <= c.to_us)

    def _piece(self, rank: int, t_us: int) -> int:
        """Return the piece of a lift that holds an instant, -1 if there is none."""
        first, last = np.searchsorted(self.rank, [rank, rank + 1])
        at = int(first + np.searchsorted(self.lo_us[first:last], t_us, side="right")) - 1
        return at if first <= at < last and t_us < self.hi_us[at] else -1


class Timeline:
    """Pieces in order, their fields fetched when asked for, and the samples due in them.

    Parameters
    ----------
    pieces
        What left the world in one call; those of a lift in time order.
    ranks
        The order of lifts.
    cadence
        How often terminals tell.
    cuts
        Where they tell otherwise.

    Attributes
    ----------
    of
        Piece of each sample, shape (n,), ascending.
    t_us
        Instant of each sample.
    every_us
        Interval of each piece.
    rank
        Rank of the lift of each piece.
    """

    def __init__(
        self, pieces: Sequence[Pieces], ranks: Ranks, cadence: Cadence, cuts: Sequence[Cut] = ()
    ) -> None:
        self._parts = [p for p in pieces if len(p["lift"])]
        self._ranks = ranks
        shape = self._order()
        if cuts:
            shape.cut(cuts, ranks.of_lift)
        self._source = shape.source
        self._held: dict[str, NDArray[Any]] = {"lo_us": shape.lo_us, "hi_us": shape.hi_us}
        self.rank = shape.rank
        quiet = QUIET[self["phase"]]
        if cuts:
            quiet = quiet & ~shape.restless
        self.every_us = np.where(quiet, cadence.idle_us, cadence.moving_us)
        first = -((self["start_us"] - shape.lo_us) // self.every_us)
        last = -((self["start_us"] - shape.hi_us) // self.every_us)
        count = np.maximum(last - first, 0)
        if cuts:
            count[shape.silent] = 0
        self.end = np.cumsum(count)
        """First sample after each piece."""
        self.of = np.repeat(np.arange(len(count)), count)
        begins = self["start_us"] + (first - (self.end - count)) * self.every_us
        self.t_us = begins[self.of] + np.arange(len(self.of)) * self.every_us[self.of]

    def __len__(self) -> int:
        """Return the number of samples, ``n``."""
        return len(self.of)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a field of all pieces, shape (k,)."""
        held = self._held.get(name)
        if held is None:
            held = np.concatenate([p[name] for p in self._parts])[self._source]
            self._held[name] = held
        return held

    def _order(self) -> _Shape:
        """Sort pieces by rank; within a lift they keep their order. Empty ones are left out."""
        lift, lo_us, hi_us = (
            np.concatenate([p[name] for p in self._parts]) for name in ("lift", "lo_us", "hi_us")
        )
        lasting = np.flatnonzero(lo_us < hi_us)
        key = np.sort(self._ranks.of_lift[lift[lasting]] << 32 | np.arange(len(lasting)))
        source = lasting[key & 0xFFFFFFFF]
        return _Shape(source, key >> 32, lo_us[source], hi_us[source])

    def pieces_of(self, terminal: Terminal) -> slice:
        """Return where the pieces of a terminal type are."""
        first = self._ranks.ends[terminal - 1] if terminal else 0
        low, high = np.searchsorted(self.rank, [first, self._ranks.ends[terminal]])
        return slice(int(low), int(high))

    def samples_of(self, pieces: slice) -> slice:
        """Return where the samples of a stretch of pieces are."""
        return slice(self._end(pieces.start), self._end(pieces.stop))

    def of_lift(self, lift: int) -> slice:
        """Return where the samples of a lift are."""
        rank = int(self._ranks.of_lift[lift])
        low, high = np.searchsorted(self.rank, [rank, rank + 1])
        return self.samples_of(slice(int(low), int(high)))

    def within(self, lift: int, from_us: int, to_us: int) -> slice:
        """Return where the samples of a lift in ``[from_us, to_us)`` are."""
        own = self.of_lift(lift)
        low, high = np.searchsorted(self.t_us[own], [from_us, to_us])
        return slice(own.start + int(low), own.start + int(high))

    def last_samples(self) -> tuple[Indices, Indices]:
        """Return the lifts that have samples, and the last sample of each."""
        rank = self.rank[self.of]
        last = np.flatnonzero(np.r_[rank[1:] != rank[:-1], True][: len(rank)])
        return self["lift"][self.of[last]], last

    def motions(self, at: Indices) -> Pieces:
        """Return what ``kinematics`` needs of the pieces at ``at``."""
        return {name: self[name][at] for name in MOTION_FIELDS}

    def _end(self, piece: int) -> int:
        return int(self.end[piece - 1]) if piece else 0

    def in_time_order(self) -> Indices:
        """Return the samples' order by (time, lift)."""
        lift = self["lift"]
        n = len(self)
        bits = max(n, 1).bit_length()
        begin_us = int(self.t_us.min(initial=0 if not n else int(self.t_us[0])))
        after_us = self.t_us - begin_us
        if int(after_us.max(initial=0)).bit_length() + bits > 62:
            return np.lexsort((lift[self.of], self.t_us))
        place = self._by_lift()
        at = np.empty(n, "i8")
        at[place] = np.arange(n)
        return at[np.sort(after_us << bits | place) & ((1 << bits) - 1)]

    def _by_lift(self) -> Indices:
        """Return the place of each sample if they were in the order (lift, time)."""
        lift = self["lift"]
        first = np.flatnonzero(np.r_[True, self.rank[1:] != self.rank[:-1]])
        starts = np.r_[0, self.end][first]
        counts = np.diff(np.r_[starts, len(self)])
        order = np.argsort(lift[first])
        placed = np.empty(len(first), "i8")
        placed[order] = np.cumsum(counts[order]) - counts[order]
        return np.arange(len(self)) + np.repeat(placed - starts, counts)
