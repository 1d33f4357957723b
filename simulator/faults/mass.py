"""Mass events: what strikes a whole district at one instant, as a script of faults.

Pure: a ``PowerCut`` or an ``Earthquake`` and a geography become a list of ``Fault``, one for each
unit that it strikes. The world decides what that does to each lift, and who is inside.

Recovery is part of the script. The mains of a district come back feeder by feeder, in a drawn
order. After an earthquake mechanics reset one lift after another. Rescue teams are few: they go to
occupied lifts alone, in a drawn order, so that rescue times grow with the queue. A script cannot
know who is inside (and a share of a fleet not who is inside elsewhere), so a lift's place in the
queue is that which it has when ``occupied_per_1000`` of the lifts before it hold people.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulator.faults.catalogue import SECOND_US, Fault
from simulator.faults.causes import Cause
from simulator.geography import Geography
from simulator.randomness import Stream, Words, between, chance, lognormal, words

MINUTE_US: Final = 60 * SECOND_US

ARRIVES_S: Final = 676
"""Median way of a team: with 36 % lognormal the mean is 12 min, and 99.7 % arrive within 30; the
96333 platforms publish means of 9 to 14 min."""
ARRIVES_SIGMA_PCT: Final = 36
WORKS_S: Final = 270
"""Median work at the lift: with 40 % lognormal the mean is 4.9 min; published: 2.5 to 7.3 min."""
WORKS_SIGMA_PCT: Final = 40
CYCLE_S: Final = 1_000
"""Mean of way and work: what a team spends on a case."""

LIFTS_STOP_FROM: Final = 4
"""Intensity from which seismic detectors act: on the scale of Japan, 0 to 7 (practice)."""
MOST: Final = 7
TRIPS_PPM: Final[Mapping[int, int]] = {4: 500, 5: 5_000, 6: 35_000, 7: 100_000}
"""Lifts whose safety circuit trips at once, wherever they are, by intensity. No source gives this
share: that of 6 is chosen so that a weekday's morning comes out as Osaka's in 2018 did, with about
346 occupied among 63,000 stopped."""


@dataclass(frozen=True, slots=True)
class Rescue:
    """Who frees the people whom a mass event traps.

    Parameters
    ----------
    teams
        Rescue teams of each district.
    occupied_per_1000
        Struck lifts that need a team, as the queue's length is reckoned.
    """

    teams: int = 10
    occupied_per_1000: int = 100

    def __post_init__(self) -> None:
        """Refuse what cannot be. Raises ``ValueError``."""
        if self.teams < 1:
            raise ValueError("a district needs at least one rescue team")
        if not 0 <= self.occupied_per_1000 <= 1000:
            raise ValueError(f"occupied_per_1000 cannot be {self.occupied_per_1000}")


@dataclass(frozen=True, slots=True)
class PowerCut:
    """Mains of a district fails, or of a share of its feeders.

    Parameters
    ----------
    at_us
        The instant, whole ms.
    district
        Its name; empty = the whole city.
    feeders_pct
        Feeders of each district that fail [%]; at least one does.
    minutes
        Inclusive range from which the time to the first feeder's return is drawn, per district.
    step_minutes
        Inclusive range of the time from each feeder's return to the next one's.
    rescue
        Who frees those whom neither a rescue device nor the mains frees before.
    """

    at_us: int
    district: str = ""
    feeders_pct: int = 100
    minutes: tuple[int, int] = (20, 60)
    step_minutes: tuple[int, int] = (2, 15)
    rescue: Rescue = field(default_factory=Rescue)

    def __post_init__(self) -> None:
        """Refuse what cannot be. Raises ``ValueError``."""
        if not 1 <= self.feeders_pct <= 100:
            raise ValueError(f"feeders_pct must be 1 to 100, not {self.feeders_pct}")
        _check_range("minutes", self.minutes, 0)
        _check_range("step_minutes", self.step_minutes, 0)


@dataclass(frozen=True, slots=True)
class Earthquake:
    """The ground shakes: all lifts of a district stop where it is strong enough.

    Parameters
    ----------
    at_us
        The instant, whole ms.
    intensity
        0 to 7 of each district that feels it, by name; from ``LIFTS_STOP_FROM`` on lifts stop.
        Empty = 6 in all districts.
    mechanics
        Who reset lifts, in each district.
    mechanics_come_minutes
        From the shock to the first reset's beginning.
    reset_minutes
        Inclusive range of the time that a mechanic needs for a lift, with the way to it.
    rescue
        Who frees the people, before the lift is reset.
    """

    at_us: int
    intensity: Mapping[str, int] = field(default_factory=dict)
    mechanics: int = 50
    mechanics_come_minutes: int = 20
    reset_minutes: tuple[int, int] = (5, 15)
    rescue: Rescue = field(default_factory=lambda: Rescue(occupied_per_1000=6))

    def __post_init__(self) -> None:
        """Refuse what cannot be. Raises ``ValueError``."""
        for district, intensity in self.intensity.items():
            if not 0 <= intensity <= MOST:
                raise ValueError(f"intensity of {district} must be 0 to {MOST}, not {intensity}")
        if self.mechanics < 1:
            raise ValueError("an earthquake needs at least one mechanic a district")
        _check_range("reset_minutes", self.reset_minutes, 1)


MassEvent = PowerCut | Earthquake


def script(
    events: tuple[MassEvent, ...], geography: Geography, n_lifts: int, seed: int
) -> list[Fault]:
    """Return the faults of mass events, by time and unit.

    Parameters
    ----------
    events
        What happens; the position is part of the draws' key.
    geography
        Where the units are; those from ``n_lifts`` on are escalators and walks.
    n_lifts
        Lifts among the units. An earthquake strikes lifts alone.
    seed
        Seed of the draws.

    Raises ``ValueError`` for a district that the city does not have.
    """
    faults: list[Fault] = []
    for number, event in enumerate(events):
        if isinstance(event, PowerCut):
            faults += _power_cut(event, geography, seed, number)
        else:
            faults += _earthquake(event, geography, n_lifts, seed, number)
    return sorted(faults, key=lambda f: (f.at_us, f.lift))


def _power_cut(cut: PowerCut, geography: Geography, seed: int, number: int) -> list[Fault]:
    city = geography.city
    struck = [city.index(cut.district)] if cut.district else range(len(city.districts))
    lasts_us = np.zeros(len(city.districts) * city.feeders_per_district, "i8")
    for district in struck:
        feeders = district * city.feeders_per_district + np.arange(city.feeders_per_district)
        drawn = words(seed, Stream.MASS, feeders, number)
        lasts_us[feeders] = _returns_us(cut, drawn)
    units = np.flatnonzero(lasts_us[geography.feeder])
    each_us = lasts_us[geography.feeder[units]]
    freed_us = np.zeros_like(units)
    for district in struck:
        own = geography.district[units] == district
        freed_us[own] = _freed_us(cut.rescue, seed, number, units[own])
    return [
        Fault(unit, Cause.AREA_POWER_CUT, cut.at_us, people=0, lasts_us=us, release_after_us=freed)
        for unit, us, freed in zip(units.tolist(), each_us.tolist(), freed_us.tolist(), strict=True)
    ]


def _returns_us(cut: PowerCut, drawn: tuple[Words, ...]) -> NDArray[np.int64]:
    """Return how long each feeder of a district is without mains; 0 = it is not struck."""
    n = len(drawn[0])
    order = np.argsort(drawn[0], kind="stable")[: max(1, n * cut.feeders_pct // 100)]
    steps_us = _minutes_us(drawn[1][order], cut.step_minutes)
    steps_us[0] = _minutes_us(drawn[2][order[:1]], cut.minutes)[0]
    lasts_us = np.zeros(n, "i8")
    lasts_us[order] = np.maximum(np.cumsum(steps_us), SECOND_US)
    return lasts_us


def _earthquake(
    quake: Earthquake, geography: Geography, n_lifts: int, seed: int, number: int
) -> list[Fault]:
    city = geography.city
    intensity = np.full(len(city.districts), 0 if quake.intensity else MOST - 1)
    for name, felt in quake.intensity.items():
        intensity[city.index(name)] = felt
    trips_ppm = np.array([TRIPS_PPM.get(i, 0) for i in range(MOST + 1)])
    faults: list[Fault] = []
    for district in np.flatnonzero(intensity >= LIFTS_STOP_FROM).tolist():
        lifts = np.flatnonzero(geography.district[:n_lifts] == district)
        drawn = words(seed, Stream.MASS, lifts, number)
        trips = chance(drawn[0], trips_ppm[intensity[district]])
        resets_us = _resets_us(quake, drawn)
        freed_us = _freed_us(quake.rescue, seed, number, lifts)
        faults += [
            Fault(
                lift,
                Cause.EARTHQUAKE,
                quake.at_us,
                people=0,
                lasts_us=us,
                size=int(trip),
                release_after_us=freed,
            )
            for lift, us, trip, freed in zip(
                lifts.tolist(),
                np.maximum(resets_us, freed_us + 10 * MINUTE_US).tolist(),
                trips.tolist(),
                freed_us.tolist(),
                strict=True,
            )
        ]
    return faults


def _resets_us(quake: Earthquake, drawn: tuple[Words, ...]) -> NDArray[np.int64]:
    """Return when each lift of a district is reset, after the shock: mechanics in turn."""
    order = np.argsort(drawn[1], kind="stable")
    works_us = _minutes_us(drawn[2][order], quake.reset_minutes)
    ends_us = np.empty_like(works_us)
    for mechanic in range(min(quake.mechanics, len(order))):
        ends_us[mechanic :: quake.mechanics] = np.cumsum(works_us[mechanic :: quake.mechanics])
    resets_us = np.empty_like(ends_us)
    resets_us[order] = quake.mechanics_come_minutes * MINUTE_US + ends_us
    return resets_us


def _freed_us(
    rescue: Rescue, seed: int, number: int, units: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return when a team has freed whoever is in each unit of one district, after the event."""
    drawn = words(seed, Stream.RESCUE, units, number)
    place = np.empty_like(units)
    place[np.argsort(drawn[2], kind="stable")] = np.arange(len(units))
    cases_before = place * rescue.occupied_per_1000 // 1000
    queue_s = cases_before // rescue.teams * CYCLE_S
    way_s = lognormal(drawn[0], ARRIVES_S, ARRIVES_SIGMA_PCT)
    work_s = lognormal(drawn[1], WORKS_S, WORKS_SIGMA_PCT)
    return (queue_s + way_s + work_s) * SECOND_US


def _minutes_us(word: Words, minutes: tuple[int, int]) -> NDArray[np.int64]:
    """Return times drawn from an inclusive range, in whole seconds [µs]."""
    low, high = minutes
    return between(word, low * 60, high * 60) * SECOND_US


def _check_range(name: str, given: tuple[int, int], least: int) -> None:
    low, high = given
    if not least <= low <= high:
        raise ValueError(f"{name} must be a range from {least} minutes on, not {low} to {high}")
