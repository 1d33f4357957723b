"""Ordinary life of lifts: calls, trips, doors, people. Vectorised, one method per phase that ends.

Collective control: a lift goes on in its direction to the nearest landing where somebody wants out,
or in to go on that way; failing that to the furthest where somebody waits, and turns there. Which
lift of a group serves whom is ``dispatch``. What goes wrong is ``incidents``, asked through
``Hooks`` at fixed points. Every method takes ``rows`` (lifts, unique) and ``t_us`` (the instant for
each).
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from simulator.randomness import Words
from simulator.world import doors, motion
from simulator.world.buildings import Plan
from simulator.world.people import Crowd, People
from simulator.world.state import HELD, Motion, Phase, Rows, State
from simulator.world.traffic import NEVER_US
from telemetry.columns import Power

LEVELLED_US: Final = 400_000
"""From standstill to the first movement of the doors."""
START_US: Final = 800_000
"""From doors closed to the first movement of the car."""
LEAVING_US: Final = 1_000_000
"""Time that one person needs to get out."""
RESCUE_MPS: Final = 0.3
"""Speed of an emergency operation; EN 81-20 allows up to 0.63 m/s."""
RELEVELLING_MPS: Final = 0.03
"""So slow that no terminal takes it for a ride (practice); EN 81-20 allows 0.3 m/s."""
LEVELLING_UM: Final = 5_000
"""Largest error of an ordinary stop; GB/T 10058 allows ±10 mm."""
RELEVELLED_PCT: Final = 4
"""Stops at which the car sinks or rises with its load until it has to level again (practice)."""
SAG_UM: Final = (12_000, 18_000)
"""By how much: more than the ±10 mm of a stop, less than the ±20 mm that may be held."""
HELD_M: Final = 0.01
"""A car that stopped further off than this has a fault and does not correct its height."""


class Worn:
    """How worn each of ``n`` lifts is; 0 = as new.

    Attributes
    ----------
    doors_pct, drive_pct
        By how much doors move, and rides go, slower [%].
    off_m
        How far above its landings the car stops [m].
    """

    def __init__(self, n: int) -> None:
        self.doors_pct = np.zeros(n, "i8")
        self.drive_pct = np.zeros(n, "i8")
        self.off_m = np.zeros(n)

    def doors_us(self, rows: Rows, plain_us: Rows) -> Rows:
        """Return how long doors move that take ``plain_us`` when new, whole ms."""
        return plain_us * (100 + self.doors_pct[rows]) // 100_000 * 1000


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
    """

    def __init__(self, plan: Plan, seed: int, start_us: int) -> None:
        n = len(plan)
        self.plan = plan
        self.seed = seed
        self.people = People(n)
        self.state = State(n, start_us)
        self.phase_end_us = np.full(n, start_us)
        self.hooks: Hooks | None = None
        self.obstructed = np.zeros(n, "i8")
        """How many closings something will be in the way of the doors."""
        self.off_m = np.zeros(n)
        """How far off its landings the car stops [m]."""
        self.worn = Worn(n)
        self.heading = np.ones(n, "i1")
        """+1 up, -1 down: the way that it goes on if there is anything to do that way."""
        self.target = np.zeros(n, "i8")
        """Landing of the present or last trip."""
        self._aim_m = np.zeros(n)
        self._closings = np.zeros(n, "i8")
        self._reopened = np.zeros(n, "i8")
        self._reopening_us = np.zeros(n, "i8")
        self._error_m = np.zeros(n)
        self._sag_m = np.zeros(n)
        self._turns: dict[int, Callable[[Rows, Rows], None]] = {
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
            Phase.RELEVELLING: self._relevelled,
        }

    def turn(self, rows: Rows, t_us: Rows) -> None:
        """Let the phases of ``rows`` end at ``t_us``, and the next ones begin."""
        phase = self.state["phase"][rows]
        for ending in np.flatnonzero(np.bincount(phase)).tolist():
            mask = phase == ending
            self._turns[ending](rows[mask], t_us[mask])

    def enter(self, rows: Rows, phase: Phase, t_us: Rows, duration_us: Any) -> None:
        """Begin a phase."""
        self.state["phase"][rows] = phase
        self.state["start_us"][rows] = t_us
        self.phase_end_us[rows] = t_us + duration_us

    def settle(self, rows: Rows, t_us: Rows) -> None:
        """Let people arrive, then decide: open here, go somewhere, or idle."""
        self._admit(rows, t_us)
        rows, t_us = self._not_held(rows, t_us)
        if not rows.size:
            return
        crowd = Crowd(self.people, rows, self.state["floor"][rows])
        heading = self.heading[rows]
        room = crowd.riders < self.plan.capacity[rows]
        boards, _ = crowd.boarding(heading)
        here = (boards.any(axis=1) & room) | crowd.leaving().any(axis=1)
        step, turns = crowd.next_stop(heading, room)
        goes = ~here & (step != 0)
        self.open(rows[here], t_us[here])
        self._go(rows[goes], t_us[goes], step[goes], turns[goes])
        idle = ~(here | goes)
        self._idle(rows[idle], t_us[idle])

    def bring(self, lift: int, people: int, origin: int, destination: int) -> None:
        """Let people come who take this lift and no other."""
        row = np.array([lift])
        for _ in range(people):
            self.people.arrive(row, np.array([origin]), np.array([destination]))

    def open(self, rows: Rows, t_us: Rows) -> None:
        """Begin to open the doors of a stop."""
        self._reopened[rows] = 0
        self.enter(rows, Phase.OPENING, t_us, self.worn.doors_us(rows, self.plan.opening_us[rows]))

    def move(
        self, rows: Rows, phase: Phase, target: NDArray[Any], t_us: Rows, speed_mps: Any
    ) -> None:
        """Begin a trip to the landing ``target`` of each lift, from wherever it is."""
        state, plan = self.state, self.plan
        moving = state["motion"][rows] != Motion.NONE
        if moving.any():
            state.stop(rows[moving], t_us[moving])
        aim_m = plan.landings_m[rows, target] + self.off_m[rows] + self._error_m[rows]
        aim_m = aim_m + self.worn.off_m[rows]
        way_m = aim_m - state["height_m"][rows]
        trips = motion.plan(
            np.abs(way_m), speed_mps, plan.acceleration_mps2[rows], plan.jerk_mps3[rows]
        )
        state.start_trips(rows, trips, np.sign(way_m), t_us)
        self.target[rows] = target
        self._aim_m[rows] = aim_m
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

    def wake(self, rows: Rows) -> None:
        """Let idle lifts look up when the next of the people expected arrives."""
        idle = rows[self.state["phase"][rows] == Phase.IDLE]
        self.phase_end_us[idle] = np.minimum(self.phase_end_us[idle], self.people.next_us[idle])

    def _admit(self, rows: Rows, t_us: Rows) -> None:
        self.people.come(rows, t_us)
        if self.hooks:
            self.hooks.admit(rows, t_us)

    def _go(self, rows: Rows, t_us: Rows, step: NDArray[Any], turns: NDArray[Any]) -> None:
        if not rows.size:
            return
        self.heading[rows[turns]] *= -1
        target = self.state["floor"][rows] + step
        self.state["runs"][rows] += 1
        slower = 100 / (100 + self.worn.drive_pct[rows])
        self.move(rows, Phase.MOVING, target, t_us, self.plan.rated_mps[rows] * slower)
        if self.hooks:
            self.hooks.departed(rows, t_us)

    def _idle(self, rows: Rows, t_us: Rows) -> None:
        until_us = self.people.next_us[rows]
        if self.hooks:
            until_us = np.minimum(until_us, self.hooks.wake_us[rows])
        self.enter(rows, Phase.IDLE, t_us, np.minimum(until_us, NEVER_US) - t_us)

    def _moved(self, rows: Rows, t_us: Rows) -> None:
        ordinary = self.state["phase"][rows] != Phase.RESCUE
        self._stand(rows, t_us)
        self.state["floor"][rows] = self.target[rows]
        self.enter(rows, Phase.ARRIVED, t_us, LEVELLED_US)
        if self.hooks:
            self.hooks.arrived(rows[ordinary], t_us[ordinary])

    def _stand(self, rows: Rows, t_us: Rows) -> None:
        """End trips exactly where they were to end."""
        state = self.state
        state["travelled_m"][rows] += np.abs(self._aim_m[rows] - state["height_m"][rows])
        state["running_us"][rows] += t_us - state["move_us"][rows]
        state["height_m"][rows] = self._aim_m[rows]
        state["motion"][rows] = Motion.NONE
        state["sign"][rows] = 0

    def _levelled(self, rows: Rows, t_us: Rows) -> None:
        self.open(rows, t_us)

    def _opened(self, rows: Rows, t_us: Rows) -> None:
        leaving = Crowd(self.people, rows, self.state["floor"][rows]).leaving().sum(axis=1)
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
        crowd = Crowd(self.people, rows, self.state["floor"][rows])
        boards, self.heading[rows] = crowd.boarding(self.heading[rows])
        self._let_in(rows, t_us, crowd, boards)

    def _let_in(self, rows: Rows, t_us: Rows, crowd: Crowd, boards: NDArray[np.bool_]) -> None:
        room = self.plan.capacity[rows] - crowd.riders
        boarded = self.people.board(rows, boards, room, t_us)
        self.state["riders"][rows] = crowd.riders + boarded
        duration_us = self.plan.dwell_us[rows] + boarded * self.plan.per_person_us[rows]
        self.enter(rows, Phase.BOARDING, t_us, duration_us)

    def _boarded(self, rows: Rows, t_us: Rows) -> None:
        self._admit(rows, t_us)
        crowd = Crowd(self.people, rows, self.state["floor"][rows])
        boards, heading = crowd.boarding(self.heading[rows])
        more = boards.any(axis=1) & (crowd.riders < self.plan.capacity[rows])
        if more.any():
            self.heading[rows[more]] = heading[more]
            self._let_in(rows[more], t_us[more], crowd.take(more), boards[more])
            rows, t_us = rows[~more], t_us[~more]
        sags = self._sag_m[rows] != 0
        if sags.any():
            sags &= np.abs(self._off_landing_m(rows)) <= HELD_M
            self._relevel(rows[sags], t_us[sags])
            rows, t_us = rows[~sags], t_us[~sags]
        if self.hooks:
            self.hooks.closing(rows, t_us)
        rows, t_us = self._not_held(rows, t_us)
        if rows.size:
            self.close(rows, t_us)

    def _off_landing_m(self, rows: Rows) -> NDArray[np.float64]:
        landing_m = self.plan.landings_m[rows, self.state["floor"][rows]]
        return self.state["height_m"][rows] - landing_m

    def _relevel(self, rows: Rows, t_us: Rows) -> None:
        """Correct the height of cars that the change of load has moved, with open doors."""
        self.state["height_m"][rows] += self._sag_m[rows]
        self._sag_m[rows] = 0
        floor = self.state["floor"][rows]
        self.move(rows, Phase.RELEVELLING, floor, t_us, RELEVELLING_MPS)

    def _relevelled(self, rows: Rows, t_us: Rows) -> None:
        self._stand(rows, t_us)
        self._boarded(rows, t_us)

    def close(self, rows: Rows, t_us: Rows) -> None:
        """Begin to close the doors."""
        closing = doors.close(
            self.seed, self.plan.first_lift + rows, self._closings[rows],
            self.worn.doors_us(rows, self.plan.closing_us[rows]),
            self._reopened[rows], self.obstructed[rows],
        )  # fmt: skip
        self._closings[rows] += 1
        self.obstructed[rows] = closing.in_the_way
        opening_us = self.plan.opening_us[rows] * closing.part_pct // 100_000 * 1000
        self._reopening_us[rows] = np.where(closing.opens_again, opening_us, 0)
        self._error_m[rows], self._sag_m[rows] = _levelling(*closing.spare)
        self.enter(rows, Phase.CLOSING, t_us, closing.lasts_us)

    def _closing_over(self, rows: Rows, t_us: Rows) -> None:
        opening_us = self._reopening_us[rows]
        again = opening_us > 0
        self._reopened[rows] += again
        self.enter(rows[again], Phase.OPENING, t_us[again], opening_us[again])
        rows, t_us = rows[~again], t_us[~again]
        self.state["door_cycles"][rows] += 1
        self.state["stirred_us"][rows] = t_us
        self.enter(rows, Phase.CLOSED, t_us, START_US)
        if self.hooks:
            self.hooks.closed(rows, t_us)

    def _start(self, rows: Rows, t_us: Rows) -> None:
        self.settle(rows, t_us)


def _levelling(error: Words, sag: Words) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw the next stop's levelling error [m], and by how much its load moves the car [m].

    The error is the sum of two equal ones, hence mostly small.
    """
    low, high = error & np.uint64(0xFFFF), error >> np.uint64(16)
    error_um = ((low + high).astype("i8") - 0xFFFF) * LEVELLING_UM // 0xFFFF
    much = (sag & np.uint64(0xFFFF)).astype("i8") * 100 < RELEVELLED_PCT << 16
    least, most = SAG_UM
    size = (sag >> np.uint64(17)).astype("i8") % (most - least + 1) + least
    up = (sag >> np.uint64(16) & np.uint64(1)).astype("i8") * 2 - 1
    return error_um / 1e6, np.where(much, size * up, 0) / 1e6
