"""How often escalators and walks fail, or seem to: a Poisson process for each cause and unit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np

from simulator.faults.catalogue import ESCALATOR_CAUSES, ESCALATOR_LOOK_ALIKES, SECOND_US, Fault
from simulator.faults.causes import Cause
from simulator.randomness import Stream, between, exponential, words

YEAR_S: Final = 365 * 24 * 3600
PER_1000_YEARS: Final[Mapping[Cause, int]] = MappingProxyType(
    {
        Cause.ESCALATOR_OVERSPEED: 20,
        Cause.ESCALATOR_REVERSAL: 10,
        Cause.HANDRAIL_DEVIATION: 500,
        Cause.STEP_MISSING: 20,
        Cause.EMERGENCY_STOP: 6_000,
        Cause.COVER_OPEN: 500,
        Cause.ESCALATOR_SAFETY_CIRCUIT: 2_000,
        Cause.ENERGY_SAVING: 50_000,
        Cause.COMMANDED_REVERSAL: 50_000,
        Cause.INSPECTION: 24_000,
    }
)
"""Times in 1,000 unit-years. An inspection every fifteen days is the rule in China; nobody
publishes the others, so they are guesses of their order (practice)."""
_MINUTES: Final[Mapping[Cause, tuple[int, int]]] = MappingProxyType(
    {
        Cause.ESCALATOR_OVERSPEED: (1, 3),
        Cause.ESCALATOR_REVERSAL: (20, 90),
        Cause.HANDRAIL_DEVIATION: (1, 30),
        Cause.STEP_MISSING: (10, 120),
        Cause.EMERGENCY_STOP: (2, 20),
        Cause.COVER_OPEN: (2, 60),
        Cause.ESCALATOR_SAFETY_CIRCUIT: (5, 60),
        Cause.ENERGY_SAVING: (5, 60),
        Cause.COMMANDED_REVERSAL: (60, 240),
        Cause.INSPECTION: (10, 60),
    }
)
"""How long each lasts, inclusive."""


@dataclass(frozen=True, slots=True)
class UnitRates:
    """Rates of drawn faults of escalators and walks.

    Parameters
    ----------
    per_1000_years
        Of each cause, in 1,000 unit-years; a cause that is not named does not come.
    """

    per_1000_years: Mapping[Cause, int] = field(default_factory=lambda: PER_1000_YEARS)


def draw_for_units(
    units: range, seed: int, start_us: int, duration_us: int, rates: UnitRates,
    multiplier: int = 1, look_alike_multiplier: int | None = None,
) -> list[Fault]:  # fmt: skip
    """Draw the faults of ``units`` (indices in the fleet), by time and unit.

    ``look_alike_multiplier`` is that of ``ESCALATOR_LOOK_ALIKES``; ``None`` = the same.
    """
    drawn: list[Fault] = []
    for number, cause in enumerate((*ESCALATOR_CAUSES, *ESCALATOR_LOOK_ALIKES)):
        alike = cause in ESCALATOR_LOOK_ALIKES and look_alike_multiplier is not None
        per_1000 = rates.per_1000_years.get(cause, 0) * (
            look_alike_multiplier if alike and look_alike_multiplier is not None else multiplier
        )
        if per_1000:
            drawn += _of_cause(units, seed, start_us, duration_us, cause, number, per_1000)
    return sorted(drawn, key=lambda f: (f.at_us, f.lift, f.cause))


def _of_cause(
    units: range, seed: int, start_us: int, duration_us: int, cause: Cause, number: int,
    per_1000: int,
) -> list[Fault]:  # fmt: skip
    mean_s = max(YEAR_S * 1000 // per_1000, 1)
    low, high = _MINUTES[cause]
    drawn: list[Fault] = []
    rows = np.array(units, "i8")
    at_us = np.full(len(rows), start_us)
    count = 0
    while rows.size:
        w = words(seed, Stream.ESCALATOR_FAULT, rows, count * 64 + number)
        at_us = at_us + (exponential(w[0], mean_s) + 1) * SECOND_US
        lasts_us = between(w[1], low * 60, high * 60) * SECOND_US
        kept = at_us < start_us + duration_us
        rows, at_us, lasts_us = rows[kept], at_us[kept], lasts_us[kept]
        drawn += [
            Fault(unit, cause, at, people=0, lasts_us=us)
            for unit, at, us in zip(rows.tolist(), at_us.tolist(), lasts_us.tolist(), strict=True)
        ]
        count += 1
    return drawn
