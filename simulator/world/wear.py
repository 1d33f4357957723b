"""Causes that creep: what moves slower, shakes more or stops further off, a little more each time.

Wear grows in equal steps from the beginning of its fault to the end, when somebody repairs it. It
belongs to no case: the lift serves as ever, and may have any other fault beside it. It is true from
its first step on; how much of it shows, and when, is the rules' concern.
"""

from typing import Final

from simulator.faults.catalogue import Fault
from simulator.faults.causes import Cause
from simulator.world.buildings import Terminal
from simulator.world.cases import Cases
from simulator.world.course import Course
from simulator.world.pokes import Poke
from telemetry.findings import FindingKind

STEPS: Final = 32
"""Steps in which wear grows."""
USUAL: Final = {
    Cause.DOOR_WEAR: 80,
    Cause.GUIDE_WEAR: 90,
    Cause.LEVELLING_WEAR: 5,
    Cause.DRIVE_WEAR: 50,
}
"""How far it grows, in the unit of ``SIZE_UNITS`` (practice): a door that takes 2.2 s takes 4 s, a
car that shook by 0.15 m/s² shakes by 0.24, a stop stays within the ± 10 mm of GB/T 10058."""
_ANY: Final = tuple(Terminal)
SEEN_BY: Final = {
    Cause.DOOR_WEAR: ((Terminal.COUPLED,), ("door",)),
    Cause.GUIDE_WEAR: (_ANY, ("vibration_mps2", "vibration_horizontal_mps2")),
    Cause.LEVELLING_WEAR: ((Terminal.COUPLED,), ("car", "height_m")),
    Cause.DRIVE_WEAR: ((Terminal.COUPLED,), ("car", "height_m")),
}
"""Which terminals can show it, and where: a contact does not see how long doors move, and a ride's
length says nothing without its way."""


def _grow(cases: Cases, fault: Fault, t_us: int) -> None:
    """Take the next step, and plan the one after it."""
    if fault not in cases.alone:
        cases.alone[fault] = cases.begin_alone(fault, FindingKind.DEGRADING, t_us, _seen_by)
    gone_us = t_us - fault.at_us
    step_us = max(fault.lasts_us // STEPS // 1000 * 1000, 1000)
    _wear(cases, fault, min((gone_us // step_us + 1) / STEPS, 1.0))
    if t_us + step_us < fault.at_us + fault.lasts_us:
        cases.pokes.plan(fault.lift, t_us + step_us, Poke.BEGIN, fault)


def _repair(cases: Cases, fault: Fault, t_us: int) -> None:
    _wear(cases, fault, 0.0)
    cases.truth.end(cases.alone.pop(fault), t_us)


def _wear(cases: Cases, fault: Fault, share: float) -> None:
    """Let a lift be worn to a share of what it comes to."""
    lift, cars = fault.lift, cases.cars
    much = round((fault.size or USUAL[fault.cause]) * 1000 * share)
    match fault.cause:
        case Cause.DOOR_WEAR:
            cars.worn.doors_pct[lift] = much // 1000
        case Cause.DRIVE_WEAR:
            cars.worn.drive_pct[lift] = much // 1000
        case Cause.LEVELLING_WEAR:
            cars.worn.off_m[lift] = much / 1e6
        case _:
            cars.state["shaking_mmps2"][lift] = much // 1000


def _seen_by(fault: Fault, terminal: Terminal) -> tuple[str, ...]:
    who, columns = SEEN_BY[fault.cause]
    return columns if terminal in who else ()


COURSES: Final = {cause: Course(begin=_grow, end=_repair) for cause in USUAL}
"""Courses of these causes."""
