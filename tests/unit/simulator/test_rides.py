"""Ride logs: what is read, what is told, what is refused."""

from pathlib import Path

import numpy as np
import pytest

from simulator.publishing.feed import TapeFeed
from simulator.recordings.rides import Ride, RideLogError, frames_of, read_rides
from telemetry.columns import Direction, Door
from telemetry.wire import decode_many

LOG = """start_ms,end_ms,direction
1774374066680,1774374086122,up
1774374167393,1774374184644,up
1774374194869,1774374205710,down
"""


@pytest.fixture
def log(tmp_path) -> Path:
    path = tmp_path / "rides.csv"
    path.write_text(LOG)
    return path


def told_rides(frames) -> list[tuple[int, int, int]]:
    car, t = frames["car"], frames["time_us"] // 1000
    begins = np.flatnonzero((car == 1) & (np.r_[0, car[:-1]] == 0))
    ends = np.flatnonzero((car == 0) & (np.r_[0, car[:-1]] == 1))
    return [
        (int(t[b]), int(t[e]), int(frames["direction"][b]))
        for b, e in zip(begins, ends, strict=True)
    ]


def test_rides_begin_end_and_head_as_labelled(log):
    frames, _ = frames_of(read_rides(log))
    assert told_rides(frames) == [
        (1774374066680, 1774374086122, Direction.UP),
        (1774374167393, 1774374184644, Direction.UP),
        (1774374194869, 1774374205710, Direction.DOWN),
    ]


def test_frames_are_what_a_sober_terminal_tells(log):
    frames, labels = frames_of(read_rides(log))
    assert (np.diff(frames["time_us"]) > 0).all()
    assert frames["seq"].tolist() == list(range(1, len(frames) + 1))
    running = frames["car"] == 1
    assert (frames["door"][running] == Door.CLOSED).all()
    assert (frames["passenger"][running] == 1).all()
    assert (frames["zone"][~running] == 1).all()
    assert (frames["direction"][~running] == Direction.NONE).all()
    assert np.diff(frames["time_us"]).max() <= 30_000_000
    assert frames["floor"].min() >= 0
    assert frames["floor"].max() < len(labels)


def test_doors_open_at_every_stop(log):
    frames, _ = frames_of(read_rides(log))
    for _, end_ms, _ in told_rides(frames):
        stop = frames.take(frames["time_us"] >= end_ms * 1000)
        again = np.flatnonzero(stop["car"] == 1)
        until = int(again[0]) if len(again) else len(stop)
        assert Door.OPEN in stop["door"][:until].tolist()


def test_nobody_stands_in_a_closed_car_for_long(log):
    # 60 s is the window; a closed, standing car with somebody inside lasts a few seconds only
    frames, _ = frames_of(read_rides(log))
    shut = (frames["car"] == 0) & (frames["passenger"] == 1)
    shut &= np.isin(frames["door"], [Door.CLOSED, Door.CLOSING])
    longest, since = 0, None
    for t, held in zip(frames["time_us"].tolist(), shut.tolist(), strict=True):
        if since is not None:
            longest = max(longest, t - since)
        since = (since if since is not None else t) if held else None
    assert longest <= 3_500_000


def test_the_estimate_of_landings_keeps_direction():
    assert Ride(0, 10_700, 1).landings == 1
    assert Ride(0, 13_300, -1).landings == -2
    assert Ride(0, 2_000, -1).landings == -1


def test_the_feed_sends_everything_once(log):
    frames, labels = frames_of(read_rides(log))
    feed = TapeFeed(frames, "REAL 1", labels, "rides")
    messages = [
        m for t in range(feed.start_us, feed.end_us + 7_000_000, 7_000_000)
        for m in feed.messages_until(t)
    ]  # fmt: skip
    got = decode_many([m.payload for m in messages])
    assert set(got.elevators) == {"REAL 1"}
    assert got.columns["seq"].tolist() == frames["seq"].tolist()
    assert got.columns["time_us"].tolist() == frames["time_us"].tolist()
    assert got.floors == [labels[f] for f in frames["floor"].tolist()]
    assert feed.frames == len(frames)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 1, "first line must be start_ms,end_ms,direction"),
        ("a,b,c\n1,2,up\n", 1, "first line must be"),
        ("start_ms,end_ms,direction\n", None, "holds no rides"),
        ("start_ms,end_ms,direction\n1,2\n", 2, "has 2 fields"),
        ("start_ms,end_ms,direction\n1,x,up\n", 2, "whole milliseconds"),
        ("start_ms,end_ms,direction\n1,1e3,up\n", 2, "whole milliseconds"),
        ("start_ms,end_ms,direction\n10,5,up\n", 2, "end after its start"),
        ("start_ms,end_ms,direction\n-5,5,up\n", 2, "plausible"),
        ("start_ms,end_ms,direction\n1,2,sideways\n", 2, "want up or down"),
        ("start_ms,end_ms,direction\n1,2,up\n\n100000,200000,up\n5,9,up\n", 5, "sort"),
        ("start_ms,end_ms,direction\n1,20000,up\n21000,30000,up\n", 3, "for the doors"),
    ],
)
def test_a_bad_log_is_refused_with_file_line_and_remedy(tmp_path, text, line, says):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(RideLogError) as refused:
        read_rides(path)
    where = f"{path}:{line}:" if line else f"{path}:"
    assert str(refused.value).startswith(where)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_no_file_and_no_text_are_refused(tmp_path):
    with pytest.raises(RideLogError, match="No such file"):
        read_rides(tmp_path / "none.csv")
    with pytest.raises(RideLogError, match="Is a directory"):
        read_rides(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RideLogError, match="UTF-8"):
        read_rides(tmp_path / "binary")
