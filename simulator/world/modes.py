"""Modes that strike a lift at an exact time: fire recall, earthquake.

A lift that stands by another incident then is left as it is: a controller in fault takes no recall.
"""

from typing import Final

from simulator.faults.catalogue import Fault
from simulator.faults.causes import Cause
from simulator.world.cases import Case, Cases
from simulator.world.course import Course, Moment, doors_opened, hand_back, one, stopped
from simulator.world.power import abandon, walk_out
from simulator.world.state import HELD, Phase
from simulator.world.traffic import NEVER_US
from telemetry.columns import Mode, Power
from telemetry.findings import FindingKind

LOBBY: Final = 0
"""Where fire recall sends every lift."""
GIVES_WAY_US: Final = 1_000_000
"""How long doors that stand open elsewhere stay so."""


def _is_free(cases: Cases, lift: int) -> bool:
    """Tell whether a lift can obey: it has mains and stands by no incident."""
    state = cases.cars.state
    phase = state["phase"][lift]
    held = HELD[phase] and phase != Phase.HELD_OPEN
    return bool(state["power"][lift] == Power.MAINS and not held and phase != Phase.RESCUE)


def _enter_mode(cases: Cases, fault: Fault, mode: Mode, t_us: int) -> Case:
    if fault.lift in cases.of:
        abandon(cases, cases.of[fault.lift], t_us)
    case = cases.open(fault)
    cases.enter_mode(fault, mode, t_us)
    cases.show(case)
    return case


def _is_mine(cases: Cases, fault: Fault) -> bool:
    case = cases.of.get(fault.lift)
    return case is not None and case.fault is fault


# --- fire recall --------------------------------------------------------------------------------


def _recall(cases: Cases, fault: Fault, t_us: int) -> None:
    """Call a lift to the lobby, from wherever it is."""
    lift = fault.lift
    if not _is_free(cases, lift):
        return
    phase = cases.cars.state["phase"][lift]
    case = _enter_mode(cases, fault, Mode.FIRE_RECALL, t_us)
    match phase:
        case Phase.ARRIVED | Phase.CLOSED | Phase.IDLE | Phase.PARKED:
            _to_lobby(cases, case, t_us)
        case Phase.BOARDING | Phase.RELEVELLING | Phase.HELD_OPEN:
            _doors_are_open(cases, case, t_us)
        case _:
            pass  # obeyed as soon as the trip, or the movement of the doors, is over


def _to_lobby(cases: Cases, case: Case, t_us: int) -> None:
    """Go on to the lobby with closed doors, or open them there."""
    lift, cars = case.lift, cases.cars
    row, t = one(lift, t_us)
    cars.people.leave_all(row, row * 0 + LOBBY)
    if cars.state["floor"][lift] == LOBBY:
        cars.open(row, t)
    else:
        cars.state["runs"][lift] += 1
        cars.move(row, Phase.MOVING, row * 0 + LOBBY, t, cars.plan.rated_mps[row])


def _doors_are_open(cases: Cases, case: Case, t_us: int) -> None:
    """Close the doors again, or stay open in the lobby until the recall ends."""
    lift, cars = case.lift, cases.cars
    if cars.state["floor"][lift] == LOBBY:
        cases.leave_here(lift, LOBBY)
        cases.enter(lift, Phase.HELD_OPEN, t_us, NEVER_US - t_us)
    else:
        cases.enter(lift, Phase.HELD_OPEN, t_us, GIVES_WAY_US)


def _close_for_lobby(cases: Cases, case: Case, t_us: int) -> None:
    cases.cars.close(*one(case.lift, t_us))


def _recall_ends(cases: Cases, fault: Fault, t_us: int) -> None:
    if not _is_mine(cases, fault):
        return
    lift = fault.lift
    cases.close(cases.of[lift], t_us)
    if cases.cars.state["phase"][lift] == Phase.HELD_OPEN:
        cases.cars.close(*one(lift, t_us))


# --- earthquake ---------------------------------------------------------------------------------


def _shock(cases: Cases, fault: Fault, t_us: int) -> None:
    """Stop a lift: at once if its safety circuit trips, else at the nearest landing."""
    lift, state = fault.lift, cases.cars.state
    if not _is_free(cases, lift):
        return
    phase = state["phase"][lift]
    case = _enter_mode(cases, fault, Mode.SEISMIC, t_us)
    match phase:
        case Phase.MOVING | Phase.AJAR:
            if fault.size:
                cases.open_safety_circuit(case, t_us)
                cases.drive.brake(lift, t_us)
            else:
                cases.drive.brake(lift, t_us, float(cases.cars.plan.acceleration_mps2[lift]))
        case Phase.BOARDING | Phase.RELEVELLING | Phase.HELD_OPEN:
            _stay_open(cases, case, t_us)
        case Phase.CLOSING | Phase.CLOSED | Phase.PARKED:
            cases.cars.open(*one(lift, t_us))
        case Phase.IDLE:
            cases.enter(lift, Phase.SILENT, t_us, NEVER_US - t_us)
        case _:
            pass  # the doors open anyway


def _stay_open(cases: Cases, case: Case, t_us: int) -> None:
    walk_out(cases, case.lift, t_us)
    cases.enter(case.lift, Phase.HELD_OPEN, t_us, NEVER_US - t_us)


def _after_shock(cases: Cases, case: Case, t_us: int) -> None:
    """Creep to the nearest landing after the stop, unless the safety circuit is open."""
    lift = case.lift
    tripped = FindingKind.SAFETY_CIRCUIT_OPEN in case.events
    if cases.cars.state["phase"][lift] == Phase.BRAKING and not tripped:
        cases.drive.stop(lift, t_us)
        cases.free(case, t_us, by_rescuer=False)
    else:
        stopped(cases, case, t_us)


def _out_after_shock(cases: Cases, case: Case, t_us: int) -> None:
    """Stay with open doors in seismic mode until somebody resets the lift."""
    cases.enter_mode(case.fault, Mode.SEISMIC, t_us)
    _stay_open(cases, case, t_us)


def _reset(cases: Cases, fault: Fault, t_us: int) -> None:
    if not _is_mine(cases, fault):
        return
    lift, cars = fault.lift, cases.cars
    case, phase = cases.of[lift], cars.state["phase"][lift]
    if phase == Phase.STUCK:
        case.step = 1  # reset as soon as the car is at a landing
        if not case.is_trap:
            cases.free(case, t_us, by_rescuer=False)
        return
    if phase in (Phase.BRAKING, Phase.RESCUE):
        case.step = 1
        return
    cases.close(case, t_us)
    if phase == Phase.HELD_OPEN:
        cars.close(*one(lift, t_us))
    elif phase == Phase.SILENT:
        hand_back(cases, lift, t_us)


def _reset_or_stay(cases: Cases, case: Case, t_us: int) -> None:
    if case.step:
        cases.close(case, t_us)
    else:
        _out_after_shock(cases, case, t_us)


COURSES: Final = {
    Cause.FIRE_RECALL: Course(
        begin=_recall, end=_recall_ends, over=_close_for_lobby,
        active={
            Moment.ARRIVED: _to_lobby, Moment.CLOSED: _to_lobby,
            Moment.BOARDING: _doors_are_open,
        },
    ),
    Cause.EARTHQUAKE: Course(
        begin=_shock, end=_reset, over=_after_shock,
        active={Moment.DOORS_OPENED: doors_opened, Moment.BOARDING: _reset_or_stay},
    ),
}  # fmt: skip
"""Courses of these causes."""
