"""Where in the city a unit is: its district, and the branch of the mains that feeds it.

Drawn per building, so all lifts of a building lie in one district and hang on one feeder. What
strikes a district is ``faults.mass``.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.randomness import Stream, pick, words

DISTRICTS: Final = ("Wuchang", "Hankou", "Hanyang", "Qingshan")
FEEDERS_PER_DISTRICT: Final = 6
"""Branches of 10 kV a district has at least; a real one has tens (practice)."""


@dataclass(frozen=True, slots=True)
class City:
    """What districts there are.

    Parameters
    ----------
    districts
        Their names, at least one, all different.
    feeders_per_district
        Branches of the mains in each, at least 1.
    """

    districts: tuple[str, ...] = DISTRICTS
    feeders_per_district: int = FEEDERS_PER_DISTRICT

    def __post_init__(self) -> None:
        """Refuse a city that cannot be. Raises ``ValueError``."""
        if not self.districts or len(set(self.districts)) < len(self.districts):
            raise ValueError(f"districts must have different names: {', '.join(self.districts)}")
        if self.feeders_per_district < 1:
            raise ValueError("a district needs at least one feeder")

    def index(self, district: str) -> int:
        """Return the number of a district. Raises ``ValueError`` if there is none of that name."""
        if district not in self.districts:
            known = ", ".join(self.districts)
            raise ValueError(f"no district {district!r} in this city; it has {known}")
        return self.districts.index(district)


@dataclass(frozen=True, slots=True)
class Geography:
    """Units of a fleet in their city, as int64 arrays of shape (n_units,).

    Parameters
    ----------
    city
        Its districts.
    district
        Index into ``city.districts``.
    feeder
        Number of the feeder, counted through the city: those of district d are
        ``d * feeders_per_district`` and following.
    """

    city: City
    district: NDArray[np.int64]
    feeder: NDArray[np.int64]

    def district_name(self, unit: int) -> str:
        """Return the name of the district of a unit."""
        return self.city.districts[int(self.district[unit])]

    def feeder_name(self, unit: int) -> str:
        """Return the name of the feeder of a unit, ``Wuchang-3``."""
        number = int(self.feeder[unit]) % self.city.feeders_per_district
        return f"{self.district_name(unit)}-{number + 1}"


def draw(building: ArrayLike, seed: int, city: City) -> Geography:
    """Draw district and feeder of each unit from its building, shape (n_units,)."""
    number = np.asarray(building, "i8")
    drawn = words(seed, Stream.GEOGRAPHY, number, 0)
    district = pick(drawn[0], np.ones(len(city.districts), "i8"))
    branch = pick(drawn[1], np.ones(city.feeders_per_district, "i8"))
    return Geography(city, district, district * city.feeders_per_district + branch)
