"""Causes that strike at a landing: doors that fail, are held or obstructed, people who do it."""

from typing import Final

from simulator.faults.catalogue import SECOND_US, Fault
from simulator.faults.causes import Cause
from simulator.world.cases import Case, Cases
from simulator.world.course import (
    Course,
    Moment,
    Ride,
    a_call,
    a_ride,
    doors_opened,
    one,
    restore,
    stopped,
)
from simulator.world.people import Person
from simulator.world.pokes import Poke
from simulator.world.state import Phase
from telemetry.findings import FindingKind

HELD_LONG_US: Final = 60 * SECOND_US
"""Doors that stand open for longer are held open, for the field (practice)."""
REOPENINGS: Final = 5
"""So many in one stop are repeated (practice)."""
USUAL_REOPENINGS: Final = 7
TOO_MANY: Final = 2
"""How many more people than it may carry board an overloaded car."""


# --- doors that do not open ---------------------------------------------------------------------


def _lock(cases: Cases, fault: Fault, t_us: int) -> None:
    """Trap the riders behind doors that stay shut."""
    if cases.riders(fault.lift):
        case = cases.open(fault)
        cases.begin(case, FindingKind.DOOR_FAILS_TO_OPEN, t_us)
        cases.trap(case, t_us)


def _stay_shut(cases: Cases, fault: Fault, t_us: int) -> None:
    """Keep an empty car shut before those who wait for it."""
    if not cases.riders(fault.lift):
        case = cases.open(fault)
        cases.show(case)
        cases.begin(case, FindingKind.DOOR_FAILS_TO_OPEN, t_us)
        cases.enter(fault.lift, Phase.STUCK, t_us, fault.lasts_us)


# --- doors that do not close --------------------------------------------------------------------


def _hold(cases: Cases, fault: Fault, t_us: int) -> Case:
    case = cases.open(fault)
    cases.enter(fault.lift, Phase.HELD_OPEN, t_us, fault.lasts_us)
    return case


def _fail_to_close(cases: Cases, fault: Fault, t_us: int) -> None:
    _hold_open(cases, fault, t_us)
    case = cases.of[fault.lift]
    cases.show(case)
    cases.begin(case, FindingKind.DOOR_FAILS_TO_CLOSE, t_us)


def _hold_open(cases: Cases, fault: Fault, t_us: int) -> None:
    """Hold the doors; they have been open since before, and long if longer than a minute."""
    case = _hold(cases, fault, t_us)
    opened_us = int(cases.opened_us[fault.lift])
    if t_us + fault.lasts_us - opened_us > HELD_LONG_US:
        cases.begin(case, FindingKind.DOOR_HELD_OPEN, opened_us)


def _clean(cases: Cases, fault: Fault, t_us: int) -> None:
    """Hold the doors with somebody inside, who is not trapped."""
    if cases.riders(fault.lift):
        _hold_open(cases, fault, t_us)
        cases.looks_like_trap(cases.of[fault.lift], t_us)


def _let_close(cases: Cases, case: Case, t_us: int) -> None:
    cases.close(case, t_us)
    cases.cars.close(*one(case.lift, t_us))


# --- doors that open again ----------------------------------------------------------------------


def _obstruct(cases: Cases, fault: Fault, t_us: int) -> None:
    """Put something between the closing doors, again and again."""
    del t_us
    cases.open(fault)
    cases.cars.obstructed[fault.lift] = max(fault.size or USUAL_REOPENINGS, REOPENINGS)


def _opened_again(cases: Cases, case: Case, t_us: int) -> None:
    case.step += 1
    if case.step == REOPENINGS:
        cases.begin(case, FindingKind.REPEATED_REOPENING, t_us)


# --- people held, or too many -------------------------------------------------------------------


def _hold_crowd(cases: Cases, fault: Fault, t_us: int) -> None:
    """Hold the doors of a car with people inside until their lock is bent."""
    if cases.riders(fault.lift):
        _hold_open(cases, fault, t_us)


def _close_at_last(cases: Cases, case: Case, t_us: int) -> None:
    if cases.cars.state["phase"][case.lift] == Phase.HELD_OPEN:
        cases.end(case, FindingKind.DOOR_HELD_OPEN, t_us)
        cases.cars.close(*one(case.lift, t_us))
    else:
        stopped(cases, case, t_us)


def _crowd(cases: Cases, fault: Fault, floor: int, top: int) -> Ride:
    people, origin, far = a_ride(cases, fault, floor, top)
    capacity = int(cases.cars.plan.capacity[fault.lift])
    return max(people, capacity + TOO_MANY), origin, far


def _overload(cases: Cases, fault: Fault, t_us: int) -> None:
    """Let everybody who waits here board, room or not."""
    del t_us
    lift, people = fault.lift, cases.cars.people
    floor = cases.cars.state["floor"][lift]
    waiting = (people.doing[lift] == Person.WAITING) & (people.origin[lift] == floor)
    capacity = int(cases.cars.plan.capacity[lift])
    if cases.riders(lift) < capacity:
        return
    people.doing[lift][waiting] = Person.RIDING
    cases.cars.count_riders(one(lift, 0)[0])
    cases.open(fault)


def _trap(cases: Cases, case: Case, t_us: int) -> None:
    case.step = 1
    cases.trap(case, t_us)


def _restore_if_trapped(cases: Cases, case: Case, t_us: int) -> None:
    if case.step:  # else somebody stepped between the doors, which will close again
        cases.close(case, t_us)


# --- only look-alikes ---------------------------------------------------------------------------


def _stand_inside(cases: Cases, fault: Fault, t_us: int) -> None:
    """Let a rider stand in the closed car without pressing anything."""
    if cases.riders(fault.lift):
        case = cases.open(fault)
        cases.looks_like_trap(case, t_us)
        cases.enter(fault.lift, Phase.PARKED, t_us, fault.lasts_us)


def _press_at_last(cases: Cases, case: Case, t_us: int) -> None:
    cases.close(case, t_us)


def _play(cases: Cases, fault: Fault, t_us: int) -> None:
    """Let children press the alarm button while the doors are open."""
    if not cases.armed.is_brought(fault.lift):
        return
    for after_us in fault.presses_us:
        cases.pokes.plan(fault.lift, t_us + after_us, Poke.PRESS, fault)
    cases.armed.disarm(fault)
    seen = cases.seen.begin(cases.look_alike(fault, t_us))
    cases.seen.end(seen, t_us + max(fault.presses_us, default=0))


_AT_CLOSING: Final = Moment.CLOSING
_TRAPS: Final = {
    Moment.CLOSED: _trap,
    Moment.DOORS_OPENED: doors_opened,
    Moment.BOARDING: _restore_if_trapped,
}
COURSES: Final = {
    Cause.DOOR_LOCK: Course({Moment.ARRIVED: _lock}, over=stopped, bring=a_ride),
    Cause.DOOR_FAILS_TO_OPEN: Course({Moment.ARRIVED: _stay_shut}, over=stopped, bring=a_call),
    Cause.DOOR_FAILS_TO_CLOSE: Course(
        {_AT_CLOSING: _fail_to_close}, over=_let_close, bring=a_ride
    ),
    Cause.DOOR_HELD_OPEN: Course({_AT_CLOSING: _hold_open}, over=_let_close, bring=a_ride),
    Cause.CLEANER: Course({_AT_CLOSING: _clean}, over=_let_close, bring=a_ride),
    Cause.REPEATED_REOPENING: Course(
        {_AT_CLOSING: _obstruct},
        active={Moment.DOORS_OPENED: _opened_again, Moment.CLOSED: restore}, bring=a_ride,
    ),
    Cause.HELD_DOORS: Course(
        {_AT_CLOSING: _hold_crowd}, active=_TRAPS, over=_close_at_last, bring=a_ride
    ),
    Cause.OVERLOAD: Course({_AT_CLOSING: _overload}, active=_TRAPS, over=stopped, bring=_crowd),
    Cause.PARKED_RIDER: Course(
        {Moment.CLOSED: _stand_inside}, active={Moment.ADMIT: _press_at_last}, bring=a_ride
    ),
    Cause.BUTTON_PLAY: Course({Moment.BOARDING: _play}, bring=a_ride),
}  # fmt: skip
"""Courses of these causes."""
