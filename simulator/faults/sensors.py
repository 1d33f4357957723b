"""Faults of sensors and terminals: scripted, or drawn at rates per lift-year.

The world knows nothing of them; ``terminals`` lets them falsify what is told, and keeps their
truth. A fault of a sensor that a terminal does not have falsifies nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from zlib import crc32

import numpy as np

from simulator.faults.catalogue import SECOND_US, SENSOR_CAUSES, Fault
from simulator.faults.causes import Cause
from simulator.faults.draw import YEAR_US
from simulator.randomness import Stream, between, exponential, words

_MADE_ELSEWHERE: Final = frozenset(
    {Cause.CLOCK_WRONG, Cause.GATEWAY_OFFLINE, Cause.ALARM_TEST, Cause.ALARM_TEST_MISSED}
)
SENSOR_FAULTS: Final = frozenset({*SENSOR_CAUSES, Cause.ZONE_FLAPPING} - _MADE_ELSEWHERE)
"""Causes that ``terminals`` applies to what sensors tell; wrong clocks and lost connections are
made by the network, a test of the alarm by ``terminals.alarm_tests``."""


@dataclass(frozen=True, slots=True)
class SensorFault:
    """A sensor or terminal of one lift lies, or says nothing, for a while.

    Parameters
    ----------
    unit
        Index of the lift.
    what
        One of ``SENSOR_FAULTS``; ``ZONE_FLAPPING`` does what ``ZONE_SWITCH_FLAPPING`` does.
    from_us, to_us
        ``[from_us, to_us)``, whole ms.
    size
        ``SPEED_WRONG``: percent of the true speed, 0 = ``USUAL_SPEED_PCT``.
    because
        What brought it about, for the truth; ``None`` = nothing else.

    Raises ``ValueError`` if ``what`` is no fault of a sensor or the interval is empty.
    """

    unit: int
    what: Cause
    from_us: int
    to_us: int
    size: int = 0
    because: Cause | None = None

    def __post_init__(self) -> None:
        if self.what not in SENSOR_FAULTS:
            raise ValueError(f"{self.what} of unit {self.unit} is no fault of a sensor or terminal")
        if self.to_us <= self.from_us:
            raise ValueError(f"{self.what} of unit {self.unit} ends before it begins")


USUAL_SPEED_PCT: Final = 150
"""What a wrong speed is, in percent of the true one: a gear ratio entered wrongly (practice)."""

FAULT_RATES: Final[Mapping[Cause, int]] = MappingProxyType(
    {
        Cause.DOOR_SWITCH_STUCK: 50,
        Cause.DOOR_SWITCH_FLAPPING: 100,
        Cause.ZONE_SWITCH_STUCK: 50,
        Cause.FLOOR_FROZEN: 50,
        Cause.ACCELEROMETER_DEAD: 30,
        Cause.SPEED_WRONG: 30,
        Cause.FRAMES_CONTRADICT: 20,
        Cause.TERMINAL_SILENT: 1_000,
        Cause.TERMINAL_BATTERY: 300,
        Cause.BUFFER_OVERFLOW: 100,
        Cause.FRAMES_LOST: 100,
        Cause.FRAMES_REFUSED: 50,
    }
)
"""Sensor faults per thousand lift-years. No figure is published (practice)."""
LOOK_ALIKE_RATES: Final[Mapping[Cause, int]] = MappingProxyType(
    {
        Cause.PRESENCE_STUCK_ON: 100,
        Cause.PRESENCE_STUCK_OFF: 100,
        Cause.ZONE_SWITCH_FLAPPING: 100,
        Cause.TERMINAL_REBOOT: 4_000,
    }
)
"""The same for those that may be taken for an entrapment or hide one (practice)."""

_HOUR_S: Final = 3_600
_LASTS_S: Final[Mapping[Cause, tuple[int, int]]] = MappingProxyType(
    {
        Cause.TERMINAL_REBOOT: (5, 30),
        Cause.DOOR_SWITCH_FLAPPING: (120, 1_200),
        Cause.ZONE_SWITCH_FLAPPING: (120, 1_200),
        Cause.TERMINAL_SILENT: (180, 3 * _HOUR_S),
        Cause.TERMINAL_BATTERY: (600, 2 * _HOUR_S),
        Cause.BUFFER_OVERFLOW: (1_800, 4 * _HOUR_S),
    }
)
_USUALLY_LASTS_S: Final = (_HOUR_S, 8 * _HOUR_S)
"""Until somebody comes, or it is cured by itself at night (practice)."""


def of_script(script: Iterable[Fault]) -> tuple[list[SensorFault], list[Fault]]:
    """Part a script into the faults of sensors and the rest.

    A power cut of an area is in both: it takes the lighting circuit, which feeds terminals of
    their own, along with the mains of the lift. Other losses of mains leave that circuit alone.
    """
    sensors: list[SensorFault] = []
    rest: list[Fault] = []
    for fault in script:
        end_us = fault.at_us + fault.lasts_us
        if fault.cause in SENSOR_FAULTS:
            sensors.append(SensorFault(fault.lift, fault.cause, fault.at_us, end_us, fault.size))
            continue
        rest.append(fault)
        if fault.cause is Cause.AREA_POWER_CUT:
            sensors.append(
                SensorFault(
                    fault.lift, Cause.TERMINAL_BATTERY, fault.at_us, end_us, because=fault.cause
                )
            )
    return sensors, rest


def draw_sensor_faults(
    n_lifts: int,
    seed: int,
    start_us: int,
    duration_us: int,
    rates: Mapping[Cause, int] = FAULT_RATES,
    multiplier: int = 1,
) -> list[SensorFault]:
    """Draw faults of sensors: a Poisson process per lift and cause.

    Parameters
    ----------
    n_lifts, seed
        The fleet.
    start_us, duration_us
        They begin in ``[start_us, start_us + duration_us)``.
    rates
        Per thousand lift-years: ``FAULT_RATES``, ``LOOK_ALIKE_RATES`` or others.
    multiplier
        Times the rates; faults and look-alikes have multipliers of their own.
    """
    drawn: list[SensorFault] = []
    for cause, per_thousand in rates.items():
        if per_thousand * multiplier == 0:
            continue
        mean_s = max(YEAR_US // SECOND_US * 1_000 // (per_thousand * multiplier), 1)
        low_s, high_s = _LASTS_S.get(cause, _USUALLY_LASTS_S)
        rows, count = np.arange(n_lifts), 0
        at_us = np.full(n_lifts, start_us)
        while rows.size:
            w = words(seed, Stream.SENSOR_FAULT, rows, crc32(cause.encode()) << 24 | count)
            at_us[rows] += (exponential(w[0], mean_s) + 1) * SECOND_US
            kept = at_us[rows] < start_us + duration_us
            lasts_s = between(w[1], low_s, high_s)
            for lift, lasts in zip(rows[kept].tolist(), lasts_s[kept].tolist(), strict=True):
                begin_us = int(at_us[lift])
                drawn.append(SensorFault(lift, cause, begin_us, begin_us + lasts * SECOND_US))
            rows, count = rows[kept], count + 1
    return sorted(drawn, key=lambda f: (f.from_us, f.unit, f.what))
