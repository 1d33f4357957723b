"""Words for what the evidence of an alarm adds to its kind. Pure.

A text is read aloud, so it tells what a person would ask next and no more: which mode, which
quantity wears, which sensors are in doubt. All else stands in the evidence itself.
"""

from collections.abc import Mapping
from typing import Any, Final

from alerting.alarm import Alarm
from telemetry.columns import Mode
from telemetry.findings import FindingKind

Words = tuple[str, str]
"""Chinese and English."""

MODES: Final[Mapping[int, Words]] = {
    Mode.STOPPED: ("停止服务", "out of service"),
    Mode.INSPECTION: ("检修", "inspection"),
    Mode.FIRE_RECALL: ("消防返回", "fire recall"),
    Mode.FIREFIGHTER: ("消防员运行", "firefighter service"),
    Mode.EMERGENCY_POWER: ("应急电源运行", "emergency power"),
    Mode.SEISMIC: ("地震运行", "seismic mode"),
}
QUANTITIES: Final[Mapping[str, Words]] = {
    "door_opening": ("开门时间", "door opening time"),
    "door_closing": ("关门时间", "door closing time"),
    "reopenings": ("重复开门次数", "re-openings"),
    "levelling": ("平层误差", "levelling error"),
    "vibration": ("振动", "vibration"),
    "trip_time": ("运行时间", "trip time"),
}
"""By the criteria of ``degrading``."""
SENSORS: Final[Mapping[str, Words]] = {
    "car": ("运行状态", "car status"),
    "zone": ("平层开关", "door zone switch"),
    "floor": ("楼层", "floor"),
    "door": ("门开关", "door switch"),
    "passenger": ("人感", "presence sensor"),
    "speed_mps": ("速度", "speed"),
    "acceleration_mps2": ("加速度", "accelerometer"),
    "vibration_mps2": ("垂直振动", "vertical vibration"),
    "vibration_horizontal_mps2": ("水平振动", "horizontal vibration"),
}
"""By column: what ``detectors.doubt`` may hold for suspect."""


def reasons(alarm: Alarm) -> list[Words]:
    """Return what the newest evidence adds, a phrase each in Chinese and English."""
    values = alarm.evidence.get("values", {})
    found: list[Words] = []
    if alarm.kind_now is FindingKind.SPECIAL_MODE and (mode := _special_mode(values)):
        found.append(mode)
    if alarm.kind_now is FindingKind.DEGRADING:
        criteria = alarm.evidence.get("criteria", {})
        found += [words for name, words in QUANTITIES.items() if criteria.get(name)]
    suspect = [SENSORS.get(name, (name, name)) for name in alarm.evidence.get("suspect", ())]
    if suspect:
        zh, en = zip(*suspect, strict=True)
        found.append((f"存疑：{'、'.join(zh)}", f"in doubt: {' and '.join(en)}"))
    return found


def _special_mode(values: Mapping[str, Any]) -> Words | None:
    """Return the mode that is none of normal service: what is told, else what a code says."""
    told = (values.get("mode"), values.get("mode_by_code"))
    return next((MODES[mode] for mode in told if mode in MODES), None)
