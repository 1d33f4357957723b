"""Ordinary life of lifts: calls, trips, doors, people. Vectorised, one method per phase that ends.

Collective control: a lift goes on in its direction to the nearest landing where somebody wants in
or out, and turns when there is none. What goes wrong is ``incidents``, asked through ``Hooks`` at
fixed points. Every method takes ``rows`` (lifts, unique) and ``t_us`` (the instant for each).
"""

from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from simulator.world import doors, motion
from simulator.world.buildings import Plan
from simulator.world.people import People
from simulator.world.state import HELD, Motion, Phase, Rows, State
from simulator.world.traffic import NEVER_US, Arrivals
from telemetry.columns import Power

LEVELLED_US: Final = 400_000
"""From standstill to the first movement of the doors."""
START_US: Final = 800_000
"""From doors closed to the first movement of the car."""
LEAVING_US: Final = 1_000_000
"""Time that one person needs to get out."""
RESCUE_MPS: Final = 0.3
"""Speed of an emergency operation; EN 81-20 allows up to 0.63 m/s."""


class Hooks(Protocol):
    """What may interfere with ordinary life.

    A hook takes a lift over by letting it enter one of the phases ``state.HELD``; ordinary life
    then goes on without it until it is handed back (``open``, ``close``, ``settle``, ``move``).
    """

    wake_us: NDArray[np.int64]

    def admit(self, rows: Rows, t_us: Rows) -> None:
        """Bring people of scripted faults to idle lifts."""
        ...

    def departed(self, rows: Rows, t_us: Rows) -> None:
        """Trips have begun."""
        ...

    def arrived(self, rows: Rows, t_us: Rows) -> None:
        """Trips have ended at their landing."""
        ...

    def doors_opened(self, rows: Rows, t_us: Rows) -> None:
        """Doors stand open at a landing."""
        ...

    def boarding(self, rows: Rows, t_us: Rows) -> None:
        """Everybody who wanted out is out."""
        ...

    def closing(self, rows: Rows, t_us: Rows) -> None:
        """Doors are told to close."""
        ...

    def closed(self, rows: Rows, t_us: Rows) -> None:
        """Doors are closed, the lift will decide where to go."""
        ...


class Cars:
    """Lifts that serve people.

    Parameters
    ----------
    plan
        What is built.
    seed
        Seed of the world.
    start_us
        All lifts are idle at their lowest landing then.
    arrivals
        Who comes when.
    """

    def __init__(self, plan: Plan, seed: int, start_us: int, arrivals: Arrivals) -> None:
        n = len(plan)
        self.plan = plan
        self.seed = seed
        self.arrivals = arrivals
        self.people = People(n)
        self.state = State(n, start_us)
        self.phase_end_us = np.full(n, start_us)
        self.hooks: Hooks | None = None
        self.obstructed = np.zeros(n, "i8")
        """How many closings something will be in the way of the doors."""
        self.off_m = np.zeros(n)
        """How far off its landings the car stops [m]."""
        self._heading = np.ones(n, "i1")
        self.target = np.zeros(n, "i8")
        """Landing of the present or last trip."""
        self._closings = np.zeros(n, "i8")
        self._reopened = np.zeros(n, "i8")
        self._opens_again = np.zeros(n, bool)
        self._turns = {
            Phase.IDLE: self.settle,
            Phase.MOVING: self._moved,
            Phase.ARRIVED: self._levelled,
            Phase.OPENING: self._opened,
            Phase.LEAVING: self._left,
            Phase.BOARDING: self._boarded,
            Phase.CLOSING: self._closing_over,
            Phase.CLOSED: self._start,
            Phase.RESCUE: self._moved,
            Phase.PARKED: self.settle,
            Phase.AJAR: self._moved,
        }

    def turn(self, rows: Rows, t_us: Rows) -> None:
        """Let the phases of ``rows`` end at ``t_us``, and the next ones begin."""
        phase = self.state["phase"][rows]
        for ending, turn in self._turns.items():
            mask = phase == ending
            if mask.any():
                turn(rows[mask], t_us[mask])

    def enter(self, rows: Rows, phase: Phase, t_us: Rows, duration_us: Any) -> None:
        """Begin a phase."""
        self.state["phase"][rows] = phase
        self.state["start_us"][rows] = t_us
        self.phase_end_us[rows] = t_us + duration_us

    def settle(self, rows: Rows, t_us: Rows) -> None:
        """Let people arrive, then decide: open here, go somewhere, or idle."""
        self._admit(rows, t_us)
        rows, t_us = self._not_held(rows, t_us)
        floor = self.state["floor"][rows]
        room = self.people.riders(rows) < self.plan.capacity[rows]
        here = (self.people.waiting_at(rows, floor) > 0) & room
        here |= self.people.leaving_at(rows, floor) > 0
        self.open(rows[here], t_us[here])
        rows, t_us, floor = rows[~here], t_us[~here], floor[~here]
        if rows.size:
            self._go(rows, t_us, floor)

    def bring(self, lift: int, people: int, origin: int, destination: int) -> None:
        """Let people come who take this lift and no other."""
        row = np.array([lift])
        for _ in range(people):
            self.people.arrive(row, np.array([origin]), np.array([destination]))

    def open(self, rows: Rows, t_us: Rows) -> None:
        """Begin to open the doors of a stop."""
        self._reopened[rows] = 0
        self.enter(rows, Phase.OPENING, t_us, self.plan.opening_us[rows])

    def move(
        self, rows: Rows, phase: Phase, target: NDArray[Any], t_us: Rows, speed_mps: Any
    ) -> None:
        """Begin a trip to the landing ``target`` of each lift."""
        state, plan = self.state, self.plan
        way_m = plan.landings_m[rows, target] + self.off_m[rows] - state["height_m"][rows]
        trips = motion.plan(
            np.abs(way_m), speed_mps, plan.acceleration_mps2[rows], plan.jerk_mps3[rows]
        )
        state.start_trips(rows, trips, np.sign(way_m), t_us)
        self.target[rows] = target
        duration_us = np.ceil(trips.duration_s * 1000).astype("i8") * 1000
        self.enter(rows, phase, t_us, duration_us)

    def rescue(self, rows: Rows, t_us: Rows) -> NDArray[np.int64]:
        """Bring cars slowly to their nearest landings, or only open; return the landings."""
        height_m = self.state["height_m"][rows]
        landing = self.plan.nearest_landing(rows, height_m)
        self.state["floor"][rows] = landing
        levelled = self.plan.in_zone(rows, height_m)
        self.open(rows[levelled], t_us[levelled])
        away = ~levelled
        if away.any():
            self.move(rows[away], Phase.RESCUE, landing[away], t_us[away], RESCUE_MPS)
        return landing

    def count_riders(self, rows: Rows) -> None:
        """Take the number of riders over into the state."""
        self.state["riders"][rows] = self.people.riders(rows)

    def _not_held(self, rows: Rows, t_us: Rows) -> tuple[Rows, Rows]:
        """Leave out the lifts that hooks took over."""
        free = ~HELD[self.state["phase"][rows]]
        return rows[free], t_us[free]

    def _admit(self, rows: Rows, t_us: Rows) -> None:
        arrivals = self.arrivals
        due = arrivals.next_us[rows] <= t_us
        while due.any():
            rows_due = rows[due]
            self.people.arrive(rows_due, arrivals.origin[rows_due], arrivals.destination[rows_due])
            arrivals.proceed(rows_due)
            due = arrivals.next_us[rows] <= t_us
        if self.hooks:
            self.hooks.admit(rows, t_us)

    def _go(self, rows: Rows, t_us: Rows, floor: NDArray[Any]) -> None:
        n_landings = self.plan.landings_m.shape[1]
        stops = self.people.stops(rows, n_landings)
        number = np.arange(n_landings)
        above = stops & (number > floor[:, np.newaxis])
        below = stops & (number < floor[:, np.newaxis])
        any_above, any_below = above.any(axis=1), below.any(axis=1)
        up = any_above & ((self._heading[rows] > 0) | ~any_below)
        next_above = np.argmax(above, axis=1)
        next_below = n_landings - 1 - np.argmax(below[:, ::-1], axis=1)
        wanted = any_above | any_below
        going = rows[wanted]
        if going.size:
            self._heading[going] = np.where(up[wanted], 1, -1)
            target = np.where(up, next_above, next_below)[wanted]
            self.state["runs"][going] += 1
            self.move(going, Phase.MOVING, target, t_us[wanted], self.plan.rated_mps[going])
            if self.hooks:
                self.hooks.departed(going, t_us[wanted])
        self._idle(rows[~wanted], t_us[~wanted])

    def _idle(self, rows: Rows, t_us: Rows) -> None:
        until_us = self.arrivals.next_us[rows]
        if self.hooks:
            until_us = np.minimum(until_us, self.hooks.wake_us[rows])
        self.enter(rows, Phase.IDLE, t_us, np.minimum(until_us, NEVER_US) - t_us)

    def _moved(self, rows: Rows, t_us: Rows) -> None:
        state = self.state
        ordinary = state["phase"][rows] != Phase.RESCUE
        landing_m = self.plan.landings_m[rows, self.target[rows]] + self.off_m[rows]
        state["travelled_m"][rows] += np.abs(landing_m - state["height_m"][rows])
        state["height_m"][rows] = landing_m
        state["floor"][rows] = self.target[rows]
        state["motion"][rows] = Motion.NONE
        state["sign"][rows] = 0
        self.enter(rows, Phase.ARRIVED, t_us, LEVELLED_US)
        if self.hooks:
            self.hooks.arrived(rows[ordinary], t_us[ordinary])

    def _levelled(self, rows: Rows, t_us: Rows) -> None:
        self.open(rows, t_us)

    def _opened(self, rows: Rows, t_us: Rows) -> None:
        leaving = self.people.leaving_at(rows, self.state["floor"][rows])
        self.enter(rows, Phase.LEAVING, t_us, np.maximum(leaving, 1) * LEAVING_US)
        if self.hooks:
            self.hooks.doors_opened(rows, t_us)

    def _left(self, rows: Rows, t_us: Rows) -> None:
        self.people.leave(rows, self.state["floor"][rows])
        self.count_riders(rows)
        if self.hooks:
            self.hooks.boarding(rows, t_us)
        rows, t_us = self._not_held(rows, t_us)
        dark = self.state["power"][rows] == Power.BATTERY
        self.enter(rows[dark], Phase.DARK_OPEN, t_us[dark], NEVER_US - t_us[dark])
        self.board(rows[~dark], t_us[~dark])

    def board(self, rows: Rows, t_us: Rows) -> None:
        """Let people in, for the dwell time and longer for each of them."""
        self._admit(rows, t_us)
        floor = self.state["floor"][rows]
        boarded = self.people.board(rows, floor, self.plan.capacity[rows])
        self.count_riders(rows)
        duration_us = self.plan.dwell_us[rows] + boarded * self.plan.per_person_us[rows]
        self.enter(rows, Phase.BOARDING, t_us, duration_us)

    def _boarded(self, rows: Rows, t_us: Rows) -> None:
        self._admit(rows, t_us)
        floor = self.state["floor"][rows]
        room = self.people.riders(rows) < self.plan.capacity[rows]
        more = (self.people.waiting_at(rows, floor) > 0) & room
        self.board(rows[more], t_us[more])
        rows, t_us = rows[~more], t_us[~more]
        if self.hooks:
            self.hooks.closing(rows, t_us)
        rows, t_us = self._not_held(rows, t_us)
        if rows.size:
            self.close(rows, t_us)

    def close(self, rows: Rows, t_us: Rows) -> None:
        """Begin to close the doors."""
        closing_us, again = doors.closing_us(
            self.seed, self.plan.first_lift + rows, self._closings[rows],
            self.plan.closing_us[rows], self._reopened[rows],
        )  # fmt: skip
        in_the_way = self.obstructed[rows] > 0
        again |= in_the_way
        self.obstructed[rows] -= in_the_way
        self._closings[rows] += 1
        self._opens_again[rows] = again
        self.enter(rows, Phase.CLOSING, t_us, closing_us)

    def _closing_over(self, rows: Rows, t_us: Rows) -> None:
        again = self._opens_again[rows]
        reopening = rows[again]
        self._reopened[reopening] += 1
        self.enter(reopening, Phase.OPENING, t_us[again], self.plan.opening_us[reopening])
        rows, t_us = rows[~again], t_us[~again]
        self.state["door_cycles"][rows] += 1
        self.state["stirred_us"][rows] = t_us
        self.enter(rows, Phase.CLOSED, t_us, START_US)
        if self.hooks:
            self.hooks.closed(rows, t_us)

    def _start(self, rows: Rows, t_us: Rows) -> None:
        self.settle(rows, t_us)
