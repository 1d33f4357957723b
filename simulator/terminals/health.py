"""The truth about sensors and terminals: what was wrong with them, and what it looked like.

Faults of sensors are intervals known in advance, so their truth needs no log: it is what has begun
until the asked instant. What a line has lost, and when it was silent, is seen while it lives. A
fault that its terminal cannot show (it has no such sensor) keeps its truth with empty ``effects``,
unless it merely follows from another fault.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from simulator.faults.catalogue import MAKES
from simulator.faults.causes import Cause
from simulator.faults.sensors import SensorFault
from simulator.terminals.bad_lines import BAD_LINES, BadLine
from simulator.terminals.losses import LOSSES
from simulator.truth import LookAlike, TruthEvent
from simulator.world.buildings import Plan, Presence, Terminal
from simulator.world.knowledge import effects
from telemetry.findings import FindingKind

FALSIFIED: Final[Mapping[Cause, tuple[str, ...]]] = MappingProxyType({
    Cause.PRESENCE_STUCK_ON: ("passenger",),
    Cause.PRESENCE_STUCK_OFF: ("passenger",),
    Cause.DOOR_SWITCH_STUCK: ("door",),
    Cause.DOOR_SWITCH_FLAPPING: ("door",),
    Cause.ZONE_SWITCH_STUCK: ("zone",),
    Cause.ZONE_SWITCH_FLAPPING: ("zone",),
    Cause.ZONE_FLAPPING: ("zone",),
    Cause.FLOOR_FROZEN: ("floor",),
    Cause.ACCELEROMETER_DEAD: (
        "acceleration_mps2", "vibration_mps2", "vibration_horizontal_mps2", "car", "direction",
        "speed_mps",
    ),
    Cause.SPEED_WRONG: ("speed_mps",),
    Cause.FRAMES_CONTRADICT: ("car", "door", "speed_mps"),
    Cause.TERMINAL_BATTERY: ("terminal_power",),
})  # fmt: skip
"""Columns that a sensor fault falsifies, if the terminal tells them."""
_BY_CONTROLLER: Final = frozenset({"car", "direction", "speed_mps"})
"""What a coupled terminal has from the controller, whatever its accelerometer says."""
LOOKS_LIKE: Final = frozenset(
    {
        Cause.PRESENCE_STUCK_ON,
        Cause.PRESENCE_STUCK_OFF,
        Cause.ZONE_FLAPPING,
        Cause.ZONE_SWITCH_FLAPPING,
        Cause.TERMINAL_REBOOT,
    }
)
"""Sensor faults that may be taken for an entrapment."""


@dataclass(frozen=True, slots=True)
class Health:
    """Sensor faults of a fleet, by onset.

    Parameters
    ----------
    plan
        The lifts.
    faults
        Their sensor faults. Raises ``ValueError`` for a unit that is no lift of the plan.
    """

    plan: Plan
    faults: Sequence[SensorFault]

    def __post_init__(self) -> None:
        n = len(self.plan)
        for fault in self.faults:
            if not 0 <= fault.unit < n:
                raise ValueError(f"{fault.what} is for lift {fault.unit} of {n} lifts")

    def truth(self, now_us: int) -> list[TruthEvent]:
        """Return what has been wrong before ``now_us``."""
        return [
            self._event(fault, kind, fault.from_us, _if_over(fault, now_us))
            for fault in self.faults
            for kind in MAKES[fault.what]
            if fault.from_us < now_us
            and (fault.because is None or self._effects(fault))
            and self._makes(fault, kind, now_us)
        ]

    def of_lines(self, lines: Iterable[BadLine], first_lift: int, now_us: int) -> list[TruthEvent]:
        """Return what became true on bad lines, which count lifts from ``first_lift`` on."""
        return [
            self._event(replace(line.fault, unit=line.fault.unit + first_lift), *event)
            for line in lines
            for event in line.events(now_us)
        ]

    def look_alikes(self, now_us: int) -> list[LookAlike]:
        """Return what has looked like an entrapment before ``now_us`` and was a sensor."""
        return [
            LookAlike(
                fault.unit,
                self.plan.codes[fault.unit],
                str(fault.what),
                fault.from_us,
                _if_over(fault, now_us),
                self._terminal(fault).slug,
            )
            for fault in self.faults
            if fault.what in LOOKS_LIKE and fault.from_us < now_us
        ]

    def _event(
        self, fault: SensorFault, kind: FindingKind, onset_us: int, end_us: int | None
    ) -> TruthEvent:
        return TruthEvent(
            fault.unit,
            self.plan.codes[fault.unit],
            kind,
            str(fault.because or fault.what),
            onset_us,
            people=0,
            end_us=end_us,
            presence_known=bool(self.plan.presence[fault.unit] != Presence.ABSENT),
            terminal=self._terminal(fault).slug,
            effects=self._effects(fault),
        )

    def _makes(self, fault: SensorFault, kind: FindingKind, now_us: int) -> bool:
        """Tell whether a fault makes that kind true at its lift, from its beginning to its end.

        What bad lines make depends on what they lost (``of_lines``). What a buffer has thrown away
        is not missing before it is sent. A dead accelerometer lets a terminal that feels motion by
        nothing else call its car still while floors go by: its frames contradict themselves. A
        coupled one has its controller.
        """
        if fault.what is Cause.BUFFER_OVERFLOW and kind is FindingKind.SEQUENCE_GAPS:
            return fault.to_us <= now_us
        if fault.what is Cause.ACCELEROMETER_DEAD and kind is FindingKind.IMPLAUSIBLE_FRAMES:
            return self._terminal(fault) is not Terminal.COUPLED
        return fault.what not in BAD_LINES

    def _terminal(self, fault: SensorFault) -> Terminal:
        return Terminal(int(self.plan.terminal[fault.unit]))

    def _effects(self, fault: SensorFault) -> tuple[str, ...]:
        if fault.what in (Cause.TERMINAL_SILENT, Cause.TERMINAL_REBOOT):
            return ("time_us",)
        if fault.what in LOSSES:
            return ("seq",)
        terminal = self._terminal(fault)
        columns = FALSIFIED[fault.what]
        if terminal is Terminal.COUPLED and fault.what is Cause.ACCELEROMETER_DEAD:
            columns = tuple(c for c in columns if c not in _BY_CONTROLLER)
        return effects(terminal, int(self.plan.presence[fault.unit]), columns)


def _if_over(fault: SensorFault, now_us: int) -> int | None:
    return fault.to_us if fault.to_us <= now_us else None
