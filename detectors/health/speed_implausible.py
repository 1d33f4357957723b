"""A speed that does not fit the way that the car makes.

Decides from whole runs: the speed, summed up over a run, must come to the change of height. A
barometer is out by most of a metre at each reading, and by more while doors part. So short runs
decide nothing, and one run alone neither: several of a short time must be off to the same side.
Terminals without height, or that tell the speed of a moment only, are not judged.

Invariants: sums are whole micrometres, so no split into batches changes them; a run of which a part
was not told decides nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.conditions import ConditionDetector, Evidence, Judged, tri
from detectors.contract import Field, State
from detectors.parameters import LiftParams, plain
from detectors.segments import Bools, Ints
from detectors.signals import Heard
from detectors.windows import WINDOW_FIELDS, limit_at
from telemetry.findings import FindingKind

STEP_MOST_US: Final = 3_000_000
"""A run with longer steps between its frames is not judged: the speed between them is unknown."""
PERIOD_US: Final = 7_200_000_000
"""Runs that are off are counted by two hours of event time (practice): in a low building no run is
long enough to be right, and a barometer is out by enough once a day or so."""
MOST: Final = 255
_READINGS: Final = "practice: 2.5 times the error of two barometer readings (0.83 m each)"

_PACE: Final = "practice: more than the quarter by which time lags after a clock was set back"


@dataclass(frozen=True, slots=True)
class SpeedImplausibleParams(LiftParams):
    """Thresholds of ``speed_implausible``."""

    off_m: float = field(default=3.0, metadata=plain("speed_way_off_m", 0.1, 100, "f8", _READINGS))
    off_pct: float = field(
        default=30.0,
        metadata=plain("speed_way_off_pct", 1, 1000, "f8", _PACE),
    )
    runs: int = field(
        default=3,
        metadata=plain("speed_way_runs", 1, 250, "i8", "practice: three in a row, to one side"),
    )


class _Ways(NamedTuple):
    """What runs come to, along the strip."""

    way_um: Ints  # by the speed
    begin_m: NDArray[Any]  # height at which the run began
    blind: Bools  # a part of the run was not told
    ends: Bools


class SpeedImplausibleDetector(ConditionDetector):
    """See the module."""

    name = "speed_implausible"
    version = "3"
    kinds = (FindingKind.SPEED_IMPLAUSIBLE,)
    layout = (
        Field("way_um", "i8", 0),
        Field("begin_m", "f4", float("nan")),
        Field("blind", "?", True),
        Field("wrong", "u1", 0),
        Field("ahead", "?", False),  # the last run that was off was shorter by its height
        Field("off", "?", False),
        *WINDOW_FIELDS,
    )
    params_type = SpeedImplausibleParams

    def judge(
        self, state: State, heard: Heard, params: Any
    ) -> tuple[tuple[Judged, ...], Mapping[str, NDArray[Any]]]:
        """Judge every element; see ``ConditionDetector.judge``."""
        seg = heard.segments
        ways = _ways(state, heard)
        way_m = ways.way_um / 1e6
        climbed_m = np.abs(heard.held("height_m").astype("f8") - ways.begin_m)
        judged = ways.ends & ~ways.blind & ~np.isnan(climbed_m)
        limit_m = np.maximum(params.off_m, climbed_m * (params.off_pct / 100))
        off = np.abs(way_m - climbed_m) > limit_m
        long = climbed_m * (params.off_pct / 100) >= params.off_m
        right = judged & ~off & long
        ahead = seg.hold(seg.headed(way_m > climbed_m, state["ahead"]), judged & off)
        other = judged & off & (ahead != seg.prior(ahead))
        ends = right | other
        wrong = seg.count_since(judged & off, ends | heard.turns(PERIOD_US), state["wrong"])
        enough = wrong >= params.runs
        holds = seg.latch(seg.headed(enough, state["off"]), ends & ~enough & ~seg.is_head)

        def evidence(at: Ints) -> Evidence:
            return Evidence(
                {"off": tri(holds[at])},
                {"way_by_speed_m": way_m[at], "way_by_height_m": climbed_m[at], "runs": wrong[at]},
                {"runs": limit_at(params.runs, at), "off_m": limit_at(params.off_m, at)},
            )

        at = seg.last_at
        own = {
            "way_um": ways.way_um[at],
            "begin_m": ways.begin_m[at],
            "blind": ways.blind[at],
            "wrong": np.minimum(wrong[at], MOST),
            "ahead": ahead[at],
            "off": holds[at],
        }
        return (Judged(FindingKind.SPEED_IMPLAUSIBLE, holds, 0, 0, evidence),), own


def _ways(state: State, heard: Heard) -> _Ways:
    seg, t_us = heard.segments, heard.line.t_us
    runs = heard.held("car") == 1
    starts, was = seg.rises(runs), seg.prior(runs) & ~seg.is_head
    speed = np.abs(heard.held("speed_mps").astype("f8"))
    step_us = np.where(was, t_us - t_us[seg.before], 0)
    mean_mps = (speed + seg.prior(speed)) / 2
    untold = np.isnan(mean_mps) & was
    way_um = np.rint(np.where(untold | ~was, 0, mean_mps) * step_us).astype(np.int64)
    total_um = np.cumsum(way_um)
    base_um = total_um.copy()
    base_um[seg.head_at] -= state["way_um"]
    apart_us = heard.seen_us - seg.prior(heard.seen_us)
    lost = was & (untold | (apart_us > STEP_MOST_US))
    lost[seg.head_at] = state["blind"]
    begin_m = seg.prior(heard.held("height_m")).copy()
    begin_m[seg.head_at] = state["begin_m"]
    return _Ways(
        total_um - seg.hold(base_um, starts),
        seg.hold(begin_m, starts),
        seg.latch(lost, starts),
        was & ~runs,
    )
