"""Which columns show that a finding is true: what a terminal must tell so that it can be seen.

A physical statement about frames, not about any detector. Each kind has one or more sets of columns
each of which suffices. The columns of a truth event's ``effects`` are those of all sets that the
lift's terminal tells in full; if there is none, that terminal cannot show the event.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from telemetry.columns import COLUMN_NAMES
from telemetry.findings import FindingKind


def _sets(*columns: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(c.split()) for c in columns)


SHOWN_BY: Final[Mapping[FindingKind, tuple[frozenset[str], ...]]] = MappingProxyType({
    FindingKind.ENTRAPMENT_BETWEEN_LANDINGS: _sets("car zone passenger", "car zone"),
    FindingKind.ENTRAPMENT_AT_LANDING: _sets("car zone door passenger"),
    FindingKind.ALARM_BUTTON: _sets("button", "codes"),
    FindingKind.OVERSPEED: _sets("speed_mps", "height_m"),
    FindingKind.UNINTENDED_MOVEMENT: _sets("zone door", "height_m door", "codes"),
    FindingKind.DOORS_OPEN_WHILE_RUNNING: _sets("car door"),
    FindingKind.OVER_TRAVEL_TOP: _sets("height_m"),
    FindingKind.OVER_TRAVEL_BOTTOM: _sets("height_m"),
    FindingKind.STOPPED_OUTSIDE_ZONE: _sets("car zone passenger"),
    FindingKind.DOOR_FAILS_TO_OPEN: _sets("codes"),
    FindingKind.DOOR_FAILS_TO_CLOSE: _sets("codes"),
    FindingKind.DOOR_HELD_OPEN: _sets("door"),
    FindingKind.REPEATED_REOPENING: _sets("door"),
    FindingKind.FREQUENT_RELEVELLING: _sets("car zone", "height_m"),
    FindingKind.LEVELLING_INACCURACY: _sets("height_m car"),
    FindingKind.MOTOR_RUN_TIME: _sets("car speed_mps brake", "codes"),
    FindingKind.EXCESSIVE_VIBRATION: _sets("vibration_mps2", "vibration_horizontal_mps2"),
    FindingKind.MAINS_OFF: _sets("power", "codes"),
    FindingKind.SAFETY_CIRCUIT_OPEN: _sets("safety_circuit", "codes"),
    FindingKind.FLOOR_POSITION_LOST: _sets("codes"),
    FindingKind.FREQUENT_RESETS: _sets("mode", "codes"),
    FindingKind.LONG_IDLE: _sets("car door", "car"),
    FindingKind.COUNTER_IMPLAUSIBLE: _sets("runs"),
    FindingKind.DEGRADING: _sets("door", "vibration_mps2", "height_m car"),
    FindingKind.TEST_OVERDUE: _sets("button alarm_test"),
    FindingKind.RESTART_PREVENTED: _sets("codes"),
    FindingKind.SPECIAL_MODE: _sets("mode", "codes"),
})  # fmt: skip
"""Findings of lifts; those of sensors and escalators are kept where they are made."""

WITH_BUTTON: Final[Mapping[FindingKind, tuple[frozenset[str], ...]]] = MappingProxyType({
    FindingKind.ENTRAPMENT_AT_LANDING: _sets("car zone door button"),
})  # fmt: skip
"""What suffices besides when the people inside press the alarm button."""

WITH_RIDERS: Final[Mapping[FindingKind, tuple[frozenset[str], ...]]] = MappingProxyType({
    FindingKind.DOOR_FAILS_TO_OPEN: _sets("car zone door passenger", "car zone door load_pct"),
})  # fmt: skip
"""What suffices besides when somebody is inside: an empty car may merely park."""

BY_PHASES: Final = frozenset({FindingKind.REPEATED_REOPENING})
"""What only a terminal shows that tells closing from open: one contact stays broken meanwhile."""


def shown(
    kind: FindingKind,
    told: frozenset[str],
    *,
    pressed: bool = False,
    riders: bool = False,
    one_contact: bool = False,
) -> tuple[str, ...]:
    """Return the columns in which a terminal that tells ``told`` can show a finding, in order.

    Parameters
    ----------
    kind
        A key of ``SHOWN_BY``.
    told
        Columns that the terminal tells.
    pressed
        The alarm button is pressed during it.
    riders
        Somebody is inside.
    one_contact
        The terminal knows of its doors only whether they are closed.
    """
    if one_contact and kind in BY_PHASES:
        return ()
    ways = SHOWN_BY[kind] + (WITH_BUTTON.get(kind, ()) if pressed else ())
    ways += WITH_RIDERS.get(kind, ()) if riders else ()
    columns = frozenset[str]().union(*(way for way in ways if way <= told))
    return tuple(name for name in COLUMN_NAMES if name in columns)
