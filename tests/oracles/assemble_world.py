"""A small world around the assembler: gateways' messages on one side, a table on the other.

The table is a dict that refuses a second row of a key, as the database does. Everything that a test
compares is collected per lift: keys stored, frames stepped with their step times, late frames.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ingest import assemble
from telemetry.batch import ALL_NAMES, FrameBatch, dtype_of

T0_US = 1_800_000_000_000_000
SECOND = 1_000_000


class Sent(NamedTuple):
    """A frame as it arrives. ``mark`` is its content, told through ``runs``."""

    arrival_us: int
    row: int
    seq: int
    device_us: int
    mark: int
    gateway_id: int = 1


def batch_of(sent):
    """Return arrivals (receipt order) as a ``FrameBatch``; ``elevator_id`` is row + 100."""
    columns = list(zip(*sent, strict=True)) or [()] * len(Sent._fields)
    given = dict(zip(Sent._fields, columns, strict=True))
    return FrameBatch.make(
        len(sent),
        row=given["row"],
        elevator_id=np.array(given["row"], "i8") + 100,
        seq=given["seq"],
        device_time_us=given["device_us"],
        received_us=given["arrival_us"],
        gateway_id=given["gateway_id"],
        runs=given["mark"],
    )


def as_it_is(arrivals):
    """Leave the content of arrivals alone."""
    return arrivals


def unwatched(world, ordered, now_us):
    """Look at nothing."""


@dataclass
class World:
    """One lane with its table. ``state`` may be exchanged to test restarts.

    ``dress`` gives arrivals their content, ``watch`` sees what is stepped, before it is adopted.
    """

    n_rows: int
    state: assemble.LaneState = field(default_factory=assemble.LaneState)
    table: dict = field(default_factory=dict)
    runs: list = field(default_factory=list)
    batches: list = field(default_factory=list)
    stepped: dict = field(default_factory=lambda: defaultdict(list))
    late: dict = field(default_factory=lambda: defaultdict(list))
    duplicates: int = 0
    conflicts: int = 0
    dress: Callable = as_it_is
    watch: Callable = unwatched
    received: int = 0
    looked_up: int = 0

    def __post_init__(self):
        self.state.grow(self.n_rows, assemble.NOTHING_STORED)

    def give(self, sent, now_us, *, commit=True):
        """Send one batch all the way; without ``commit`` it fails at the very end."""
        arrivals = self.dress(batch_of(sent))
        plan = assemble.plan(self.state, arrivals)
        settled = assemble.settle(self.state, plan, self.look_up(plan))
        ordered = assemble.advance(self.state, settled.frames, now_us)
        if not commit:
            return ordered
        self.looked_up += len(plan)
        self.received += len(sent)
        self.duplicates += len(settled.duplicates)
        self.conflicts += len(settled.conflicts)
        stored = settled.frames.replace(late=ordered.late)
        for row in stored.to_rows():
            key = row["elevator_id"], row["time_us"], row["seq"]
            assert key not in self.table, "stored twice"
            self.table[key] = row
        self.runs += settled.clock_runs
        self.batches.append((stored, now_us))
        self.note(stored, ordered)
        self.watch(self, ordered, now_us)
        assemble.adopt(self.state, ordered, settled)
        return ordered

    def note(self, stored, ordered):
        step = ordered.step
        assert (np.diff(step["row"]) >= 0).all()
        for row, seq, time_us, mark in zip(
            *(step[c].tolist() for c in ("row", "seq", "time_us", "runs")), strict=True
        ):
            self.stepped[row].append((seq, time_us, mark))
        for row, seq, mark in zip(
            *(stored[c][stored["late"]].tolist() for c in ("row", "seq", "runs")), strict=True
        ):
            self.late[row].append((seq, mark))

    def look_up(self, plan):
        keys = zip(
            plan.elevator_ids.tolist(), plan.times_us.tolist(), plan.seqs.tolist(), strict=True
        )
        rows = [self.table[key] for key in dict.fromkeys(keys) if key in self.table]
        if not rows:
            return FrameBatch.empty()
        return FrameBatch(
            {name: np.array([r[name] for r in rows], dtype_of(name)) for name in ALL_NAMES}
        )

    def restart(self):
        """Come back from a snapshot of now: every lift in one of three pieces."""
        rows = np.arange(self.n_rows)
        pieces = [(rows[i::3], assemble.to_arrays(self.state, rows[i::3])) for i in range(3)]
        self.state = assemble.LaneState(self.state.params)
        self.state.grow(self.n_rows)
        for piece, arrays in pieces:
            assemble.from_arrays(self.state, piece, arrays)

    def outcome(self):
        """Return what must not depend on how the input was cut into batches."""
        return (
            dict(self.stepped), {r: sorted(v) for r, v in self.late.items()},
            sorted(self.table), sorted(self.runs), self.duplicates, self.conflicts,
        )  # fmt: skip


def cut(sent, rng, mean_size=8, ticks=True):
    """Yield (batch, now_us): arrivals in order, cut anywhere, with ticks in between."""
    at = 0
    while at < len(sent):
        size = 1 + int(rng.geometric(1 / mean_size))
        end = at + size
        while end < len(sent) and sent[end].arrival_us == sent[end - 1].arrival_us:
            end += 1  # one instant is one message: it is never cut
        part, at = sent[at:end], end
        last = part[-1].arrival_us
        following = sent[at].arrival_us if at < len(sent) else last + 10 * SECOND
        yield part, int(rng.integers(last, following + 1))
        if ticks and rng.random() < 0.3 and following > last:
            yield [], int(rng.integers(last, following + 1))
    if sent:
        yield [], sent[-1].arrival_us + 10 * SECOND


def play(world, sent, rng, **how):
    """Give everything in order of arrival; returns the world."""
    now_us = 0
    for part, at_us in cut(sorted(sent, key=lambda s: s.arrival_us), rng, **how):
        now_us = max(now_us, at_us)
        world.give(part, now_us)
    return world
