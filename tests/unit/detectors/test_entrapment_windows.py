"""Which window of the entrapment rule applies, case by case."""

import pytest

from telemetry.columns import Door
from tests.unit.detectors.story import (
    BUTTON,
    RUNNING,
    TRAPPED_AT_LANDING,
    TRAPPED_BETWEEN,
    RescueLift,
    us,
)

FOREVER_S = 3600


# ------------------------------------------------------------------ windows


def test_the_window_is_30_s_between_landings_and_60_s_at_a_landing():
    for state, window_s in ((TRAPPED_BETWEEN, 30), (TRAPPED_AT_LANDING, 60)):
        lift = RescueLift()
        lift.every(1, 0, window_s, state)
        assert lift.said() == []
        (raised,) = lift.at(window_s, state)
        assert raised.t_us == raised.onset_us + window_s * 1_000_000
        assert raised.thresholds["window_us"] == window_s * 1_000_000
        assert raised.last_seen_us == us(window_s)


@pytest.mark.parametrize("state", [TRAPPED_BETWEEN, TRAPPED_AT_LANDING])
@pytest.mark.parametrize(
    "urgent", [{"button": 1}, {"codes": (90,)}, {"power": 1}, {"codes": (41,)}], ids=str
)
def test_the_window_is_10_s_with_the_button_or_without_mains(state, urgent):
    lift = RescueLift()
    lift.at(0, state, **urgent)
    lift.wait_until(FOREVER_S)
    assert lift.raised() == [10]


def test_mains_off_shortens_the_window_only_for_a_person_inside():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, passenger=None, power=1)
    lift.wait_until(FOREVER_S)
    assert lift.raised() == [30]


def test_the_supply_of_the_terminal_is_not_the_mains():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, terminal_power=1)
    lift.wait_until(FOREVER_S)
    assert lift.raised() == [30]


def test_a_press_after_the_short_window_completes_it_at_once():
    lift = RescueLift()
    lift.at(0, TRAPPED_AT_LANDING)
    found = lift.at(25, button=1)
    assert lift.raised() == [25]
    assert found[0].criteria["button_pressed"] is True


def test_a_press_counts_until_the_stop_ends():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN)
    lift.at(3, button=1)
    lift.at(4, button=0)
    lift.wait_until(FOREVER_S)
    assert lift.raised() == [10]
    moved = RescueLift()
    moved.at(0, TRAPPED_BETWEEN)
    moved.at(3, button=1)
    moved.at(4, RUNNING, button=0)
    moved.at(20, TRAPPED_BETWEEN)
    moved.wait_until(FOREVER_S)
    assert moved.raised() == [50]


def test_a_stuck_button_stops_counting_when_the_doors_have_let_people_out():
    lift = RescueLift()
    lift.at(0, TRAPPED_AT_LANDING, passenger=None, button=1)
    lift.at(5, door=Door.OPEN)
    for start_s in range(10, 200, 40):
        lift.at(start_s, door=Door.CLOSED)
        lift.at(start_s + 35, door=Door.OPEN)
    lift.wait_until(FOREVER_S)
    assert lift.said() == []
    assert lift.raised(BUTTON) == [0]


def test_mains_back_before_the_short_window_lets_the_long_one_go_on():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, power=1)
    lift.at(9, power=0)
    lift.wait_until(FOREVER_S)
    assert lift.raised() == [30]
