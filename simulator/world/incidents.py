"""What interferes with ordinary life: faults that strike, rescues, power, modes, the alarm button.

A fault is *armed* from its time on; people come for it; at the first chance it *strikes* and is a
*case* until the lift is restored. Here is only who is asked when: at the hooks of ordinary life, at
the ends of phases that incidents hold, and at exact instants (*pokes*). What a cause then does is
its course (``courses``), how it is done is common to all (``cases``). Truth is written when it
happens.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulator.faults import catalogue as faults
from simulator.faults.catalogue import TIMED, Fault
from simulator.world.cars import Cars
from simulator.world.cases import Cases
from simulator.world.course import BACK_TO_ORDER, Moment
from simulator.world.courses import COURSES
from simulator.world.pokes import Poke
from simulator.world.state import Phase, Rows

_MAY_DECIDE: Final = np.isin(np.arange(len(Phase)), [Phase.IDLE, Phase.CLOSED, Phase.PARKED])
"""Phases of a closed car that is about to decide where to go."""


class Incidents:
    """Faults of a fleet and their course. Implements ``cars.Hooks``."""

    def __init__(self, cars: Cars, script: Sequence[Fault]) -> None:
        self.cars = cars
        self.cases = Cases(cars)
        self.pokes = self.cases.pokes
        self.truth = self.cases.truth
        self.seen = self.cases.seen
        self.wake_us: NDArray[np.int64] = self.cases.armed.wake_us
        for own in faults.for_lifts(script, len(cars.plan)):
            for fault in own:
                self._schedule(fault)

    def _schedule(self, fault: Fault) -> None:
        if fault.cause not in TIMED:
            self.cases.armed.add(fault)
            return
        course = COURSES[fault.cause]
        begin_us = max(fault.at_us, int(self.cars.state["start_us"][fault.lift]))
        self.pokes.plan(fault.lift, begin_us, Poke.BEGIN, fault)
        if course.end:
            end_us = max(fault.at_us + fault.lasts_us, begin_us)
            self.pokes.plan(fault.lift, end_us, Poke.END, fault)

    # --- exact instants -------------------------------------------------------------------------

    def serve(self, rows: Rows) -> None:
        """Let everything happen that is planned for this instant of each lift."""
        for lift in rows.tolist():
            at_us = int(self.pokes.next_us[lift])
            self.cars.state["start_us"][lift] = at_us
            while self.pokes.next_us[lift] == at_us:
                self._happen(lift, at_us, *self.pokes.take(lift))

    def _happen(self, lift: int, t_us: int, what: Poke, fault: Fault | None) -> None:
        match what:
            case Poke.LET_GO:
                self.cases.let_go(lift, t_us)
            case Poke.RELEASE:
                self._release(lift, t_us)
            case Poke.PRESS if fault:
                self.cases.press(lift, fault, t_us)
            case _ if fault:
                self._proceed(fault, t_us, what)

    def _proceed(self, fault: Fault, t_us: int, what: Poke) -> None:
        """Let the course of a fault go on as it planned."""
        course, case = COURSES[fault.cause], self.cases.of.get(fault.lift)
        match what:
            case Poke.BEGIN if course.begin:
                course.begin(self.cases, fault, t_us)
            case Poke.END if course.end:
                course.end(self.cases, fault, t_us)
            case Poke.STRIKE if course.strike and case is None:
                course.strike(self.cases, fault, t_us)
            case Poke.STEP if course.step and case is not None and case.fault is fault:
                course.step(self.cases, case, t_us)
            case _:
                pass  # something else struck the lift in between

    def _release(self, lift: int, t_us: int) -> None:
        case = self.cases.of.get(lift)
        if case is not None and self.cars.state["phase"][lift] in (Phase.STUCK, Phase.HANGING):
            self.cases.free(case, t_us, by_rescuer=True)

    def turn(self, rows: Rows, t_us: Rows) -> None:
        """End the phases that only incidents know."""
        for lift, t in zip(rows.tolist(), t_us.tolist(), strict=True):
            case = self.cases.of[lift]
            over = COURSES[case.fault.cause].over
            if over is None:
                raise RuntimeError(f"{case.fault.cause} holds lift {lift} and never lets it go")
            over(self.cases, case, t)

    # --- hooks of ordinary life -----------------------------------------------------------------

    def _ask(self, moment: Moment, rows: Rows, t_us: Rows) -> None:
        """Ask the cases, and where there is none the armed faults, of those lifts."""
        cases = self.cases
        due = (cases.armed.from_us[rows] <= t_us) | cases.busy[rows]
        if not due.any():
            return
        for lift, t in zip(rows[due].tolist(), t_us[due].tolist(), strict=True):
            case = cases.of.get(lift)
            if case is None:
                fault = cases.armed.first(lift)
                armed = COURSES[fault.cause].armed.get(moment)
                if armed:
                    armed(cases, fault, t)
                continue
            active = COURSES[case.fault.cause].active
            step = (BACK_TO_ORDER if active is None else active).get(moment)
            if step:
                step(cases, case, t)

    def admit(self, rows: Rows, t_us: Rows) -> None:
        """Bring the people whom an armed fault needs; let closed cars fail before they decide."""
        due = self.cases.armed.from_us[rows] <= t_us
        for lift, t in zip(rows[due].tolist(), t_us[due].tolist(), strict=True):
            if not self.cases.busy[lift] and not self.cases.armed.is_brought(lift):
                self._bring(lift, t)
        decides = _MAY_DECIDE[self.cars.state["phase"][rows]]
        self._ask(Moment.ADMIT, rows[decides], t_us[decides])

    def _bring(self, lift: int, t_us: int) -> None:
        cases = self.cases
        fault = cases.armed.first(lift)
        course = COURSES[fault.cause]
        if course.bring is not None:
            top = int(self.cars.plan.n_landings[lift]) - 1
            ride = course.bring(cases, fault, int(self.cars.state["floor"][lift]), top)
            if ride is None:
                return
            if course.in_mode is not None:
                cases.enter_mode(fault, course.in_mode, t_us)
            self.cars.bring(lift, *ride)
        cases.armed.brought(lift)

    def departed(self, rows: Rows, t_us: Rows) -> None:
        """Trips have begun."""
        self._ask(Moment.DEPARTED, rows, t_us)

    def arrived(self, rows: Rows, t_us: Rows) -> None:
        """Trips have ended at their landing."""
        self._ask(Moment.ARRIVED, rows, t_us)

    def doors_opened(self, rows: Rows, t_us: Rows) -> None:
        """Doors stand open at a landing."""
        self.cases.opened_us[rows] = t_us
        self._ask(Moment.DOORS_OPENED, rows, t_us)

    def boarding(self, rows: Rows, t_us: Rows) -> None:
        """Everybody who wanted out is out."""
        self._ask(Moment.BOARDING, rows, t_us)

    def closing(self, rows: Rows, t_us: Rows) -> None:
        """Doors are told to close."""
        self._ask(Moment.CLOSING, rows, t_us)

    def closed(self, rows: Rows, t_us: Rows) -> None:
        """Doors are closed, the lift will decide where to go."""
        self._ask(Moment.CLOSED, rows, t_us)
