"""One seed, one world: whatever the steps, the speed and the machine's vector units."""

from dataclasses import replace

import numpy as np
import pytest

from simulator.faults.draw import Rates, draw
from simulator.fleet import Fleet, FleetSpec
from simulator.frames import Frames
from simulator.network.spec import (
    DEFAULT_NETWORK,
    NOISY_NETWORK,
    NetworkSpec,
    Outage,
    Restart,
    WrongClock,
)
from simulator.publishing.ahead import Ahead
from simulator.publishing.feed import FleetFeed, SteadyLoad
from simulator.scenarios.presets import demo_script, random_fleet
from simulator.world.buildings import Mix

START_US = 1_774_314_000_000_000
SECOND_US = 1_000_000


def digest(seed: int, step_us: int) -> str:
    fleet = random_fleet(seed, START_US, 120)
    t_us = START_US
    while t_us < START_US + 120 * SECOND_US:
        t_us = min(t_us + step_us, START_US + 120 * SECOND_US)
        fleet.frames_until(t_us)
    return fleet.digest.hexdigest()


@pytest.mark.parametrize("seed", range(8))
def test_the_size_of_the_steps_changes_nothing(seed):
    whole = digest(seed, 120 * SECOND_US)
    assert digest(seed, 7 * SECOND_US) == whole
    assert digest(seed, 333_000) == whole
    assert digest(seed, 1_000_007) == whole


def test_another_seed_is_another_world():
    assert digest(1, 30 * SECOND_US) != digest(2, 30 * SECOND_US)


NOISY = NetworkSpec(
    duplicate_ppm=50_000,
    reorder_ppm=50_000,
    broken_ppm=50_000,
    frames_per_message=5,
    linger_us=SECOND_US,
    outages=(Outage(0, START_US + 20 * SECOND_US, START_US + 50 * SECOND_US),),
    clocks=(WrongClock(0, START_US, -START_US),),
    restarts=(Restart(1, START_US + 40 * SECOND_US),),
)


@pytest.mark.parametrize(
    "channel", [DEFAULT_NETWORK, NOISY_NETWORK, NOISY, NetworkSpec(msgpack=True)]
)
def test_messages_do_not_depend_on_the_steps_either(channel):
    def messages(step_us: int) -> list[object]:
        feed = FleetFeed(random_fleet(5, START_US, 120), channel, 5)
        out: list[object] = []
        t_us = START_US
        while t_us < START_US + 120 * SECOND_US:
            t_us = min(t_us + step_us, START_US + 120 * SECOND_US)
            out += feed.messages_until(t_us)
        return out + feed.rest()

    whole = messages(120 * SECOND_US)
    assert messages(777_000) == whole
    assert messages(30 * SECOND_US) == whole


def test_a_feed_made_ahead_gives_the_same_messages_and_no_more():
    end_us = START_US + 60 * SECOND_US

    def feed() -> FleetFeed:
        return FleetFeed(random_fleet(5, START_US, 60), DEFAULT_NETWORK, 5)

    plain, ahead = feed(), feed()
    early = Ahead(ahead, end_us, 250_000)
    for t_us in range(START_US + 20_000, end_us + 1, 70_000):
        assert early.messages_until(t_us) == plain.messages_until(t_us)
    assert early.messages_until(end_us) == plain.messages_until(end_us)
    assert ahead.rest() == plain.rest()
    assert early.frames == plain.frames
    assert ahead.fleet.digest.hexdigest() == plain.fleet.digest.hexdigest()


def test_a_release_at_an_instant_does_not_depend_on_the_steps():
    def run(step_us: int) -> str:
        fleet = demo_script(8, 3, START_US).fleet
        fleet.frames_until(START_US + 35 * SECOND_US)
        for event in fleet.truth():
            fleet.release(event.lift, START_US + 36 * SECOND_US)
        t_us = START_US + 35 * SECOND_US
        while t_us < START_US + 60 * SECOND_US:
            t_us += step_us
            fleet.frames_until(t_us)
        return fleet.digest.hexdigest()

    assert run(25 * SECOND_US) == run(500_000) == run(50_000)


def test_the_load_does_not_depend_on_the_steps():
    def messages(step_us: int) -> list[object]:
        load = SteadyLoad(100, 500, START_US, 10)
        return [
            m
            for k in range(2 * SECOND_US // step_us)
            for m in load.messages_until(START_US + (k + 1) * step_us)
        ]

    assert messages(2 * SECOND_US) == messages(20_000)


@pytest.mark.parametrize("shares", [2, 3, 7])
def test_a_lift_lives_the_same_life_in_a_share_as_in_the_whole_fleet(shares):
    """Draws about a lift are keyed by ``plan.first_lift`` + row, never by the row alone."""
    script = draw(60, 9, START_US, 3600 * SECOND_US, Rates(), 20_000, 2_000)
    spec = FleetSpec(
        START_US + 8 * 3600 * SECOND_US, 60, escalators=3, walks=2, rate_pct=300,
        mix=Mix(absent=15, rescue_device_pct=50), script=tuple(script),
    )  # fmt: skip
    end_us = spec.start_us + 1200 * SECOND_US
    whole = Fleet(spec, 9)
    frames = whole.frames_until(end_us)
    parts = [Fleet(replace(spec, share=(k, shares)), 9) for k in range(shares)]
    joined = Frames.concat(part.frames_until(end_us) for part in parts).in_time_order()
    for name in frames.columns:
        np.testing.assert_array_equal(joined[name], frames[name], err_msg=name)
    events = [event for part in parts for event in part.truth()]
    assert sorted(events, key=lambda e: (e.onset_us, e.lift, e.kind)) == whole.truth()
    assert len(events) > 3
