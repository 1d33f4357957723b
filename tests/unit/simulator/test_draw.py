"""Drawn faults: what the field publishes about entrapments, and that no draw moves another."""

from collections import Counter
from statistics import mean, quantiles

import pytest

from simulator.faults.catalogue import ENTRAPPING, SECOND_US, SIZE_UNITS, Fault
from simulator.faults.causes import Cause
from simulator.faults.draw import ALIKE, ENTRAPMENTS, OTHERS, YEAR_US, Rates, draw
from simulator.world.courses import COURSES

START_US = 1_774_314_000_000_000
MINUTE_US = 60 * SECOND_US


@pytest.fixture(scope="module")
def entrapments() -> list[Fault]:
    return draw(400, 3, START_US, YEAR_US, Rates(faults=ENTRAPMENTS, look_alikes={}), 100)


def test_drawing_twice_gives_the_same_and_another_seed_another():
    assert draw(50, 3, START_US, YEAR_US) == draw(50, 3, START_US, YEAR_US)
    assert draw(50, 3, START_US, YEAR_US) != draw(50, 4, START_US, YEAR_US)


def test_a_rate_or_a_larger_fleet_moves_no_other_fault():
    few = draw(20, 3, START_US, YEAR_US, Rates(faults={Cause.VIBRATION: 2_000}), 1, 0)
    both = draw(
        30, 3, START_US, YEAR_US, Rates(faults={**OTHERS, Cause.VIBRATION: 2_000}), 1, 0
    )  # fmt: skip
    assert few
    assert [f for f in both if f.cause is Cause.VIBRATION and f.lift < 20] == few


def test_every_drawn_cause_has_a_course_and_every_entrapping_one_is_drawn():
    assert {*ENTRAPMENTS, *OTHERS, *ALIKE} <= set(COURSES)
    assert set(ENTRAPMENTS) == set(ENTRAPPING)
    sized = draw(20, 3, START_US, YEAR_US, None, 1_000, 1)
    assert all(f.size == 0 or f.cause in SIZE_UNITS for f in sized)


def test_origins_of_entrapments_are_those_of_the_field(entrapments):
    counts = Counter(f.cause for f in entrapments)
    share = {cause: n / len(entrapments) for cause, n in counts.items()}
    assert len(entrapments) == pytest.approx(4_000, rel=0.08)
    assert share[Cause.MAINS_CUT] == pytest.approx(0.20, abs=0.03)
    assert share[Cause.HELD_DOORS] + share[Cause.OVERLOAD] == pytest.approx(0.25, abs=0.03)
    assert 0.15 <= share[Cause.DOOR_LOCK] <= 0.30
    assert mean(f.people for f in entrapments) == pytest.approx(2, abs=0.15)


def test_rescues_take_as_long_as_published(entrapments):
    freed = sum(f.self_freed for f in entrapments) / len(entrapments)
    assert 0.2 <= freed <= 0.4
    # way and work: means of 12 and 5 min
    minutes = [f.release_after_us / MINUTE_US for f in entrapments if not f.self_freed]
    assert mean(minutes) == pytest.approx(17, abs=0.6)
    assert quantiles(minutes, n=1000)[996] < 30 + 7 + 1
    assert min(minutes) > 5


def test_the_trapped_press_and_children_press_in_bursts(entrapments):
    pressed = sum(bool(f.presses_us) for f in entrapments) / len(entrapments)
    assert pressed == pytest.approx(0.6, abs=0.03)
    assert all(list(f.presses_us) == sorted(set(f.presses_us)) for f in entrapments)
    play = draw(100, 3, START_US, YEAR_US, Rates(faults={}, look_alikes={Cause.BUTTON_PLAY: 3_000}))
    assert min(len(f.presses_us) for f in play) == 2


def test_some_parked_riders_stand_longer_than_the_window_of_a_landing():
    parked = Rates(faults={}, look_alikes={Cause.PARKED_RIDER: 20_000})
    seconds = [f.lasts_us / SECOND_US for f in draw(200, 3, START_US, YEAR_US, parked)]
    assert sum(s > 60 for s in seconds) / len(seconds) == pytest.approx(1 / 14, abs=0.02)
