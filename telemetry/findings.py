"""Finding kinds: what a detector can find, and what each means for alarms.

One table, read by detectors (kind numbers), alerting (classes, texts, which are never delayed) and
the API (names). Numbers are stored in the database and never reused.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final


class FindingKind(IntEnum):
    """Kinds of findings; the number is what the database holds.

    1-29 are of lifts, 30-49 of terminals and sensors, 50-59 of escalators and walks. The simulator
    labels its truth with all of them; which of them a detector finds, ``docs/detectors.md`` says.
    """

    ENTRAPMENT_BETWEEN_LANDINGS = 1
    ENTRAPMENT_AT_LANDING = 2
    ALARM_BUTTON = 3
    OVERSPEED = 4
    UNINTENDED_MOVEMENT = 5
    DOORS_OPEN_WHILE_RUNNING = 6
    OVER_TRAVEL_TOP = 7
    OVER_TRAVEL_BOTTOM = 8
    STOPPED_OUTSIDE_ZONE = 9
    DOOR_FAILS_TO_OPEN = 10
    DOOR_FAILS_TO_CLOSE = 11
    DOOR_HELD_OPEN = 12
    REPEATED_REOPENING = 13
    FREQUENT_RELEVELLING = 14
    LEVELLING_INACCURACY = 15
    MOTOR_RUN_TIME = 16
    EXCESSIVE_VIBRATION = 17
    MAINS_OFF = 18
    SAFETY_CIRCUIT_OPEN = 19
    FLOOR_POSITION_LOST = 20
    FREQUENT_RESETS = 21
    LONG_IDLE = 22
    COUNTER_IMPLAUSIBLE = 23
    RESTART_PREVENTED = 24
    SPECIAL_MODE = 25
    DEGRADING = 26
    TEST_OVERDUE = 27
    TERMINAL_SILENT = 30
    PRESENCE_SENSOR_STUCK = 31
    DOOR_SWITCH_FAULT = 32
    ZONE_SWITCH_FAULT = 33
    FLOOR_FROZEN = 34
    ACCELEROMETER_DEAD = 35
    SPEED_IMPLAUSIBLE = 36
    CLOCK_WRONG = 37
    TERMINAL_ON_BATTERY = 38
    SEQUENCE_GAPS = 39
    IMPLAUSIBLE_FRAMES = 40
    ESCALATOR_OVERSPEED = 50
    ESCALATOR_REVERSAL = 51
    HANDRAIL_DEVIATION = 52
    STEP_MISSING = 53
    ESCALATOR_EMERGENCY_STOP = 54
    ESCALATOR_COVER_OPEN = 55
    ESCALATOR_SAFETY_CIRCUIT = 56
    ESCALATOR_RESTART_PREVENTED = 57

    @property
    def slug(self) -> str:
        """Name in messages and URLs, ``entrapment_at_landing``."""
        return self.name.lower()


class FindingClass(StrEnum):
    """Whom a finding concerns; which classes the rescue desk is told of is a setting.

    The text is the word in messages, in the API and in ``HOISTWAY_DISPATCH_FINDINGS``.
    """

    RESCUE = "rescue"
    """Somebody is, or may be, shut in and waits for help: always sent."""
    SAFETY = "safety"
    """The unit did what may hurt somebody, or its safety gear acted."""
    SERVICE = "service"
    """A fault for the maintainer."""
    HEALTH = "health"
    """Terminal or sensors: what Hoistway sees can be trusted less."""
    WARNING = "warning"
    """A slow trend before a fault."""


class Change(IntEnum):
    """What a transition does to its finding."""

    RAISED = 1
    UPDATED = 2
    CLEARED = 3


class ClearReason(IntEnum):
    """Why a finding was cleared."""

    NONE = 0
    DOORS_OPENED = 1
    """The doors stood open in the door zone: whoever was inside is free."""
    CONDITION_ENDED = 2
    """The condition itself is over (button let go)."""
    LATE_EVIDENCE = 3
    """A tick raised it, and a newer frame with an event time before that shows it was not so."""


class Confidence(IntEnum):
    """How sure a finding is, from stated rules."""

    CERTAIN = 0
    PROBABLE = 1
    POSSIBLE = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """What is fixed about a kind.

    ``family``: while one kind of a family is active on a lift, the others only update it.
    ``finding_class``: whom it concerns.
    ``ends_with_finding``: the alarm is over when the finding clears; otherwise a person ends it.
    """

    kind: FindingKind
    family: str
    finding_class: FindingClass
    ends_with_finding: bool
    zh: str
    en: str

    @property
    def life_safety(self) -> bool:
        """Whether no grouping, throttle, shelving, mute, delay or choice of class ever applies."""
        return self.finding_class is FindingClass.RESCUE


_SAFETY: Final = frozenset(
    {
        FindingKind.OVERSPEED,
        FindingKind.UNINTENDED_MOVEMENT,
        FindingKind.DOORS_OPEN_WHILE_RUNNING,
        FindingKind.OVER_TRAVEL_TOP,
        FindingKind.OVER_TRAVEL_BOTTOM,
        FindingKind.STOPPED_OUTSIDE_ZONE,
        FindingKind.SAFETY_CIRCUIT_OPEN,
        FindingKind.ESCALATOR_OVERSPEED,
        FindingKind.ESCALATOR_REVERSAL,
        FindingKind.HANDRAIL_DEVIATION,
        FindingKind.STEP_MISSING,
        FindingKind.ESCALATOR_EMERGENCY_STOP,
        FindingKind.ESCALATOR_COVER_OPEN,
        FindingKind.ESCALATOR_SAFETY_CIRCUIT,
    }
)

_HEALTH: Final = frozenset(
    {
        FindingKind.COUNTER_IMPLAUSIBLE,
        FindingKind.TERMINAL_SILENT,
        FindingKind.PRESENCE_SENSOR_STUCK,
        FindingKind.DOOR_SWITCH_FAULT,
        FindingKind.ZONE_SWITCH_FAULT,
        FindingKind.FLOOR_FROZEN,
        FindingKind.ACCELEROMETER_DEAD,
        FindingKind.SPEED_IMPLAUSIBLE,
        FindingKind.CLOCK_WRONG,
        FindingKind.TERMINAL_ON_BATTERY,
        FindingKind.SEQUENCE_GAPS,
        FindingKind.IMPLAUSIBLE_FRAMES,
    }
)


def _class_of(kind: FindingKind) -> FindingClass:
    """Return the class of a kind that is not about rescue; what nobody sorted is service."""
    if kind in _SAFETY:
        return FindingClass.SAFETY
    if kind in _HEALTH:
        return FindingClass.HEALTH
    return FindingClass.WARNING if kind is FindingKind.DEGRADING else FindingClass.SERVICE


def _other(kind: FindingKind, zh: str, en: str) -> Finding:
    """Return a finding that is a family of its own, no matter of life, and ends by itself."""
    return Finding(kind, kind.slug, _class_of(kind), True, zh, en)


_FINDINGS: Final = (
    Finding(FindingKind.ENTRAPMENT_BETWEEN_LANDINGS, "entrapment", FindingClass.RESCUE, True,
            "非平层困人", "Entrapment between landings"),
    Finding(FindingKind.ENTRAPMENT_AT_LANDING, "entrapment", FindingClass.RESCUE, True,
            "平层困人", "Entrapment at a landing"),
    Finding(FindingKind.ALARM_BUTTON, "alarm_button", FindingClass.RESCUE, False,
            "轿内报警按钮", "Alarm button pressed"),
    _other(FindingKind.OVERSPEED, "超速", "Overspeed"),
    _other(FindingKind.UNINTENDED_MOVEMENT, "轿厢意外移动", "Unintended car movement"),
    _other(FindingKind.DOORS_OPEN_WHILE_RUNNING, "运行中开门", "Doors open while running"),
    _other(FindingKind.OVER_TRAVEL_TOP, "冲顶", "Over-travel at the top"),
    _other(FindingKind.OVER_TRAVEL_BOTTOM, "蹲底", "Over-travel at the bottom"),
    _other(FindingKind.STOPPED_OUTSIDE_ZONE, "开锁区域外停梯",
           "Stopped outside the door zone, nobody inside"),
    _other(FindingKind.DOOR_FAILS_TO_OPEN, "开门故障", "Door fails to open"),
    _other(FindingKind.DOOR_FAILS_TO_CLOSE, "关门故障", "Door fails to close"),
    _other(FindingKind.DOOR_HELD_OPEN, "长时间开门", "Door held open"),
    _other(FindingKind.REPEATED_REOPENING, "反复开关门", "Repeated re-opening of the door"),
    _other(FindingKind.FREQUENT_RELEVELLING, "频繁再平层", "Frequent re-levelling"),
    _other(FindingKind.LEVELLING_INACCURACY, "平层不准", "Levelling inaccuracy"),
    _other(FindingKind.MOTOR_RUN_TIME, "电动机运转超时", "Motor run-time limit"),
    _other(FindingKind.EXCESSIVE_VIBRATION, "异常振动", "Excessive vibration"),
    _other(FindingKind.MAINS_OFF, "主电源断电", "Mains off"),
    _other(FindingKind.SAFETY_CIRCUIT_OPEN, "运行时安全回路断路",
           "Safety circuit open while running"),
    _other(FindingKind.FLOOR_POSITION_LOST, "楼层位置丢失", "Floor position lost"),
    _other(FindingKind.FREQUENT_RESETS, "频繁复位", "Frequent resets"),
    _other(FindingKind.LONG_IDLE, "疑似故障停梯", "Unusually long idle"),
    _other(FindingKind.COUNTER_IMPLAUSIBLE, "计数异常", "Counter jumps or runs backwards"),
    _other(FindingKind.RESTART_PREVENTED, "故障锁梯", "Fault prevents restart"),
    _other(FindingKind.SPECIAL_MODE, "非正常服务模式", "Not in normal service"),
    _other(FindingKind.DEGRADING, "性能劣化预警", "Degrading"),
    _other(FindingKind.TEST_OVERDUE, "报警测试逾期", "Alarm test overdue"),
    _other(FindingKind.TERMINAL_SILENT, "终端离线", "Terminal silent"),
    _other(FindingKind.PRESENCE_SENSOR_STUCK, "人感传感器故障", "Presence sensor stuck"),
    _other(FindingKind.DOOR_SWITCH_FAULT, "门开关故障", "Door switch stuck or flapping"),
    _other(FindingKind.ZONE_SWITCH_FAULT, "平层开关故障", "Door zone switch stuck or flapping"),
    _other(FindingKind.FLOOR_FROZEN, "楼层显示不变", "Floor frozen while moving"),
    _other(FindingKind.ACCELEROMETER_DEAD, "加速度计失效", "Accelerometer without variance"),
    _other(FindingKind.SPEED_IMPLAUSIBLE, "速度与位置不符", "Speed disagrees with position"),
    _other(FindingKind.CLOCK_WRONG, "终端时钟错误", "Clock wrong"),
    _other(FindingKind.TERMINAL_ON_BATTERY, "终端电池供电", "Terminal on battery"),
    _other(FindingKind.SEQUENCE_GAPS, "数据丢帧", "Frames missing"),
    _other(FindingKind.IMPLAUSIBLE_FRAMES, "数据矛盾", "Frames contradict themselves"),
    _other(FindingKind.ESCALATOR_OVERSPEED, "扶梯超速", "Escalator overspeed"),
    _other(FindingKind.ESCALATOR_REVERSAL, "扶梯非操纵逆转", "Escalator unintended reversal"),
    _other(FindingKind.HANDRAIL_DEVIATION, "扶手带速度偏离", "Handrail deviation"),
    _other(FindingKind.STEP_MISSING, "梯级缺失", "Step or pallet missing"),
    _other(FindingKind.ESCALATOR_EMERGENCY_STOP, "扶梯急停", "Escalator emergency stop"),
    _other(FindingKind.ESCALATOR_COVER_OPEN, "扶梯盖板打开", "Escalator cover open"),
    _other(FindingKind.ESCALATOR_SAFETY_CIRCUIT, "扶梯安全回路断路",
           "Escalator safety circuit open"),
    _other(FindingKind.ESCALATOR_RESTART_PREVENTED, "扶梯防止重新启动",
           "Escalator fault prevents restart"),
)  # fmt: skip

FINDINGS: Final = MappingProxyType({f.kind: f for f in _FINDINGS})
