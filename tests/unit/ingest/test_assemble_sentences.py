"""Sentences of DESIGN section 5 one by one, and the readings of docs/adr/0003-time.md."""

import numpy as np
import pytest

from ingest import assemble
from telemetry.batch import ClockQuality, FrameBatch
from tests.oracles.assemble_world import SECOND, T0_US, Sent, World, batch_of


def at(seconds, seq, *, time_s=None, row=0, mark=0):
    """A frame that arrives ``seconds`` after the start, with its device time (default the same)."""
    time_s = seconds if time_s is None else time_s
    return Sent(T0_US + round(seconds * SECOND), row, seq, T0_US + round(time_s * SECOND), mark)


def give(world, *sent, now_s=None):
    now_us = sent[-1].arrival_us if now_s is None else T0_US + round(now_s * SECOND)
    return world.give(list(sent), now_us)


def stepped(world, row=0):
    return [(seq, (time_us - T0_US) / SECOND) for seq, time_us, _ in world.stepped[row]]


def times(world):
    return [(key[1] - T0_US) / SECOND for key in world.table]


# Clock


@pytest.mark.parametrize("age_s", [-60, 0, 400 * 86_400])
def test_a_device_time_in_the_believed_span_is_believed(age_s):
    world = World(1)
    give(world, at(0, 1, time_s=-age_s))
    assert times(world) == [-age_s]
    assert not world.runs


@pytest.mark.parametrize("age_s", [-60.002, 400 * 86_400 + 0.001])
def test_any_other_device_time_gets_the_offset_of_its_run_in_whole_ms(age_s):
    world = World(1)
    sent = at(0, 1, time_s=-age_s)._replace(arrival_us=T0_US + 567)
    world.give([sent], sent.arrival_us)
    (run,) = world.runs
    assert run.offset_us == (sent.arrival_us - sent.device_us) // 1000 * 1000
    assert (run.run, run.first_device_time_us) == (0, sent.device_us)
    (row,) = world.table.values()
    assert row["time_us"] == sent.device_us + run.offset_us
    assert row["clock"] == ClockQuality.OFFSET


def test_a_frame_believed_at_its_second_arrival_only_keeps_its_first_key():
    world = World(1)
    give(world, at(0, 1, time_s=65))
    give(world, at(30, 1, time_s=65))  # now only 35 s ahead
    assert (len(world.table), world.duplicates) == (1, 1)
    assert world.looked_up > 0


def test_a_lower_device_time_opens_a_run_and_a_redelivered_frame_finds_its_old_one():
    world = World(1)
    boot = -T0_US / SECOND
    give(world, at(0, 10, time_s=boot + 500), at(1, 11, time_s=boot + 501))
    give(world, at(20, 0, time_s=boot + 5))
    assert [r.run for r in world.runs] == [0, 1]
    give(world, at(21, 11, time_s=boot + 501), at(21, 10, time_s=boot + 500))
    assert (len(world.runs), world.duplicates, len(world.table)) == (2, 2, 3)
    give(world, at(22, 1, time_s=boot + 7))
    assert times(world) == [0, 1, 20, 22]


def test_a_jump_ahead_opens_a_run_and_a_backlog_does_not():
    world = World(1)
    give(world, at(0, 1, time_s=1000), at(1, 2, time_s=1001))
    give(world, at(2, 3, time_s=5000))
    assert len(world.runs) == 2
    give(world, at(602, 4, time_s=5001), at(602.1, 5, time_s=5002), at(602.2, 6, time_s=5600))
    assert len(world.runs) == 2
    assert times(world) == [0, 1, 2, 3, 4, 602]


def test_a_clock_that_is_right_again_costs_no_look_up_for_ever():
    world = World(1)
    give(world, *(at(i, i, time_s=7200 + i) for i in range(10)))
    give(world, at(20, 10))
    assert world.looked_up > 0  # it may have come before, when the clock was two hours ahead
    looked_up = world.looked_up
    give(world, *(at(7300 + i, 11 + i) for i in range(10)))
    assert world.looked_up == looked_up
    assert len(world.table) == 21


def test_runs_that_only_the_table_remembers_keep_their_keys():
    world = World(1)
    boot = -T0_US / SECOND
    sent = [at(i, i, time_s=boot + 50 + i) for i in range(5)]
    give(world, *sent)
    world.state = assemble.LaneState()
    world.state.grow(1, assemble.UNKNOWN_HEAD)
    assemble.absorb(world.state, FrameBatch.empty(), [(0, run) for run in world.runs])
    give(world, *(s._replace(arrival_us=s.arrival_us + 60 * SECOND) for s in reversed(sent)))
    give(world, at(70, 5, time_s=boot + 120))
    assert (world.duplicates, len(world.table), len(world.runs)) == (5, 6, 1)
    assert times(world) == [0, 1, 2, 3, 4, 70]


def test_a_new_run_that_falls_on_a_stored_key_is_a_conflict():
    world = World(1)
    give(world, at(0, 0, time_s=-T0_US / SECOND))
    give(world, at(0, 0, time_s=500 - T0_US / SECOND))
    assert (len(world.table), world.conflicts, world.duplicates) == (1, 1, 0)


def test_only_eight_runs_are_kept():
    world = World(1)
    for i in range(12):
        give(world, at(i, i, time_s=100_000 - 1000 * i))
    assert [r.run for r in world.runs] == list(range(12))
    ((runs),) = world.state.keys.runs.values()
    assert [r.run for r in runs] == list(range(4, 12))


# Duplicates


def test_same_content_is_a_duplicate_and_other_content_a_conflict_with_both():
    world = World(1)
    batch = [at(0, 1, mark=7), at(0, 1, mark=7), at(0, 1, mark=8)]
    give(world, *batch)
    give(world, at(5, 1, time_s=0, mark=7), at(5, 1, time_s=0, mark=9))
    assert (len(world.table), world.duplicates, world.conflicts) == (1, 2, 2)
    assert stepped(world) == [(1, 0)]
    assert world.received == len(world.table) + world.duplicates + world.conflicts


def test_a_conflict_names_the_frame_that_has_the_key():
    world = World(1)
    give(world, at(0, 1, mark=7))
    arrivals = [at(5, 2, mark=1), at(5, 1, time_s=0, mark=9)]
    plan = assemble.plan(world.state, batch_of(arrivals))
    settled = assemble.settle(world.state, plan, world.look_up(plan))
    (conflict,) = settled.conflicts
    assert conflict.index == 1
    assert (conflict.stored["runs"], conflict.stored["time_us"]) == (7, T0_US)
    assert settled.index.tolist() == [0]


def test_only_frames_not_ahead_of_the_head_are_looked_up():
    world = World(1)
    give(world, *(at(i, i) for i in range(50)))
    assert world.looked_up == 0
    give(world, at(60, 10, time_s=10), at(60, 50))
    assert world.looked_up == 1
    world.state.keys.stored_head_us[0] = assemble.UNKNOWN_HEAD
    give(world, at(61, 51))
    assert world.looked_up == 2
    assert world.state.keys.stored_head_us[0] == assemble.UNKNOWN_HEAD


# Order


def test_frames_in_order_are_never_held_back():
    world = World(1)
    for i in range(5):
        give(world, at(i, i))
        assert len(stepped(world)) == i + 1


def test_a_gap_holds_two_seconds_of_arrival_time_at_most():
    world = World(1)
    give(world, at(0, 1), at(1, 3), at(1.5, 4))
    give(world, now_s=2.999)
    assert stepped(world) == [(1, 0)]
    assert len(world.table) == 3
    give(world, now_s=3)
    assert stepped(world) == [(1, 0), (3, 1), (4, 1.5)]


def test_a_filled_gap_lets_all_go_at_once():
    world = World(1)
    give(world, at(0, 1), at(1, 4, time_s=1), at(1.1, 3, time_s=0.8), at(1.2, 2, time_s=0.6))
    assert stepped(world) == [(1, 0), (2, 0.6), (3, 0.8), (4, 1)]


def test_a_frame_behind_its_head_is_stored_flagged_and_never_stepped():
    world = World(1)
    give(world, at(0, 1), at(1, 2), at(2, 4), now_s=5)
    give(world, at(6, 3, time_s=1.5))
    assert [seq for seq, _ in stepped(world)] == [1, 2, 4]
    assert world.late[0] == [(3, 0)]
    assert len(world.table) == 4


def test_a_terminal_restart_is_stepped_at_once():
    world = World(1)
    give(world, at(0, 1), at(1, 2), at(10, 0), at(11, 1))
    assert stepped(world) == [(1, 0), (2, 1), (0, 10), (1, 11)]


def test_a_restart_that_begins_in_the_middle_waits_for_its_beginning():
    world = World(1)
    give(world, at(0, 90), now_s=5)
    give(world, at(10, 3), at(10.5, 2, time_s=9.8))
    give(world, at(11, 1, time_s=9.5))
    assert stepped(world) == [(90, 0), (1, 9.5), (2, 9.8), (3, 10)]


def test_a_frame_overtaken_by_a_restart_is_late_and_no_clock_set_back():
    world = World(1)
    give(world, at(0, 1), *(at(i, i) for i in range(2, 101)))
    give(world, at(105, 0), at(106, 1), at(106.5, 101, time_s=101), at(107, 2))
    assert stepped(world)[-3:] == [(0, 105), (1, 106), (2, 107)]
    assert world.late[0] == [(101, 0)]


def test_a_clock_set_back_is_stepped_at_the_heads_time_and_windows_still_complete():
    world = World(1)
    give(world, at(0, 1), at(10, 2))
    give(world, *(at(10 + 5 * i, 2 + i, time_s=-3600 + 5 * i) for i in range(1, 100)))
    got = stepped(world)
    assert got[2] == (3, 10)
    assert got[-1][1] - got[2][1] == pytest.approx(0.75 * 5 * 98)
    assert not world.late


def test_a_history_that_is_sent_again_and_again_does_not_run_ahead_of_its_arrival():
    """Ten times the same hour within minutes: else the next onset would lie hours ahead of now."""
    world = World(1)
    for n in range(10):
        hour = [at(4000 + 10 * n, 1 + 61 * n + i, time_s=60 * i) for i in range(61)]
        give(world, *hour)
        assert stepped(world)[-1][1] <= 4000 + 10 * n + 60
    give(world, at(4200, 611))
    assert stepped(world)[-1] == (611, 4200)
    assert not world.late


def test_a_small_step_back_is_made_up_for():
    world = World(1)
    give(world, at(0, 1), at(1, 2), *(at(2 + i, 3 + i, time_s=0.5 + i) for i in range(5)))
    assert stepped(world) == [(1, 0), (2, 1), (3, 1), (4, 1.5), (5, 2.5), (6, 3.5), (7, 4.5)]


def test_a_first_frame_waits_unless_its_seq_is_one_or_less():
    for seq in (0, 1):
        world = World(1)
        give(world, at(0, seq))
        assert stepped(world) == [(seq, 0)]
    world = World(1)
    give(world, at(0, 7), at(0.5, 6, time_s=-1))
    assert stepped(world) == []
    give(world, now_s=2)
    assert stepped(world) == [(6, -1), (7, 0)]


def test_after_eight_unfilled_gaps_in_a_row_nothing_is_held():
    world = World(1)
    give(world, at(0, 1))
    switched = []
    for i in range(1, 9):
        ordered = give(world, at(10 * i, 1 + 2 * i), now_s=10 * i + 2)
        switched += [i] if ordered.unreliable_rows else []
    assert switched == [8]
    assert assemble.unreliable_rows(world.state).tolist() == [0]
    give(world, at(100, 100))
    assert stepped(world)[-1] == (100, 100)


def test_a_restart_with_the_clock_set_back_is_not_blind_for_ever():
    world = World(1)
    give(world, *(at(i, i) for i in range(1, 50)))
    give(world, *(at(60 + 20 * i, i, time_s=-50_000 + 20 * i) for i in range(10)))
    assert world.late[0] == [(0, 0), (1, 0), (2, 0)]
    assert [seq for seq, _ in stepped(world)[-7:]] == list(range(3, 10))


def test_late_frames_beside_the_lifts_own_stream_stay_late():
    world = World(1)
    give(world, *(at(i, i) for i in range(1, 50)), at(60, 80), now_s=62)
    for i in range(20):
        give(world, at(70 + 10 * i, 51 + i, time_s=50 + 0.1 * i))
        if i % 5 == 4:
            give(world, at(71 + 10 * i, 81 + i // 5))
    assert len(world.late[0]) == 20


def test_a_late_backlog_is_not_taken_for_the_present():
    world = World(1)
    give(world, at(0, 1), at(1000, 500), now_s=1002)
    give(world, *(at(1003 + 0.1 * i, 2 + i, time_s=1 + i) for i in range(400)))
    assert len(world.late[0]) == 400
    give(world, at(1050, 501))
    assert stepped(world)[-1] == (501, 1050)


# Stream time


def test_a_tick_moves_stream_time_with_now_only_while_caught_up():
    world = World(2)
    give(world, at(100, 1, time_s=10))

    def stream(now_s, caught_up):
        now_us = T0_US + round(now_s * SECOND)
        times_us = assemble.stream_times_us(world.state, now_us, caught_up=caught_up)
        assert times_us[1] == assemble.NO_TIME
        return (times_us[0] - T0_US) / SECOND

    assert stream(101, True) == 10
    assert stream(130, True) == 10 + 30 - 2
    assert stream(130, False) == 10


def test_a_tick_never_passes_a_frame_that_waits():
    world = World(1)
    give(world, at(0.1, 1, time_s=0))
    give(world, at(11.9, 3, time_s=10))  # displaced by 1.8 s, and the one before it is lost
    for now_s, want in ((12, 9.9), (12.5, 9.999999), (13.8, 9.999999), (13.9, 10), (14.9, 11)):
        now_us = T0_US + round(now_s * SECOND)
        world.give([], now_us)
        (got,) = assemble.stream_times_us(world.state, now_us, caught_up=True)
        assert (got - T0_US) / SECOND == want


def test_the_view_before_the_commit_is_the_state_after_it():
    world = World(3)
    give(world, at(0, 1), at(0, 1, row=2))
    arrivals = [at(300 + i, 2 + i, time_s=10 + 2 * i, row=2) for i in range(5)]
    ordered = world.give(arrivals, arrivals[-1].arrival_us, commit=False)
    now_us, rows = arrivals[-1].arrival_us + SECOND, np.array([2, 0])

    def view(of):
        return (
            assemble.stream_times_us(world.state, now_us, caught_up=True, ordered=of).tolist(),
            assemble.lag_us(world.state, rows, of).tolist(),
            assemble.last_seen_us(world.state, rows, of).tolist(),
            assemble.holding(world.state, rows, now_us, caught_up=True, ordered=of).tolist(),
        )

    before = view(ordered)
    give(world, *arrivals)
    assert view(None) == before


# History


def holds(world, now_s, caught_up=True):
    now_us = T0_US + round(now_s * SECOND)
    (held,) = assemble.holding(world.state, np.array([0]), now_us, caught_up=caught_up)
    return bool(held)


def test_a_backlog_holds_until_it_is_live_or_quiet():
    world = World(1)
    give(world, *(at(1000 + 0.1 * i, 1 + i, time_s=10 * i) for i in range(60)))
    assert holds(world, 1006)
    assert not holds(world, 1020)  # no frame for 10 s
    give(world, *(at(1006 + 0.1 * i, 61 + i, time_s=600 + 10 * i) for i in range(40)))
    assert not holds(world, 1010)  # live: the lag is below 120 s


def test_a_slow_clock_is_not_history():
    world = World(1)
    give(world, *(at(1000 + i, 1 + i, time_s=i) for i in range(60)))
    assert not holds(world, 1059)
    assert holds(world, 1059, caught_up=False)
    assert not holds(world, 1075, caught_up=False)


def test_a_drain_that_comes_to_rest_at_a_constant_lag_is_let_go():
    world = World(1)
    give(world, *(at(1000 + 0.1 * i, 1 + i, time_s=10 * i) for i in range(70)))
    drained = [at(1007 + i, 71 + i, time_s=700 + i) for i in range(30)]
    for i, sent in enumerate(drained):
        give(world, sent)
        if not 10 < i < 13:  # "within the last 10 s" holds to 2.5 s, on the longer side
            assert holds(world, 1007 + i) == (i <= 10)


def test_a_small_lag_is_never_held():
    world = World(1)
    give(world, *(at(200 + 0.01 * i, 1 + i, time_s=90 + 2 * i) for i in range(20)))
    assert not holds(world, 201, caught_up=False)


def test_the_empty_batch_changes_nothing():
    world = World(2)
    give(world, at(0, 1))
    ordered = world.give([], T0_US)
    assert len(ordered.step) == 0
    assert len(assemble.settle(world.state, assemble.plan(world.state, FrameBatch.empty()),
                               FrameBatch.empty()).frames) == 0  # fmt: skip
    assert stepped(world) == [(1, 0)]
