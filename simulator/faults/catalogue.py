"""What goes wrong, and what only looks like it: groups of causes, and what each makes true.

A fault says when it may strike first and what it does; the world decides the exact instant from the
state of the lift (somebody must ride, the car must be between landings), and records the truth.
Faults are scripted, or drawn by ``draw``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from simulator.faults.causes import Cause
from telemetry.findings import FindingKind

SECOND_US: Final = 1_000_000
PRESS_US: Final = 2 * SECOND_US
"""How long somebody holds the alarm button."""

ENTRAPPING: Final = (
    Cause.DOOR_LOCK, Cause.CONTROLLER_STOP, Cause.SAFETY_CIRCUIT, Cause.MAINS_CUT,
    Cause.HELD_DOORS, Cause.OVERLOAD,
)  # fmt: skip
"""Trap people; others may as well."""
WEAR: Final = (Cause.DOOR_WEAR, Cause.GUIDE_WEAR, Cause.LEVELLING_WEAR, Cause.DRIVE_WEAR)
"""Slow trends; only scripted, since they take weeks and scores look at a day."""
OTHER_FAULTS: Final = (
    Cause.OVERSPEED,
    Cause.UNINTENDED_MOVEMENT,
    Cause.DOORS_OPEN_RUNNING,
    Cause.OVER_TRAVEL_TOP,
    Cause.OVER_TRAVEL_BOTTOM,
    Cause.EMPTY_STOP,
    Cause.FREQUENT_RELEVELLING,
    Cause.MISLEVELING,
    Cause.MOTOR_RUN_TIME,
    Cause.VIBRATION,
    Cause.DOOR_FAILS_TO_OPEN,
    Cause.DOOR_FAILS_TO_CLOSE,
    Cause.DOOR_HELD_OPEN,
    Cause.REPEATED_REOPENING,
    Cause.FLOOR_LOST,
    Cause.FREQUENT_RESETS,
    Cause.LONG_IDLE,
    Cause.COUNTER_JUMP,
    *WEAR,
)
"""Faults of lifts in which nobody need be trapped."""
LOOK_ALIKES: Final = (
    Cause.PARKED_RIDER,
    Cause.INSPECTION,
    Cause.ZONE_FLAPPING,
    Cause.BUTTON_PLAY,
    Cause.CLEANER,
)
MODES: Final = (Cause.FIRE_RECALL, Cause.OUT_OF_SERVICE, Cause.EARTHQUAKE)
SENSOR_CAUSES: Final = (
    Cause.TERMINAL_REBOOT,
    Cause.PRESENCE_STUCK_ON,
    Cause.PRESENCE_STUCK_OFF,
    Cause.DOOR_SWITCH_STUCK,
    Cause.DOOR_SWITCH_FLAPPING,
    Cause.ZONE_SWITCH_STUCK,
    Cause.ZONE_SWITCH_FLAPPING,
    Cause.FLOOR_FROZEN,
    Cause.ACCELEROMETER_DEAD,
    Cause.SPEED_WRONG,
    Cause.FRAMES_CONTRADICT,
    Cause.TERMINAL_SILENT,
    Cause.TERMINAL_BATTERY,
    Cause.CLOCK_WRONG,
    Cause.GATEWAY_OFFLINE,
    Cause.ALARM_TEST,
    Cause.ALARM_TEST_MISSED,
    Cause.BUFFER_OVERFLOW,
    Cause.FRAMES_LOST,
    Cause.FRAMES_REFUSED,
)
"""What the world knows nothing of: applied to what terminals and network make of it."""
ESCALATOR_CAUSES: Final = (
    Cause.ESCALATOR_OVERSPEED,
    Cause.ESCALATOR_REVERSAL,
    Cause.HANDRAIL_DEVIATION,
    Cause.STEP_MISSING,
    Cause.EMERGENCY_STOP,
    Cause.COVER_OPEN,
    Cause.ESCALATOR_SAFETY_CIRCUIT,
)
ESCALATOR_LOOK_ALIKES: Final = (
    Cause.ENERGY_SAVING,
    Cause.COMMANDED_REVERSAL,
    Cause.INSPECTION,
)
OF_OTHERS: Final = frozenset((
    *SENSOR_CAUSES, *ESCALATOR_CAUSES, Cause.ZONE_FLAPPING, Cause.ENERGY_SAVING,
    Cause.COMMANDED_REVERSAL,
))  # fmt: skip
"""What the world of lifts does not do."""
TIMED: Final = (
    Cause.AREA_POWER_CUT, Cause.COUNTER_JUMP, Cause.FIRE_RECALL, Cause.EARTHQUAKE, *WEAR,
)  # fmt: skip
"""Strike at exactly ``at_us``, also in an empty lift."""

_TRAPPED: Final = (
    FindingKind.ENTRAPMENT_BETWEEN_LANDINGS,
    FindingKind.ENTRAPMENT_AT_LANDING,
    FindingKind.ALARM_BUTTON,
    FindingKind.SPECIAL_MODE,  # of the rescuer, who moves the car by hand
)
_TRIPPED: Final = (
    *_TRAPPED,
    FindingKind.SAFETY_CIRCUIT_OPEN,
    FindingKind.STOPPED_OUTSIDE_ZONE,
)
MAKES: Final[Mapping[Cause, tuple[FindingKind, ...]]] = MappingProxyType({
    Cause.DOOR_LOCK: (
        FindingKind.ENTRAPMENT_AT_LANDING, FindingKind.DOOR_FAILS_TO_OPEN, FindingKind.ALARM_BUTTON,
    ),
    Cause.CONTROLLER_STOP: (
        FindingKind.ENTRAPMENT_BETWEEN_LANDINGS, FindingKind.ALARM_BUTTON, FindingKind.SPECIAL_MODE,
    ),
    Cause.SAFETY_CIRCUIT: (*_TRAPPED, FindingKind.SAFETY_CIRCUIT_OPEN),
    Cause.MAINS_CUT: (*_TRAPPED, FindingKind.MAINS_OFF),
    Cause.AREA_POWER_CUT: (
        *_TRAPPED, FindingKind.MAINS_OFF, FindingKind.STOPPED_OUTSIDE_ZONE,
    ),
    Cause.HELD_DOORS: (
        FindingKind.DOOR_HELD_OPEN, FindingKind.ENTRAPMENT_AT_LANDING, FindingKind.ALARM_BUTTON,
        FindingKind.RESTART_PREVENTED,
    ),
    Cause.OVERLOAD: (
        FindingKind.ENTRAPMENT_AT_LANDING, FindingKind.ALARM_BUTTON, FindingKind.RESTART_PREVENTED,
    ),
    Cause.OVERSPEED: (FindingKind.OVERSPEED, *_TRIPPED),
    Cause.UNINTENDED_MOVEMENT: (
        FindingKind.UNINTENDED_MOVEMENT, FindingKind.DOORS_OPEN_WHILE_RUNNING,
        FindingKind.SPECIAL_MODE,
    ),
    Cause.DOORS_OPEN_RUNNING: (FindingKind.DOORS_OPEN_WHILE_RUNNING,),
    Cause.OVER_TRAVEL_TOP: (FindingKind.OVER_TRAVEL_TOP, *_TRIPPED),
    Cause.OVER_TRAVEL_BOTTOM: (FindingKind.OVER_TRAVEL_BOTTOM, *_TRIPPED),
    Cause.EMPTY_STOP: (FindingKind.STOPPED_OUTSIDE_ZONE,),
    Cause.FREQUENT_RELEVELLING: (FindingKind.FREQUENT_RELEVELLING,),
    Cause.MISLEVELING: (FindingKind.LEVELLING_INACCURACY,),
    Cause.MOTOR_RUN_TIME: (FindingKind.MOTOR_RUN_TIME, *_TRAPPED),
    Cause.VIBRATION: (FindingKind.EXCESSIVE_VIBRATION,),
    Cause.DOOR_FAILS_TO_OPEN: (FindingKind.DOOR_FAILS_TO_OPEN,),
    Cause.DOOR_FAILS_TO_CLOSE: (FindingKind.DOOR_FAILS_TO_CLOSE, FindingKind.DOOR_HELD_OPEN),
    Cause.DOOR_HELD_OPEN: (FindingKind.DOOR_HELD_OPEN,),
    Cause.REPEATED_REOPENING: (FindingKind.REPEATED_REOPENING,),
    Cause.FLOOR_LOST: (FindingKind.FLOOR_POSITION_LOST,),
    Cause.FREQUENT_RESETS: (FindingKind.FREQUENT_RESETS, FindingKind.SPECIAL_MODE),
    Cause.LONG_IDLE: (FindingKind.LONG_IDLE,),
    Cause.COUNTER_JUMP: (FindingKind.COUNTER_IMPLAUSIBLE,),
    Cause.PARKED_RIDER: (),
    Cause.CLEANER: (FindingKind.DOOR_HELD_OPEN,),
    Cause.INSPECTION: (FindingKind.SPECIAL_MODE,),
    Cause.ZONE_FLAPPING: (FindingKind.ZONE_SWITCH_FAULT,),
    Cause.BUTTON_PLAY: (FindingKind.ALARM_BUTTON,),
    Cause.TERMINAL_REBOOT: (FindingKind.TERMINAL_SILENT,),
    Cause.FIRE_RECALL: (FindingKind.SPECIAL_MODE,),
    Cause.OUT_OF_SERVICE: (FindingKind.SPECIAL_MODE,),
    Cause.EARTHQUAKE: _TRIPPED,
    Cause.PRESENCE_STUCK_ON: (FindingKind.PRESENCE_SENSOR_STUCK,),
    Cause.PRESENCE_STUCK_OFF: (FindingKind.PRESENCE_SENSOR_STUCK,),
    Cause.DOOR_SWITCH_STUCK: (FindingKind.DOOR_SWITCH_FAULT,),
    Cause.DOOR_SWITCH_FLAPPING: (FindingKind.DOOR_SWITCH_FAULT,),
    Cause.ZONE_SWITCH_STUCK: (FindingKind.ZONE_SWITCH_FAULT,),
    Cause.ZONE_SWITCH_FLAPPING: (FindingKind.ZONE_SWITCH_FAULT,),
    Cause.FLOOR_FROZEN: (FindingKind.FLOOR_FROZEN,),
    Cause.ACCELEROMETER_DEAD: (FindingKind.ACCELEROMETER_DEAD, FindingKind.IMPLAUSIBLE_FRAMES),
    Cause.SPEED_WRONG: (FindingKind.SPEED_IMPLAUSIBLE,),
    Cause.FRAMES_CONTRADICT: (FindingKind.IMPLAUSIBLE_FRAMES,),
    Cause.TERMINAL_SILENT: (FindingKind.TERMINAL_SILENT,),
    Cause.TERMINAL_BATTERY: (FindingKind.TERMINAL_ON_BATTERY,),
    Cause.CLOCK_WRONG: (FindingKind.CLOCK_WRONG,),
    Cause.GATEWAY_OFFLINE: (FindingKind.TERMINAL_SILENT,),
    Cause.ESCALATOR_OVERSPEED: (FindingKind.ESCALATOR_OVERSPEED,),
    Cause.ESCALATOR_REVERSAL: (FindingKind.ESCALATOR_REVERSAL,),
    Cause.HANDRAIL_DEVIATION: (FindingKind.HANDRAIL_DEVIATION,),
    Cause.STEP_MISSING: (FindingKind.STEP_MISSING,),
    Cause.EMERGENCY_STOP: (FindingKind.ESCALATOR_EMERGENCY_STOP,),
    Cause.COVER_OPEN: (FindingKind.ESCALATOR_COVER_OPEN,),
    Cause.ESCALATOR_SAFETY_CIRCUIT: (FindingKind.ESCALATOR_SAFETY_CIRCUIT,),
    Cause.ENERGY_SAVING: (),
    Cause.COMMANDED_REVERSAL: (),
    **dict.fromkeys(WEAR, (FindingKind.DEGRADING,)),
    Cause.ALARM_TEST: (FindingKind.ALARM_BUTTON,),
    Cause.ALARM_TEST_MISSED: (FindingKind.TEST_OVERDUE,),
    Cause.BUFFER_OVERFLOW: (FindingKind.SEQUENCE_GAPS, FindingKind.TERMINAL_SILENT),
    Cause.FRAMES_LOST: (FindingKind.SEQUENCE_GAPS, FindingKind.TERMINAL_SILENT),
    Cause.FRAMES_REFUSED: (FindingKind.SEQUENCE_GAPS, FindingKind.TERMINAL_SILENT),
})  # fmt: skip
"""Finding kinds that a cause can make true; empty = it only looks like something."""


SIZE_UNITS: Final[Mapping[Cause, str]] = MappingProxyType({
    Cause.OVERSPEED: "percent of the rated speed",
    Cause.UNINTENDED_MOVEMENT: "mm until it is stopped",
    Cause.OVER_TRAVEL_TOP: "mm beyond the last landing",
    Cause.OVER_TRAVEL_BOTTOM: "mm beyond the last landing",
    Cause.FREQUENT_RELEVELLING: "times",
    Cause.MISLEVELING: "mm off",
    Cause.VIBRATION: "mm/s2 added, peak to peak",
    Cause.REPEATED_REOPENING: "times",
    Cause.FREQUENT_RESETS: "times",
    Cause.COUNTER_JUMP: "runs added, negative = backwards",
    Cause.DOOR_WEAR: "percent slower at its end",
    Cause.GUIDE_WEAR: "mm/s2 added at its end, peak to peak",
    Cause.LEVELLING_WEAR: "mm off at its end",
    Cause.DRIVE_WEAR: "percent slower at its end",
    Cause.ESCALATOR_OVERSPEED: "percent of the nominal speed; from 120 on the governor acts",
    Cause.HANDRAIL_DEVIATION: "percent of nominal behind the steps",
    Cause.ENERGY_SAVING: "percent of the nominal speed",
    Cause.EARTHQUAKE: "1 = the safety circuit trips at once",
})  # fmt: skip
"""What ``Fault.size`` counts."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of one unit.

    Parameters
    ----------
    lift
        Index in the fleet.
    cause
        What happens.
    at_us
        From then on it strikes at the first chance (``TIMED``: exactly then), whole ms.
    people
        People who come for a ride at ``at_us``; 0 = it waits for ordinary traffic.
    presses_us
        When the trapped press the alarm button, after the onset; ``BUTTON_PLAY``: after boarding.
    release_after_us
        When the trapped are freed, after the onset; ``None`` = only on command.
    lasts_us
        Length of a look-alike, mode, power cut or lasting fault, or until a rescue device acts.
    self_freed
        At ``release_after_us`` the trapped free themselves; no rescuer comes.
    size
        How strong, in the unit of ``SIZE_UNITS``; 0 = the usual size.
    """

    lift: int
    cause: Cause
    at_us: int
    people: int = 1
    presses_us: tuple[int, ...] = ()
    release_after_us: int | None = None
    lasts_us: int = 40 * SECOND_US
    self_freed: bool = False
    size: int = 0


def for_lifts(faults: Sequence[Fault], n_lifts: int) -> list[list[Fault]]:
    """Return the faults of each lift in time order. Raises ``ValueError`` for a foreign lift."""
    by_lift: list[list[Fault]] = [[] for _ in range(n_lifts)]
    for fault in sorted(faults, key=lambda f: f.at_us):
        if not 0 <= fault.lift < n_lifts:
            raise ValueError(f"fault {fault.cause} is for lift {fault.lift} of {n_lifts} lifts")
        if fault.cause in OF_OTHERS:
            raise ValueError(f"cause {fault.cause} is none of lifts, yet lift {fault.lift} has it")
        by_lift[fault.lift].append(fault)
    return by_lift
