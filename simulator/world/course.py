"""What a course is: the steps that one cause takes, by the moments at which it is asked.

A cause that waits for its chance is asked at the hooks of ordinary life while its fault is *armed*;
a step that finds its chance opens a case (``Cases.open``). From then on the *active* steps are
asked. ``COURSES`` in ``courses`` is the one table from causes to courses.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

import numpy as np

from simulator.faults.catalogue import Fault
from simulator.world.cases import Case, Cases
from simulator.world.state import Phase, Rows
from telemetry.columns import Mode

RIDE_LANDINGS: Final = 4
"""How far those people want to go who come for a scripted fault."""


class Moment(Enum):
    """Hooks of ordinary life, see ``cars.Hooks``."""

    ADMIT = auto()
    DEPARTED = auto()
    ARRIVED = auto()
    DOORS_OPENED = auto()
    BOARDING = auto()
    CLOSING = auto()
    CLOSED = auto()


ArmedStep = Callable[[Cases, Fault, int], None]
ActiveStep = Callable[[Cases, Case, int], None]


Ride = tuple[int, int, int]
"""People, origin, destination."""


Bring = Callable[[Cases, Fault, int, int], Ride | None]
"""Decides who comes for an armed fault, given the landing of the lift and its highest one; ``None``
= not yet."""


@dataclass(frozen=True, slots=True)
class Course:
    """The course of one cause.

    Parameters
    ----------
    armed
        Steps of a fault that waits for its chance; the third argument is the instant.
    strike
        It strikes at an instant that an armed step planned.
    begin, end
        For causes with exact times: at ``at_us``, and ``lasts_us`` later.
    active
        Steps of a case at the hooks. By default doors that stand open free whoever is trapped, and
        the lift is restored when everybody is out.
    over
        A phase of ``state.HELD`` ends.
    step
        At an instant that a step planned.
    bring
        Who comes; ``None`` = nobody, it waits for ordinary traffic.
    in_mode
        Service mode in which they ride; ``None`` = as it is.
    """

    armed: Mapping[Moment, ArmedStep] = field(default_factory=dict)
    strike: ArmedStep | None = None
    begin: ArmedStep | None = None
    end: ArmedStep | None = None
    active: Mapping[Moment, ActiveStep] | None = None
    over: ActiveStep | None = None
    step: ActiveStep | None = None
    bring: Bring | None = None
    in_mode: Mode | None = None


def one(lift: int, t_us: int) -> tuple[Rows, Rows]:
    """Return a lift and an instant as rows."""
    return np.array([lift]), np.array([t_us])


def doors_opened(cases: Cases, case: Case, t_us: int) -> None:
    """End what ends once the doors stand open."""
    cases.doors_opened(case, t_us)


def restore(cases: Cases, case: Case, t_us: int) -> None:
    """Put the lift in order."""
    cases.close(case, t_us)


BACK_TO_ORDER: Mapping[Moment, ActiveStep] = {
    Moment.DOORS_OPENED: doors_opened,
    Moment.BOARDING: restore,
}
"""The active steps of a case whose course names none."""


def hand_back(cases: Cases, lift: int, t_us: int) -> None:
    """Let a lift that stands closed at a landing take calls again."""
    row, t = one(lift, t_us)
    cases.cars.enter(row, Phase.IDLE, t, 0)
    cases.cars.settle(row, t)


def stopped(cases: Cases, case: Case, t_us: int) -> None:
    """End an emergency stop, or the stay of a car that stood by an incident."""
    if cases.cars.state["phase"][case.lift] == Phase.BRAKING:
        cases.drive.stop(case.lift, t_us)
        cases.stand(case, t_us)
    else:
        cases.free(case, t_us, by_rescuer=cases.freed_from_outside(case))


def a_ride(_: Cases, fault: Fault, floor: int, top: int) -> Ride:
    """Bring people who ride some landings from where the lift is."""
    away = min(RIDE_LANDINGS, top)
    far = floor + away if floor + away <= top else floor - away
    return fault.people, floor, min(max(far, 0), top)


def a_long_ride(_: Cases, fault: Fault, floor: int, top: int) -> Ride:
    """Bring people who ride to the end of the shaft that is further away."""
    return fault.people, floor, top if floor <= top // 2 else 0


def a_call(cases: Cases, fault: Fault, floor: int, top: int) -> Ride:
    """Let somebody call the empty lift from another landing."""
    _, _, far = a_ride(cases, fault, floor, top)
    return min(fault.people, 1), far, floor


def to_the_top(_: Cases, fault: Fault, floor: int, top: int) -> Ride:
    """Bring people who ride up to the highest landing."""
    return fault.people, min(floor, max(top - RIDE_LANDINGS, 0)), top


def to_the_bottom(_: Cases, fault: Fault, floor: int, top: int) -> Ride:
    """Bring people who ride down to the lowest landing."""
    return fault.people, floor if floor else min(RIDE_LANDINGS, top), 0
