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
from simulator.terminals.bad_lines import BAD_LINES, BadLine
from simulator.terminals.losses import LOSSES, MOST_HELD_US
from simulator.truth import TruthEvent
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
    [gaps] = [e for e in events if e.kind is FindingKind.SEQUENCE_GAPS]
    assert (gaps.onset_us, gaps.end_us, gaps.lift) == (FROM_US, TO_US, SICK)
    assert all(e.effects == ("seq",) for e in events)


def test_what_a_buffer_throws_away_is_a_silence_of_its_whole_length():
    lived = fleet(Cause.BUFFER_OVERFLOW)
    lived.frames_until(END_US)
    [silent] = [e for e in lived.truth() if e.kind is FindingKind.TERMINAL_SILENT]
    assert (silent.onset_us, silent.end_us) == (FROM_US, TO_US)


def at_rest(what: Cause, seed: int, step_us: int = END_US) -> tuple[Frames, list[TruthEvent]]:
    """Return frames and silences of a lift that stands; one heartbeat in five is lost."""
    spec = FleetSpec(
        START_US, 3, quiet=(SICK,), sensor_faults=(SensorFault(SICK, what, FROM_US, TO_US),)
    )
    lived = Fleet(spec, seed)
    edges = [*range(START_US, END_US, step_us), END_US]
    frames = Frames.concat([lived.frames_until(t) for _, t in pairwise(edges)])
    return own(frames), [e for e in lived.truth() if e.kind is FindingKind.TERMINAL_SILENT]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("what", sorted(BAD_LINES))
def test_a_bad_line_is_silent_from_its_first_gap_to_its_last(what, seed):
    frames, silences = at_rest(what, seed)
    came_us = frames.usable()["time_us"]
    gaps = [(a, b) for a, b in pairwise(came_us.tolist()) if b - a > 45 * SECOND_US]
    spans = [(e.onset_us, e.end_us, e.lift, e.cause) for e in silences]
    assert spans == ([(gaps[0][0], gaps[-1][1], SICK, what)] if gaps else [])
    assert at_rest(what, seed, 7 * SECOND_US)[1] == silences


def test_a_line_that_lost_a_few_frames_is_no_event_and_a_buffer_none_before_it_is_sent():
    def kinds(what: Cause, until_us: int) -> set[FindingKind]:
        lived = fleet(what)
        lived.frames_until(until_us)
        return {e.kind for e in lived.truth() if e.cause == what}

    assert FindingKind.SEQUENCE_GAPS not in kinds(Cause.FRAMES_LOST, FROM_US + 20 * SECOND_US)
    assert FindingKind.SEQUENCE_GAPS in kinds(Cause.FRAMES_LOST, TO_US - 1)
    assert kinds(Cause.BUFFER_OVERFLOW, TO_US - 1000) == {FindingKind.TERMINAL_SILENT}


def test_a_bad_line_that_is_not_heard_is_silent_still():
    lived = Fleet(FleetSpec(START_US, 3, quiet=(SICK,)), 5)
    heartbeats_us = own(lived.frames_until(END_US))["time_us"].tolist()
    fault = SensorFault(SICK, Cause.FRAMES_LOST, FROM_US, TO_US)
    line = BadLine(fault, 30 * SECOND_US)
    before = [t for t in heartbeats_us if t < FROM_US]
    line.take(np.array(before), np.array([before[-1] + 30 * SECOND_US]))
    assert line.silence(before[-1] + 45 * SECOND_US) is None
    assert line.silence(before[-1] + 46 * SECOND_US) == (before[-1], None)
    line.take(np.array([before[-1] + 60 * SECOND_US]), np.empty(0, "i8"))
    assert line.silence(END_US) == (before[-1], before[-1] + 60 * SECOND_US)


def test_silences_that_overlap_are_one():
    silent = SensorFault(SICK, Cause.TERMINAL_SILENT, FROM_US, TO_US)
    outage = Outage(0, TO_US - 100 * SECOND_US, TO_US + 60 * SECOND_US)
    lived = Fleet(FleetSpec(START_US, 3, sensor_faults=(silent,)), 5)
    source = NetworkedFleet(lived, NetworkSpec(outages=(outage,)), 3)
    source.arrived_until(END_US)
    silences = [e for e in source.truth() if e.kind is FindingKind.TERMINAL_SILENT]
    assert {(e.lift, e.cause, e.onset_us, e.end_us) for e in silences} == {
        (SICK, Cause.TERMINAL_SILENT, FROM_US, outage.to_us),
        (0, "gateway_offline", outage.from_us, outage.to_us),
        (2, "gateway_offline", outage.from_us, outage.to_us),
    }
