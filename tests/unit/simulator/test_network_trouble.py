"""The network's trouble: drawn at its rates, the same however time is cut, and nothing lost."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from simulator.fleet import Fleet, FleetSpec
from simulator.frames import NAMES, Frames
from simulator.network.episodes import Drawing, Episodes, Process
from simulator.network.networked import NetworkedFleet
from simulator.network.spec import (
    DAY_US,
    DEFAULT_NETWORK,
    HOUR_US,
    MINUTE_US,
    SECOND_US,
    NetworkSpec,
    Outage,
    Restart,
    WrongClock,
)
from simulator.network.travel import Network
from simulator.randomness import Stream
from simulator.truth import TruthEvent
from telemetry.findings import FindingKind

START_US = 1_774_314_000_000_000
PER_DAY = 1000
"""Episodes per 1000 days that make one a day."""

TROUBLED = NetworkSpec(
    latency_us=30_000,
    jitter_us=120_000,
    duplicate_ppm=50_000,
    reorder_ppm=30_000,
    outages_per_gateway_1000_days=100 * PER_DAY,
    outage_mean_us=2 * MINUTE_US,
    skewed_ppm=300_000,
    clock_losses_per_lift_1000_years=20 * 365 * 1000,
    clock_steps_per_lift_1000_years=20 * 365 * 1000,
    clock_step_mean_us=3 * MINUTE_US,
    restarts_per_gateway_1000_days=100 * PER_DAY,
)
"""So much trouble that ten minutes show all of it."""
LINGERING = replace(TROUBLED, linger_us=3 * SECOND_US, frames_per_message=16)
SCRIPTED = replace(
    TROUBLED,
    outages=(
        Outage(0, START_US + 60 * SECOND_US, START_US + 120 * SECOND_US),
        Outage(0, START_US + 120 * SECOND_US + 1000, START_US + 140 * SECOND_US),
    ),
    clocks=(
        WrongClock(1, START_US + MINUTE_US, -8 * HOUR_US, START_US + 3 * MINUTE_US),
        WrongClock(2, 0, -START_US),
    ),
    restarts=(Restart(0, START_US + 90 * SECOND_US, 7), Restart(1, START_US + 90 * SECOND_US)),
)


def fleet(n_lifts: int = 30, share: tuple[int, int] = (0, 1)) -> Fleet:
    return Fleet(
        FleetSpec(START_US, n_lifts, escalators=1, rate_pct=400, lifts_per_gateway=3, share=share),
        9,
    )


def arrived(
    spec: NetworkSpec, minutes: int = 10, step_us: int = 60 * SECOND_US, **how: object
) -> tuple[NetworkedFleet, Frames]:
    source = NetworkedFleet(fleet(**how), spec, 4)  # type: ignore[arg-type]
    end_us, t_us = START_US + minutes * MINUTE_US, START_US
    parts = []
    while t_us < end_us:
        t_us = min(t_us + step_us, end_us)
        part = source.arrived_until(t_us)
        assert (part["arrival_us"] < t_us).all()
        assert (part["arrival_us"] >= t_us - step_us).all()
        parts.append(part)
    return source, Frames.concat([*parts, source.rest()])


def made(minutes: int = 10, **how: object) -> Frames:
    return fleet(**how).frames_until(START_US + minutes * MINUTE_US)  # type: ignore[arg-type]


@pytest.mark.parametrize("spec", [TROUBLED, LINGERING, SCRIPTED, DEFAULT_NETWORK])
def test_how_time_is_cut_changes_nothing(spec):
    told, end_us = made(), START_US + 10 * MINUTE_US

    def cut(step_us: int) -> Frames:
        network = Network(spec, 4, fleet().gateway_of, START_US)
        low, parts = 0, []
        for t_us in [*range(START_US + step_us, end_us, step_us), end_us]:
            high = int(np.searchsorted(told["time_us"], t_us))
            parts.append(network.arrivals(told.take(slice(low, high)), t_us))
            low = high
        return Frames.concat([*parts, network.rest()])

    whole = cut(600 * SECOND_US)
    for step_us in (60 * SECOND_US, 7_777_000, 500_000):
        other = cut(step_us)
        for name in NAMES:
            assert np.array_equal(whole[name], other[name]), name


def test_the_truth_of_the_network_does_not_depend_on_the_steps_either():
    few, _ = arrived(SCRIPTED, step_us=600 * SECOND_US)
    many, _ = arrived(SCRIPTED, step_us=17 * SECOND_US)
    assert few.truth() == many.truth()


@pytest.mark.parametrize("spec", [TROUBLED, LINGERING, SCRIPTED])
def test_every_frame_arrives_once_and_its_copies(spec):
    source, frames = arrived(spec)
    identity = Counter(zip(frames["lift"].tolist(), frames["time_us"].tolist(), strict=True))
    told = made()
    assert identity.keys() == set(zip(told["lift"].tolist(), told["time_us"].tolist(), strict=True))
    assert source.made == len(told) == len(identity)
    copies = len(frames) - len(told)
    assert set(identity.values()) == {1, 2}
    assert copies == pytest.approx(0.05 * len(told), rel=0.25)


@pytest.mark.parametrize("spec", [TROUBLED, LINGERING, SCRIPTED])
def test_nothing_arrives_before_it_was_made_and_arrivals_are_in_order(spec):
    _, frames = arrived(spec)
    assert (frames["arrival_us"] >= frames["time_us"] + spec.latency_us).all()
    order = np.lexsort((frames["seq"], frames["lift"], frames["arrival_us"]))
    for name in ("arrival_us", "lift", "seq"):
        assert np.array_equal(frames[name], frames[name][order])


def test_a_lost_connection_is_flushed_in_order_and_faster():
    outage = Outage(1, START_US + 60 * SECOND_US, START_US + 360 * SECOND_US)
    spec = NetworkSpec(
        latency_us=30_000, jitter_us=120_000, flush_speedup=50, reorder_ppm=500_000,
        outages=(outage,),
    )  # fmt: skip
    source, frames = arrived(spec)
    mine = frames.take(source.fleet.gateway_of[frames["lift"]] == 1)
    delayed = (mine["time_us"] >= outage.from_us) & (mine["time_us"] < outage.to_us)
    held = mine.take(delayed)
    assert len(held) > 100
    since_us = held["arrival_us"] - outage.to_us
    assert since_us.min() >= 0
    assert since_us.max() <= 300 * SECOND_US // 50 + spec.latency_us
    for lift in np.unique(held["lift"]).tolist():
        own = held.take(held["lift"] == lift)
        assert np.all(np.diff(own["seq"]) == 1)
    # what is made while the backlog is sent queues behind it
    behind = mine.take((mine["time_us"] >= outage.to_us)
                       & (mine["time_us"] < outage.to_us + 5 * SECOND_US))  # fmt: skip
    assert behind["arrival_us"].min() > held["arrival_us"].max() - 1_000_000 // 50


def test_scripted_outages_that_touch_are_one():
    source, frames = arrived(SCRIPTED)
    mine = frames.take(source.fleet.gateway_of[frames["lift"]] == 0)
    for outage in SCRIPTED.outages:
        cut_off = (mine["time_us"] >= outage.from_us) & (mine["time_us"] < outage.to_us)
        assert (mine["arrival_us"][cut_off] >= SCRIPTED.outages[-1].to_us).all()


def test_a_right_clock_tells_the_time_and_a_wrong_one_is_in_the_truth():
    source, frames = arrived(replace(TROUBLED, skewed_ppm=0))
    wrong = [e for e in source.truth() if e.kind is FindingKind.CLOCK_WRONG]
    assert len(wrong) > 3
    off_us = frames["device_time_us"] - frames["time_us"]
    episode = np.zeros(len(frames), np.bool_)
    for event in wrong:
        until_us = event.end_us or 2**62
        time_us = frames["time_us"]
        episode |= (
            (frames["lift"] == event.lift) & (time_us >= event.onset_us) & (time_us < until_us)
        )
        assert event.effects == ("time",)
    assert (off_us[~episode] == 0).all()
    assert (np.abs(off_us[episode]) >= HOUR_US).all()
    from_1970 = frames["device_time_us"][off_us < -DAY_US]
    assert 0 <= from_1970.min() <= from_1970.max() < HOUR_US


def test_a_constant_skew_is_no_event():
    source, frames = arrived(NetworkSpec(skewed_ppm=500_000, skew_us=4 * SECOND_US))
    off_us = frames["device_time_us"] - frames["time_us"]
    for lift in range(30):
        assert len(np.unique(off_us[frames["lift"] == lift])) <= 1
    assert 0 < np.abs(off_us).max() <= 4 * SECOND_US
    assert not [e for e in source.truth() if e.kind is FindingKind.CLOCK_WRONG]


def test_a_scripted_clock_is_wrong_for_exactly_its_time():
    source, frames = arrived(SCRIPTED)
    clock = SCRIPTED.clocks[0]
    own = frames.take(frames["lift"] == 1)
    off_us = own["device_time_us"] - own["time_us"]
    during = (own["time_us"] >= clock.from_us) & (own["time_us"] < (clock.to_us or 0))
    assert set(off_us[during].tolist()) == {clock.offset_us}
    assert set(off_us[~during].tolist()) == {0}
    events = [e for e in source.truth() if e.lift in (1, 2) and e.cause == "clock_wrong"]
    assert [(e.lift, e.onset_us, e.end_us) for e in events] == [
        (2, START_US, None),
        (1, clock.from_us, clock.to_us),
    ]


def test_restarted_gateways_count_from_the_beginning():
    _, frames = arrived(NetworkSpec(restarts_per_gateway_1000_days=300 * PER_DAY))
    restarts = Counter()
    for lift in range(30):
        seq = frames.take(frames["lift"] == lift)["seq"]
        again = seq[1:][np.diff(seq) != 1]
        assert (again == 0).all()
        restarts[lift // 3] = max(restarts[lift // 3], len(again))
        assert len(again) in (restarts[lift // 3], restarts[lift // 3] - 1)
    assert sum(restarts.values()) >= 5


def test_shares_of_a_fleet_arrive_as_in_the_whole():
    source, whole = arrived(TROUBLED)
    truth: list[TruthEvent] = []
    parts = []
    for k in range(3):
        share, frames = arrived(TROUBLED, share=(k, 3))
        parts.append(frames)
        truth += share.truth()
    joined = Frames.concat(parts)
    joined = joined.take(np.lexsort((joined["seq"], joined["lift"], joined["arrival_us"])))
    for name in NAMES:
        assert np.array_equal(whole[name], joined[name]), name
    assert sorted(truth, key=lambda e: (e.onset_us, e.lift, e.kind)) == source.truth()


def test_episodes_come_at_their_rate_and_last_their_mean():
    n = 5_000
    drawing = Drawing(Stream.OFFLINE, gap_s=86_400, length_s=600, recovery=199)
    process = Process(drawing, 3, np.arange(n), START_US)
    found = process.begun_before(START_US + DAY_US)
    assert len(found) == pytest.approx(n, rel=0.05)
    length_us = found.to_us - found.from_us
    assert length_us.mean() == pytest.approx(10 * MINUTE_US, rel=0.05)
    assert np.median(length_us) == pytest.approx(np.log(2) * 10 * MINUTE_US, rel=0.07)
    late = (found.from_us - START_US) > DAY_US // 2
    assert late.mean() == pytest.approx(0.5, abs=0.03)
    assert len(np.unique(found.from_us)) > 0.99 * len(found)


def test_an_episode_is_found_from_its_first_instant_to_before_its_last():
    episodes = Episodes.of([(2, 100_000, 200_000, 5), (2, 300_000, 400_000, 6), (0, 0, 10**9, 7)])
    lift = np.array([2, 2, 2, 2, 2, 1, 0])
    t_us = np.array([99_999, 100_000, 199_999, 200_000, 350_000, 350_000, 999])
    found = episodes.find(lift, t_us)
    assert np.where(found >= 0, episodes.value[found], 0).tolist() == [0, 5, 5, 0, 6, 0, 7]


def test_a_network_without_trouble_hands_frames_through():
    told = made(minutes=1)
    network = Network(NetworkSpec(), 1, fleet().gateway_of, START_US)
    frames = network.arrivals(told, START_US + MINUTE_US)
    assert network.pending == 0
    for name in NAMES:
        assert np.array_equal(frames[name], told[name]), name


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"duplicate_ppm": 1_000_001}, "duplicate_ppm"),
        ({"latency_us": -1}, "latency_us"),
        ({"flush_speedup": 1}, "flush_speedup"),
        ({"frames_per_message": 0}, "frames_per_message"),
        ({"clock_step_hours": (3, 2)}, "clock_step_hours"),
    ],
)
def test_an_impossible_network_is_refused_by_name(given, name):
    with pytest.raises(ValueError, match=name):
        NetworkSpec(**given)
