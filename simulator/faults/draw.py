"""Faults and look-alikes drawn at rates per lift-year: a Poisson process per lift."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulator.faults.catalogue import ENTRAPPING, LOOK_ALIKES, SECOND_US, Cause, Fault
from simulator.randomness import Stream, between, exponential, geometric, pick, words

YEAR_US: Final = 365 * 24 * 3600 * SECOND_US


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates of drawn faults per lift and year, and what follows from one.

    Parameters
    ----------
    entrapments_per_lift_year
        0.04-0.2 reported cases per lift-year in the field.
    look_alikes_per_lift_year
        No published figure; as often as the field's visits and playing children suggest.
    pressed_pct
        Entrapments in which somebody presses the alarm button.
    mean_people
        Geometric.
    rescue_minutes
        Inclusive range of onset to release when nobody commands the release.
    """

    entrapments_per_lift_year: int = 1
    look_alikes_per_lift_year: int = 12
    pressed_pct: int = 60
    mean_people: int = 2
    rescue_minutes: tuple[int, int] = (8, 30)


# weights of ENTRAPPING and LOOK_ALIKES; entrapments by the field's causes (doors, control, mains)
_ENTRAPPING_WEIGHTS: Final = (35, 30, 15, 20)
_LOOK_ALIKE_WEIGHTS: Final = (50, 30, 10, 10)


def draw(
    n_lifts: int, seed: int, start_us: int, duration_us: int, rates: Rates, multiplier: int = 1
) -> list[Fault]:
    """Draw faults of a fleet: a Poisson process per lift, rates times ``multiplier``."""
    drawn: list[Fault] = []
    for offset, per_year, causes, weights in (
        (0, rates.entrapments_per_lift_year, ENTRAPPING, _ENTRAPPING_WEIGHTS),
        (1, rates.look_alikes_per_lift_year, LOOK_ALIKES, _LOOK_ALIKE_WEIGHTS),
    ):
        if per_year * multiplier == 0:
            continue
        mean_s = YEAR_US // SECOND_US // (per_year * multiplier)
        at_us = np.full(n_lifts, start_us)
        rows = np.arange(n_lifts)
        count = 0
        while rows.size:
            which = 2 * count + offset
            first = words(seed, Stream.FAULT, rows, which)
            gap_s = exponential(first[0], mean_s)
            at_us[rows] += (gap_s + 1) * SECOND_US
            kept = at_us[rows] < start_us + duration_us
            chosen = pick(first[1], weights)
            for lift, c in zip(rows[kept].tolist(), chosen[kept].tolist(), strict=True):
                drawn.append(_detail(seed, lift, which, causes[c], int(at_us[lift]), rates))
            rows, count = rows[kept], count + 1
    return sorted(drawn, key=lambda f: (f.at_us, f.lift))


def _detail(seed: int, lift: int, which: int, cause: Cause, at_us: int, rates: Rates) -> Fault:
    w = words(seed, Stream.FAULT_DETAIL, lift, which)
    people = 1 if cause in LOOK_ALIKES else int(geometric(w[0], rates.mean_people).item())
    pressed = between(w[1], 0, 99).item() < rates.pressed_pct or cause is Cause.BUTTON_PLAY
    first_press_s = int(between(w[2], 5, 60).item())
    low, high = rates.rescue_minutes
    rescue_s = int(between(w[3], low * 60, high * 60).item())
    if cause is Cause.BUTTON_PLAY:
        first_press_s = 1
    return Fault(
        lift=lift,
        cause=cause,
        at_us=at_us,
        people=min(people, 6),
        presses_us=(first_press_s * SECOND_US,) if pressed else (),
        release_after_us=rescue_s * SECOND_US,
        lasts_us=_lasting_s(cause, rescue_s) * SECOND_US,
    )


def _lasting_s(cause: Cause, drawn_s: int) -> int:
    """Return how long it lasts [s]; a parked rider less than the 60 s of the field's window."""
    if cause is Cause.PARKED_RIDER:
        return 15 + drawn_s % 30
    if cause is Cause.MAINS_CUT:
        return 5 + drawn_s % 30  # until the rescue device has levelled: seconds to a minute
    return 60 + drawn_s % 120
