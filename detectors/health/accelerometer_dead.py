"""An accelerometer that tells one value while its car goes from floor to floor.

Decides from the acceleration and the floor: any accelerometer trembles, and none keeps its value
through starts and stops. A coarse one may keep it in a car that stands, or through a long ride at
constant speed; hence it takes several changes of floor, at which the value was told, and a window.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.conditions import ConditionDetector, Evidence, Judged, tri
from detectors.contract import Field, State
from detectors.parameters import LiftParams, in_seconds, plain
from detectors.segments import Bools, Ints
from detectors.signals import Heard
from detectors.windows import WINDOW_FIELDS, limit_at
from telemetry.columns import UNKNOWN
from telemetry.findings import FindingKind

MOST: Final = 255
"""Where counts stop."""


@dataclass(frozen=True, slots=True)
class AccelerometerDeadParams(LiftParams):
    """Thresholds of ``accelerometer_dead``."""

    floors: int = field(
        default=3,
        metadata=plain("accelerometer_floors", 1, 250, "i8", "practice: a start and a stop each"),
    )
    window_us: int = field(
        default=120_000_000,
        metadata=in_seconds(
            "accelerometer_window_s", 0, 86_400, "practice: longer than any ride without a stop"
        ),
    )


class AccelerometerDeadDetector(ConditionDetector):
    """See the module."""

    name = "accelerometer_dead"
    kinds = (FindingKind.ACCELEROMETER_DEAD,)
    layout = (Field("floors", "u1", 0), *WINDOW_FIELDS)
    params_type = AccelerometerDeadParams

    def judge(
        self, state: State, heard: Heard, params: Any
    ) -> tuple[tuple[Judged, ...], Mapping[str, NDArray[Any]]]:
        """Judge every element; see ``ConditionDetector.judge``."""
        seg, floor = heard.segments, heard.held("floor")
        value = heard.held("acceleration_mps2")
        known = ~np.isnan(value)
        moved = seg.changes(value) & (known | seg.prior(known))
        told = heard.told_at("acceleration_mps2")
        passes = told & seg.changes(floor) & (seg.prior(floor) != UNKNOWN)
        floors = seg.count_since(passes, moved, state["floors"])
        holds = known & (floors >= params.floors)
        own = {"floors": np.minimum(floors[seg.last_at], MOST)}
        return (_judged(holds, heard, floors, params),), own


def _judged(holds: Bools, heard: Heard, floors: Ints, params: Any) -> Judged:
    def evidence(at: Ints) -> Evidence:
        return Evidence(
            {"unchanged": tri(holds[at])},
            {
                "acceleration_mps2": heard.held("acceleration_mps2")[at],
                "floors_passed": floors[at],
            },
            {"floors": limit_at(params.floors, at), "window_us": limit_at(params.window_us, at)},
        )

    return Judged(FindingKind.ACCELEROMETER_DEAD, holds, params.window_us, 0, evidence)
