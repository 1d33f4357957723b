"""The tuple of all detectors; whoever adds one adds a line here, and the battery finds it."""

from typing import Final

from detectors.accelerometer_dead import AccelerometerDeadDetector
from detectors.alarm_button import AlarmButtonDetector
from detectors.clock_wrong import ClockWrongDetector
from detectors.contract import Detector
from detectors.controller_states import ControllerStatesDetector
from detectors.counters import CountersDetector
from detectors.degrading import DegradingDetector
from detectors.door_faults import DoorFaultsDetector
from detectors.entrapment import EntrapmentDetector
from detectors.escalator_speed import EscalatorOverspeedDetector, HandrailDetector
from detectors.escalator_states import (
    CoverOpenDetector,
    EmergencyStopDetector,
    EscalatorCircuitDetector,
    EscalatorMainsOffDetector,
    EscalatorRestartDetector,
)
from detectors.escalator_steps import ReversalDetector, StepMissingDetector
from detectors.frequent_resets import FrequentResetsDetector
from detectors.implausible_frames import ImplausibleFramesDetector
from detectors.levelling import LevellingDetector
from detectors.long_idle import LongIdleDetector
from detectors.motor_run_time import MotorRunTimeDetector
from detectors.open_doors import OpenDoorsDetector
from detectors.over_travel import OverTravelDetector
from detectors.overdue_test import TestOverdueDetector
from detectors.overspeed import OverspeedDetector
from detectors.safety_circuit_open import SafetyCircuitOpenDetector
from detectors.sequence_gaps import SequenceGapsDetector
from detectors.special_mode import SpecialModeDetector
from detectors.speed_implausible import SpeedImplausibleDetector
from detectors.stopped_outside_zone import StoppedOutsideZoneDetector
from detectors.stuck_sensors import StuckSensorsDetector
from detectors.terminal_on_battery import TerminalOnBatteryDetector
from detectors.terminal_silent import TerminalSilentDetector
from detectors.vibration import VibrationDetector

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
