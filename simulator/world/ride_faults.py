"""Causes that strike a moving car: stops between landings, overspeed, over-travel, open doors."""

from typing import Final

import numpy as np

from simulator.faults.catalogue import SECOND_US, Fault
from simulator.faults.causes import Cause
from simulator.world.buildings import ZONE_HALF_M
from simulator.world.cases import Case, Cases
from simulator.world.course import (
    Course,
    Moment,
    Ride,
    a_call,
    a_long_ride,
    a_ride,
    stopped,
    to_the_bottom,
    to_the_top,
)
from simulator.world.drive import EMERGENCY_MPS2
from simulator.world.pokes import Poke
from simulator.world.state import Motion, Phase
from telemetry.columns import Mode
from telemetry.findings import FindingKind

TRIPPING_PCT: Final = 115
"""Speed at which a governor may act at the earliest, percent of rated: EN 81-20, 5.6.2.2.1."""
OVERSPEED_PCT: Final = 130
RUNAWAY: Final = 1.5
"""How much harder than usual a runaway drive accelerates."""
GOVERNOR_US: Final = 1_500_000
"""Longest time at top speed before the governor stops the car (practice)."""
OVERRUN_M: Final = 0.6
"""How much later than it should a car slows down that over-travels."""
LIMIT_SWITCH_M: Final = 0.1
"""Where the final limit switch sits beyond the last landing."""
OVER_TRAVEL_MM: Final = 250
AJAR_PCT: Final = 30
SHORTEST_RIDE_US: Final = 4 * SECOND_US
RUN_TIME_US: Final = 45 * SECOND_US
RUN_TIME_MORE_US: Final = 10 * SECOND_US
"""A run-time limiter acts after 45 s, or after the full travel and these 10 s if that is shorter;
EN 81-20, 5.9.2.7."""
MISLEVELLED_MM: Final = 35
CREEPS_AFTER_US: Final = SECOND_US
CREEPS_MM: Final = 900
"""EN 81-20, 5.6.7, wants unintended movement stopped within 1.2 m."""
CREEP_MPS: Final = 0.3


def _plan_between(cases: Cases, fault: Fault, t_us: int) -> None:
    if cases.armed.is_brought(fault.lift) and cases.riders(fault.lift):
        _plan_stop(cases, fault, t_us)


def _plan_empty(cases: Cases, fault: Fault, t_us: int) -> None:
    if not cases.riders(fault.lift):
        _plan_stop(cases, fault, t_us)


def _plan_stop(cases: Cases, fault: Fault, t_us: int) -> None:
    at_us = cases.drive.instant_between_landings(fault.lift, t_us)
    if at_us is not None:
        cases.pokes.plan(fault.lift, at_us, Poke.STRIKE, fault)


def _stop_car(cases: Cases, fault: Fault, t_us: int) -> None:
    case = cases.open(fault)
    cases.show(case)
    if fault.cause is Cause.SAFETY_CIRCUIT:
        cases.open_safety_circuit(case, t_us)
    if fault.cause is Cause.MAINS_CUT:
        cases.begin(case, FindingKind.MAINS_OFF, t_us)
    cases.drive.brake(fault.lift, t_us)


# --- inspection ---------------------------------------------------------------------------------


def _inspect(cases: Cases, fault: Fault, t_us: int) -> None:
    case = cases.open(fault)
    cases.show(case)
    cases.looks_like_trap(case, t_us)
    cases.drive.brake(fault.lift, t_us)


def _inspection_over(cases: Cases, case: Case, t_us: int) -> None:
    if cases.cars.state["phase"][case.lift] == Phase.BRAKING:
        cases.drive.stop(case.lift, t_us)
        cases.enter(case.lift, Phase.STUCK, t_us, case.fault.lasts_us)
    else:
        cases.free(case, t_us, by_rescuer=False)


def _a_mechanic(cases: Cases, fault: Fault, floor: int, top: int) -> Ride | None:
    if cases.cars.people.anybody(fault.lift):
        return None  # the mechanic waits until the lift is empty
    return a_ride(cases, fault, floor, top)


# --- overspeed ----------------------------------------------------------------------------------


def _run_away(cases: Cases, fault: Fault, t_us: int) -> None:
    """Drive faster than rated, if the ride is long enough for that."""
    lift, drive = fault.lift, cases.drive
    rated_mps = float(cases.cars.plan.rated_mps[lift])
    top_mps = rated_mps * (fault.size or OVERSPEED_PCT) / 100
    way_m = drive.left_m(lift)
    trips = drive.go(lift, Phase.MOVING, way_m, top_mps, t_us, RUNAWAY)
    half_us = (int(cases.cars.phase_end_us[lift]) - t_us) // 2
    tripping_mps = rated_mps * TRIPPING_PCT / 100
    at_us = drive.first_ms(lift, t_us, t_us + half_us, lambda v, _: abs(v) > tripping_mps)
    if at_us is None:
        drive.go(lift, Phase.MOVING, way_m, rated_mps, t_us)
        return
    cruise_s = float(2 * trips.jerk_s[0] + trips.steady_s[0])
    cruise_us = int(cruise_s * 1000 // 1) * 1000 + GOVERNOR_US
    cases.pokes.plan(lift, at_us, Poke.STRIKE, fault)
    cases.pokes.plan(lift, max(t_us + min(cruise_us, half_us), at_us), Poke.STEP, fault)


def _too_fast(cases: Cases, fault: Fault, t_us: int) -> None:
    cases.begin(cases.open(fault), FindingKind.OVERSPEED, t_us)


def _governor(cases: Cases, case: Case, t_us: int) -> None:
    """Stop the car by its safety gear; then it is slow enough again."""
    if case.step == 0:
        lift = case.lift
        speed_mps, _ = cases.drive.speed_and_height(lift, t_us)
        slow_mps = float(cases.cars.plan.rated_mps[lift]) * TRIPPING_PCT / 100
        over_s = max(abs(speed_mps) - slow_mps, 0.0) / EMERGENCY_MPS2
        cases.show(case)
        cases.open_safety_circuit(case, t_us)
        cases.drive.brake(lift, t_us)
        cases.pokes.plan(lift, t_us + int(over_s * 1000 // 1) * 1000 + 1000, Poke.STEP, case.fault)
    else:
        cases.end(case, FindingKind.OVERSPEED, t_us)
    case.step += 1


# --- over-travel --------------------------------------------------------------------------------


def _overrun(cases: Cases, fault: Fault, t_us: int) -> None:
    """Slow down too late for the last landing, if the trip goes there."""
    lift, drive, plan = fault.lift, cases.drive, cases.cars.plan
    upwards = fault.cause is Cause.OVER_TRAVEL_TOP
    last = int(plan.n_landings[lift]) - 1 if upwards else 0
    if cases.cars.target[lift] != last:
        return
    end_m, way_m = float(plan.landings_m[lift, last]), drive.left_m(lift)
    further_m = OVERRUN_M if upwards else -OVERRUN_M
    drive.go(lift, Phase.MOVING, way_m + further_m, float(plan.rated_mps[lift]), t_us)

    def beyond(_: float, height_m: float) -> bool:
        return (height_m - end_m if upwards else end_m - height_m) >= LIMIT_SWITCH_M

    end_us = int(cases.cars.phase_end_us[lift])
    at_us = drive.first_ms(lift, t_us, end_us, beyond)
    cases.pokes.plan(lift, end_us if at_us is None else at_us, Poke.STRIKE, fault)


def _limit_switch(cases: Cases, fault: Fault, t_us: int) -> None:
    """Stop the car by limit switch and buffer, within ``size``."""
    case = cases.open(fault)
    upwards = fault.cause is Cause.OVER_TRAVEL_TOP
    kind = FindingKind.OVER_TRAVEL_TOP if upwards else FindingKind.OVER_TRAVEL_BOTTOM
    cases.show(case)
    cases.begin(case, kind, t_us)
    cases.open_safety_circuit(case, t_us)
    speed_mps, _ = cases.drive.speed_and_height(fault.lift, t_us)
    left_m = (fault.size or OVER_TRAVEL_MM) / 1000 - LIMIT_SWITCH_M
    cases.drive.brake(fault.lift, t_us, speed_mps * speed_mps / (2 * left_m))


# --- doors open during a run --------------------------------------------------------------------


def _plan_parting(cases: Cases, fault: Fault, t_us: int) -> None:
    lasts_us = int(cases.cars.phase_end_us[fault.lift]) - t_us
    if lasts_us >= SHORTEST_RIDE_US:
        at_us = t_us + lasts_us * AJAR_PCT // 100 // 1000 * 1000
        cases.pokes.plan(fault.lift, at_us, Poke.STRIKE, fault)


def _part(cases: Cases, fault: Fault, t_us: int) -> None:
    case, lift = cases.open(fault), fault.lift
    cases.begin(case, FindingKind.DOORS_OPEN_WHILE_RUNNING, t_us)
    cases.enter(lift, Phase.AJAR, t_us, int(cases.cars.phase_end_us[lift]) - t_us)
    if t_us + fault.lasts_us < cases.cars.phase_end_us[lift]:
        cases.pokes.plan(lift, t_us + fault.lasts_us, Poke.STEP, fault)


def _pushed_shut(cases: Cases, case: Case, t_us: int) -> None:
    cases.enter(case.lift, Phase.MOVING, t_us, int(cases.cars.phase_end_us[case.lift]) - t_us)
    cases.close(case, t_us)


def _close(cases: Cases, case: Case, t_us: int) -> None:
    cases.close(case, t_us)


# --- the drive turns, the car does not move -----------------------------------------------------


def _slip(cases: Cases, fault: Fault, t_us: int) -> None:
    """Let the drive turn without effect until its run-time limiter acts; the car stands."""
    lift, plan, state = fault.lift, cases.cars.plan, cases.cars.state
    case = cases.open(fault)
    case.stood_us = t_us
    cases.begin(case, FindingKind.MOTOR_RUN_TIME, t_us)
    travel_m = float(plan.landings_m[lift, int(plan.n_landings[lift]) - 1])
    full_us = int(travel_m / float(plan.rated_mps[lift]) * 1000 // 1) * 1000
    state["motion"][lift] = Motion.NONE  # keeping its direction
    cases.enter(lift, Phase.SLIPPING, t_us, min(RUN_TIME_US, full_us + RUN_TIME_MORE_US))


def _limiter(cases: Cases, case: Case, t_us: int) -> None:
    if cases.cars.state["phase"][case.lift] == Phase.SLIPPING:
        cases.cars.state["sign"][case.lift] = 0
        cases.show(case)
        cases.stand(case, t_us)
    else:
        stopped(cases, case, t_us)


# --- off its landing ----------------------------------------------------------------------------


def _aim_off(cases: Cases, fault: Fault, t_us: int) -> None:
    """Aim beside the landing: above it at the lowest, else below."""
    cars, row = cases.cars, np.array([fault.lift])
    off_m = (fault.size or MISLEVELLED_MM) / 1000
    cases.open(fault)
    cars.off_m[row] = np.where(cars.target[row] == 0, off_m, -off_m)
    cars.move(row, Phase.MOVING, cars.target[row], np.array([t_us]), cars.plan.rated_mps[row])


def _stopped_off(cases: Cases, case: Case, t_us: int) -> None:
    cases.cars.off_m[case.lift] = 0.0
    cases.begin(case, FindingKind.LEVELLING_INACCURACY, t_us)


# --- away with open doors -----------------------------------------------------------------------


def _about_to_creep(cases: Cases, fault: Fault, t_us: int) -> None:
    """Stand at a landing with open doors and nobody inside, the brake about to fail."""
    if not cases.riders(fault.lift):
        cases.open(fault)
        cases.enter(fault.lift, Phase.HELD_OPEN, t_us, CREEPS_AFTER_US)


def _creep(cases: Cases, case: Case, t_us: int) -> None:
    """Leave the landing, be stopped, and hang there until a mechanic comes."""
    lift, drive, cars = case.lift, cases.drive, cases.cars
    match cars.state["phase"][lift]:
        case Phase.HELD_OPEN:
            floor = int(cars.state["floor"][lift])
            way_m = (case.fault.size or CREEPS_MM) / 1000 * (1 if floor == 0 else -1)
            drive.go(lift, Phase.CREEP, way_m, CREEP_MPS, t_us)
            cases.begin(case, FindingKind.DOORS_OPEN_WHILE_RUNNING, t_us)
            landing_m = float(cars.plan.landings_m[lift, floor])
            end_us = int(cars.phase_end_us[lift])
            at_us = drive.first_ms(
                lift, t_us, end_us, lambda _, height_m: abs(height_m - landing_m) > ZONE_HALF_M
            )
            if at_us is not None:
                cases.pokes.plan(lift, at_us, Poke.STEP, case.fault)
        case Phase.CREEP:
            drive.stop(lift, t_us)
            cases.end(case, FindingKind.DOORS_OPEN_WHILE_RUNNING, t_us)
            cases.enter(lift, Phase.HANGING, t_us, case.fault.lasts_us)
        case _:
            cases.free(case, t_us, by_rescuer=True)


def _left_zone(cases: Cases, case: Case, t_us: int) -> None:
    cases.show(case)
    cases.begin(case, FindingKind.UNINTENDED_MOVEMENT, t_us)


_BETWEEN = {Moment.DEPARTED: _plan_between}
COURSES: Final = {
    Cause.CONTROLLER_STOP: Course(_BETWEEN, strike=_stop_car, over=stopped, bring=a_ride),
    Cause.SAFETY_CIRCUIT: Course(_BETWEEN, strike=_stop_car, over=stopped, bring=a_ride),
    Cause.MAINS_CUT: Course(_BETWEEN, strike=_stop_car, over=stopped, bring=a_ride),
    Cause.INSPECTION: Course(
        _BETWEEN, strike=_inspect, over=_inspection_over, bring=_a_mechanic,
        in_mode=Mode.INSPECTION,
    ),
    Cause.EMPTY_STOP: Course(
        {Moment.DEPARTED: _plan_empty}, strike=_stop_car, over=stopped, bring=a_call
    ),
    Cause.OVERSPEED: Course(
        {Moment.DEPARTED: _run_away}, strike=_too_fast, step=_governor, over=stopped,
        bring=a_long_ride,
    ),
    Cause.OVER_TRAVEL_TOP: Course(
        {Moment.DEPARTED: _overrun}, strike=_limit_switch, over=stopped, bring=to_the_top
    ),
    Cause.OVER_TRAVEL_BOTTOM: Course(
        {Moment.DEPARTED: _overrun}, strike=_limit_switch, over=stopped, bring=to_the_bottom
    ),
    Cause.DOORS_OPEN_RUNNING: Course(
        {Moment.DEPARTED: _plan_parting}, strike=_part, step=_pushed_shut,
        active={Moment.ARRIVED: _close}, bring=a_ride,
    ),
    Cause.UNINTENDED_MOVEMENT: Course(
        {Moment.BOARDING: _about_to_creep}, step=_left_zone, over=_creep, bring=a_ride
    ),
    Cause.MOTOR_RUN_TIME: Course({Moment.DEPARTED: _slip}, over=_limiter, bring=a_ride),
    Cause.MISLEVELING: Course(
        {Moment.DEPARTED: _aim_off},
        active={Moment.ARRIVED: _stopped_off, Moment.DEPARTED: _close}, bring=a_ride,
    ),
}  # fmt: skip
"""Courses of these causes."""
