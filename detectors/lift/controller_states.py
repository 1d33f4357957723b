"""What the controller says of itself: mains off, floor lost, restart prevented.

Decides three findings from plain states. *Mains off*: the lift runs on its battery (``power``) or
says code 41. *Floor position lost*: code 07; no sensor shows it, since a controller that has lost
its floor still displays one. *Restart prevented*: code 08, a fault for which there is no other
code; that a lift takes no calls without saying so is ``long_idle``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.codes import merged
from detectors.conditions import ConditionDetector, Evidence, Judged
from detectors.contract import State
from detectors.parameters import US_PER_S, LiftParams, in_seconds
from detectors.segments import Ints
from detectors.signals import MAINS_OFF_CODE, Heard
from detectors.windows import limit_at, window_fields
from telemetry.columns import UNKNOWN
from telemetry.findings import FindingKind

CODE_FLOOR_LOST: Final = 7
CODE_RESTART_PREVENTED: Final = 8
_SHOWN: Final = ("power", "mode", "car", "door", "floor", "passenger")


@dataclass(frozen=True, slots=True)
class ControllerStatesParams(LiftParams):
    """Thresholds, each a scalar or an array over lifts.

    Parameters
    ----------
    mains_off_window_us
        How long mains must be off [µs].
    code_window_us
        How long a code must be listed [µs].
    controller_states_bridge_us
        Absences shorter than this change nothing [µs].
    """

    mains_off_window_us: Any = field(
        default=3 * US_PER_S,
        metadata=in_seconds("mains_off_window_s", 0, 600, "field: rescue devices wait 3 s"),
    )
    code_window_us: Any = field(
        default=1 * US_PER_S,
        metadata=in_seconds("code_window_s", 0, 600, "practice: a list that is sent twice"),
    )
    controller_states_bridge_us: Any = field(
        default=5 * US_PER_S,
        metadata=in_seconds("controller_states_bridge_s", 0, 600, "practice: a fault flickers"),
    )


class ControllerStatesDetector(ConditionDetector):
    """The rules of what a controller says of itself."""

    name = "controller_states"
    kinds = (
        FindingKind.MAINS_OFF,
        FindingKind.FLOOR_POSITION_LOST,
        FindingKind.RESTART_PREVENTED,
    )
    layout = (*window_fields("mains_"), *window_fields("floor_"), *window_fields("restart_"))
    params_type = ControllerStatesParams

    def judge(
        self, state: State, heard: Heard, params: ControllerStatesParams
    ) -> tuple[tuple[Judged, ...], Mapping[str, NDArray[Any]]]:
        """Judge every element; see ``ConditionDetector.judge``."""
        del state
        power = heard.held("power")  # mains 0, battery 1, unknown -1: off, as a criterion
        nothing = np.full(len(power), np.int8(UNKNOWN))
        return tuple(
            _judged(heard, params, kind, prefix, sensed, code)
            for kind, prefix, sensed, code in (
                (self.kinds[0], "mains_", power, MAINS_OFF_CODE),
                (self.kinds[1], "floor_", nothing, CODE_FLOOR_LOST),
                (self.kinds[2], "restart_", nothing, CODE_RESTART_PREVENTED),
            )
        ), {}


def _judged(
    heard: Heard,
    params: ControllerStatesParams,
    kind: FindingKind,
    prefix: str,
    sensed: NDArray[np.int8],
    number: int,
) -> Judged:
    code = heard.code(number)
    fault = merged(sensed, code)
    is_mains = kind is FindingKind.MAINS_OFF
    window_us = params.mains_off_window_us if is_mains else params.code_window_us

    def evidence(at: Ints) -> Evidence:
        return Evidence(
            {"sensed": sensed[at], f"code_{number:02d}": code[at]},
            {name: heard.held(name)[at] for name in _SHOWN},
            {"window_us": limit_at(window_us, at)},
        )

    bridge_us = params.controller_states_bridge_us
    return Judged(kind, fault.holds, window_us, bridge_us, evidence, fault.confidence, prefix)
