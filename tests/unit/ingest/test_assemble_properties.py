"""Small, mean streams found by hypothesis: order, keys and clocks, cut anywhere."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import assemble
from ingest.assemble.arrival import processing_order
from telemetry.batch import FrameBatch
from tests.oracles.assemble_order import SlowFrame, SlowLift
from tests.oracles.assemble_world import SECOND, T0_US, Sent, World, batch_of

frame = st.tuples(
    st.integers(0, 9),  # seq
    st.integers(-8, 8),  # change of the device time, half seconds
    st.sampled_from([0, 1, 2, 3, 5, 25]),  # since the last arrival, half seconds
    st.booleans(),  # whether the batch ends here
)
HALF = SECOND // 2


def as_batches(drawn):
    """Turn drawn frames into batches of ``Sent``; an arrival instant is never cut."""
    batches, batch, taken = [], [], set()
    arrival_us = time_us = T0_US
    for mark, (seq, change, passed, ends) in enumerate(drawn):
        arrival_us += passed * HALF
        time_us = min(time_us + change * HALF, arrival_us)
        if (time_us, seq) in taken:
            continue
        taken.add((time_us, seq))
        if batches_should_end(batch, arrival_us):
            batches.append([b for b, _ in batch])
            batch = []
        batch.append((Sent(arrival_us, 0, seq, time_us, mark), ends))
    return [*batches, [b for b, _ in batch]]


def batches_should_end(batch, arrival_us):
    return bool(batch) and batch[-1][1] and batch[-1][0].arrival_us < arrival_us


@settings(max_examples=150, deadline=None)
@given(st.lists(frame, min_size=1, max_size=24))
def test_order_equals_the_oracle(drawn):
    world, slow, names = World(1), SlowLift(), {}
    for batch in as_batches(drawn):
        for s in sorted(batch, key=lambda s: (s.arrival_us, s.device_us, s.seq)):
            slow.arrive(SlowFrame(s.seq, s.device_us, s.arrival_us, s.mark))
            names[s.mark] = s.seq
        if batch:
            world.give(batch, batch[-1].arrival_us)
        world.restart()
    end_us = T0_US + 1000 * SECOND
    slow.pass_time(end_us)
    world.give([], end_us)
    assert [(mark, time_us) for _, time_us, mark in world.stepped[0]] == slow.stepped
    assert sorted(mark for _, mark in world.late[0]) == sorted(slow.late)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),  # seq
            st.sampled_from([0, 1, 2, 500, 10**9, 10**9 + 1, 1_800_000_000, 1_800_000_070]),
            st.integers(0, 1),  # content
            st.integers(0, 40),  # seconds since the last arrival
            st.booleans(),
        ),
        max_size=24,
    )
)
def test_every_frame_is_stored_or_a_duplicate_or_a_conflict_and_again_a_duplicate(drawn):
    world, batch, arrival_us = World(1), [], T0_US
    batches = []
    for seq, device_s, mark, passed_s, ends in drawn:
        arrival_us += passed_s * SECOND
        batch.append(Sent(arrival_us, 0, seq, device_s * SECOND, mark))
        if ends:
            batches.append(batch)
            batch = []
    for one in [*batches, batch]:
        world.give(one, arrival_us)
        assert world.received == len(world.table) + world.duplicates + world.conflicts
        kept = sum(len(runs) for runs in world.state.keys.runs.values()) < 8
        if kept and not world.conflicts:  # a dead letter has no key under which to find it again
            runs = len(world.runs)
            duplicates, conflicts = world.duplicates, world.conflicts
            stored = len(world.table)
            again = [s._replace(arrival_us=s.arrival_us + 30 * SECOND) for s in one]
            world.give(again, arrival_us)
            assert (len(world.table), len(world.runs)) == (stored, runs)
            assert world.duplicates + world.conflicts == duplicates + conflicts + len(one)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), *[st.sampled_from([0, 1, 7, 2**45, 2**61])] * 3), max_size=20
    )
)
def test_processing_order_is_a_stable_sort(drawn):
    columns = [np.array(c, np.int64) for c in zip(*drawn, strict=True)] or [np.empty(0, "i8")] * 4
    got = processing_order(*columns).tolist()
    assert got == sorted(range(len(drawn)), key=lambda i: drawn[i])


def test_sequence_numbers_at_the_top_of_their_range():
    world, top = World(1), 2**63 - 1
    frames = [Sent(T0_US + i * SECOND, 0, s, T0_US + i * SECOND, i)
              for i, s in enumerate([top - 1, top, 0, 1, top])]  # fmt: skip
    for s in frames:
        world.give([s], s.arrival_us)
    world.give([], T0_US + 10 * SECOND)
    assert [seq for seq, *_ in world.stepped[0]] == [top - 1, top, 0, 1, top]


def test_an_enormous_gap_is_released_in_linear_time():
    n = 20_000
    frames = [Sent(T0_US + i, 0, 10 + i, T0_US + i, 0) for i in range(n)]
    world = World(1)
    world.give(frames, T0_US + n)
    assert not world.stepped[0]
    plan = assemble.plan(world.state, batch_of([]))
    assert len(assemble.settle(world.state, plan, FrameBatch.empty()).frames) == 0
    world.give([], T0_US + 10 * SECOND)
    assert len(world.stepped[0]) == n
