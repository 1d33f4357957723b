"""Escalators and walks that stand for a reason: stop pressed, cover, circuit, restart, mains.

Decides where a told state, or the controller's code of it, is a finding. Why a unit stands is not
guessed: without one of these, standing is rest. Nothing here hears a lift.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.codes import merged
from detectors.conditions import Evidence, Judged, tri
from detectors.escalator.escalator_signals import (
    STATE_BRIDGE,
    STATE_BRIDGE_US,
    PlainEscalatorDetector,
    inspected,
    runs,
)
from detectors.parameters import US_PER_S, LiftParams, in_seconds
from detectors.segments import Ints
from detectors.signals import MAINS_OFF_CODE, Heard
from detectors.windows import limit_at
from telemetry.columns import UNKNOWN, Power
from telemetry.findings import FindingKind

_SHOWN = ("mode", "car", "direction", "speed_mps")
"""Columns that are evidence only."""


@dataclass(frozen=True, slots=True)
class EscalatorStateParams(LiftParams):
    """Thresholds of findings without a window.

    Parameters
    ----------
    bridge_us
        An absence shorter than this ends nothing [µs].
    """

    bridge_us: Any = field(default=STATE_BRIDGE_US, metadata=STATE_BRIDGE)


@dataclass(frozen=True, slots=True)
class CoverParams(LiftParams):
    """Thresholds of an open cover.

    Parameters
    ----------
    window_us
        How long a cover may be open while the unit stands [µs].
    bridge_us
        An absence shorter than this ends nothing [µs].
    """

    window_us: Any = field(
        default=300 * US_PER_S,
        metadata=in_seconds("cover_open_window_s", 0, 86_400, "practice: a vendor's 5 min"),
    )
    bridge_us: Any = field(default=STATE_BRIDGE_US, metadata=STATE_BRIDGE)


@dataclass(frozen=True, slots=True)
class CircuitParams(LiftParams):
    """Thresholds of an open safety circuit.

    Parameters
    ----------
    window_us
        How long the circuit must be open unless code 61 says so [µs].
    bridge_us
        An absence shorter than this ends nothing [µs].
    """

    window_us: Any = field(
        default=1 * US_PER_S,
        metadata=in_seconds(
            "escalator_circuit_window_s", 0, 3600, "practice: longer than a contact's bounce"
        ),
    )
    bridge_us: Any = field(default=STATE_BRIDGE_US, metadata=STATE_BRIDGE)


class EmergencyStopDetector(PlainEscalatorDetector):
    """Somebody pressed the emergency stop, and no mechanic is at work."""

    name = "escalator_emergency_stop"
    kinds = (FindingKind.ESCALATOR_EMERGENCY_STOP,)
    params_type = EscalatorStateParams

    def rule(self, heard: Heard, params: EscalatorStateParams) -> Judged:
        """See ``PlainEscalatorDetector.rule``."""
        pressed, away = heard.held("emergency_stop"), ~inspected(heard)

        def criteria(at: Ints) -> dict[str, NDArray[np.int8]]:
            return {"emergency_stop": pressed[at], "not_inspected": tri(away[at])}

        shown = _evidence(heard, criteria, 0)
        return Judged(self.kinds[0], (pressed == 1) & away, 0, params.bridge_us, shown)


class CoverOpenDetector(PlainEscalatorDetector):
    """A cover is open and no mechanic is at work: at once if the steps run, else after a while."""

    name = "escalator_cover_open"
    kinds = (FindingKind.ESCALATOR_COVER_OPEN,)
    params_type = CoverParams

    def rule(self, heard: Heard, params: CoverParams) -> Judged:
        """See ``PlainEscalatorDetector.rule``."""
        cover, away, running = heard.held("cover_open"), ~inspected(heard), runs(heard)
        holds = (cover == 1) & away
        window_us = np.where(running, 0, params.window_us)

        def criteria(at: Ints) -> dict[str, NDArray[np.int8]]:
            return {
                "cover_open": cover[at],
                "not_inspected": tri(away[at]),
                "running": tri(running[at]),
            }

        shown = _evidence(heard, criteria, window_us)
        return Judged(self.kinds[0], holds, window_us, params.bridge_us, shown)


class EscalatorCircuitDetector(PlainEscalatorDetector):
    """The safety circuit is open though there are mains and no mechanic is at work; code 61."""

    name = "escalator_safety_circuit"
    kinds = (FindingKind.ESCALATOR_SAFETY_CIRCUIT,)
    params_type = CircuitParams

    def rule(self, heard: Heard, params: CircuitParams) -> Judged:
        """See ``PlainEscalatorDetector.rule``."""
        circuit, power = heard.held("safety_circuit"), heard.held("power")
        away, dark, code = ~inspected(heard), power == Power.BATTERY.value, heard.code(61)
        sensed = tri((circuit == 0) & away & ~dark, circuit == UNKNOWN)
        found = merged(sensed, code)
        window_us = np.where(code == 1, 0, params.window_us)

        def criteria(at: Ints) -> dict[str, NDArray[np.int8]]:
            return {
                **found.criteria("code_61", at),
                "circuit_open": tri(circuit[at] == 0, circuit[at] == UNKNOWN),
                "not_inspected": tri(away[at]),
                "mains_off": tri(dark[at], power[at] == UNKNOWN),
            }

        shown = _evidence(heard, criteria, window_us)
        return Judged(
            self.kinds[0], found.holds, window_us, params.bridge_us, shown, found.confidence
        )


class EscalatorRestartDetector(PlainEscalatorDetector):
    """A mechanic must come before the unit can start: code 65."""

    name = "escalator_restart_prevented"
    kinds = (FindingKind.ESCALATOR_RESTART_PREVENTED,)
    params_type = EscalatorStateParams

    def rule(self, heard: Heard, params: EscalatorStateParams) -> Judged:
        """See ``PlainEscalatorDetector.rule``."""
        code, running = heard.code(65), runs(heard)
        sensed = np.where(running, np.int8(0), np.int8(UNKNOWN))
        found = merged(sensed, code)

        def criteria(at: Ints) -> dict[str, NDArray[np.int8]]:
            return found.criteria("code_65", at) | {"running": tri(running[at])}

        shown = _evidence(heard, criteria, 0)
        return Judged(self.kinds[0], found.holds, 0, params.bridge_us, shown, found.confidence)


class EscalatorMainsOffDetector(PlainEscalatorDetector):
    """The unit is without mains: ``power`` says battery, or code 41."""

    name = "escalator_mains_off"
    kinds = (FindingKind.MAINS_OFF,)
    params_type = EscalatorStateParams

    def rule(self, heard: Heard, params: EscalatorStateParams) -> Judged:
        """See ``PlainEscalatorDetector.rule``."""
        power, code = heard.held("power"), heard.code(MAINS_OFF_CODE)
        sensed = tri(power == Power.BATTERY.value, power == UNKNOWN)
        found = merged(sensed, code)

        def criteria(at: Ints) -> dict[str, NDArray[np.int8]]:
            return found.criteria("code_41", at)

        shown = _evidence(heard, criteria, 0)
        return Judged(self.kinds[0], found.holds, 0, params.bridge_us, shown, found.confidence)


def _evidence(
    heard: Heard, criteria: Callable[[Ints], dict[str, NDArray[np.int8]]], window_us: Any
) -> Callable[[Ints], Evidence]:
    """Return what is told at elements: these criteria, what the unit did, the window applied."""

    def evidence(at: Ints) -> Evidence:
        values = {name: heard.held(name)[at] for name in _SHOWN}
        return Evidence(criteria(at), values, {"window_us": limit_at(window_us, at)})

    return evidence
