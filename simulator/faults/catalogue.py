"""What goes wrong, and what only looks like it: every cause by name, and what it makes true.

A fault says when it may strike first and what it does; the world decides the exact instant from the
state of the lift (somebody must ride, the car must be between landings), and records the truth.
Faults are scripted, or drawn by ``draw``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from telemetry.findings import FindingKind

SECOND_US: Final = 1_000_000
PRESS_US: Final = 2 * SECOND_US
"""How long somebody holds the alarm button."""


class Cause(StrEnum):
    """Why something is found, or what merely looks like it. The value is its name in scenarios."""

    # people trapped
    DOOR_LOCK = "door_lock"
    """After a ride the doors do not open at the landing."""
    CONTROLLER_STOP = "controller_stop"
    """The controller stops the car between landings."""
    SAFETY_CIRCUIT = "safety_circuit"
    """The safety circuit opens during a ride."""
    MAINS_CUT = "mains_cut"
    """The lift loses its mains during a ride; a rescue device, if any, frees the people."""
    AREA_POWER_CUT = "area_power_cut"
    """Mains fails at exactly ``at_us``, whatever the lift does, and returns after ``lasts_us``."""
    HELD_DOORS = "held_doors"
    """Somebody holds the doors of a full car, they close at last and the lift does not start."""
    OVERLOAD = "overload"
    """Too many board, the doors close on them and the overloaded car stays where it is."""

    # motion
    OVERSPEED = "overspeed"
    """The drive runs faster than rated until the governor stops the car."""
    UNINTENDED_MOVEMENT = "unintended_movement"
    """The car creeps out of the zone with open doors and is stopped within 1.2 m."""
    DOORS_OPEN_RUNNING = "doors_open_running"
    """The doors part during a ride, and the car runs on."""
    OVER_TRAVEL_TOP = "over_travel_top"
    """The car comes to rest above its highest landing."""
    OVER_TRAVEL_BOTTOM = "over_travel_bottom"
    """The car comes to rest below its lowest landing."""
    EMPTY_STOP = "empty_stop"
    """An empty car is stopped between landings."""
    FREQUENT_RELEVELLING = "frequent_relevelling"
    """The car sinks at a landing and levels again and again."""
    MISLEVELING = "misleveling"
    """The car stops short of its landings, or beyond, within the zone."""
    MOTOR_RUN_TIME = "motor_run_time"
    """The drive turns and the car hardly moves, until the run-time limiter acts."""
    VIBRATION = "vibration"
    """The car shakes on every ride."""

    # doors
    DOOR_FAILS_TO_OPEN = "door_fails_to_open"
    """The doors of an empty car do not open at a landing where somebody waits."""
    DOOR_FAILS_TO_CLOSE = "door_fails_to_close"
    """The doors are told to close and stay open."""
    DOOR_HELD_OPEN = "door_held_open"
    """A person or goods hold the doors open."""
    REPEATED_REOPENING = "repeated_reopening"
    """The doors of one stop open again and again."""

    # controller
    FLOOR_LOST = "floor_lost"
    """The controller forgets where the car is and makes a correction run."""
    FREQUENT_RESETS = "frequent_resets"
    """The controller restarts again and again, each time with a run to the reference landing."""
    LONG_IDLE = "long_idle"
    """The lift silently takes no calls."""
    COUNTER_JUMP = "counter_jump"
    """The controller's counters jump to another value."""

    # look-alikes of entrapments
    PARKED_RIDER = "parked_rider"
    """Somebody boards, presses nothing and stands in the closed car for a while."""
    CLEANER = "cleaner"
    """Somebody cleans the car at a landing with the doors held open."""
    INSPECTION = "inspection"
    """A mechanic rides in inspection mode and stops between landings."""
    ZONE_FLAPPING = "zone_flapping"
    """The door zone switch of the terminal chatters."""
    BUTTON_PLAY = "button_play"
    """Children press the alarm button with the doors open: no entrapment, yet an alarm."""
    TERMINAL_REBOOT = "terminal_reboot"
    """The terminal restarts: a gap in its frames, then sequence numbers from 0."""

    # modes of the lift
    FIRE_RECALL = "fire_recall"
    """The lift goes to the lobby at exactly ``at_us``, opens and stays so."""
    OUT_OF_SERVICE = "out_of_service"
    """The lift is switched off at a landing from ``at_us`` on."""
    EARTHQUAKE = "earthquake"
    """The lift stops at the nearest landing and opens, or its safety circuit trips; until reset."""

    # sensors and terminals, applied in ``terminals``
    PRESENCE_STUCK_ON = "presence_stuck_on"
    """The presence sensor tells of people all the time."""
    PRESENCE_STUCK_OFF = "presence_stuck_off"
    """The presence sensor never tells of people."""
    DOOR_SWITCH_STUCK = "door_switch_stuck"
    """The terminal's door switch keeps its value."""
    DOOR_SWITCH_FLAPPING = "door_switch_flapping"
    """The terminal's door switch chatters."""
    ZONE_SWITCH_STUCK = "zone_switch_stuck"
    """The terminal's zone switch keeps its value."""
    ZONE_SWITCH_FLAPPING = "zone_switch_flapping"
    """The terminal's zone switch chatters."""
    FLOOR_FROZEN = "floor_frozen"
    """The told floor does not change while the car runs."""
    ACCELEROMETER_DEAD = "accelerometer_dead"
    """The accelerometer tells one value."""
    SPEED_WRONG = "speed_wrong"
    """The told speed is off by a factor."""
    FRAMES_CONTRADICT = "frames_contradict"
    """The terminal tells of a car that runs at 400 m/s with open doors."""
    TERMINAL_SILENT = "terminal_silent"
    """The terminal tells nothing."""
    TERMINAL_BATTERY = "terminal_battery"
    """The terminal runs on its own battery."""
    CLOCK_WRONG = "clock_wrong"
    """The terminal's clock is wrong; made by the network layer."""
    GATEWAY_OFFLINE = "gateway_offline"
    """The gateway is cut off and buffers; made by the network layer."""

    # escalators and moving walks
    ESCALATOR_OVERSPEED = "escalator_overspeed"
    """Steps run faster than rated until the governor stops them."""
    ESCALATOR_REVERSAL = "escalator_reversal"
    """Steps turn back under their load."""
    HANDRAIL_DEVIATION = "handrail_deviation"
    """A handrail runs slower than the steps."""
    STEP_MISSING = "step_missing"
    """A step is missing."""
    EMERGENCY_STOP = "emergency_stop"
    """Somebody presses the emergency stop."""
    COVER_OPEN = "cover_open"
    """The floor cover is open."""
    ESCALATOR_SAFETY_CIRCUIT = "escalator_safety_circuit"
    """The safety circuit of an escalator opens."""
    ENERGY_SAVING = "energy_saving"
    """Look-alike: an escalator creeps because nobody comes."""
    COMMANDED_REVERSAL = "commanded_reversal"
    """Look-alike: an escalator is stopped and set to run the other way for a while."""

    # wear: slow trends before a fault; last, since draws go by the number of a cause
    DOOR_WEAR = "door_wear"
    """The doors move more and more slowly."""
    GUIDE_WEAR = "guide_wear"
    """The car shakes more and more."""
    LEVELLING_WEAR = "levelling_wear"
    """The car stops further and further beside its landings."""
    DRIVE_WEAR = "drive_wear"
    """Rides take longer and longer."""

    # tests of the alarm, made by terminals
    ALARM_TEST = "alarm_test"
    """The periodic test of the alarm: a press that is a drill; made by the fleet's interval."""
    ALARM_TEST_MISSED = "alarm_test_missed"
    """The terminal makes no test of its alarm."""

    # frames that are numbered and never stored: whose fault it is differs
    BUFFER_OVERFLOW = "buffer_overflow"
    """The terminal is cut off for longer than its buffer lasts, and the oldest frames are lost."""
    FRAMES_LOST = "frames_lost"
    """A bad connection loses one frame in five on the way."""
    FRAMES_REFUSED = "frames_refused"
    """One frame in five has a time that is none, so we refuse it."""


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
    Cause.FRAMES_LOST: (FindingKind.SEQUENCE_GAPS,),
    Cause.FRAMES_REFUSED: (FindingKind.SEQUENCE_GAPS,),
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
