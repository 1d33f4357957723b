"""Restart is invisible: recovery through ``LaneCore.advance`` comes to the live transitions.

Random lifts, late and missing frames, silences, times in which nobody listened, ticks between
batches; the process dies at a random batch and is rebuilt from a snapshot taken at another, or from
nothing.
"""

import numpy as np
import pytest

from ingest import assemble
from ingest.assemble import AssembleParams
from service.core import LaneCore
from telemetry.batch import FrameBatch

SECOND_US = 1_000_000
START_US = 1_763_798_400_000_000
WINDOWS = {
    "between_landings_window_s": 4,
    "at_landing_window_s": 6,
    "urgent_window_s": 2,
    "heartbeat_s": 3,
    "silent_maintenance_s": 9,
}


def stream(seed: int, n_lifts: int = 4, seconds: int = 120) -> FrameBatch:
    """Return frames of lifts that stop, open, close and trap people, with a bad network."""
    draw = np.random.default_rng(seed)
    parts = []
    for row in range(n_lifts):
        n = seconds
        state = np.repeat(draw.integers(0, 4, -(-n // 7)), 7)[:n]
        time_us = START_US + (np.arange(n) * SECOND_US) + draw.integers(0, 400_000, n)
        delay_us = draw.integers(0, 30_000, n) + (draw.random(n) < 0.1) * 1_500_000
        parts.append(
            FrameBatch.make(
                n, row=row, elevator_id=row + 1, gateway_id=1, seq=np.arange(n), time_us=time_us,
                device_time_us=time_us, received_us=time_us + delay_us,
                car=(state == 0), zone=np.where(state == 1, 0, 1),
                door=np.where(state == 3, 4, 2), passenger=draw.integers(0, 2, n),
                speed_mps=np.where(state == 0, 1.0, 0.0), button=(draw.random(n) < 0.02),
            ).take((draw.random(n) > 0.04) & (np.abs(np.arange(n) - draw.integers(0, 200)) > 6))
        )  # fmt: skip
    frames = FrameBatch.concat(parts)
    return frames.take(np.argsort(frames["received_us"], kind="stable"))


def new_core(n_lifts: int) -> LaneCore:
    core = LaneCore(AssembleParams(), WINDOWS)
    core.grow(np.arange(1, n_lifts + 1), assemble.NOTHING_STORED)
    return core


def live(core: LaneCore, frames: FrameBatch, seed: int, on_batch=lambda batch: None):
    """Run the stream in random batches with ticks between; yield what would be stored."""
    draw = np.random.default_rng(seed + 1)
    stored, since_us = [], START_US
    cuts = np.sort(draw.integers(0, len(frames), 40))
    for start, end in zip([0, *cuts], [*cuts, len(frames)], strict=True):
        part = frames.take(slice(int(start), int(end)))
        if len(part):
            now_us = int(part["received_us"].max())
        elif end < len(frames):
            now_us = int(frames["received_us"][end])
        else:
            now_us = int(frames["received_us"].max()) + 9 * SECOND_US
        since_us = now_us - SECOND_US if draw.random() < 0.15 else since_us
        listened = {"caught_up": bool(draw.random() < 0.8), "listening_since_us": since_us}
        advanced = core.advance(part, now_us, **listened)
        core.adopt(advanced)
        if len(part) or advanced.transitions:
            stored.append((part, now_us, listened, advanced.transitions))
            on_batch(len(stored))
    return stored


@pytest.mark.parametrize("seed", range(25))
def test_recovery_from_any_snapshot_repeats_the_live_transitions(seed):
    n_lifts = 4
    draw = np.random.default_rng(seed)
    pieces = {}
    core = new_core(n_lifts)
    snapshot_at = int(draw.integers(0, 30))

    def take(batch: int) -> None:
        if batch == snapshot_at:
            core.mark_dirty()
            pieces.update(core.take_snapshot(3))

    stored = live(core, stream(seed, n_lifts), seed, take)
    assert any(transitions for *_, transitions in stored)

    again = new_core(n_lifts)
    if pieces:
        assert sorted(pieces) == [0, 1]
        for arrays in pieces.values():
            ids = arrays["elevator_ids"]
            rest = {k: v for k, v in arrays.items() if k != "elevator_ids"}
            again.restore_piece(ids - 1, rest)
    for frames, now_us, listened, transitions in stored[snapshot_at if pieces else 0 :]:
        again.absorb(frames)
        shuffled = frames.take(draw.permutation(len(frames)))
        advanced = again.advance(shuffled, now_us, **listened)
        assert advanced.transitions == transitions
        again.adopt(advanced)
    assert again.n_waiting == core.n_waiting


def heartbeats(times_s, lags_s=0.0):
    """Return frames of one lift, of which only their times matter."""
    time_us = START_US + np.round(np.asarray(times_s) * SECOND_US).astype("i8")
    n = len(time_us)
    return FrameBatch.make(
        n, row=0, elevator_id=1, gateway_id=1, seq=np.arange(n) + 1, time_us=time_us,
        device_time_us=time_us, received_us=time_us + np.round(lags_s * SECOND_US).astype("i8"),
    )  # fmt: skip


def silences(core, frames, ticks_s, since_s, now_s=None):
    """Take frames, then tick; return when silences were raised or cleared, and at which tick."""
    found = []
    for part, at_s in ((frames, now_s or ticks_s[0]), *((FrameBatch.empty(), t) for t in ticks_s)):
        now_us = START_US + round(at_s * SECOND_US)
        advanced = core.advance(
            part, now_us, caught_up=True, listening_since_us=START_US + round(since_s * SECOND_US)
        )
        core.adopt(advanced)
        found += [(t.change.name, (t.t_us - START_US) / SECOND_US, at_s)
                  for t in advanced.transitions if t.rule == "terminal_silent"]  # fmt: skip
    return found


@pytest.mark.parametrize("seed", range(8))
def test_a_lift_is_silent_only_if_it_was_listened_to_for_its_whole_limit(seed):
    draw = np.random.default_rng(seed)
    core = new_core(1)
    lag_s, since_s = draw.choice([0, 0.5, 40, 4000]), draw.choice([0, 5, 20, 3600])
    heard_s = lag_s + max(1, since_s)
    ticks_s = heard_s + np.array([0, 4, 6, 6.4, 6.6, 10.9, 11.1, 400])
    found = silences(core, heartbeats([0, 1], lag_s), ticks_s, since_s + lag_s, 1 + lag_s)
    raised, updated = found
    assert raised[:2] == ("RAISED", 1 + 4.5)
    assert updated[:2] == ("UPDATED", 1 + 9)
    for (*_, at_s), limit_s in ((raised, 4.5), (updated, 9)):
        assert 0 <= at_s - (heard_s + limit_s + 2) <= 0.5


def test_who_comes_back_in_time_after_a_pause_was_not_silent():
    core = new_core(1)
    frames = heartbeats([0, 1, 63.5])
    assert silences(core, frames.take(slice(0, 2)), [2], 0) == []
    assert silences(core, frames.take(slice(2, 3)), np.arange(60, 66), 59, 63.6) == []
    late = new_core(1)
    silences(late, frames.take(slice(0, 2)), [2], 0)
    found = silences(late, frames.take(slice(2, 3)), [64], 58, 63.6)
    assert [change for change, *_ in found] == ["RAISED", "CLEARED"]


def test_frames_that_are_late_break_a_silence():
    """A terminal restarts with its clock set back: a minute long all its frames are late."""
    core = new_core(1)
    assert silences(core, heartbeats([1000, 1001]), [1002], 0) == []
    for second in range(4, 24, 4):
        back = heartbeats([100 + second], 900).replace(seq=np.array([second // 4]))
        found = silences(core, back, [1000 + second + s for s in (0, 1, 2, 3, 3.9)], 0)
        assert found == [], second
    assert [f[0] for f in silences(core, FrameBatch.empty(), [1100], 0)] == ["RAISED", "UPDATED"]


def test_deafness_of_some_lifts_is_that_of_all():
    core = new_core(4)
    frames = stream(1)
    core.adopt(core.advance(frames, int(frames["received_us"].max()), caught_up=True))
    # the newest of lift 2 is a terminal with its clock set back: late frames
    back = heartbeats([1000, 100, 101], np.array([0, 900, 900])).replace(
        row=np.full(3, 2), elevator_id=np.full(3, 3), seq=np.array([9000, 1, 2])
    )
    core.adopt(core.advance(back, int(back["received_us"].max()), caught_up=True))
    since_us = int(frames["received_us"].max()) + 7 * SECOND_US
    everybody = assemble.deaf_us(core.order, since_us)
    assert len(np.unique(everybody)) > 1
    for rows in ([], [2], [3, 0], [1, 1, 2]):
        part = assemble.deaf_us(core.order, since_us, rows=np.array(rows, "i8"))
        assert part.tolist() == everybody[rows].tolist()


def test_nothing_changes_before_adopt():
    frames = stream(1)
    core = new_core(4)
    first = core.advance(frames, int(frames["received_us"].max()), caught_up=True)
    second = core.advance(frames, int(frames["received_us"].max()), caught_up=True)
    assert first.transitions == second.transitions
    assert np.array_equal(first.frames["late"], second.frames["late"])


def test_only_changed_pieces_are_in_a_snapshot():
    core = new_core(10)
    assert sorted(core.take_snapshot(4)) == [0, 1, 2]
    assert core.take_snapshot(4) == {}
    frames = stream(2, n_lifts=1, seconds=3)
    core.adopt(core.advance(frames, int(frames["received_us"].max()), caught_up=True))
    assert sorted(core.take_snapshot(4)) == [0]
    core.mark_dirty()
    assert sorted(core.take_snapshot(4)) == [0, 1, 2]
