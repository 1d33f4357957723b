"""Promise 5 to the end: whatever the channel does, the detectors say the same.

The assembler and the detector bank together, with ticks. 96 random fleets.
"""

from random import Random

import numpy as np
import pytest

from detectors.bank import Bank
from detectors.segments import NEVER_US
from ingest import assemble
from telemetry.batch import HEADER
from telemetry.findings import ClearReason
from tests.contract.detector_streams import SHORT, batch_of, random_stream
from tests.oracles import assemble_fleet as channel
from tests.oracles.assemble_fleet import Kind, fleet
from tests.oracles.assemble_world import SECOND, World, play

COMPARED = ("row", "t_us", "onset_us", "kind", "kind_now", "change", "reason", "confidence")


class Watched:
    """A world whose frames say what random lifts say, with a bank that watches it."""

    def __init__(self, n_rows, seed, ticks=True):
        rng = Random(seed)
        self.content = [random_stream(rng, 80, calm=bool(row % 2)) for row in range(n_rows)]
        self.bank = Bank(n_rows, dict.fromkeys(range(n_rows), SHORT))
        self.ticks = ticks
        self.found = []
        self.world = World(n_rows, dress=self.dress, watch=self.watch)

    def dress(self, arrivals):
        rows, marks = arrivals["row"].tolist(), arrivals["runs"].tolist()
        told = [self.content[row][mark] for row, mark in zip(rows, marks, strict=True)]
        dressed = batch_of(rows, told)
        keep = {name: arrivals[name] for name in (*HEADER, "runs")}
        return dressed.replace(**keep)

    def watch(self, world, ordered, now_us):
        stream = assemble.stream_times_us(
            world.state, now_us, caught_up=self.ticks, ordered=ordered
        )
        stream = np.where(stream == assemble.NO_TIME, NEVER_US, stream)
        due = np.flatnonzero(stream != NEVER_US) if self.ticks else None
        outcome = self.bank.step(ordered.step, stream if self.ticks else None, due)
        assert outcome.failed == []
        self.bank.adopt(outcome)
        for block in outcome.transitions:
            columns = [block[name].tolist() for name in COMPARED]
            self.found += zip([block.rule] * len(block), *columns, strict=True)

    def transitions(self):
        assert all(found[7] != ClearReason.LATE_EVIDENCE for found in self.found)
        return sorted(self.found)


@pytest.mark.parametrize("seed", range(4))
def test_the_channel_changes_no_transition(seed):
    total = 0
    for number in range(8):
        rng = np.random.default_rng([seed, number, 9])
        n_rows = int(rng.integers(1, 5))
        sent = fleet(rng, n_rows, Kind(restarts=bool(number % 2)))
        want = Watched(n_rows, number)
        for s in sent:
            want.world.give([s], s.arrival_us)
        want.world.give([], sent[-1].arrival_us + 60 * SECOND)
        total += len(want.found)
        shuffled = channel.doubled(rng, channel.shuffled(rng, sent))
        for bad, how in (
            (shuffled, {"mean_size": 1}),
            (shuffled, {"mean_size": 25}),
            (channel.doubled(rng, sent), {"ticks": False, "mean_size": 500}),
        ):
            got = Watched(n_rows, number)
            play(got.world, bad, rng, **how)
            got.world.give([], max(s.arrival_us for s in bad) + 60 * SECOND)
            assert got.transitions() == want.transitions()
    assert total > 20


@pytest.mark.parametrize("seed", range(4))
def test_a_backlog_gives_the_transitions_that_it_would_have_given_in_time(seed):
    for number in range(8):
        rng = np.random.default_rng([seed, number, 10])
        n_rows = int(rng.integers(1, 5))
        sent = fleet(rng, n_rows)
        runs = []
        for frames in (sent, channel.after_outage(rng, sent)):
            watched = Watched(n_rows, number, ticks=False)
            play(watched.world, frames, rng, mean_size=20)
            runs.append(watched.transitions())
        assert runs[0] == runs[1]


@pytest.mark.parametrize("seed", range(4))
def test_lost_frames_shuffled_or_not_give_the_same_transitions(seed):
    for number in range(8):
        rng = np.random.default_rng([seed, number, 11])
        n_rows = int(rng.integers(1, 5))
        sent = channel.with_losses(rng, fleet(rng, n_rows, Kind(restarts=False)))
        runs = []
        for frames in (sent, channel.doubled(rng, channel.shuffled(rng, sent))):
            watched = Watched(n_rows, number)
            play(watched.world, frames, rng, mean_size=6)
            watched.world.give([], max(s.arrival_us for s in frames) + 60 * SECOND)
            runs.append(watched.transitions())
        assert runs[0] == runs[1]
