"""Frames that are numbered and never stored: who loses them, and that the rest is untouched."""

from itertools import pairwise

import numpy as np
import pytest

from simulator.faults.catalogue import SECOND_US
from simulator.faults.causes import Cause
from simulator.faults.sensors import SensorFault
from simulator.fleet import Fleet, FleetSpec
from simulator.frames import NO_TIME_US, Frames
from simulator.network.networked import NetworkedFleet
from simulator.network.spec import DEFAULT_NETWORK, NetworkSpec, Outage
from simulator.publishing.feed import FleetFeed
from simulator.terminals.losses import LOSSES, MOST_HELD_US
from telemetry.findings import FindingKind
from telemetry.wire import RejectReason, decode
from tests.unit.simulator.test_sensor_faults import START_US

FROM_US, TO_US = START_US + 120 * SECOND_US, START_US + 720 * SECOND_US
END_US = START_US + 900 * SECOND_US
SICK = 1


def fleet(what: Cause | None) -> Fleet:
    faults = () if what is None else (SensorFault(SICK, what, FROM_US, TO_US),)
    return Fleet(FleetSpec(START_US, 3, rate_pct=500, sensor_faults=faults), 5)


def own(frames: Frames) -> Frames:
    return frames.take(frames["lift"] == SICK)


@pytest.mark.parametrize("what", sorted(LOSSES))
def test_what_comes_keeps_the_number_it_would_have_had(what):
    sick, well = (own(fleet(w).frames_until(END_US)) for w in (what, None))
    twin = dict(zip(well["time_us"].tolist(), well["seq"].tolist(), strict=True))
    assert [twin[t] for t in sick["time_us"].tolist()] == sick["seq"].tolist()
    lost = set(twin) - set(sick["time_us"].tolist())
    assert all(FROM_US <= t < TO_US for t in lost)


def test_a_bad_connection_loses_one_in_five():
    sick, well = (own(fleet(w).frames_until(END_US)) for w in (Cause.FRAMES_LOST, None))
    during = int(((well["time_us"] >= FROM_US) & (well["time_us"] < TO_US)).sum())
    assert during > 100
    assert (len(well) - len(sick)) / during == pytest.approx(0.2, abs=0.08)


def test_a_buffer_keeps_the_newest_and_sends_it_at_its_end_in_order():
    sick = own(fleet(Cause.BUFFER_OVERFLOW).frames_until(END_US))
    held_us = min((TO_US - FROM_US) // 3, MOST_HELD_US)
    time_us, arrival_us = sick["time_us"], sick["arrival_us"]
    during = (time_us >= FROM_US) & (time_us < TO_US)
    assert (time_us[during] >= TO_US - held_us).all()
    assert (arrival_us[during] >= TO_US).all()
    assert (arrival_us[during] < TO_US + 2 * SECOND_US).all()
    assert (np.diff(arrival_us[during]) >= 0).all()
    assert (arrival_us[~during] == time_us[~during]).all()


def test_a_frame_without_a_time_is_refused_and_is_no_key():
    feed = FleetFeed(fleet(Cause.FRAMES_REFUSED), NetworkSpec(frames_per_message=3), 5)
    messages = feed.messages_until(END_US)
    rejects, keys = 0, 0
    for message in messages:
        read = decode(message.payload)
        assert {r.reason for r in read.rejects} <= {RejectReason.BAD_TIME}
        assert len(read) == len(message.keys)
        rejects, keys = rejects + len(read.rejects), keys + len(message.keys)
    assert rejects > 10
    assert rejects + keys == feed.frames


def test_a_wrong_clock_does_not_mend_what_is_refused():
    frames = NetworkedFleet(fleet(Cause.FRAMES_REFUSED), DEFAULT_NETWORK, 3).arrived_until(END_US)
    refused = frames["device_time_us"] == NO_TIME_US
    assert refused.any()
    assert (frames["device_time_us"][~refused] >= 0).all()
    assert len(frames.usable()) == int((~refused).sum())


def test_steps_do_not_matter_to_what_is_held_over_an_outage_of_the_gateway():
    outage = Outage(0, TO_US - 100 * SECOND_US, TO_US + 30 * SECOND_US)
    spec = NetworkSpec(jitter_us=100_000, duplicate_ppm=10_000, outages=(outage,))

    def run(step_us: int) -> list[tuple[int, ...]]:
        source = NetworkedFleet(fleet(Cause.BUFFER_OVERFLOW), spec, 3)
        edges = [*range(START_US, END_US, step_us), END_US]
        parts = [source.arrived_until(t) for _, t in pairwise(edges)]
        rows = Frames.concat([*parts, source.rest()])
        names = ("arrival_us", "lift", "seq", "time_us")
        return list(zip(*(rows[n].tolist() for n in names), strict=True))

    assert run(900 * SECOND_US) == run(7 * SECOND_US)


@pytest.mark.parametrize("what", sorted(LOSSES))
def test_each_has_its_truth(what):
    lived = fleet(what)
    lived.frames_until(END_US)
    events = [e for e in lived.truth() if e.cause == what]
    assert FindingKind.SEQUENCE_GAPS in {e.kind for e in events}
    assert {(e.onset_us, e.end_us, e.lift) for e in events} == {(FROM_US, TO_US, SICK)}
    assert all(e.effects == ("seq",) for e in events)
