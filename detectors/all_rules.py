"""The tuple of all detectors; whoever adds one adds a line here, and the battery finds it."""

from typing import Final

from detectors.contract import Detector
from detectors.escalator.escalator_speed import EscalatorOverspeedDetector, HandrailDetector
from detectors.escalator.escalator_states import (
    CoverOpenDetector,
    EmergencyStopDetector,
    EscalatorCircuitDetector,
    EscalatorMainsOffDetector,
    EscalatorRestartDetector,
)
from detectors.escalator.escalator_steps import ReversalDetector, StepMissingDetector
from detectors.health.accelerometer_dead import AccelerometerDeadDetector
from detectors.health.clock_wrong import ClockWrongDetector
from detectors.health.counters import CountersDetector
from detectors.health.implausible_frames import ImplausibleFramesDetector
from detectors.health.sequence_gaps import SequenceGapsDetector
from detectors.health.speed_implausible import SpeedImplausibleDetector
from detectors.health.stuck_sensors import StuckSensorsDetector
from detectors.health.terminal_on_battery import TerminalOnBatteryDetector
from detectors.health.terminal_silent import TerminalSilentDetector
from detectors.lift.alarm_button import AlarmButtonDetector
from detectors.lift.controller_states import ControllerStatesDetector
from detectors.lift.door_faults import DoorFaultsDetector
from detectors.lift.entrapment import EntrapmentDetector
from detectors.lift.levelling import LevellingDetector
from detectors.lift.motor_run_time import MotorRunTimeDetector
from detectors.lift.open_doors import OpenDoorsDetector
from detectors.lift.over_travel import OverTravelDetector
from detectors.lift.overspeed import OverspeedDetector
from detectors.lift.safety_circuit_open import SafetyCircuitOpenDetector
from detectors.lift.special_mode import SpecialModeDetector
from detectors.lift.stopped_outside_zone import StoppedOutsideZoneDetector
from detectors.lift.vibration import VibrationDetector
from detectors.trend.degrading import DegradingDetector
from detectors.trend.frequent_resets import FrequentResetsDetector
from detectors.trend.long_idle import LongIdleDetector
from detectors.trend.overdue_test import TestOverdueDetector

BANK: Final[tuple[Detector, ...]] = (
    EntrapmentDetector(),
    AlarmButtonDetector(),
    OverspeedDetector(),
    OpenDoorsDetector(),
    OverTravelDetector(),
    StoppedOutsideZoneDetector(),
    MotorRunTimeDetector(),
    SafetyCircuitOpenDetector(),
    ControllerStatesDetector(),
    SpecialModeDetector(),
    DoorFaultsDetector(),
    LevellingDetector(),
    VibrationDetector(),
    StuckSensorsDetector(),
    AccelerometerDeadDetector(),
    SpeedImplausibleDetector(),
    ClockWrongDetector(),
    ImplausibleFramesDetector(),
    TerminalOnBatteryDetector(),
    TerminalSilentDetector(),
    SequenceGapsDetector(),
    FrequentResetsDetector(),
    CountersDetector(),
    EscalatorOverspeedDetector(),
    ReversalDetector(),
    HandrailDetector(),
    StepMissingDetector(),
    EmergencyStopDetector(),
    CoverOpenDetector(),
    EscalatorCircuitDetector(),
    EscalatorRestartDetector(),
    EscalatorMainsOffDetector(),
    LongIdleDetector(),
    TestOverdueDetector(),
    DegradingDetector(),
)
"""Every detector, in the order in which they are stepped; entrapments first."""
