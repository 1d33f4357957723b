"""Incidents in their course: what is common to all, whatever their cause.

A *case* is one incident of one lift from the strike until the lift is restored. Here are its truth
(begun when something becomes true, ended at its ``Stage``), what the controller shows of it,
emergency stops, people trapped and freed, and the alarm button. What a cause does when, the
``courses`` say; what a true event tells of its lift, ``true_events``. Plain Python about one lift
at a time: incidents are rare.

Invariants: a lift has at most one case; a lift in a phase of ``state.HELD`` has one; every true
event of a case is ended when the case is closed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Final

import numpy as np

from simulator.faults.catalogue import PRESS_US, SECOND_US, Fault
from simulator.faults.causes import Cause
from simulator.truth import LookAlike, LookAlikeLog, TruthLog
from simulator.world.armed import Armed
from simulator.world.buildings import Terminal
from simulator.world.cars import Cars
from simulator.world.drive import Drive
from simulator.world.pokes import Poke, Pokes
from simulator.world.state import Phase
from simulator.world.traffic import NEVER_US
from simulator.world.true_events import TrueEvents
from telemetry.columns import CODE_BIT, Mode, Power
from telemetry.findings import FindingKind

RESCUE_DEVICE_US: Final = 15 * SECOND_US
"""From mains off to the first movement by a rescue device: seconds to a minute."""
BETWEEN: Final = FindingKind.ENTRAPMENT_BETWEEN_LANDINGS
AT_LANDING: Final = FindingKind.ENTRAPMENT_AT_LANDING
RESTART_PREVENTED_CODE: Final = 8
CODES: Final = {
    Cause.DOOR_LOCK: 3,
    Cause.CONTROLLER_STOP: 4,
    Cause.EMPTY_STOP: 4,
    Cause.SAFETY_CIRCUIT: 1,
    Cause.MAINS_CUT: 41,
    Cause.HELD_DOORS: RESTART_PREVENTED_CODE,
    Cause.OVERLOAD: RESTART_PREVENTED_CODE,
    Cause.OVERSPEED: 1,
    Cause.UNINTENDED_MOVEMENT: 5,
    Cause.OVER_TRAVEL_TOP: 1,
    Cause.OVER_TRAVEL_BOTTOM: 1,
    Cause.MOTOR_RUN_TIME: 6,
    Cause.DOOR_FAILS_TO_OPEN: 3,
    Cause.DOOR_FAILS_TO_CLOSE: 2,
    Cause.FLOOR_LOST: 7,
    Cause.FREQUENT_RESETS: 42,
    Cause.INSPECTION: 43,
    Cause.FIRE_RECALL: 44,
    Cause.OUT_OF_SERVICE: 42,
    Cause.EARTHQUAKE: 47,
}
"""The national code that a controller reports for a cause."""


class Stage(IntEnum):
    """Steps on the way back to ordinary life, at which true events end."""

    FREED = 0
    """Something opens the doors or moves the car again."""
    OPENED = 1
    """The doors stand open at a landing."""
    RESTORED = 2
    """Everybody is out and the lift is in order again."""


ENDS: Final = {
    BETWEEN: Stage.OPENED,
    AT_LANDING: Stage.OPENED,
    FindingKind.OVER_TRAVEL_TOP: Stage.OPENED,
    FindingKind.OVER_TRAVEL_BOTTOM: Stage.OPENED,
    FindingKind.STOPPED_OUTSIDE_ZONE: Stage.FREED,
    FindingKind.UNINTENDED_MOVEMENT: Stage.FREED,
    FindingKind.DOOR_FAILS_TO_OPEN: Stage.FREED,
}
"""At which stage an event of a case ends; those not named here when it is restored."""


@dataclass(slots=True)
class Case:
    """One incident of one lift while it lasts.

    Parameters
    ----------
    fault
        What struck.
    events
        Numbers of its true events that have not ended.
    look_alike
        Number of its look-alike.
    step
        How far its course is, by its own count.
    codes
        Bits of the codes that it made the controller show.
    by_rescuer
        Somebody from outside frees the people.
    stood_us
        Since when the car has stood, if that was before the incident showed.
    """

    fault: Fault
    events: dict[FindingKind, int] = field(default_factory=dict)
    look_alike: int | None = None
    step: int = 0
    codes: int = 0
    by_rescuer: bool = False
    stood_us: int | None = None

    @property
    def lift(self) -> int:
        """Return the lift."""
        return self.fault.lift

    @property
    def is_trap(self) -> bool:
        """Tell whether people are trapped by it now."""
        return BETWEEN in self.events or AT_LANDING in self.events


class Cases:
    """The running incidents of all lifts, and the logs."""

    def __init__(self, cars: Cars) -> None:
        n = len(cars.plan)
        self.cars = cars
        self.drive = Drive(cars)
        self.armed = Armed(n)
        self.pokes = Pokes(n)
        self.truth = TruthLog()
        self.seen = LookAlikeLog()
        self._events = TrueEvents(cars)
        self.of: dict[int, Case] = {}
        self.busy = np.zeros(n, bool)
        """Lifts that have a case."""
        self.opened_us = np.zeros(n, "i8")
        """When the doors of each lift last came to stand open."""
        self.alone: dict[Fault, int] = {}
        """Numbers of true events that belong to no case, while they last."""
        self.begun: dict[Fault, int] = {}
        """Numbers of look-alikes that belong to no case, while they last."""
        self._in_special_mode: dict[int, int] = {}
        """Numbers of the true events of lifts that are not in normal service."""
        self._back_in_service: dict[int, tuple[int, int]] = {}
        """When each lift was last back in it [µs], and the number of the event that ended."""
        self._pressing: dict[int, tuple[Fault, int]] = {}

    # --- a case from its strike to its end ------------------------------------------------------

    def open(self, fault: Fault) -> Case:
        """Let a fault strike."""
        self.armed.disarm(fault)
        case = self.of[fault.lift] = Case(fault)
        self.busy[fault.lift] = True
        self.armed.pause(fault.lift)
        return case

    def close(self, case: Case, t_us: int) -> None:
        """Put the lift in order and end everything that is still true of the case."""
        state, lift = self.cars.state, case.lift
        self._end_stage(case, Stage.RESTORED, t_us)
        self.looks_ordinary(case, t_us)
        self.enter_mode(case.fault, Mode.NORMAL, t_us)
        state["safety_circuit"][lift] = 1
        state["codes"][lift] &= ~case.codes
        if case.fault.cause is Cause.MAINS_CUT:
            state["power"][lift] = Power.MAINS
        del self.of[lift]
        self.busy[lift] = False
        self.armed.resume(lift)

    def begin(self, case: Case, kind: FindingKind, t_us: int) -> None:
        """Note that something is true from now on."""
        event = self._events.event(case.fault, kind, t_us)
        case.events[kind] = self.truth.begin(event)

    def end(self, case: Case, kind: FindingKind, t_us: int) -> None:
        """Note that something is true no more."""
        number = case.events.pop(kind, None)
        if number is not None:
            self.truth.end(number, t_us, self_released=not case.by_rescuer)

    def _end_stage(self, case: Case, stage: Stage, t_us: int) -> None:
        for kind in [k for k in case.events if ENDS.get(k, Stage.RESTORED) <= stage]:
            self.end(case, kind, t_us)

    def begin_alone(
        self,
        fault: Fault,
        kind: FindingKind,
        t_us: int,
        seen_by: Callable[[Fault, Terminal], tuple[str, ...]] | None = None,
    ) -> int:
        """Begin a true event that belongs to no case; return its number.

        ``seen_by`` tells the columns in which a terminal shows it, where the kind alone does not.
        """
        event = self._events.event(fault, kind, t_us)
        if seen_by is not None:
            terminal = Terminal(int(self.cars.plan.terminal[fault.lift]))
            event = replace(event, effects=seen_by(fault, terminal))
        return self.truth.begin(event)

    def looks_like_trap(self, case: Case, t_us: int) -> None:
        """Note that from now on the case may be taken for an entrapment."""
        case.look_alike = self.seen.begin(self.look_alike(case.fault, t_us))

    def looks_ordinary(self, case: Case, t_us: int) -> None:
        """Note that it looks like none any more."""
        if case.look_alike is not None:
            self.seen.end(case.look_alike, t_us)
            case.look_alike = None

    def look_alike(self, fault: Fault, t_us: int) -> LookAlike:
        """Return a look-alike that begins now."""
        plan, lift = self.cars.plan, fault.lift
        slug = Terminal(int(plan.terminal[lift])).slug
        return LookAlike(lift, plan.codes[lift], str(fault.cause), t_us, None, slug)

    def show(self, case: Case) -> None:
        """Let the controller report the case."""
        state, lift, cause = self.cars.state, case.lift, case.fault.cause
        if cause is Cause.MAINS_CUT:
            state["power"][lift] = Power.BATTERY
        if cause in CODES:
            self.show_code(case, CODES[cause])

    def show_code(self, case: Case, code: int) -> None:
        """Let the controller report a national code until the case is closed."""
        bit = 1 << CODE_BIT[code]
        case.codes |= bit
        self.cars.state["codes"][case.lift] |= bit

    def enter_mode(self, fault: Fault, mode: Mode, t_us: int) -> None:
        """Put a lift into a service mode; out of normal service and back is one true event.

        Whoever takes a lift out of service at the instant at which another hands it back goes on
        with the same event: it was in normal service for no time at all.
        """
        lift = fault.lift
        self.cars.state["mode"][lift] = mode
        if mode == Mode.NORMAL:
            number = self._in_special_mode.pop(lift, None)
            if number is not None:
                self.truth.end(number, t_us)
                self._back_in_service[lift] = t_us, number
        elif lift not in self._in_special_mode:
            back_us, number = self._back_in_service.get(lift, (None, -1))
            if back_us == t_us:
                self.truth.resume(number)
            else:
                number = self.begin_alone(fault, FindingKind.SPECIAL_MODE, t_us)
            self._in_special_mode[lift] = number

    def open_safety_circuit(self, case: Case, t_us: int) -> None:
        """Let the safety circuit open."""
        self.cars.state["safety_circuit"][case.lift] = 0
        self.begin(case, FindingKind.SAFETY_CIRCUIT_OPEN, t_us)

    # --- motion and people ----------------------------------------------------------------------

    def enter(self, lift: int, phase: Phase, t_us: int, duration_us: int) -> None:
        """Let a lift begin a phase."""
        self.cars.enter(np.array([lift]), phase, np.array([t_us]), duration_us)

    def riders(self, lift: int) -> int:
        """Return how many people are in the car."""
        return int(self.cars.state["riders"][lift])

    def in_zone(self, lift: int) -> bool:
        """Tell whether a standing car is in the unlocking zone of a landing."""
        row = np.array([lift])
        return bool(self.cars.plan.in_zone(row, self.cars.state["height_m"][row])[0])

    def stand(self, case: Case, t_us: int) -> None:
        """Leave a car where it stopped: a trap if people are inside."""
        lift = case.lift
        if self.riders(lift):
            self.trap(case, t_us)
            return
        if not self.in_zone(lift):
            self.begin(case, FindingKind.STOPPED_OUTSIDE_ZONE, t_us)
        if self.cars.state["power"][lift] == Power.BATTERY:
            self.enter(lift, Phase.DARK, t_us, NEVER_US - t_us)
        else:
            self.enter(lift, Phase.STUCK, t_us, self._repaired_us(case.fault, t_us))

    def trap(self, case: Case, t_us: int) -> None:
        """Let the people inside be trapped from now on."""
        lift, fault = case.lift, case.fault
        self.show(case)
        if CODES.get(fault.cause) == RESTART_PREVENTED_CODE:
            self.begin(case, FindingKind.RESTART_PREVENTED, t_us)
        levelled = self.in_zone(lift)
        since_us = t_us if case.stood_us is None else case.stood_us
        self.begin(case, AT_LANDING if levelled else BETWEEN, since_us)
        self.enter(lift, Phase.STUCK, t_us, self._until_freed_us(fault, t_us))
        for after_us in fault.presses_us:
            self.pokes.plan(lift, t_us + after_us, Poke.PRESS, fault)

    def free(self, case: Case, t_us: int, *, by_rescuer: bool) -> None:
        """Bring a car that stands by an incident to a landing, and let everybody out."""
        lift = case.lift
        row, t = np.array([lift]), np.array([t_us])
        case.by_rescuer = by_rescuer
        for kind in (BETWEEN, AT_LANDING):
            if kind in case.events:
                self.truth.freeing(case.events[kind], t_us)
        self._end_stage(case, Stage.FREED, t_us)
        landing = self.cars.rescue(row, t)
        self.cars.people.leave_all(row, landing)
        if by_rescuer and self.cars.state["phase"][lift] == Phase.RESCUE:
            # the mechanic moves the car by hand, in inspection mode
            self.enter_mode(case.fault, Mode.INSPECTION, t_us)

    def doors_opened(self, case: Case, t_us: int) -> None:
        """End what ends once the doors stand open at a landing."""
        if case.is_trap:
            self.pokes.drop(case.lift, Poke.PRESS)
        self._end_stage(case, Stage.OPENED, t_us)

    def freed_from_outside(self, case: Case) -> bool:
        """Tell whether it takes somebody from outside to free the people."""
        device = self._has_rescue_device(case.lift)
        return case.is_trap and not device and not case.fault.self_freed

    def leave_here(self, lift: int, floor: int) -> None:
        """Let everybody in the car get out at ``floor``, at once."""
        row, here = np.array([lift]), np.array([floor])
        self.cars.people.leave_all(row, here)
        self.cars.people.leave(row, here)
        self.cars.count_riders(row)

    def _has_rescue_device(self, lift: int) -> bool:
        dark = self.cars.state["power"][lift] == Power.BATTERY
        return bool(dark and self.cars.plan.rescue_device[lift])

    def _until_freed_us(self, fault: Fault, t_us: int) -> int:
        if self._has_rescue_device(fault.lift):
            return fault.lasts_us if fault.cause is Cause.MAINS_CUT else RESCUE_DEVICE_US
        if fault.release_after_us is None:
            return NEVER_US - t_us
        return fault.release_after_us

    def _repaired_us(self, fault: Fault, t_us: int) -> int:
        """Return when an empty lift is repaired: as if somebody were inside, or after its time."""
        if fault.cause is Cause.EMPTY_STOP or fault.release_after_us is None:
            return fault.lasts_us
        return self._until_freed_us(fault, t_us)

    # --- the alarm button -----------------------------------------------------------------------

    def press(self, lift: int, fault: Fault, t_us: int) -> None:
        """Let somebody press the alarm button; presses of one incident are one true event."""
        state = self.cars.state
        if state["button"][lift]:
            return
        state["button"][lift] = 1
        state["codes"][lift] |= 1 << CODE_BIT[90]
        known = self._pressing.get(lift)
        if known is None or known[0] is not fault:
            event = self._events.event(fault, FindingKind.ALARM_BUTTON, t_us)
            known = self._pressing[lift] = fault, self.truth.begin(event)
        self.truth.pressed(known[1], t_us)
        self.pokes.plan(lift, t_us + PRESS_US, Poke.LET_GO)

    def let_go(self, lift: int, t_us: int) -> None:
        """Let the alarm button go."""
        state = self.cars.state
        state["button"][lift] = 0
        state["codes"][lift] &= ~(1 << CODE_BIT[90])
        self.truth.end(self._pressing[lift][1], t_us)
