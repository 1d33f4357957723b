"""Motor run-time limit: the drive turns and the car does not move (code 06).

Decides when the drive has turned without effect for as long as a controller's run-time limiter
allows, or at once when the controller says that its limiter has acted. The limit is the shorter of
45 s and full travel + 10 s, never below 20 s (EN 81-20, 5.9.2.7); full travel needs the rated speed
and the registered heights of the last landings, else 45 s apply. Only frames show that it turns in
vain: a car that had just begun to run when its terminal fell silent did go on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.codes import merged
from detectors.conditions import ConditionDetector, Evidence, Judged, tri
from detectors.contract import GapPolicy, State
from detectors.lift.car_motion import MOVING_MPS, known
from detectors.parameters import US_PER_S, LiftParams, in_seconds, plain
from detectors.segments import Ints
from detectors.signals import SILENT_SOURCE, Heard
from detectors.windows import WINDOW_FIELDS, limit_at
from telemetry.findings import FindingKind

CODE_MOTOR_RUN_TIME: Final = 6
LEAST_S: Final = 20
"""The least that a limiter waits (EN 81-20, 5.9.2.7.3)."""
_REGISTRY: Final = "the registry; unknown by default"


@dataclass(frozen=True, slots=True)
class MotorRunTimeParams(LiftParams):
    """Thresholds, each a scalar or an array over lifts.

    Parameters
    ----------
    motor_run_time_us
        The drive may turn without effect for this at most [µs].
    motor_run_time_more_us
        Or for full travel and this, if that is shorter [µs].
    motor_run_time_bridge_us
        Absences shorter than this change nothing [µs].
    silent_after_us
        After a longer silence it is not known what the drive did meanwhile [µs].
    rated_speed_mps, top_height_m, bottom_height_m
        For full travel, NaN = unknown.
    """

    motor_run_time_us: Any = field(
        default=45 * US_PER_S, metadata=in_seconds("motor_run_time_s", 0, 600, "EN 81-20, 5.9.2.7")
    )
    motor_run_time_more_us: Any = field(
        default=10 * US_PER_S,
        metadata=in_seconds("motor_run_time_more_s", 0, 600, "EN 81-20, 5.9.2.7"),
    )
    motor_run_time_bridge_us: Any = field(
        default=2 * US_PER_S,
        metadata=in_seconds("motor_run_time_bridge_s", 0, 600, "practice: one jerk is no ride"),
    )
    silent_after_us: Any = field(
        default=45 * US_PER_S, metadata=in_seconds("silent_after_s", 0.1, 86_400, SILENT_SOURCE)
    )
    rated_speed_mps: Any = field(
        default=float("nan"), metadata=plain("rated_speed_mps", 0.05, 30, "f8", _REGISTRY)
    )
    top_height_m: Any = field(
        default=float("nan"), metadata=plain("top_height_m", -1000, 2000, "f8", _REGISTRY)
    )
    bottom_height_m: Any = field(
        default=float("nan"), metadata=plain("bottom_height_m", -1000, 2000, "f8", _REGISTRY)
    )


class MotorRunTimeDetector(ConditionDetector):
    """The rule of a drive that turns in vain."""

    name = "motor_run_time"
    version = "2"
    gap_policy = GapPolicy.RESET
    kinds = (FindingKind.MOTOR_RUN_TIME,)
    layout = WINDOW_FIELDS
    params_type = MotorRunTimeParams

    def judge(
        self, state: State, heard: Heard, params: MotorRunTimeParams
    ) -> tuple[tuple[Judged, ...], Mapping[str, NDArray[Any]]]:
        """Judge every element; see ``ConditionDetector.judge``."""
        del state
        car, brake = heard.held("car"), heard.held("brake")
        speed_mps = np.abs(heard.held("speed_mps"))
        turns = (car == 1) & (brake != 0) & (speed_mps < MOVING_MPS)
        sensed = tri(turns, ~known(car) | np.isnan(speed_mps))
        code = heard.code(CODE_MOTOR_RUN_TIME)
        fault = merged(sensed, code)
        limit_us = _limit_us(params)
        window_us = np.where(code == 1, 0, limit_us) if (code == 1).any() else limit_us

        def evidence(at: Ints) -> Evidence:
            return Evidence(
                {
                    "sensed": sensed[at],
                    "code_06": code[at],
                    "running": car[at],
                    "brake_lifted": brake[at],
                    "moving": tri((speed_mps >= MOVING_MPS)[at], np.isnan(speed_mps[at])),
                },
                {
                    "speed_mps": speed_mps[at],
                    **{name: heard.held(name)[at] for name in ("direction", "floor", "height_m")},
                },
                {"window_us": limit_at(window_us, at), "limit_us": limit_at(limit_us, at)},
            )

        one = Judged(
            self.kinds[0],
            fault.holds,
            window_us,
            params.motor_run_time_bridge_us,
            evidence,
            fault.confidence,
            anew=heard.after_silence(params.silent_after_us),
        )
        return (one,), {}


def _limit_us(params: MotorRunTimeParams) -> Any:
    """Return the limit, a scalar or a strip [µs]; what is unknown leaves the other bound."""
    travel_m = np.subtract(params.top_height_m, params.bottom_height_m)
    travel_us = travel_m / params.rated_speed_mps * US_PER_S + params.motor_run_time_more_us
    travel_us = np.fmax(travel_us, np.where(np.isnan(travel_us), np.nan, LEAST_S * US_PER_S))
    limit_us = np.rint(np.fmin(params.motor_run_time_us, travel_us)).astype(np.int64)
    return limit_us if limit_us.ndim else int(limit_us)
