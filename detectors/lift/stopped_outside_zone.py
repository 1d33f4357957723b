"""An empty car stands outside the door zone (门区外停梯, code 04).

Decides for cars in which nobody is. Where somebody is inside, or nobody can tell, the stop is an
entrapment between landings (``entrapment``), and this finding ends when somebody turns up. A car
whose zone switch was true, or whose doors opened, since it last moved stands at a landing, whatever
its zone says now.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.codes import merged
from detectors.conditions import ConditionDetector, Evidence, Judged, tri
from detectors.contract import Field, State
from detectors.lift.car_motion import apart, kept, known, motion
from detectors.parameters import US_PER_S, LiftParams, in_seconds
from detectors.segments import Ints
from detectors.signals import Heard
from detectors.windows import WINDOW_FIELDS, limit_at
from telemetry.columns import UNKNOWN, Mode
from telemetry.findings import FindingKind

CODE_STOPPED_OUTSIDE = 4


@dataclass(frozen=True, slots=True)
class StoppedOutsideZoneParams(LiftParams):
    """Thresholds, each a scalar or an array over lifts.

    Parameters
    ----------
    stopped_outside_window_us
        How long the car must stand there [µs].
    stopped_outside_bridge_us
        Absences shorter than this change nothing [µs].
    """

    stopped_outside_window_us: Any = field(
        default=45 * US_PER_S,
        metadata=in_seconds("stopped_outside_window_s", 0, 3600, "field: firmware waits 45 s"),
    )
    stopped_outside_bridge_us: Any = field(
        default=2 * US_PER_S,
        metadata=in_seconds("stopped_outside_bridge_s", 0, 600, "practice: a jerk is no start"),
    )


class StoppedOutsideZoneDetector(ConditionDetector):
    """The rule of an empty car outside the zone."""

    name = "stopped_outside_zone"
    kinds = (FindingKind.STOPPED_OUTSIDE_ZONE,)
    layout = (
        *WINDOW_FIELDS,
        Field("at_landing", "?", False),  # since it last moved, it was at a landing
        Field("occupied", "?", False),  # somebody was seen inside since the doors were last open
    )
    params_type = StoppedOutsideZoneParams

    def judge(
        self, state: State, heard: Heard, params: StoppedOutsideZoneParams
    ) -> tuple[tuple[Judged, ...], Mapping[str, NDArray[Any]]]:
        """Judge every element; see ``ConditionDetector.judge``."""
        seg, car = heard.segments, motion(heard)
        zone, door, passenger = (heard.held(name) for name in ("zone", "door", "passenger"))
        doors_apart = apart(heard)
        at_landing = kept(
            seg, state["at_landing"], car.stands & ((zone == 1) | doors_apart), car.moves
        )
        # Without a door to look at, people leave where the car stands in the zone.
        left = doors_apart | (~known(door) & car.stands & (zone == 1))
        occupied = kept(seg, state["occupied"], (passenger > 0) & ~left, left)
        empty = (passenger == 0) & ~occupied & ~heard.says("mode", Mode.INSPECTION)
        outside = car.stands & (zone == 0) & ~at_landing
        sensed = tri(outside & empty, ~known(zone) | ~(car.moves | car.stands))
        code = heard.code(CODE_STOPPED_OUTSIDE)  # tells nothing of who is inside
        fault = merged(sensed, np.where(empty, code, np.minimum(code, np.int8(0))))

        def evidence(at: Ints) -> Evidence:
            inside = np.where(passenger[at] == UNKNOWN, UNKNOWN, (passenger > 0)[at] | occupied[at])
            return Evidence(
                {
                    "sensed": sensed[at],
                    "code_04": code[at],
                    "stopped": tri(car.stands[at], ~(car.stands | car.moves)[at]),
                    "in_zone": zone[at],
                    "at_landing_since_it_moved": tri(at_landing[at]),
                    "inside": inside.astype(np.int8),
                },
                {
                    name: heard.held(name)[at]
                    for name in ("speed_mps", "height_m", "car", "door", "floor", "mode", "power")
                },
                {"window_us": limit_at(params.stopped_outside_window_us, at)},
            )

        one = Judged(
            self.kinds[0],
            fault.holds,
            params.stopped_outside_window_us,
            params.stopped_outside_bridge_us,
            evidence,
            fault.confidence,
        )
        last = seg.last_at
        return (one,), {"at_landing": at_landing[last], "occupied": occupied[last]}
