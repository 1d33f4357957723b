"""Overspeed: the car runs faster than its rated speed allows.

Decides by speeds that were told, never by one alone: a single reading may be a spike. So the
finding is raised by a second reading above the limit, ``overspeed_apart_us`` after the first, with
none below in between. A lift whose rated speed nobody knows is not judged. That a speed itself is
wrong (``speed_implausible``) is decided elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.car_motion import kept
from detectors.contract import Field, State
from detectors.parameters import US_PER_S, LiftParams, in_seconds, plain
from detectors.segments import NEVER_US, Ints
from detectors.signals import Heard
from detectors.windows import (
    WINDOW_FIELDS,
    ConditionDetector,
    Evidence,
    Judged,
    limit_at,
    tri,
)
from telemetry.columns import UNKNOWN
from telemetry.findings import FindingKind


@dataclass(frozen=True, slots=True)
class OverspeedParams(LiftParams):
    """Thresholds, each a scalar or an array over lifts.

    Parameters
    ----------
    rated_speed_mps
        Rated speed [m/s], NaN = unknown.
    overspeed_factor
        The limit is this times the rated speed.
    overspeed_apart_us
        A second reading counts from so long after the first [µs]; 0 = one suffices.
    overspeed_bridge_us
        Slower for less than this is the same run [µs].
    """

    rated_speed_mps: Any = field(
        default=float("nan"),
        metadata=plain("rated_speed_mps", 0.05, 30, "f8", "the registry; unknown by default"),
    )
    overspeed_factor: Any = field(
        default=1.15,
        metadata=plain(
            "overspeed_factor", 1, 3, "f8",
            "EN 81-20: a governor may act from 115 % on; field: 1.2 for retrofit boxes",
        ),
    )  # fmt: skip
    overspeed_apart_us: Any = field(
        default=US_PER_S // 10,
        metadata=in_seconds("overspeed_apart_s", 0, 60, "practice: one reading may be a spike"),
    )
    overspeed_bridge_us: Any = field(
        default=10 * US_PER_S,
        metadata=in_seconds("overspeed_bridge_s", 0, 600, "practice: one run is one finding"),
    )


class OverspeedDetector(ConditionDetector):
    """The rule of overspeed."""

    name = "overspeed"
    kinds = (FindingKind.OVERSPEED,)
    layout = (
        *WINDOW_FIELDS,
        Field("fast_since_us", "i8", NEVER_US),
        Field("confirmed", "?", False),
    )
    params_type = OverspeedParams

    def judge(
        self, state: State, heard: Heard, params: OverspeedParams
    ) -> tuple[tuple[Judged, ...], Mapping[str, NDArray[Any]]]:
        """Judge every element; see ``ConditionDetector.judge``."""
        seg = heard.segments
        speed_mps = np.abs(heard.held("speed_mps"))
        limit_mps = params.rated_speed_mps * params.overspeed_factor
        fast = speed_mps > limit_mps  # unknown is not fast
        since_us = heard.line.since(seg.rises(fast), state["fast_since_us"])
        confirmed = np.zeros(len(seg), np.bool_)
        if fast.any():
            apart = heard.line.t_us - since_us >= params.overspeed_apart_us
            told = heard.told_at("speed_mps") & fast
            confirmed = kept(seg, state["confirmed"], told & apart, ~fast)

        def evidence(at: Ints) -> Evidence:
            limit = limit_at(limit_mps, at)
            return Evidence(
                {"over_limit": tri(fast[at], np.isnan(speed_mps[at]) | np.isnan(limit))},
                {
                    "speed_mps": speed_mps[at],
                    "fast_for_us": np.where(fast, heard.line.t_us - since_us, UNKNOWN)[at],
                    **{name: heard.held(name)[at] for name in ("car", "direction", "floor")},
                },
                {
                    "limit_mps": limit,
                    "rated_speed_mps": limit_at(params.rated_speed_mps, at),
                    "overspeed_apart_us": limit_at(params.overspeed_apart_us, at),
                },
            )

        one = Judged(self.kinds[0], confirmed, 0, params.overspeed_bridge_us, evidence)
        last = seg.last_at
        fast_since_us = np.where(fast, since_us, NEVER_US)[last]
        return (one,), {"fast_since_us": fast_since_us, "confirmed": confirmed[last]}
