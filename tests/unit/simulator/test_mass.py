"""Mass events: who is struck, in which order they come back, and how long people wait."""

import numpy as np
import pytest

from simulator import geography
from simulator.faults import mass
from simulator.faults.causes import Cause
from simulator.faults.mass import Earthquake, PowerCut, Rescue
from simulator.fleet import Fleet, FleetSpec
from simulator.geography import City

START_US = 1_774_314_000_000_000
MINUTE_US = 60_000_000
CITY = City(("North", "South", "West"), feeders_per_district=5)
PLACES = geography.draw(np.arange(6_000) // 3, 1, CITY)


def test_a_building_lies_in_one_district_and_hangs_on_one_of_its_feeders():
    for name in ("district", "feeder"):
        by_building = getattr(PLACES, name).reshape(-1, 3)
        assert (by_building == by_building[:, :1]).all()
    assert (PLACES.feeder // CITY.feeders_per_district == PLACES.district).all()
    assert PLACES.feeder_name(0) == f"{PLACES.district_name(0)}-{PLACES.feeder[0] % 5 + 1}"
    shares = np.bincount(PLACES.district) / len(PLACES.district)
    assert (np.abs(shares - 1 / 3) < 0.03).all()


def test_the_registry_shows_both():
    row = Fleet(FleetSpec(START_US, 5, escalators=1), 1).registry()[5]
    assert row.district in geography.DISTRICTS
    assert row.feeder.startswith(row.district)


def test_a_power_cut_strikes_all_units_of_its_feeders_at_one_instant():
    faults = mass.script((PowerCut(START_US, "South", feeders_pct=60),), PLACES, 6_000, 1)
    struck = np.array([f.lift for f in faults])
    feeders = np.unique(PLACES.feeder[struck])
    assert {f.at_us for f in faults} == {START_US}
    assert {f.cause for f in faults} == {Cause.AREA_POWER_CUT}
    assert len(feeders) == 3
    assert (feeders // 5 == 1).all()
    assert set(struck) == set(np.flatnonzero(np.isin(PLACES.feeder, feeders)))


def test_feeders_come_back_one_after_another():
    cut = PowerCut(START_US, "West", minutes=(20, 60), step_minutes=(2, 15))
    faults = mass.script((cut,), PLACES, 6_000, 1)
    lasts_us = {int(PLACES.feeder[f.lift]): f.lasts_us for f in faults}
    back_us = sorted(lasts_us.values())
    assert len(set(back_us)) == len(lasts_us) == 5
    assert 20 * MINUTE_US <= back_us[0] <= 60 * MINUTE_US
    steps = np.diff(back_us)
    assert ((steps >= 2 * MINUTE_US) & (steps <= 15 * MINUTE_US)).all()


def test_the_whole_city_may_go_dark():
    faults = mass.script((PowerCut(START_US),), PLACES, 6_000, 1)
    assert [f.lift for f in faults] == list(range(6_000))


def test_an_earthquake_is_felt_where_it_is_strong():
    quake = Earthquake(START_US, {"North": 7, "South": 4, "West": 3})
    faults = mass.script((quake,), PLACES, 5_000, 1)
    by_district = {
        d: [f for f in faults if PLACES.district[f.lift] == d] for d in range(len(CITY.districts))
    }
    lifts = np.bincount(PLACES.district[:5_000])
    assert len(by_district[0]) == lifts[0]
    assert len(by_district[1]) == lifts[1]
    assert not by_district[2]
    trips = [sum(f.size for f in by_district[d]) / lifts[d] for d in (0, 1)]
    assert trips[0] == pytest.approx(0.1, abs=0.03)
    assert trips[1] < 0.005


def test_mechanics_reset_one_lift_after_another():
    quake = Earthquake(START_US, mechanics=10, reset_minutes=(5, 15))
    faults = mass.script((quake,), PLACES, 6_000, 1)
    north = [f for f in faults if PLACES.district[f.lift] == 0]
    ends = np.sort([f.lasts_us for f in north])
    assert ends[0] >= 25 * MINUTE_US
    assert ends[-1] == pytest.approx(len(north) / 10 * 10 * MINUTE_US, rel=0.05)
    assert all(f.lasts_us > f.release_after_us for f in north)


def test_people_wait_longer_when_teams_are_few():
    def waits_min(teams: int) -> np.ndarray:
        rescue = Rescue(teams, occupied_per_1000=50)
        faults = mass.script((PowerCut(START_US, rescue=rescue),), PLACES, 6_000, 1)
        return np.sort([f.release_after_us for f in faults]) / MINUTE_US

    many, few = waits_min(100), waits_min(5)
    assert many.mean() == pytest.approx(16.9, abs=0.5)
    # 2,000 lifts of a district, 100 cases, 5 teams: the last cases come in the twentieth turn
    assert few[-1] == pytest.approx(20 * 1_000 / 60 + 15, abs=25)
    assert few.mean() > 5 * many.mean()


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: PowerCut(START_US, feeders_pct=0), "1 to 100, not 0"),
        (lambda: PowerCut(START_US, minutes=(60, 20)), "not 60 to 20"),
        (lambda: Earthquake(START_US, {"North": 9}), "intensity of North must be 0 to 7, not 9"),
        (lambda: Earthquake(START_US, mechanics=0), "at least one mechanic"),
        (lambda: Rescue(teams=0), "at least one rescue team"),
        (lambda: Rescue(occupied_per_1000=1_001), "cannot be 1001"),
        (lambda: City(("A", "A")), "different names: A, A"),
        (lambda: City(("A",), 0), "at least one feeder"),
        (
            lambda: mass.script((PowerCut(START_US, "Est"),), PLACES, 6_000, 1),
            "no district 'Est' in this city; it has North, South, West",
        ),
    ],
)
def test_what_cannot_be_is_refused(build, sentence):
    with pytest.raises(ValueError, match=sentence):
        build()
