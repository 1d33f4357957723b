"""What goes wrong, and what only looks like it: scripted, or drawn at a rate per lift-year.

A fault says when it may strike first and what it does; the world decides the exact instant from the
state of the lift (somebody must ride, the car must be between landings), and records the truth.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from simulator.randomness import Stream, between, exponential, geometric, pick, words

SECOND_US: Final = 1_000_000
YEAR_US: Final = 365 * 24 * 3600 * SECOND_US
PRESS_US: Final = 2 * SECOND_US
"""How long somebody holds the alarm button."""


class Cause(StrEnum):
    """Why people are trapped, or what merely looks like it."""

    DOOR_LOCK = "door_lock"
    """After a ride the doors do not open at the landing."""
    CONTROLLER_STOP = "controller_stop"
    """The controller stops the car between landings."""
    SAFETY_CIRCUIT = "safety_circuit"
    """The safety circuit opens during a ride."""
    MAINS_CUT = "mains_cut"
    """The lift loses its mains during a ride; a rescue device, if any, frees the people."""
    AREA_POWER_CUT = "area_power_cut"
    """Mains fails at exactly ``at_us``, whatever the lift does, and returns after ``lasts_us``."""

    PARKED_RIDER = "parked_rider"
    """Look-alike: somebody boards, presses nothing and stands in the closed car for a while."""
    INSPECTION = "inspection"
    """Look-alike: a mechanic rides in inspection mode and stops between landings."""
    ZONE_FLAPPING = "zone_flapping"
    """Look-alike: the door zone switch of the terminal chatters."""
    BUTTON_PLAY = "button_play"
    """Somebody presses the alarm button with the doors open: no entrapment, yet an alarm."""


ENTRAPPING: Final = (
    Cause.DOOR_LOCK,
    Cause.CONTROLLER_STOP,
    Cause.SAFETY_CIRCUIT,
    Cause.MAINS_CUT,
)
LOOK_ALIKES: Final = (
    Cause.PARKED_RIDER,
    Cause.INSPECTION,
    Cause.ZONE_FLAPPING,
    Cause.BUTTON_PLAY,
)
MID_RIDE: Final = (
    Cause.CONTROLLER_STOP,
    Cause.SAFETY_CIRCUIT,
    Cause.MAINS_CUT,
    Cause.INSPECTION,
)
"""Strike in the middle of a trip, where the car stops outside every door zone."""
TIMED: Final = (Cause.AREA_POWER_CUT, Cause.ZONE_FLAPPING)
"""Strike at exactly ``at_us``, also in an empty lift."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of one lift.

    Parameters
    ----------
    lift
        Index in the fleet.
    cause
        What happens.
    at_us
        From then on it strikes at the first chance (``TIMED``: exactly then), whole ms.
    people
        People who come for a ride at ``at_us``; 0 = it waits for ordinary traffic.
    presses_us
        When the trapped press the alarm button, after the onset; ``BUTTON_PLAY``: after boarding.
    release_after_us
        When rescuers free them by themselves, after the onset; ``None`` = only on command.
    lasts_us
        Length of a look-alike or power cut, or until a rescue device acts.
    """

    lift: int
    cause: Cause
    at_us: int
    people: int = 1
    presses_us: tuple[int, ...] = ()
    release_after_us: int | None = None
    lasts_us: int = 40 * SECOND_US


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


def for_lifts(faults: Sequence[Fault], n_lifts: int) -> list[list[Fault]]:
    """Return the faults of each lift in time order. Raises ``ValueError`` for a foreign lift."""
    by_lift: list[list[Fault]] = [[] for _ in range(n_lifts)]
    for fault in sorted(faults, key=lambda f: f.at_us):
        if not 0 <= fault.lift < n_lifts:
            raise ValueError(f"fault {fault.cause} is for lift {fault.lift} of {n_lifts} lifts")
        by_lift[fault.lift].append(fault)
    return by_lift
