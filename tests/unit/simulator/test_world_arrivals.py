"""Who comes when, and what doors do in a stop."""

import numpy as np
import pytest

from simulator.world import doors
from simulator.world.buildings import Building, Mix, draw_plan
from simulator.world.traffic import HOUR_US, Arrivals

SECOND_US = 1_000_000
MIDNIGHT_US = 1_774_281_600_000_000


def only(kind: Building) -> Mix:
    return Mix(**{b.name.lower(): int(b is kind) for b in Building})


def arrivals_of(kind: Building, from_us: int, hours: int, n_lifts: int = 400):
    plan = draw_plan(n_lifts, 5, only(kind))
    come = Arrivals(plan, 5, from_us, np.full(n_lifts, 100), 8)
    return plan, come.before(from_us + hours * HOUR_US)


@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [(Building.HOUSING, 150, 500), (Building.OFFICE, 800, 1500)],
)
def test_a_weekday_brings_as_many_people_as_lifts_make_runs(kind, least, most):
    _, groups = arrivals_of(kind, MIDNIGHT_US, 24)
    assert least < groups.people.sum() / 400 < most
    assert groups.people.mean() == pytest.approx(1.3, abs=0.02)
    assert (np.diff(groups.time_us) >= 0).all()


def test_peaks_have_their_hours_and_directions():
    _, groups = arrivals_of(Building.OFFICE, MIDNIGHT_US, 24)
    hour = (groups.time_us - MIDNIGHT_US) / HOUR_US
    up_peak, night = (hour >= 8.5) & (hour < 9.5), hour < 5
    assert (groups.origin[up_peak] == 0).mean() == pytest.approx(0.85, abs=0.02)
    evening = (hour >= 17.5) & (hour < 18.5)
    assert (groups.destination[evening] == 0).mean() == pytest.approx(0.85, abs=0.02)
    assert up_peak.sum() > 30 * night.sum() / 5


def test_offices_are_empty_and_shops_full_at_the_weekend():
    saturday_us = MIDNIGHT_US + 4 * 24 * HOUR_US
    for kind, ratio in ((Building.OFFICE, 0.02), (Building.SHOP, 1.1)):
        weekday, weekend = (
            arrivals_of(kind, day_us, 24)[1].people.sum() for day_us in (MIDNIGHT_US, saturday_us)
        )
        assert (weekend / weekday < 0.2) == (ratio < 1)
        assert weekend / weekday > ratio


def test_a_shop_has_nobody_at_night():
    _, groups = arrivals_of(Building.SHOP, MIDNIGHT_US, 8)
    assert len(groups) == 0


def test_nobody_wants_where_they_are():
    for kind in Building:
        plan, groups = arrivals_of(kind, MIDNIGHT_US, 24, 60)
        _, first = np.unique(plan.building, return_index=True)
        n = plan.n_landings[first][groups.building]
        assert (groups.origin != groups.destination).all()
        assert (np.minimum(groups.origin, groups.destination) >= 0).all()
        assert (np.maximum(groups.origin, groups.destination) < n).all()


def stop(seed: int, in_the_way: int = 0) -> list[tuple[int, int]]:
    """Close the door of one stop until it is closed; return (time, part) of each closing."""
    done, reopened, lift = [], 0, np.array([0])
    while True:
        closing = doors.close(
            seed, lift, np.array([reopened]), np.array([3_000_000]), np.array([reopened]),
            np.array([in_the_way]),
        )  # fmt: skip
        in_the_way = int(closing.in_the_way[0])
        done.append((int(closing.lasts_us[0]), int(closing.part_pct[0])))
        if not closing.opens_again[0]:
            return done
        reopened += 1


def test_ordinary_doors_reopen_seldom_and_at_most_until_they_nudge():
    stops = [stop(seed) for seed in range(4_000)]
    again = [len(s) - 1 for s in stops]
    assert max(again) == doors.NUDGING_AFTER
    assert sum(a > 0 for a in again) / len(again) == pytest.approx(0.032, abs=0.01)
    for s in stops:
        assert s[-1] == ((6_000_000 if len(s) > doors.NUDGING_AFTER else 3_000_000), 100)
        assert all(30 <= part <= 80 for _, part in s[:-1])


def test_a_nudging_door_reopens_for_what_really_stands_in_it():
    done = stop(1, in_the_way=7)
    assert len(done) >= 8
    assert done[-1] == (6_000_000, 100)
