"""Faults and look-alikes of lifts drawn at rates: a Poisson process for each cause and lift.

The processes of different causes do not touch each other, so changing one rate moves nothing else,
and all draws are by the lift's number in the whole fleet, so any share of it sees the same. A fault
strikes at its first chance after the drawn time; people come for it, as for one of a script.

Sources: the domain facts, section 6: 1-3 faults a lift-year, doors half or more; 0.04-0.2 reported
entrapments a lift-year and their origins; people geometric with mean 2; rescuers lognormal with
mean 12 min, 99.7 % within 30; 3-7 min on site; 20-40 % free themselves. The shares of single causes
within these, all look-alikes and all lengths are practice: nobody publishes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.faults.catalogue import ENTRAPPING, LOOK_ALIKES, SECOND_US, Fault
from simulator.faults.causes import Cause
from simulator.randomness import Stream, Words, between, exponential, geometric, lognormal, words

YEAR_S: Final = 365 * 24 * 3600
YEAR_US: Final = YEAR_S * SECOND_US
_MINUTE: Final = 60
_HOUR: Final = 3600

ENTRAPMENTS: Final[Mapping[Cause, int]] = MappingProxyType({
    Cause.MAINS_CUT: 20,
    Cause.HELD_DOORS: 20,
    Cause.OVERLOAD: 5,
    Cause.DOOR_LOCK: 20,
    Cause.CONTROLLER_STOP: 20,
    Cause.SAFETY_CIRCUIT: 15,
})  # fmt: skip
"""In 1,000 lift-years: 0.1 a lift-year, 20 % by mains, 25 % by people, 20 % by doors, 35 % by
control and safety chain."""
OTHERS: Final[Mapping[Cause, int]] = MappingProxyType({
    Cause.DOOR_FAILS_TO_CLOSE: 500,
    Cause.DOOR_FAILS_TO_OPEN: 250,
    Cause.DOOR_HELD_OPEN: 250,
    Cause.REPEATED_REOPENING: 200,
    Cause.EMPTY_STOP: 100,
    Cause.MISLEVELING: 150,
    Cause.FREQUENT_RELEVELLING: 60,
    Cause.VIBRATION: 80,
    Cause.LONG_IDLE: 80,
    Cause.FLOOR_LOST: 80,
    Cause.FREQUENT_RESETS: 60,
    Cause.COUNTER_JUMP: 60,
    Cause.MOTOR_RUN_TIME: 20,
    Cause.DOORS_OPEN_RUNNING: 10,
    Cause.OVER_TRAVEL_TOP: 5,
    Cause.OVER_TRAVEL_BOTTOM: 10,
    Cause.OVERSPEED: 5,
    Cause.UNINTENDED_MOVEMENT: 5,
})  # fmt: skip
"""In 1,000 lift-years: about 1.9 a lift-year, 62 % of them at doors."""
ALIKE: Final[Mapping[Cause, int]] = MappingProxyType({
    Cause.INSPECTION: 24_000,
    Cause.PARKED_RIDER: 6_000,
    Cause.CLEANER: 6_000,
    Cause.BUTTON_PLAY: 3_000,
    Cause.OUT_OF_SERVICE: 2_000,
})  # fmt: skip
"""In 1,000 lift-years (practice); inspections: maintenance every 15 days is the rule in China (TSG
T5002)."""

_LASTS_S: Final[Mapping[Cause, tuple[int, int]]] = MappingProxyType({
    Cause.MAINS_CUT: (5, 35),  # until a rescue device moves the car: seconds to a minute
    Cause.HELD_DOORS: (40, 3 * _MINUTE),
    Cause.DOOR_FAILS_TO_CLOSE: (_MINUTE, 30 * _MINUTE),
    Cause.DOOR_FAILS_TO_OPEN: (_MINUTE, 30 * _MINUTE),
    Cause.DOOR_HELD_OPEN: (70, 10 * _MINUTE),
    Cause.EMPTY_STOP: (10 * _MINUTE, _HOUR),
    Cause.VIBRATION: (2 * _HOUR, 24 * _HOUR),
    Cause.LONG_IDLE: (2 * _HOUR, 8 * _HOUR),
    Cause.FREQUENT_RESETS: (2 * _HOUR, 12 * _HOUR),
    Cause.DOORS_OPEN_RUNNING: (3, 20),
    Cause.UNINTENDED_MOVEMENT: (20 * _MINUTE, 90 * _MINUTE),
    Cause.INSPECTION: (_MINUTE, 40 * _MINUTE),
    Cause.CLEANER: (2 * _MINUTE, 15 * _MINUTE),
    Cause.OUT_OF_SERVICE: (_HOUR, 8 * _HOUR),
})  # fmt: skip
"""How long it lasts, inclusive (practice)."""
_SIZES: Final[Mapping[Cause, tuple[int, int]]] = MappingProxyType({
    Cause.OVERSPEED: (120, 140),
    Cause.UNINTENDED_MOVEMENT: (400, 1200),
    Cause.OVER_TRAVEL_TOP: (180, 300),
    Cause.OVER_TRAVEL_BOTTOM: (180, 300),
    Cause.FREQUENT_RELEVELLING: (5, 12),
    Cause.MISLEVELING: (15, 60),
    Cause.VIBRATION: (250, 800),
    Cause.REPEATED_REOPENING: (5, 9),
    Cause.FREQUENT_RESETS: (5, 8),
    Cause.COUNTER_JUMP: (-100_000, 100_000),
})  # fmt: skip
"""``Fault.size``, inclusive (practice)."""
_PARKED_S: Final = 25
_PARKED_SIGMA_PCT: Final = 60
"""How long a rider stands in a closed car: one of fourteen for more than a minute (practice)."""
_ARRIVES_S: Final = 676
_ARRIVES_SIGMA_PCT: Final = 36
"""Way of a rescuer: lognormal with mean 12 min, 99.7 % within 30."""
_ON_SITE_S: Final = (3 * _MINUTE, 7 * _MINUTE)
_SELF_FREED_S: Final = (_MINUTE, 15 * _MINUTE)
_FIRST_PRESS_S: Final = (5, 60)
_MOST_PEOPLE: Final = 6


@dataclass(frozen=True, slots=True)
class Rates:
    """How often what is drawn, and what follows from an entrapment.

    Parameters
    ----------
    faults, look_alikes
        Times in 1,000 lift-years of each cause; a cause that is not named does not come.
    pressed_pct
        Entrapments in which somebody presses the alarm button [%] (practice).
    mean_people
        People trapped: geometric.
    self_freed_pct
        Entrapments that end before a rescuer does it [%].
    """

    faults: Mapping[Cause, int] = field(default_factory=lambda: {**ENTRAPMENTS, **OTHERS})
    look_alikes: Mapping[Cause, int] = field(default_factory=lambda: ALIKE)
    pressed_pct: int = 60
    mean_people: int = 2
    self_freed_pct: int = 30


def draw(
    n_lifts: int, seed: int, start_us: int, duration_us: int, rates: Rates | None = None,
    multiplier: int = 1, look_alike_multiplier: int | None = None,
) -> list[Fault]:  # fmt: skip
    """Draw the faults and look-alikes of a fleet, by time and lift.

    Parameters
    ----------
    n_lifts, seed
        The fleet.
    start_us, duration_us
        They come in ``[start_us, start_us + duration_us)``.
    rates
        How often.
    multiplier, look_alike_multiplier
        Times the rates of faults, and of look-alikes; ``None`` = the same.
    """
    rates = rates or Rates()
    alike = multiplier if look_alike_multiplier is None else look_alike_multiplier
    often = {cause: per_1000 * multiplier for cause, per_1000 in rates.faults.items()}
    often |= {cause: per_1000 * alike for cause, per_1000 in rates.look_alikes.items()}
    drawn: list[Fault] = []
    for cause, per_1000 in often.items():
        if per_1000:
            mean_s = max(YEAR_S * 1000 // per_1000, 1)
            drawn += _of_cause(n_lifts, seed, start_us, duration_us, cause, mean_s, rates)
    return sorted(drawn, key=lambda f: (f.at_us, f.lift, f.cause))


def _of_cause(
    n_lifts: int, seed: int, start_us: int, duration_us: int, cause: Cause, mean_s: int,
    rates: Rates,
) -> list[Fault]:  # fmt: skip
    number = list(Cause).index(cause)
    drawn: list[Fault] = []
    rows, count = np.arange(n_lifts), 0
    at_us = np.full(n_lifts, start_us)
    while rows.size:
        first = words(seed, Stream.FAULT, rows, count * 256 + number)
        at_us = at_us + (exponential(first[0], mean_s) + 1) * SECOND_US
        kept = at_us < start_us + duration_us
        rows, at_us = rows[kept], at_us[kept]
        own = tuple(w[kept] for w in first)
        more = words(seed, Stream.FAULT_DETAIL, rows, count * 256 + number)
        last = words(seed, Stream.FAULT_DETAIL, rows, count * 256 + 128 + number)
        drawn += _faults(cause, rows, at_us, (*own[1:], *more, *last), rates)
        count += 1
    return drawn


def _faults(
    cause: Cause, rows: NDArray[Any], at_us: NDArray[Any], w: tuple[Words, ...], rates: Rates
) -> list[Fault]:
    """Return one fault for each lift in ``rows``; ``w`` are eleven words for each."""
    alone = cause in LOOK_ALIKES or cause not in ENTRAPPING
    people = np.ones_like(rows) if alone else geometric(w[0], rates.mean_people)
    lasts_s = between(w[1], *_LASTS_S.get(cause, (_MINUTE, 3 * _MINUTE)))
    if cause is Cause.PARKED_RIDER:
        lasts_s = np.maximum(lognormal(w[1], _PARKED_S, _PARKED_SIGMA_PCT), 5)
    release_s, self_freed = _freed(w[2:6], rates)
    columns = (
        rows, at_us, np.minimum(people, _MOST_PEOPLE), lasts_s * SECOND_US,
        release_s * SECOND_US, self_freed, between(w[6], *_SIZES.get(cause, (0, 0))),
    )  # fmt: skip
    presses = _presses(cause, w[7:], rates)
    return [
        Fault(
            lift, cause, at, people=n, presses_us=pressed, release_after_us=release,
            lasts_us=lasts, self_freed=by_themselves, size=size,
        )
        for (lift, at, n, lasts, release, by_themselves, size), pressed in zip(
            zip(*(c.tolist() for c in columns), strict=True), presses, strict=True
        )
    ]  # fmt: skip


def _freed(w: tuple[Words, ...], rates: Rates) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return when whoever is trapped is free [s], and whether by themselves."""
    self_freed = between(w[0], 0, 99) < rates.self_freed_pct
    rescued_s = lognormal(w[1], _ARRIVES_S, _ARRIVES_SIGMA_PCT) + between(w[2], *_ON_SITE_S)
    return np.where(self_freed, between(w[3], *_SELF_FREED_S), rescued_s), self_freed


def _presses(cause: Cause, w: tuple[Words, ...], rates: Rates) -> list[tuple[int, ...]]:
    """Return when somebody presses the alarm button: the trapped once or more, children a burst."""
    count = geometric(w[0], 2)
    if cause is Cause.BUTTON_PLAY:
        first_s, apart_s, count = np.ones_like(count), between(w[2], 3, 6), count + 1
    else:
        first_s, apart_s = between(w[1], *_FIRST_PRESS_S), between(w[2], 10, 120)
        count = np.where(between(w[3], 0, 99) < rates.pressed_pct, count, 0)
    most = np.minimum(count, 8)
    return [
        tuple((first + k * apart) * SECOND_US for k in range(n))
        for first, apart, n in zip(first_s.tolist(), apart_s.tolist(), most.tolist(), strict=True)
    ]
