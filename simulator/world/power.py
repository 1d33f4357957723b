"""Mains of a whole area fails and returns, whatever each lift does then."""

from typing import Final

from simulator.faults.catalogue import Fault
from simulator.faults.causes import Cause
from simulator.world.cases import Case, Cases
from simulator.world.course import Course, one, stopped
from simulator.world.state import Phase
from simulator.world.traffic import NEVER_US
from telemetry.columns import CODE_BIT, Power
from telemetry.findings import FindingKind

_DOORS_IN_USE: Final = (
    Phase.OPENING, Phase.LEAVING, Phase.BOARDING, Phase.RELEVELLING, Phase.CLOSING,
    Phase.HELD_OPEN,
)  # fmt: skip
_RUNS: Final = (Phase.MOVING, Phase.AJAR, Phase.CORRECTING)
_STAND_BY_INCIDENT: Final = (Phase.BRAKING, Phase.STUCK, Phase.CREEP, Phase.HANGING)
"""Phases whose incident goes on in the dark."""
_STANDS: Final = (
    Phase.ARRIVED, Phase.CLOSED, Phase.PARKED, Phase.IDLE, Phase.SILENT, Phase.SLIPPING,
    Phase.SINKING,
)  # fmt: skip
_MAINS_OFF: Final = 1 << CODE_BIT[41]


def _cut(cases: Cases, fault: Fault, t_us: int) -> None:
    """Take the mains from a lift; what else went on there is over, unless somebody is trapped."""
    lift, state = fault.lift, cases.cars.state
    phase = Phase(int(state["phase"][lift]))
    if phase not in _STAND_BY_INCIDENT and lift in cases.of:
        abandon(cases, cases.of[lift], t_us)
    if state["power"][lift] == Power.BATTERY:
        return  # it has no mains to lose
    state["power"][lift] = Power.BATTERY
    state["codes"][lift] |= _MAINS_OFF
    cases.alone[fault] = cases.begin_alone(fault, FindingKind.MAINS_OFF, t_us)
    if phase in _RUNS:
        cases.open(fault)
        cases.drive.brake(lift, t_us)
    elif phase in _DOORS_IN_USE:
        walk_out(cases, lift, t_us)
        cases.enter(lift, Phase.DARK_OPEN, t_us, NEVER_US - t_us)
    elif phase in _STANDS:
        cases.drive.stop(lift, t_us)
        cases.stand(cases.open(fault), t_us)
    if not cases.riders(lift):
        cases.begun[fault] = cases.seen.begin(cases.look_alike(fault, t_us))


def _stopped_in_the_dark(cases: Cases, case: Case, t_us: int) -> None:
    """Leave a car where it stopped, if mains is not back already."""
    has_mains = cases.cars.state["power"][case.lift] == Power.MAINS
    if has_mains and cases.cars.state["phase"][case.lift] == Phase.BRAKING:
        cases.drive.stop(case.lift, t_us)
        cases.free(case, t_us, by_rescuer=False)
    else:
        stopped(cases, case, t_us)


def walk_out(cases: Cases, lift: int, t_us: int) -> None:
    """Let everybody push the doors open and leave: the car is at a landing."""
    case = cases.of.get(lift)
    if case is not None:
        cases.doors_opened(case, t_us)
    cases.leave_here(lift, int(cases.cars.state["floor"][lift]))


def abandon(cases: Cases, case: Case, t_us: int) -> None:
    """End an incident because something greater happens to its lift."""
    cases.pokes.drop_of(case.lift, case.fault)
    cases.cars.obstructed[case.lift] = 0
    cases.cars.off_m[case.lift] = 0.0
    cases.close(case, t_us)


def _mains_back(cases: Cases, fault: Fault, t_us: int) -> None:
    lift, state = fault.lift, cases.cars.state
    number = cases.alone.pop(fault, None)
    if number is None:
        return
    cases.truth.end(number, t_us)
    state["power"][lift] = Power.MAINS
    state["codes"][lift] &= ~_MAINS_OFF
    seen = cases.begun.pop(fault, None)
    if seen is not None:
        cases.seen.end(seen, t_us)
    case = cases.of.get(lift)
    match state["phase"][lift]:
        case Phase.DARK | Phase.STUCK if case is not None and case.fault is fault:
            cases.free(case, t_us, by_rescuer=False)
        case Phase.DARK_OPEN:
            cases.cars.board(*one(lift, t_us))
        case _:
            pass  # it is on its way already, or stands by another incident


COURSES: Final = {
    Cause.AREA_POWER_CUT: Course(begin=_cut, end=_mains_back, over=_stopped_in_the_dark),
}
"""The course of this cause."""
