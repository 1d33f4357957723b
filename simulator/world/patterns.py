"""How busy each kind of building is: patterns of a weekday and of a weekend day.

Peaks of housing and offices are those of the domain facts (housing: down in the morning, up in the
evening; office: up, two-way, down) and sum to the runs a day given there. No published figures for
hospitals, shops, metro stations, towers and weekends were found: those are practice.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.world.buildings import Building

SLOT_US: Final = 900_000_000
"""A quarter of an hour, the resolution of the patterns [µs]."""
SLOTS: Final = 7 * 24 * 4
"""Slots of a week, which begins on Monday at 00:00."""


class From(NamedTuple):
    """From a time of day on: people per hour and lift; weights of in, out and between floors."""

    hour: float
    people: int
    ways: tuple[int, int, int] = (45, 45, 10)


WEEKDAY: Final = {
    Building.HOUSING: (
        From(0, 1), From(5, 6), From(6, 14, (15, 75, 10)), From(7, 34, (12, 80, 8)), From(9, 13),
        From(16, 18), From(17, 32, (78, 14, 8)), From(21, 14, (70, 20, 10)),
        From(22, 8), From(23, 4),
    ),
    Building.OFFICE: (
        From(0, 1, (30, 30, 40)), From(6, 8, (75, 10, 15)), From(7.5, 50, (75, 10, 15)),
        From(8.5, 190, (85, 5, 10)), From(9.5, 60, (30, 30, 40)), From(11.75, 150, (40, 40, 20)),
        From(13.5, 60, (30, 30, 40)), From(17.5, 170, (5, 85, 10)), From(18.5, 60, (10, 75, 15)),
        From(19.5, 15, (10, 75, 15)), From(21, 4, (30, 60, 10)),
    ),
    Building.TOWER: (
        From(0, 0, (50, 50, 0)), From(6, 2, (50, 50, 0)), From(7, 6, (60, 40, 0)),
        From(8, 20, (60, 40, 0)), From(9, 38, (50, 50, 0)), From(17, 20, (40, 60, 0)),
        From(19, 4, (30, 70, 0)), From(22, 0, (50, 50, 0)),
    ),
    Building.HOSPITAL: (
        From(0, 6, (20, 20, 60)), From(6, 20, (30, 20, 50)), From(7.5, 70, (45, 15, 40)),
        From(9, 75, (30, 30, 40)), From(11.5, 60, (25, 35, 40)), From(14, 65, (35, 25, 40)),
        From(17, 45, (20, 45, 35)), From(20, 20, (20, 40, 40)), From(22, 8, (20, 20, 60)),
    ),
    Building.SHOP: (
        From(0, 0), From(8, 6, (60, 10, 30)), From(10, 40, (45, 25, 30)),
        From(12, 60, (35, 35, 30)), From(17, 80, (35, 35, 30)), From(21, 40, (5, 75, 20)),
        From(22, 4, (5, 75, 20)), From(23, 0),
    ),
    Building.METRO: (
        From(0, 0), From(5.5, 10), From(7, 50), From(9.5, 25), From(17, 55), From(19.5, 25),
        From(22, 12), From(23.5, 2),
    ),
}  # fmt: skip
"""Monday to Friday."""
WEEKEND: Final = {
    Building.HOUSING: (
        From(0, 2), From(7, 10, (20, 70, 10)), From(9, 21, (30, 60, 10)), From(12, 18),
        From(17, 25, (60, 30, 10)), From(21, 14, (70, 20, 10)), From(23, 5),
    ),
    Building.OFFICE: (
        From(0, 1, (30, 30, 40)), From(9, 8, (35, 35, 30)), From(18, 2, (10, 80, 10)),
    ),
    Building.TOWER: (
        From(0, 0, (50, 50, 0)), From(8, 25, (65, 35, 0)), From(10, 50, (50, 50, 0)),
        From(19, 20, (30, 70, 0)), From(22, 0, (50, 50, 0)),
    ),
    Building.HOSPITAL: (
        From(0, 6, (20, 20, 60)), From(7, 30, (35, 20, 45)), From(9, 45, (35, 30, 35)),
        From(18, 20, (20, 45, 35)), From(22, 7, (20, 20, 60)),
    ),
    Building.SHOP: (
        From(0, 0), From(8, 6, (60, 10, 30)), From(10, 70, (45, 25, 30)),
        From(12, 95, (35, 35, 30)), From(21, 50, (5, 75, 20)), From(22, 5, (5, 75, 20)),
        From(23, 0),
    ),
    Building.METRO: (From(0, 0), From(5.5, 8), From(8, 30), From(21, 14), From(23.5, 2)),
}  # fmt: skip
"""Saturday and Sunday."""


def _week(name: str) -> NDArray[np.int64]:
    """Spread a field of the patterns over the quarter hours of a week, by kind of building."""
    return np.array([
        [
            getattr(max((f for f in day[b] if f.hour * 4 <= q), key=lambda f: f.hour), name)
            for day in (WEEKDAY,) * 5 + (WEEKEND,) * 2
            for q in range(24 * 4)
        ]
        for b in Building
    ])  # fmt: skip


RATE: Final = _week("people")
"""People per hour and lift by (kind, slot)."""
WAYS: Final = _week("ways")
"""Weights of rides into the house, out of it, and between floors by (kind, slot, way)."""
PAST: Final = np.concatenate([np.zeros((len(Building), 1), "i8"), RATE.cumsum(axis=1)], axis=1)
"""Sum of the rates before each slot, and of the whole week at the end."""
STRIDE: Final = int(PAST.max()) * SLOT_US + 1
ALL_PAST: Final = (PAST[:, 1:] * SLOT_US + np.arange(len(Building))[:, np.newaxis] * STRIDE).ravel()
"""Busy time at the end of each slot, plus ``kind * STRIDE``: one ascending row for all kinds."""
