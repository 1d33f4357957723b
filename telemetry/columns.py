"""The one table of frame columns: every other list of columns is derived from here.

What a column is called, how it is held in memory, its unit, its key on the wire, its SQL type and
its valid range are decided here and nowhere else. The wire codec, ``FrameBatch``, the COPY writer,
the migration, the API and the glossary read this table.

Invariant: *unknown is a value*. Every optional column has one: NaN for floats, ``UNKNOWN`` (-1) for
integers, and NULL in SQL. A detector never sees "false" where a terminal said nothing.

References: GB/T 24476 item list as platforms implement it (docs/glossary.md).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

UNKNOWN: Final = -1
"""The unknown of every integer column: flags, enumerations, counts, floor keys."""

NATIONAL_CODES: Final = (
    *range(9),  # 00 none, 01-08 lift faults
    *range(40, 48),  # 40-47 events
    *range(61, 66),  # 61-65 escalator faults
    90,  # alarm button
)
"""Two-digit codes of GB/T 24476. In ``codes``, bit ``i`` is the code at index ``i``."""

CODE_BIT: Final = MappingProxyType({code: bit for bit, code in enumerate(NATIONAL_CODES)})

Kind = Literal["flag", "count_flag", "enum", "integer", "real", "floor", "codes"]


class Unit(IntEnum):
    """What the frame is about. A registered unit wins over the one on the wire."""

    LIFT = 0
    ESCALATOR = 1
    WALK = 2


class Mode(IntEnum):
    """Service mode of a lift."""

    STOPPED = 0
    NORMAL = 1
    INSPECTION = 2
    FIRE_RECALL = 3
    FIREFIGHTER = 4
    EMERGENCY_POWER = 5
    SEISMIC = 6
    UNKNOWN = 7


class EscalatorMode(IntEnum):
    """Service mode of an escalator or moving walk."""

    STOPPED = 0
    NORMAL = 1
    INSPECTION = 2
    UNKNOWN = 3


class Door(IntEnum):
    """Car door status."""

    UNKNOWN = 0
    CLOSING = 1
    CLOSED = 2
    OPENING = 3
    OPEN = 4
    LOCKED = 5
    HELD = 6


class Direction(IntEnum):
    """Direction of travel."""

    NONE = 0
    UP = 1
    DOWN = 2


class Power(IntEnum):
    """Supply of the lift itself: ``battery`` means the lift has no mains, as code 41 does."""

    MAINS = 0
    BATTERY = 1


@dataclass(frozen=True, slots=True)
class Column:
    """One optional quantity of a frame.

    Parameters
    ----------
    name
        Name in memory and in SQL, with its unit as suffix.
    key
        Key on the wire.
    kind
        How the wire value is read: ``flag`` 0/1/false/true; ``count_flag`` a flag or a count of
        people; ``enum`` an integer in ``[low, high]`` or one of ``words``; ``integer``, ``real``;
        ``floor`` display text; ``codes`` a list of two-digit codes.
    dtype
        NumPy dtype in ``FrameBatch``.
    sql
        SQL type; always nullable.
    low, high
        Inclusive valid range, in ``unit``.
    unit
        Physical unit, empty if none.
    words
        Texts accepted in place of an enumeration's number.
    about
        Meaning, for the glossary.
    """

    name: str
    key: str
    kind: Kind
    dtype: str
    sql: str
    low: float = 0
    high: float = 1
    unit: str = ""
    words: tuple[str, ...] = ()
    about: str = ""

    @property
    def unknown(self) -> float | int:
        """Value that stands for "not told" in ``FrameBatch``."""
        return float("nan") if self.kind == "real" else UNKNOWN

    def is_known(self, values: NDArray) -> NDArray[np.bool_]:
        """Tell which of ``values`` (shape (n,)) are known."""
        return ~np.isnan(values) if self.kind == "real" else values != UNKNOWN


def _flag(name: str, about: str, key: str = "") -> Column:
    return Column(name, key or name, "flag", "i1", "smallint", about=about)


def _real(name: str, key: str, low: float, high: float, unit: str, about: str) -> Column:
    return Column(name, key, "real", "f4", "real", low, high, unit, (), about)


def _counter(name: str, key: str, unit: str, about: str) -> Column:
    return Column(name, key, "integer", "i8", "bigint", 0, 2**53, unit, (), about)


COLUMNS: Final[tuple[Column, ...]] = (
    Column("unit", "unit", "enum", "i1", "smallint", 0, 2, "",
           ("lift", "escalator", "walk"), "what the frame is about"),
    Column("mode", "mode", "enum", "i1", "smallint", 0, 7, "", (), "service mode, read by unit"),
    _flag("car", "car status: 0 stopped, 1 running"),
    Column("direction", "direction", "enum", "i1", "smallint", 0, 2, "", (),
           "0 none, 1 up, 2 down"),
    _flag("zone", "car is in the unlocking zone of a landing"),
    Column("floor", "floor", "floor", "i2", "smallint", 0, 255, "", (),
           "displayed floor, as a key into the labels of its lift"),
    Column("door", "door", "enum", "i1", "smallint", 0, 6, "", (),
           "0 unknown, 1 closing, 2 closed, 3 opening, 4 open, 5 locked, 6 held not fully closed"),
    Column("passenger", "passenger", "count_flag", "i2", "smallint", 0, 1000, "people", (),
           "people in the car: 0 none, 1 some or one, more if the terminal counts"),
    _real("speed_mps", "speed", -30.0, 30.0, "m/s", "car speed, sign by vendor; the size counts"),
    _real("height_m", "height", -1000.0, 2000.0, "m", "height of the car"),
    _real("acceleration_mps2", "acceleration", -100.0, 100.0, "m/s²", "vertical, gravity removed"),
    _real("vibration_mps2", "vibration", 0.0, 100.0, "m/s²", "vertical vibration, peak to peak"),
    _real("vibration_horizontal_mps2", "vibration_horizontal", 0.0, 100.0, "m/s²",
          "horizontal vibration, peak to peak"),
    _real("load_pct", "load", 0.0, 500.0, "%", "load, of rated"),
    Column("power", "power", "enum", "i1", "smallint", 0, 1, "", ("mains", "battery"),
           "supply of the lift: battery means without mains"),
    Column("terminal_power", "terminal_power", "enum", "i1", "smallint", 0, 1, "",
           ("mains", "battery"), "supply of the terminal itself"),
    _flag("safety_circuit", "safety circuit: 1 closed, 0 open"),
    _flag("brake", "brake: 1 lifted, 0 released (holding)"),
    _flag("button", "alarm button in the car: 1 pressed"),
    Column("codes", "codes", "codes", "i8", "bigint", 0, 2**32, "", (),
           "national codes that are active, bit i = NATIONAL_CODES[i]"),
    _counter("running_hours", "running_hours", "h", "running hours since installation"),
    _counter("runs", "runs", "", "number of runs"),
    _counter("door_cycles", "door_cycles", "", "number of door cycles"),
    _counter("rope_bends", "rope_bends", "", "number of rope or belt bends"),
    _counter("distance_m", "distance", "m", "distance travelled"),
    _real("handrail_left_pct", "handrail_left", 0.0, 500.0, "%", "left handrail speed, of nominal"),
    _real("handrail_right_pct", "handrail_right", 0.0, 500.0, "%",
          "right handrail speed, of nominal"),
    _real("step_frequency_hz", "step_frequency", 0.0, 100.0, "Hz", "steps or pallets per second"),
    _flag("cover_open", "floor cover of an escalator: 1 open"),
    _flag("emergency_stop", "emergency stop of an escalator: 1 pressed"),
    _flag("alarm_test", "the alarm is being tested, a press of its button is a drill"),
)  # fmt: skip
"""Optional columns, in storage order. ``elevator``, ``time`` and ``seq`` are the required rest."""

COLUMN: Final = MappingProxyType({c.name: c for c in COLUMNS})
COLUMN_NAMES: Final = tuple(c.name for c in COLUMNS)
WIRE_KEYS: Final = tuple(c.key for c in COLUMNS)
QUALITY_BIT: Final = MappingProxyType({c.key: i for i, c in enumerate(COLUMNS)})
"""Bit of ``quality`` that is set when the value of that wire key could not be used."""


def quality_keys(quality: int) -> list[str]:
    """Name the wire keys whose bits are set in ``quality``."""
    return [key for key, bit in QUALITY_BIT.items() if quality >> bit & 1]


def column_mask(names: Iterable[str]) -> int:
    """Return columns as bits, in the order of ``COLUMN_NAMES``."""
    return sum(1 << COLUMN_NAMES.index(name) for name in names)


def column_names(mask: int) -> tuple[str, ...]:
    """Name the columns whose bits are set, as ``column_mask`` set them."""
    return tuple(name for i, name in enumerate(COLUMN_NAMES) if mask >> i & 1)


def code_texts(codes: int) -> list[str]:
    """Spell the codes of a ``codes`` mask, as on the wire: ``["04", "41"]``."""
    return [f"{code:02d}" for code, bit in CODE_BIT.items() if codes >> bit & 1]
