"""A terminal that lives on its own battery: soon it will be silent.

Decides from ``terminal_power`` alone, which says nothing about the lift's own mains (``power``).
Invariant: a terminal that never tells its supply is never found on battery.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from detectors.conditions import ConditionDetector, Evidence, Judged, tri
from detectors.contract import State
from detectors.parameters import LiftParams, in_seconds
from detectors.segments import Ints
from detectors.signals import Heard
from detectors.windows import WINDOW_FIELDS, limit_at
from telemetry.columns import Power
from telemetry.findings import FindingKind


@dataclass(frozen=True, slots=True)
class TerminalOnBatteryParams(LiftParams):
    """Thresholds of ``terminal_on_battery``."""

    window_us: int = field(
        default=10_000_000,
        metadata=in_seconds("terminal_battery_window_s", 0, 86_400, "practice: no switch-over"),
    )
    calm_us: int = field(
        default=60_000_000,
        metadata=in_seconds("terminal_battery_calm_s", 0, 86_400, "practice: a loose plug"),
    )


class TerminalOnBatteryDetector(ConditionDetector):
    """See the module."""

    name = "terminal_on_battery"
    kinds = (FindingKind.TERMINAL_ON_BATTERY,)
    layout = WINDOW_FIELDS
    params_type = TerminalOnBatteryParams

    def judge(
        self,
        state: State,  # noqa: ARG002  # a window is all of it
        heard: Heard,
        params: Any,
    ) -> tuple[tuple[Judged, ...], Mapping[str, NDArray[Any]]]:
        """Judge every element; see ``ConditionDetector.judge``."""
        holds = heard.held("terminal_power") == int(Power.BATTERY)

        def evidence(at: Ints) -> Evidence:
            return Evidence(
                {"on_battery": tri(holds[at])},
                {"terminal_power": heard.held("terminal_power")[at]},
                {"window_us": limit_at(params.window_us, at)},
            )

        kind = FindingKind.TERMINAL_ON_BATTERY
        return (Judged(kind, holds, params.window_us, params.calm_us, evidence),), {}
