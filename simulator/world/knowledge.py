"""What each type of terminal tells, by column: the one list that sensors, truth and tests share.

A truth event names the columns in which its lift's terminal can show it; what is not told cannot
be an effect.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from simulator.world.buildings import Presence, Terminal

TELLS: Final[Mapping[Terminal, frozenset[str]]] = MappingProxyType({
    Terminal.COUPLED: frozenset({
        "mode", "car", "direction", "zone", "floor", "door", "passenger", "speed_mps", "height_m",
        "acceleration_mps2", "vibration_mps2", "vibration_horizontal_mps2", "load_pct", "power",
        "safety_circuit", "brake", "button", "codes", "runs", "door_cycles", "distance_m",
    }),
    Terminal.RETROFIT: frozenset({
        "car", "direction", "zone", "floor", "door", "passenger", "speed_mps", "acceleration_mps2",
        "vibration_mps2", "vibration_horizontal_mps2", "terminal_power", "button", "door_cycles",
    }),
    Terminal.BAROMETRIC: frozenset({
        "car", "direction", "zone", "floor", "passenger", "speed_mps", "height_m",
        "acceleration_mps2", "vibration_mps2", "vibration_horizontal_mps2", "terminal_power",
    }),
})  # fmt: skip
"""Columns that a type of terminal tells at all; ``passenger`` only with a presence sensor."""


def effects(terminal: int, presence: int, columns: Iterable[str]) -> tuple[str, ...]:
    """Return those of ``columns`` that a terminal with this presence sensor tells, in order."""
    told = TELLS[Terminal(terminal)]
    if presence == Presence.ABSENT:
        told = told - {"passenger"}
    return tuple(name for name in columns if name in told)
