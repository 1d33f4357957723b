"""What interferes with ordinary life: faults that strike, rescues, power, the alarm button.

Incidents are rare, so each is a few lines of plain Python about one lift. A fault is *armed* from
its time on; people come for it (*bring*); it *strikes* at the first chance; people are *trapped*
once the car stands; somebody or something *frees* them; when they are out the lift is *restored*.
Exact instants between phases are *pokes*: (time, what). Truth is written when it happens.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

import numpy as np

from simulator.faults import catalogue as faults
from simulator.faults.catalogue import PRESS_US, SECOND_US, Cause, Fault
from simulator.truth import TruthEvent, TruthLog
from simulator.world.buildings import Presence
from simulator.world.cars import Cars
from simulator.world.pokes import Poke, Pokes
from simulator.world.state import Motion, Phase, Rows, kinematics
from simulator.world.traffic import NEVER_US
from telemetry.columns import CODE_BIT, Mode, Power
from telemetry.findings import FindingKind

EMERGENCY_MPS2: Final = 2.0
"""Deceleration by the brake; EN 81-20 allows up to 1 g."""
RESCUE_DEVICE_US: Final = 15 * SECOND_US
"""From mains off to the first movement by a rescue device: seconds to a minute."""
RIDE_LANDINGS: Final = 4
"""How far those people want to go who come for a scripted fault."""
_STRIKE_PCT: Final = (50, 42, 58, 34, 66, 26, 74)
_CODES: Final = {
    Cause.DOOR_LOCK: 3,
    Cause.CONTROLLER_STOP: 4,
    Cause.SAFETY_CIRCUIT: 1,
    Cause.MAINS_CUT: 41,
    Cause.AREA_POWER_CUT: 41,
}
_DOORS_IN_USE: Final = (Phase.OPENING, Phase.LEAVING, Phase.BOARDING, Phase.CLOSING)


class Incidents:
    """Faults of a fleet and their course. Implements ``cars.Hooks``."""

    def __init__(self, cars: Cars, script: Sequence[Fault]) -> None:
        n = len(cars.plan)
        self.cars = cars
        self.truth = TruthLog()
        self.pokes = Pokes(n)
        self.armed_us = np.full(n, NEVER_US)
        self.wake_us = np.full(n, NEVER_US)
        self._waiting = [deque[Fault]() for _ in range(n)]
        self._struck: dict[int, Fault] = {}
        self._trapped: dict[int, int] = {}
        self._pressing: dict[int, int] = {}
        self._by_rescuer: set[int] = set()
        for lift, own in enumerate(faults.for_lifts(script, n)):
            for fault in own:
                self._schedule(lift, fault)
            self._arm(lift)

    # --- the script -----------------------------------------------------------------------------

    def _schedule(self, lift: int, fault: Fault) -> None:
        end_us = fault.at_us + fault.lasts_us
        if fault.cause is Cause.AREA_POWER_CUT:
            self.pokes.plan(lift, fault.at_us, Poke.CUT)
            self.pokes.plan(lift, end_us, Poke.MAINS_BACK)
        elif fault.cause is Cause.ZONE_FLAPPING:
            self.pokes.plan(lift, fault.at_us, Poke.FLAP)
            self.pokes.plan(lift, end_us, Poke.CALM)
        else:
            self._waiting[lift].append(fault)

    def _arm(self, lift: int) -> None:
        queue = self._waiting[lift]
        self.armed_us[lift] = self.wake_us[lift] = queue[0].at_us if queue else NEVER_US

    def _disarm(self, lift: int) -> Fault:
        fault = self._waiting[lift].popleft()
        self._arm(lift)
        return fault

    def serve(self, rows: Rows) -> None:
        """Let everything happen that is planned for this instant of each lift."""
        for lift in rows.tolist():
            at_us = int(self.pokes.next_us[lift])
            self.cars.state["start_us"][lift] = at_us
            while self.pokes.next_us[lift] == at_us:
                self._happen(lift, at_us, self.pokes.take(lift))

    def _happen(self, lift: int, t_us: int, what: Poke) -> None:
        state = self.cars.state
        match what:
            case Poke.STRIKE:
                self._strike(lift, t_us)
            case Poke.CUT:
                self._cut(lift, t_us)
            case Poke.MAINS_BACK:
                self._mains_back(lift, t_us)
            case Poke.PRESS:
                self._press(lift, t_us)
            case Poke.LET_GO:
                state["button"][lift] = 0
                self.truth.end(self._pressing[lift], t_us)
            case Poke.FLAP | Poke.CALM:
                state["flapping"][lift] = what is Poke.FLAP
            case Poke.RELEASE:
                if state["phase"][lift] == Phase.STUCK:
                    self._free(lift, t_us, by_rescuer=True)

    # --- hooks of ordinary life -----------------------------------------------------------------

    def _due(self, rows: Rows, t_us: Rows) -> list[tuple[int, int, Fault]]:
        """Return (lift, time, fault) where an armed fault could act."""
        armed = self.armed_us[rows] <= t_us
        if not armed.any():
            return []
        lifts, times = rows[armed].tolist(), t_us[armed].tolist()
        return [(lift, t, self._waiting[lift][0]) for lift, t in zip(lifts, times, strict=True)]

    def admit(self, rows: Rows, t_us: Rows) -> None:
        """Bring the people whom an armed fault needs."""
        people, state = self.cars.people, self.cars.state
        for lift, _, fault in self._due(rows, t_us):
            if self.wake_us[lift] == NEVER_US:
                continue  # they came already
            if fault.cause is Cause.INSPECTION:
                if people.doing[lift].any():
                    continue  # the mechanic waits until the lift is empty
                state["mode"][lift] = Mode.INSPECTION
            floor = int(state["floor"][lift])
            top = int(self.cars.plan.n_landings[lift]) - 1
            away = min(RIDE_LANDINGS, top)
            far = floor + away if floor + away <= top else floor - away
            far = min(max(far, 0), top)
            self.cars.bring(lift, fault.people, floor, far)
            self.wake_us[lift] = NEVER_US

    def departed(self, rows: Rows, t_us: Rows) -> None:
        """Plan the strike of a fault that stops a ride half-way."""
        for lift, t, fault in self._due(rows, t_us):
            brought = self.wake_us[lift] == NEVER_US
            if fault.cause in faults.MID_RIDE and brought and self.cars.state["riders"][lift]:
                at_us = self._instant_between_landings(lift, t)
                if at_us is not None:
                    self.pokes.plan(lift, at_us, Poke.STRIKE)

    def arrived(self, rows: Rows, t_us: Rows) -> None:
        """Let the doors stay shut at the landing if their lock fails."""
        for lift, t, fault in self._due(rows, t_us):
            if fault.cause is Cause.DOOR_LOCK and self.cars.state["riders"][lift]:
                self._struck[lift] = self._disarm(lift)
                self._trap(lift, t)

    def doors_opened(self, rows: Rows, t_us: Rows) -> None:
        """End the entrapments of those who can get out now."""
        if not self._trapped:
            return
        for lift, t in zip(rows.tolist(), t_us.tolist(), strict=True):
            number = self._trapped.pop(lift, None)
            if number is not None:
                by_itself = lift not in self._by_rescuer
                self.truth.end(number, t, self_released=by_itself)
                self.pokes.drop(lift, Poke.PRESS)

    def boarding(self, rows: Rows, t_us: Rows) -> None:
        """Restore lifts whose people are out; let children play with the button."""
        if self._struck:
            for lift in rows.tolist():
                if lift in self._struck:
                    self._restore(lift)
        for lift, t, fault in self._due(rows, t_us):
            if fault.cause is Cause.BUTTON_PLAY and self.wake_us[lift] == NEVER_US:
                for after_us in fault.presses_us:
                    self.pokes.plan(lift, t + after_us, Poke.PRESS)
                self._disarm(lift)

    def closing(self, rows: Rows, t_us: Rows) -> None:
        """Nothing holds doors yet."""

    def closed(self, rows: Rows, t_us: Rows) -> None:
        """Let a rider stand in the closed car without pressing anything."""
        for lift, t, fault in self._due(rows, t_us):
            if fault.cause is Cause.PARKED_RIDER and self.cars.state["riders"][lift]:
                self._disarm(lift)
                self._enter(lift, Phase.PARKED, t, fault.lasts_us)

    # --- the course of an incident --------------------------------------------------------------

    def _enter(self, lift: int, phase: Phase, t_us: int, duration_us: int) -> None:
        self.cars.enter(np.array([lift]), phase, np.array([t_us]), duration_us)

    def _speed_and_height(self, lift: int, t_us: int) -> tuple[float, float]:
        row, t = np.array([lift]), np.array([t_us])
        height_m, speed_mps, _ = kinematics(self.cars.state.pieces(row, t, t), t)
        return float(speed_mps[0]), float(height_m[0])

    def _instant_between_landings(self, lift: int, t_us: int) -> int | None:
        """Return when to strike so that the car comes to rest outside every door zone."""
        lasts_us = int(self.cars.phase_end_us[lift]) - t_us
        for pct in _STRIKE_PCT:
            at_us = t_us + lasts_us * pct // 100 // 1000 * 1000
            speed_mps, height_m = self._speed_and_height(lift, at_us)
            rest_m = height_m + speed_mps * abs(speed_mps) / (2 * EMERGENCY_MPS2)
            if not self.cars.plan.in_zone(np.array([lift]), np.array([rest_m]))[0]:
                return at_us
        return None

    def _strike(self, lift: int, t_us: int) -> None:
        fault = self._struck[lift] = self._disarm(lift)
        self._show(lift, fault.cause)
        self._brake(lift, t_us)

    def _show(self, lift: int, cause: Cause) -> None:
        """Set what the controller reports about it."""
        state = self.cars.state
        if cause in (Cause.MAINS_CUT, Cause.AREA_POWER_CUT):
            state["power"][lift] = Power.BATTERY
        if cause is Cause.SAFETY_CIRCUIT:
            state["safety_circuit"][lift] = 0
        if cause in _CODES:
            state["codes"][lift] |= 1 << CODE_BIT[_CODES[cause]]

    def _brake(self, lift: int, t_us: int) -> None:
        state = self.cars.state
        speed_mps, height_m = self._speed_and_height(lift, t_us)
        state["travelled_m"][lift] += abs(height_m - state["height_m"][lift])
        state["height_m"][lift] = height_m
        state["motion"][lift] = Motion.BRAKE
        state["move_us"][lift] = t_us
        state["speed_mps"][lift] = abs(speed_mps)
        state["deceleration_mps2"][lift] = EMERGENCY_MPS2
        stopping_us = -int(-abs(speed_mps) / EMERGENCY_MPS2 * 1000 // 1) * 1000
        self._enter(lift, Phase.BRAKING, t_us, stopping_us)

    def turn(self, rows: Rows, t_us: Rows) -> None:
        """End the phases that only incidents know: emergency stops and entrapments."""
        for lift, t in zip(rows.tolist(), t_us.tolist(), strict=True):
            match self.cars.state["phase"][lift]:
                case Phase.BRAKING:
                    self.cars.state.stop(np.array([lift]), np.array([t]))
                    self._stand(lift, t)
                case Phase.STUCK:
                    self._free(lift, t, by_rescuer=self._released_from_outside(lift))

    def _stand(self, lift: int, t_us: int) -> None:
        """Decide what a car is that was stopped: a trap, a mechanic's place of work, or dark."""
        struck = self._struck.get(lift)
        if struck is not None and struck.cause is Cause.INSPECTION:
            self._enter(lift, Phase.STUCK, t_us, struck.lasts_us)
        elif self.cars.state["riders"][lift]:
            self._trap(lift, t_us)
        else:
            self._enter(lift, Phase.DARK, t_us, NEVER_US - t_us)

    def _trap(self, lift: int, t_us: int) -> None:
        cars, fault = self.cars, self._struck[lift]
        self._show(lift, fault.cause)
        height_m = cars.state["height_m"][[lift]]
        levelled = bool(cars.plan.in_zone(np.array([lift]), height_m)[0])
        kind = (
            FindingKind.ENTRAPMENT_AT_LANDING if levelled
            else FindingKind.ENTRAPMENT_BETWEEN_LANDINGS
        )  # fmt: skip
        self._trapped[lift] = self.truth.begin(
            self._event(lift, kind, fault, t_us, int(cars.state["riders"][lift]))
        )
        self._enter(lift, Phase.STUCK, t_us, self._until_freed_us(lift, fault, t_us))
        for after_us in fault.presses_us:
            self.pokes.plan(lift, t_us + after_us, Poke.PRESS)

    def _event(
        self, lift: int, kind: FindingKind, fault: Fault, t_us: int, people: int
    ) -> TruthEvent:
        plan = self.cars.plan
        return TruthEvent(
            lift, plan.codes[lift], kind, str(fault.cause), t_us, people,
            presence_known=bool(plan.presence[lift] != Presence.ABSENT),
        )  # fmt: skip

    def _has_rescue_device(self, lift: int) -> bool:
        dark = self.cars.state["power"][lift] == Power.BATTERY
        return bool(dark and self.cars.plan.rescue_device[lift])

    def _released_from_outside(self, lift: int) -> bool:
        return lift in self._trapped and not self._has_rescue_device(lift)

    def _until_freed_us(self, lift: int, fault: Fault, t_us: int) -> int:
        if self._has_rescue_device(lift):
            return fault.lasts_us if fault.cause is Cause.MAINS_CUT else RESCUE_DEVICE_US
        if fault.release_after_us is None:
            return NEVER_US - t_us
        return fault.release_after_us

    def _free(self, lift: int, t_us: int, *, by_rescuer: bool) -> None:
        row, t = np.array([lift]), np.array([t_us])
        if by_rescuer:
            self._by_rescuer.add(lift)
        if lift in self._trapped:
            self.truth.freeing(self._trapped[lift], t_us)
        landing = self.cars.rescue(row, t)
        self.cars.people.leave_all(row, landing)
        if by_rescuer and self.cars.state["phase"][lift] == Phase.RESCUE:
            # the mechanic moves the car by hand, in inspection mode
            self.cars.state["mode"][lift] = Mode.INSPECTION

    def _restore(self, lift: int) -> None:
        state, fault = self.cars.state, self._struck.pop(lift)
        self._by_rescuer.discard(lift)
        state["mode"][lift] = Mode.NORMAL
        state["safety_circuit"][lift] = 1
        if fault.cause is not Cause.AREA_POWER_CUT:
            state["power"][lift] = Power.MAINS
            state["codes"][lift] = 0

    def _press(self, lift: int, t_us: int) -> None:
        state = self.cars.state
        if state["button"][lift]:
            return
        trapped = lift in self._trapped
        fault = self._struck[lift] if trapped else Fault(lift, Cause.BUTTON_PLAY, t_us)
        state["button"][lift] = 1
        number = self._pressing.get(lift)
        if number is None or not trapped or not self._same_case(lift, number):
            people = int(state["riders"][lift])
            event = self._event(lift, FindingKind.ALARM_BUTTON, fault, t_us, people)
            number = self._pressing[lift] = self.truth.begin(event)
        self.truth.pressed(number, t_us)
        self.pokes.plan(lift, t_us + PRESS_US, Poke.LET_GO)

    def _same_case(self, lift: int, number: int) -> bool:
        """Tell whether the press event belongs to the present entrapment."""
        return number > self._trapped[lift]

    # --- power ----------------------------------------------------------------------------------

    def _cut(self, lift: int, t_us: int) -> None:
        """Take the mains from a lift, whatever it does."""
        state = self.cars.state
        phase = state["phase"][lift]
        self._show(lift, Cause.AREA_POWER_CUT)
        self.pokes.drop(lift, Poke.STRIKE)
        fault = Fault(lift, Cause.AREA_POWER_CUT, t_us)
        if phase == Phase.MOVING:
            self._struck[lift] = fault
            self._brake(lift, t_us)
        elif phase in _DOORS_IN_USE:
            self._walk_out(lift, t_us)
        elif phase in (Phase.ARRIVED, Phase.CLOSED, Phase.PARKED, Phase.IDLE):
            self._struck.setdefault(lift, fault)
            self._stand(lift, t_us)

    def _walk_out(self, lift: int, t_us: int) -> None:
        """Let everybody push the doors open and leave: the car is at a landing."""
        row, t = np.array([lift]), np.array([t_us])
        self.doors_opened(row, t)
        floor = self.cars.state["floor"][row]
        self.cars.people.leave_all(row, floor)
        self.cars.people.leave(row, floor)
        self.cars.count_riders(row)
        self._enter(lift, Phase.DARK_OPEN, t_us, NEVER_US - t_us)

    def _mains_back(self, lift: int, t_us: int) -> None:
        state, row, t = self.cars.state, np.array([lift]), np.array([t_us])
        state["power"][lift] = Power.MAINS
        state["codes"][lift] &= ~(1 << CODE_BIT[41])
        match state["phase"][lift]:
            case Phase.DARK:
                self.cars.rescue(row, t)
            case Phase.DARK_OPEN:
                self.cars.board(row, t)
            case Phase.STUCK if self._struck[lift].cause is Cause.AREA_POWER_CUT:
                self._free(lift, t_us, by_rescuer=False)
