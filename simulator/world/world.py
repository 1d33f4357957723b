"""The world: lifts that live, in rounds, until an instant.

Time goes on in epochs (``dispatch``), at whose begin people are given to lifts, and in an epoch in
rounds. A round takes every lift whose next event is before the end of the epoch and the horizon:

1. *close*: the piece of life that ends at that event leaves the world;
2. *serve*: exact instants of incidents (strikes, presses, power, commands) of the lifts that have
   one then, otherwise
3. *turn*: the phase ends (people arrive, leave, board; doors; trips; decisions), by phase.

After the last round the running pieces are cut at the horizon. In an epoch lifts do not look at
each other, epochs lie on an absolute grid, and all draws are counter-based, so how the way to an
instant is cut into calls changes nothing.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.faults.catalogue import Fault
from simulator.truth import LookAlike, TruthEvent
from simulator.world.buildings import Plan
from simulator.world.cars import Cars
from simulator.world.dispatch import EPOCH_US, Cost, Dispatch, time_to_come_us
from simulator.world.incidents import Incidents
from simulator.world.pokes import Poke
from simulator.world.state import HELD, Pieces
from simulator.world.traffic import Arrivals


class World:
    """Lifts with their people and faults, from ``start_us`` on.

    Parameters
    ----------
    plan
        What is built.
    seed
        Seed of all draws.
    start_us
        First instant, whole ms.
    script
        Faults.
    rate_pct
        Traffic that each lift brings to its building in percent, shape (n_lifts,) or a number. A
        lift with 0 takes no part in its group: only scripted people come to it.
    utc_offset_hours
        Local time of the buildings.
    cost
        How the lift is chosen that serves a call.
    """

    def __init__(
        self,
        plan: Plan,
        seed: int,
        start_us: int,
        script: Sequence[Fault] = (),
        rate_pct: NDArray[Any] | int = 100,
        utc_offset_hours: int = 8,
        cost: Cost = time_to_come_us,
    ) -> None:
        rates = np.broadcast_to(np.asarray(rate_pct, "i8"), (len(plan),))
        self.plan = plan
        self.now_us = start_us
        self.cars = Cars(plan, seed, start_us)
        arrivals = Arrivals(plan, seed, start_us, rates, utc_offset_hours)
        self._dispatch = Dispatch(self.cars, arrivals, rates > 0, cost)
        self._epoch_end_us = start_us
        self.incidents = Incidents(self.cars, script)
        self.cars.hooks = self.incidents

    def advance(self, until_us: int) -> list[Pieces]:
        """Live on until ``until_us`` (exclusive) and return the pieces since the last call."""
        pieces: list[Pieces] = []
        reached_us = self.now_us
        while reached_us < until_us:
            if reached_us == self._epoch_end_us:
                self._epoch_end_us = (reached_us // EPOCH_US + 1) * EPOCH_US
                self._dispatch.assign(reached_us, self._epoch_end_us)
            reached_us = min(until_us, self._epoch_end_us)
            pieces += self._live(reached_us)
        everybody = np.arange(len(self.plan))
        lo_us = np.maximum(self.cars.state["start_us"], self.now_us)
        pieces.append(self.cars.state.pieces(everybody, lo_us, until_us))
        self.now_us = max(self.now_us, until_us)
        return pieces

    def release(self, lift: int, at_us: int) -> None:
        """Send a rescuer who frees the people in ``lift`` at ``at_us``, or now if that is past."""
        whole_ms_us = -(-max(at_us, self.now_us) // 1000) * 1000
        self.incidents.pokes.plan(lift, whole_ms_us, Poke.RELEASE)

    def truth(self) -> list[TruthEvent]:
        """Return the true events so far, by onset."""
        return self.incidents.truth.events()

    def look_alikes(self) -> list[LookAlike]:
        """Return the look-alikes so far, by their beginning."""
        return self.incidents.seen.look_alikes()

    def _live(self, until_us: int) -> list[Pieces]:
        """Live on within an epoch."""
        pieces: list[Pieces] = []
        while True:
            due = np.minimum(self.cars.phase_end_us, self.incidents.pokes.next_us)
            rows = np.flatnonzero(due < until_us)
            if not rows.size:
                return pieces
            pieces.append(self._round(rows, due[rows]))

    def _round(self, rows: NDArray[np.int64], t_us: NDArray[np.int64]) -> Pieces:
        lo_us = np.maximum(self.cars.state["start_us"][rows], self.now_us)
        closed = self.cars.state.pieces(rows, lo_us, t_us)
        poked = self.incidents.pokes.next_us[rows] == t_us
        if poked.any():
            self.incidents.serve(rows[poked])
        rows, t_us = rows[~poked], t_us[~poked]
        special = HELD[self.cars.state["phase"][rows]]
        if special.any():
            self.incidents.turn(rows[special], t_us[special])
        self.cars.turn(rows[~special], t_us[~special])
        return closed
