"""Causes in controller and machine: lost floor, resets, silence, sinking, shaking, counters."""

from typing import Final

from simulator.faults.catalogue import SECOND_US, Fault
from simulator.faults.causes import Cause
from simulator.world.cases import Case, Cases
from simulator.world.course import Course, Moment, a_ride, hand_back
from simulator.world.pokes import Poke
from simulator.world.state import Phase
from telemetry.columns import CODE_BIT, Mode
from telemetry.findings import FindingKind

CORRECTION_MPS: Final = 0.63
"""Speed of a correction run; that of a car without known position, as for recall (EN 81-20)."""
LEVELLING_MPS: Final = 0.05
RESTART_US: Final = 15 * SECOND_US
"""A controller starts up (practice)."""
RESETS: Final = 5
"""So many in 24 h are frequent (practice)."""
USUAL_RESETS: Final = 6
SINKS_M: Final = 0.015
SINKS_MPS: Final = 0.00045
"""Less than any terminal tells as a speed."""
RELEVELLINGS: Final = 5
"""So many at one stop are frequent (practice)."""
USUAL_RELEVELLINGS: Final = 8
SHAKES_MMPS2: Final = 400
"""Added by worn guides; EN 81-20 sets no limit, contracts ask for 0.15-0.30 m/s2 (practice)."""
JUMPS_BY: Final = 100_000


# --- the floor is lost --------------------------------------------------------------------------


def _lose_floor(cases: Cases, fault: Fault, t_us: int) -> None:
    """Forget the floor, and run to the reference landing at the bottom to find it again."""
    lift = fault.lift
    if cases.riders(lift) or cases.cars.state["floor"][lift] == 0:
        return
    case = cases.open(fault)
    cases.show(case)
    cases.begin(case, FindingKind.FLOOR_POSITION_LOST, t_us)
    _correct(cases, case, t_us)


def _correct(cases: Cases, case: Case, t_us: int) -> None:
    lift = case.lift
    height_m = float(cases.cars.state["height_m"][lift])
    if height_m > 0:
        cases.drive.go(lift, Phase.CORRECTING, -height_m, CORRECTION_MPS, t_us)
    else:
        cases.enter(lift, Phase.SILENT, t_us, SECOND_US)


def _at_reference(cases: Cases, case: Case, t_us: int) -> None:
    cases.drive.stop(case.lift, t_us)
    cases.cars.state["floor"][case.lift] = 0


def _found_floor(cases: Cases, case: Case, t_us: int) -> None:
    _at_reference(cases, case, t_us)
    cases.close(case, t_us)
    hand_back(cases, case.lift, t_us)


# --- resets -------------------------------------------------------------------------------------


def _first_reset(cases: Cases, fault: Fault, t_us: int) -> None:
    if not cases.riders(fault.lift):
        _reset(cases, cases.open(fault), t_us)


def _next_reset(cases: Cases, case: Case, t_us: int) -> None:
    if t_us >= _due_us(case) and not cases.riders(case.lift):
        _reset(cases, case, t_us)


def _reset_if_idle(cases: Cases, case: Case, t_us: int) -> None:
    if cases.cars.state["phase"][case.lift] == Phase.IDLE:
        _reset(cases, case, t_us)


def _due_us(case: Case) -> int:
    """Return when the next reset comes at the earliest: they are spread over ``lasts_us``."""
    apart_us = case.fault.lasts_us // _how_many(case.fault)
    return (case.fault.at_us + case.step * apart_us) // 1000 * 1000


def _how_many(fault: Fault) -> int:
    return max(fault.size or USUAL_RESETS, RESETS)


def _reset(cases: Cases, case: Case, t_us: int) -> None:
    case.step += 1
    if case.step == RESETS:
        cases.begin(case, FindingKind.FREQUENT_RESETS, t_us)
    cases.enter_mode(case.fault, Mode.STOPPED, t_us)
    cases.show(case)
    cases.enter(case.lift, Phase.SILENT, t_us, RESTART_US)


def _reset_goes_on(cases: Cases, case: Case, t_us: int) -> None:
    """Run to the reference landing after the restart, then serve until the next reset."""
    lift, state = case.lift, cases.cars.state
    if state["mode"][lift] == Mode.STOPPED:
        cases.enter_mode(case.fault, Mode.NORMAL, t_us)
        state["codes"][lift] &= ~(1 << CODE_BIT[42])
        cases.show_code(case, 40)
        _correct(cases, case, t_us)
        return
    _at_reference(cases, case, t_us)
    state["codes"][lift] &= ~case.codes
    if case.step >= _how_many(case.fault):
        cases.close(case, t_us)
    else:
        cases.pokes.plan(lift, max(_due_us(case), t_us), Poke.STEP, case.fault)
    hand_back(cases, lift, t_us)


# --- silence ------------------------------------------------------------------------------------


def _fall_silent(cases: Cases, fault: Fault, t_us: int) -> None:
    if not cases.riders(fault.lift):
        case = cases.open(fault)
        cases.begin(case, FindingKind.LONG_IDLE, t_us)
        cases.enter(fault.lift, Phase.SILENT, t_us, fault.lasts_us)


def _wake(cases: Cases, case: Case, t_us: int) -> None:
    cases.close(case, t_us)
    hand_back(cases, case.lift, t_us)


def _switch_off(cases: Cases, fault: Fault, t_us: int) -> None:
    """Take the lift out of service at its landing."""
    if not cases.riders(fault.lift):
        case = cases.open(fault)
        cases.show(case)
        cases.enter_mode(fault, Mode.STOPPED, t_us)
        cases.enter(fault.lift, Phase.SILENT, t_us, fault.lasts_us)


# --- relevelling --------------------------------------------------------------------------------


def _sink_first(cases: Cases, fault: Fault, t_us: int) -> None:
    if not cases.riders(fault.lift):
        _sink(cases, cases.open(fault), t_us)


def _sink(cases: Cases, case: Case, t_us: int) -> None:
    way_m = _sinking_m(cases, case.lift)
    cases.drive.go(case.lift, Phase.SINKING, way_m, SINKS_MPS, t_us)


def _sinking_m(cases: Cases, lift: int) -> float:
    """Return how the car creeps: down, at the lowest landing up, drawn by its counterweight."""
    return SINKS_M if cases.cars.state["floor"][lift] == 0 else -SINKS_M


def _relevel(cases: Cases, case: Case, t_us: int) -> None:
    """Run back to the landing, and sink again."""
    lift, state = case.lift, cases.cars.state
    cases.drive.stop(lift, t_us)
    if state["phase"][lift] == Phase.SINKING:
        case.step += 1
        if case.step == RELEVELLINGS:
            cases.begin(case, FindingKind.FREQUENT_RELEVELLING, t_us)
        landing_m = float(cases.cars.plan.landings_m[lift, int(state["floor"][lift])])
        way_m = landing_m - float(state["height_m"][lift])
        cases.drive.go(lift, Phase.CORRECTING, way_m, LEVELLING_MPS, t_us)
        return
    state["height_m"][lift] = cases.cars.plan.landings_m[lift, int(state["floor"][lift])]
    if case.step < max(case.fault.size or USUAL_RELEVELLINGS, RELEVELLINGS):
        _sink(cases, case, t_us)
    else:
        cases.close(case, t_us)
        hand_back(cases, lift, t_us)


# --- what goes on beside ordinary life ----------------------------------------------------------


def _shake(cases: Cases, fault: Fault, t_us: int) -> None:
    """Let the car shake from this ride on."""
    cases.armed.disarm(fault)
    cases.cars.state["shaking_mmps2"][fault.lift] = fault.size or SHAKES_MMPS2
    cases.alone[fault] = cases.begin_alone(fault, FindingKind.EXCESSIVE_VIBRATION, t_us)
    cases.pokes.plan(fault.lift, t_us + fault.lasts_us, Poke.END, fault)


def _shake_no_more(cases: Cases, fault: Fault, t_us: int) -> None:
    cases.cars.state["shaking_mmps2"][fault.lift] = 0
    cases.truth.end(cases.alone.pop(fault), t_us)


def _jump(cases: Cases, fault: Fault, t_us: int) -> None:
    """Let the counter of runs jump; backwards it goes to zero at most."""
    runs = cases.cars.state["runs"]
    runs[fault.lift] = max(int(runs[fault.lift]) + (fault.size or JUMPS_BY), 0)
    number = cases.begin_alone(fault, FindingKind.COUNTER_IMPLAUSIBLE, t_us)
    cases.truth.end(number, t_us)


COURSES: Final = {
    Cause.FLOOR_LOST: Course({Moment.ADMIT: _lose_floor}, over=_found_floor, bring=a_ride),
    Cause.FREQUENT_RESETS: Course(
        {Moment.ADMIT: _first_reset}, active={Moment.ADMIT: _next_reset}, over=_reset_goes_on,
        step=_reset_if_idle,
    ),
    Cause.LONG_IDLE: Course({Moment.ADMIT: _fall_silent}, over=_wake),
    Cause.OUT_OF_SERVICE: Course({Moment.ADMIT: _switch_off}, over=_wake),
    Cause.FREQUENT_RELEVELLING: Course({Moment.ADMIT: _sink_first}, over=_relevel),
    Cause.VIBRATION: Course({Moment.DEPARTED: _shake}, end=_shake_no_more, bring=a_ride),
    Cause.COUNTER_JUMP: Course(begin=_jump),
}  # fmt: skip
"""Courses of these causes."""
