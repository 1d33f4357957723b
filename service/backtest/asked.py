"""By what a run is judged: which kinds have a detector, and how long an event must last for it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from detectors.bank import BANK
from detectors.contract import Detector
from detectors.parameters import thresholds
from simulator.scoring.score import Asked, Multipliers
from simulator.source import RegistryRow
from telemetry.findings import FindingKind

SAMPLE_US: Final = 2_000_000
"""Added to a window: onset and end fall between two frames, up to 1 s apart while people are in
the car [µs]."""
_WINDOWS: Final[Mapping[FindingKind, str]] = {
    FindingKind.ENTRAPMENT_BETWEEN_LANDINGS: "between_landings_window_s",
    FindingKind.ENTRAPMENT_AT_LANDING: "at_landing_window_s",
    FindingKind.DOOR_FAILS_TO_OPEN: "fails_to_open_window_s",
    FindingKind.DOOR_FAILS_TO_CLOSE: "fails_to_close_window_s",
    FindingKind.DOOR_HELD_OPEN: "held_open_window_s",
    FindingKind.LEVELLING_INACCURACY: "stopping_window_s",
    FindingKind.EXCESSIVE_VIBRATION: "vibration_lasts_s",
    FindingKind.OVERSPEED: "overspeed_apart_s",
    FindingKind.UNINTENDED_MOVEMENT: "unintended_movement_window_s",
    FindingKind.DOORS_OPEN_WHILE_RUNNING: "doors_open_running_window_s",
    FindingKind.OVER_TRAVEL_TOP: "over_travel_window_s",
    FindingKind.OVER_TRAVEL_BOTTOM: "over_travel_window_s",
    FindingKind.STOPPED_OUTSIDE_ZONE: "stopped_outside_window_s",
    FindingKind.MAINS_OFF: "mains_off_window_s",
    FindingKind.SAFETY_CIRCUIT_OPEN: "safety_circuit_window_s",
    FindingKind.FLOOR_POSITION_LOST: "code_window_s",
    FindingKind.RESTART_PREVENTED: "code_window_s",
    FindingKind.SPECIAL_MODE: "special_mode_window_s",
    FindingKind.TERMINAL_SILENT: "heartbeat_s",
    FindingKind.HANDRAIL_DEVIATION: "handrail_window_s",
    FindingKind.ESCALATOR_COVER_OPEN: "cover_open_window_s",
}
"""Override key of the longest window that ordinarily applies to a kind; kinds that are not named
need none."""
_TIMES: Final[Mapping[FindingKind, float]] = {FindingKind.TERMINAL_SILENT: 1.5}
"""How many of these windows must pass; others: one."""


def detected_kinds(detectors: Sequence[Detector] = BANK) -> frozenset[FindingKind]:
    """Return the kinds that these detectors find."""
    return frozenset(kind for d in detectors for kind in d.kinds)


def asked(
    registry: Sequence[RegistryRow],
    multipliers: Multipliers,
    defaults: Mapping[str, Any] | None = None,
    detectors: Sequence[Detector] = BANK,
) -> Asked:
    """Return by what the findings of these detectors on these lifts are judged."""
    needed = {
        kind: SAMPLE_US
        + round(
            _longest_us(detector, _WINDOWS[kind], registry, defaults or {}) * _TIMES.get(kind, 1)
        )
        for detector in detectors
        for kind in detector.kinds
        if _WINDOWS.get(kind) in thresholds(detector.params_type)
    }
    return Asked(detected_kinds(detectors), needed, multipliers)


def _longest_us(
    detector: Detector, key: str, registry: Sequence[RegistryRow], defaults: Mapping[str, Any]
) -> int:
    name, spec = thresholds(detector.params_type)[key]
    usual_us = round(defaults[key] * spec.scale) if key in defaults else None
    if usual_us is None:
        usual_us = int(getattr(detector.params_type(), name))
    own = [round(row.params[key] * spec.scale) for row in registry if key in row.params]
    return max([*own, usual_us]) if len(own) < len(registry) else max(own, default=usual_us)
