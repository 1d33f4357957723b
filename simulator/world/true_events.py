"""What a true event says of its lift when it begins: who is inside, and who could see it.

Decides which columns of the lift's terminal show the event. What is true, and when, the ``cases``
say. Reads the cars and changes nothing.
"""

from typing import Final

import numpy as np

from simulator.faults.catalogue import Fault
from simulator.faults.evidence import shown
from simulator.truth import TruthEvent
from simulator.world.buildings import BAROMETER_NEAR_M, Presence, Terminal
from simulator.world.cars import Cars
from simulator.world.knowledge import effects
from telemetry.columns import COLUMN_NAMES
from telemetry.findings import FindingKind

_OUTSIDE: Final = (FindingKind.ENTRAPMENT_BETWEEN_LANDINGS, FindingKind.STOPPED_OUTSIDE_ZONE)


class TrueEvents:
    """Makes true events of the lifts of ``cars``."""

    def __init__(self, cars: Cars) -> None:
        self._cars = cars
        self._told: dict[tuple[int, int], frozenset[str]] = {}

    def event(self, fault: Fault, kind: FindingKind, t_us: int) -> TruthEvent:
        """Return an event that a fault makes true now."""
        plan, lift = self._cars.plan, fault.lift
        terminal, presence = int(plan.terminal[lift]), int(plan.presence[lift])
        riders = int(self._cars.state["riders"][lift])
        told = frozenset[str]() if self._hidden(kind, lift) else self._told_by(terminal, presence)
        return TruthEvent(
            lift, plan.codes[lift], kind, str(fault.cause), t_us, riders,
            presence_known=presence != Presence.ABSENT,
            terminal=Terminal(terminal).slug,
            effects=shown(
                kind,
                told,
                pressed=bool(fault.presses_us),
                riders=bool(riders),
                one_contact=terminal == Terminal.RETROFIT,
            ),
        )  # fmt: skip

    def _hidden(self, kind: FindingKind, lift: int) -> bool:
        """Tell whether the lift's box says levelled of a car that stands outside the zone."""
        plan, row = self._cars.plan, np.array([lift])
        if kind not in _OUTSIDE or plan.terminal[lift] != Terminal.BAROMETRIC:
            return False
        return bool(plan.in_zone(row, self._cars.state["height_m"][row], BAROMETER_NEAR_M)[0])

    def _told_by(self, terminal: int, presence: int) -> frozenset[str]:
        """Return the columns that such a terminal tells and that can show anything."""
        told = self._told.get((terminal, presence))
        if told is None:
            told = frozenset(effects(terminal, presence, COLUMN_NAMES))
            if terminal == Terminal.BAROMETRIC:
                told -= {"height_m"}  # it drifts by metres a day and shows no position
            self._told[terminal, presence] = told
        return told
