"""What faulty sensors and terminals make of frames, exactly within their intervals.

Faults are rare, so each is applied by itself to the samples of its lift. A stuck switch keeps what
was told last before it stuck. Nothing here knows the world.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.faults.causes import Cause
from simulator.faults.sensors import USUAL_SPEED_PCT, SensorFault
from simulator.frames import MISSING
from simulator.terminals.timeline import Cut, Timeline
from simulator.world.buildings import Plan, Terminal
from telemetry.columns import Direction, Door, Power

Column = NDArray[Any]

BLIND_FRAMES: Final = 2
"""Frames after a restart in which a terminal knows nothing yet."""
NONSENSE_MMPS: Final = 400_000
"""A speed that no frame may hold; whoever reads it takes it for unknown."""
_FOREVER_US: Final = 2**62
_SILENT: Final = frozenset({Cause.TERMINAL_SILENT, Cause.TERMINAL_REBOOT})
_ZONE_FLAPS: Final = frozenset({Cause.ZONE_FLAPPING, Cause.ZONE_SWITCH_FLAPPING})
_FLAPS: Final = _ZONE_FLAPS | {Cause.DOOR_SWITCH_FLAPPING}
_STICKS: Final[Mapping[Cause, str]] = {
    Cause.DOOR_SWITCH_STUCK: "door",
    Cause.ZONE_SWITCH_STUCK: "zone",
    Cause.FLOOR_FROZEN: "floor",
}


@dataclass(slots=True)
class _Restart:
    """A terminal that restarts; ``blind`` frames are still to come that know nothing."""

    fault: SensorFault
    blind: int = BLIND_FRAMES


@dataclass(slots=True)
class Restarts:
    """What restarts do to the frames of one call.

    Parameters
    ----------
    begins
        (lift, sample) from which on sequence numbers begin anew.
    blind
        Samples that tell nothing but their keys.
    """

    begins: list[tuple[int, int]] = field(default_factory=list)
    blind: list[int] = field(default_factory=list)


class Falsifier:
    """The sensor faults of a fleet.

    Parameters
    ----------
    plan
        The lifts.
    faults
        Their faults, by onset; ``unit`` is the row in the plan.
    start_us
        First instant of the fleet.
    """

    def __init__(self, plan: Plan, faults: Sequence[SensorFault], start_us: int) -> None:
        self._plan = plan
        self._coming = list(reversed(faults))
        self._active: list[SensorFault] = []
        self._restarting: list[_Restart] = []
        self._now_us = start_us
        self._last = {name: np.full(len(plan), MISSING) for name in _STICKS.values()}

    def advance(self, until_us: int) -> list[Cut]:
        """Take up the faults that begin before ``until_us``; return where they change cadences."""
        while self._coming and self._coming[-1].from_us < until_us:
            fault = self._coming.pop()
            self._active.append(fault)
            if fault.what is Cause.TERMINAL_REBOOT:
                self._restarting.append(_Restart(fault))
        self._active = [f for f in self._active if f.to_us > self._now_us]
        self._now_us = max(self._now_us, until_us)
        return [
            Cut(f.unit, f.from_us, f.to_us, f.what in _SILENT)
            for f in self._active
            if f.what in _SILENT or f.what in _FLAPS
        ]

    def apply(self, timeline: Timeline, told: Mapping[str, Column]) -> Restarts:
        """Falsify the columns of ``SAMPLED`` in ``told``, samples in the order of the timeline."""
        for fault in self._active:
            own = timeline.within(fault.unit, fault.from_us, fault.to_us)
            if own.start < own.stop:
                self._falsify(fault, own, timeline, told)
        if self._coming or self._active:
            lifts, last = timeline.last_samples()
            for name, values in self._last.items():
                values[lifts] = told[name][last]
        return self._restarts(timeline)

    def _falsify(
        self, fault: SensorFault, own: slice, timeline: Timeline, columns: Mapping[str, Column]
    ) -> None:
        """Change what one lift tells in the samples ``own``."""
        told = {name: values[own] for name, values in columns.items()}
        match fault.what:
            case Cause.PRESENCE_STUCK_ON | Cause.PRESENCE_STUCK_OFF:
                _set(told["passenger"], int(fault.what is Cause.PRESENCE_STUCK_ON))
            case Cause.TERMINAL_BATTERY:
                _set(told["terminal_power"], Power.BATTERY)
            case Cause.SPEED_WRONG:
                speed = told["speed_mps"]
                wrong = speed * (fault.size or USUAL_SPEED_PCT) // 100
                speed[:] = np.where(speed == MISSING, MISSING, wrong)
            case Cause.FRAMES_CONTRADICT:
                _set(told["car"], 1)
                _set(told["door"], Door.OPEN)
                _set(told["speed_mps"], NONSENSE_MMPS)
            case Cause.ACCELEROMETER_DEAD:
                self._still(fault.unit, told)
            case what if what in _STICKS:
                name = _STICKS[what]
                before = self._before(fault.unit, own.start, timeline, name, columns[name])
                told[name][:] = told[name][0] if before == MISSING else before
            case what if what in _FLAPS:
                _flap(what, own, timeline, told)

    def _still(self, lift: int, told: Mapping[str, Column]) -> None:
        """Let an accelerometer tell nothing but zero; who has no other thinks that the car stands.

        The field knows such terminals by "speed zero for long".
        """
        _set(told["acceleration_mps2"], 0)
        for name in ("vibration_mps2", "vibration_horizontal_mps2"):
            _set(told[name], 0)
        if self._plan.terminal[lift] == Terminal.COUPLED:
            return
        told["vibration_mps2"][:] = told["vibration_horizontal_mps2"][:] = MISSING
        told["car"][:] = 0
        told["direction"][:] = Direction.NONE
        standing = 0 if self._plan.terminal[lift] == Terminal.BAROMETRIC else MISSING
        told["speed_mps"][:] = standing

    def _before(self, lift: int, sample: int, timeline: Timeline, name: str, values: Column) -> int:
        """Return what a lift told before a sample; ``MISSING`` if nothing."""
        if sample > timeline.of_lift(lift).start:
            return int(values[sample - 1])
        return int(self._last[name][lift])

    def _restarts(self, timeline: Timeline) -> Restarts:
        """Return which samples are the first ones after a restart."""
        found = Restarts()
        for restart in self._restarting:
            lift = restart.fault.unit
            own = timeline.within(lift, restart.fault.to_us, _FOREVER_US)
            if own.start == own.stop:
                continue
            if restart.blind == BLIND_FRAMES:
                found.begins.append((lift, own.start))
            blind = range(own.start, min(own.stop, own.start + restart.blind))
            found.blind.extend(blind)
            restart.blind -= len(blind)
        self._restarting = [r for r in self._restarting if r.blind]
        return found


def _set(values: Column, value: int) -> None:
    """Set what is told; what is not told stays so."""
    values[:] = np.where(values == MISSING, MISSING, value)


def _flap(what: Cause, own: slice, timeline: Timeline, told: Mapping[str, Column]) -> None:
    """Invert a switch in every other sample on the grid of its piece."""
    at = timeline.of[own]
    number = (timeline.t_us[own] - timeline["start_us"][at]) // timeline.every_us[at]
    odd = number % 2 == 1
    if what in _ZONE_FLAPS:
        zone = told["zone"]
        zone[:] = np.where(odd & (zone != MISSING), 1 - zone, zone)
        return
    door = told["door"]
    other = np.where(door == Door.CLOSED, Door.OPEN, Door.CLOSED)
    door[:] = np.where(odd & (door != MISSING), other, door)
