"""The network: what it may do to frames, and that nothing else happens to them."""

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from msgspec import to_builtins

from simulator.frames import Frames
from simulator.network.messages import Message, Messenger
from simulator.network.spec import NetworkSpec, Outage, Restart, WrongClock
from simulator.network.wire import to_wire
from simulator.publishing.feed import FleetFeed, SteadyLoad
from simulator.scenarios.presets import random_fleet
from telemetry.topics import parse
from telemetry.wire import decode, decode_many

START_US = 1_774_314_000_000_000
SECOND_US = 1_000_000
END_US = START_US + 120 * SECOND_US


def sent(spec: NetworkSpec, seed: int = 7) -> tuple[FleetFeed, list[Message]]:
    feed = FleetFeed(random_fleet(seed, START_US, 120), spec, seed)
    messages = feed.messages_until(END_US)
    return feed, messages + feed.rest()


def decoded_keys(feed: FleetFeed, messages: list[Message]) -> list[tuple[int, int, int]]:
    index = {code: i for i, code in enumerate(feed.fleet.codes)}
    got = decode_many([m.payload for m in messages])
    assert not got.rejects
    lifts = [index[code] for code in got.elevators]
    return list(
        zip(lifts, got.columns["time_us"].tolist(), got.columns["seq"].tolist(), strict=True)
    )


def test_a_clean_network_changes_nothing():
    feed, messages = sent(NetworkSpec())
    keys = [key for m in messages for key in m.keys]
    assert len(keys) == feed.frames == len(set(keys))
    assert decoded_keys(feed, messages) == keys
    assert [m.due_us for m in messages] == [key.device_time_us for key in keys]
    for message in messages:
        topic = parse(message.topic)
        assert topic is not None
        assert topic.gateway == feed.fleet.gateways[feed.fleet.gateway_of[message.keys[0].lift]]


@pytest.mark.parametrize("msgpack", [False, True])
def test_what_is_decoded_is_what_the_terminal_told(msgpack):
    fleet = random_fleet(3, START_US, 60)
    frames = fleet.frames_until(START_US + 60 * SECOND_US)
    spec = NetworkSpec(msgpack=msgpack)
    messenger = Messenger(spec, 1, fleet.codes, fleet.labels, fleet.gateways, fleet.gateway_of)
    messages = messenger.messages(frames)
    got = decode_many([m.payload for m in messages])
    order = np.lexsort((frames["seq"], frames["lift"], fleet.gateway_of[frames["lift"]],
                        frames["time_us"]))  # fmt: skip
    frames = frames.take(order)
    for name in ("car", "zone", "door", "passenger", "button", "mode", "power", "runs"):
        expected = np.where(frames[name] < 0, -1, frames[name])
        assert got.columns[name].tolist() == expected.tolist(), name
    speed = got.columns["speed_mps"]
    known = ~np.isnan(speed)
    assert np.rint(speed[known] * 1000).tolist() == frames["speed_mps"][known].tolist()
    assert not got.unknown_keys
    assert not got.field_rejects


def test_duplicates_are_later_copies_within_the_window():
    spec = NetworkSpec(duplicate_ppm=100_000)
    feed, messages = sent(spec)
    due = defaultdict(list)
    for message in messages:
        for key in message.keys:
            due[key].append(message.due_us)
    copies = Counter(len(times) for times in due.values())
    assert set(copies) == {1, 2}
    assert copies[2] == pytest.approx(0.1 * feed.frames, rel=0.5)
    assert all(max(t) - min(t) < spec.reorder_us for t in due.values())


def test_reordering_displaces_by_less_than_the_window():
    spec = NetworkSpec(reorder_ppm=200_000)
    feed, messages = sent(spec)
    keys = [key for m in messages for key in m.keys]
    assert sorted(keys) == sorted(set(keys))
    assert len(keys) == feed.frames
    delays = [m.due_us - m.keys[0].device_time_us for m in messages]
    assert min(delays) == 0
    assert 0 < max(delays) < spec.reorder_us
    order = [m.keys[0].device_time_us for m in messages]
    assert order != sorted(order)


def test_an_outage_delays_and_keeps_order():
    outage = Outage(0, START_US + 20 * SECOND_US, START_US + 60 * SECOND_US)
    feed, messages = sent(NetworkSpec(outages=(outage,)))
    mine = [m for m in messages if feed.fleet.gateway_of[m.keys[0].lift] == 0]
    assert not [m for m in mine if outage.from_us <= m.due_us < outage.to_us]
    flushed = [m for m in mine if m.due_us > m.keys[0].device_time_us]
    assert flushed
    by_lift = defaultdict(list)
    for message in mine:
        by_lift[message.keys[0].lift].append(message.keys[0].seq)
    assert all(seqs == sorted(seqs) for seqs in by_lift.values())
    assert sum(len(m.keys) for m in messages) == feed.frames


def test_a_wrong_clock_and_a_restart_show_in_the_keys():
    clock = WrongClock(0, START_US + 30 * SECOND_US, -START_US)
    restart = Restart(0, START_US + 60 * SECOND_US, first_seq=1)
    feed, messages = sent(NetworkSpec(clocks=(clock,), restarts=(restart,)))
    own = [key for m in messages for key in m.keys if key.lift == 0]
    early = [k for k in own if k.device_time_us < 10**12]
    assert early
    assert early[0].device_time_us >= 30 * SECOND_US
    drop = [b.seq for a, b in pairwise(own) if b.seq < a.seq]
    assert drop == [1]
    assert decoded_keys(feed, messages) == [key for m in messages for key in m.keys]


def test_broken_payloads_are_extra_and_never_give_a_frame():
    clean = sent(NetworkSpec(frames_per_message=4, linger_us=SECOND_US))[1]
    for msgpack in (False, True):
        spec = NetworkSpec(
            broken_ppm=200_000, frames_per_message=4, linger_us=SECOND_US, msgpack=msgpack
        )
        feed, messages = sent(spec)
        broken = [m for m in messages if not m.keys]
        assert len(broken) >= 5
        assert len(messages) - len(broken) == len(clean)
        for message in broken:
            got = decode(message.payload)
            assert len(got) == 0
            assert len(got.rejects) == 1
        assert sum(len(m.keys) for m in messages) == feed.frames


def test_messages_are_filled_up_to_their_size():
    spec = NetworkSpec(frames_per_message=3, linger_us=2 * SECOND_US)
    feed, messages = sent(spec)
    sizes = Counter(len(m.keys) for m in messages)
    assert set(sizes) <= {1, 2, 3}
    assert sizes[3] > 0
    assert all(m.due_us % spec.linger_us == 0 for m in messages)
    assert decoded_keys(feed, messages) == [key for m in messages for key in m.keys]


def test_the_quick_encoder_gives_what_the_vocabulary_gives():
    from telemetry.columns import COLUMN, COLUMN_NAMES
    from telemetry.wire.encode import wire_frames

    fleet = random_fleet(11, START_US, 60)
    frames = fleet.frames_until(START_US + 60 * SECOND_US)
    columns = {"time_us": frames["device_time_us"], "seq": frames["seq"]}
    for name in COLUMN_NAMES:
        if name in frames.columns and name != "floor":
            values, missing = frames[name], frames[name] == -(2**31)
            real = COLUMN[name].kind == "real"
            columns[name] = np.where(
                missing, np.nan if real else -1, values / (1000 if real else 1)
            )
            if not real:
                columns[name] = columns[name].astype("i8")
    pairs = zip(frames["lift"].tolist(), frames["floor"].tolist(), strict=True)
    floors = [None if floor < 0 else fleet.labels[lift][floor] for lift, floor in pairs]
    codes = [fleet.codes[lift] for lift in frames["lift"].tolist()]
    told = [to_builtins(o) for o in to_wire(frames, fleet.codes, fleet.labels)]
    assert told == wire_frames(codes, columns, floors)


def test_a_steady_load_is_steady_and_decodable():
    load = SteadyLoad(100, 1000, START_US, frames_per_message=10)
    messages = load.messages_until(START_US + 2 * SECOND_US)
    got = decode_many([m.payload for m in messages])
    assert len(got) == 2000 == load.frames
    assert not got.rejects
    assert not got.field_rejects
    keys = [key for m in messages for key in m.keys]
    assert len(set(keys)) == 2000
    assert got.columns["seq"].tolist() == [key.seq for key in keys]
    assert got.columns["time_us"].tolist() == [key.device_time_us for key in keys]
    assert [load.codes[key.lift] for key in keys] == got.elevators
    by_lift = defaultdict(list)
    for key in keys:
        by_lift[key.lift].append(key)
    for own in by_lift.values():
        assert [key.seq for key in own] == list(range(20))
        assert np.diff([key.device_time_us for key in own]).tolist() == [100_000] * 19


def test_a_load_denser_than_a_millisecond_is_refused():
    with pytest.raises(ValueError, match="at least 2 lifts"):
        SteadyLoad(1, 2000, START_US)


def test_frames_refuse_unknown_columns():
    with pytest.raises(KeyError, match="colour"):
        Frames.make(1, time_us=0, seq=0, lift=0, colour=1)
    assert len(replace(NetworkSpec(), frames_per_message=2).outages) == 0
