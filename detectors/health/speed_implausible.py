"""A speed that cannot be the car's.

Decides from whole runs, in two ways. The speed, summed up over a run, must come to the change of
height. A barometer is out by most of a metre at each reading, and by more while doors part. So
short runs decide nothing, and one run alone neither: several of a short time must be off to the
same side. And, which needs no height: at speeds at which every governor would have stopped the car
no runs end at a landing, one after the other, as if nothing had been.

Invariants: sums are whole micrometres, so no split into batches changes them; of a run of which a
part was not told, or by a terminal that tells no height or the speed of a moment only, the way
decides nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.conditions import ConditionDetector, Evidence, Judged, tri
from detectors.contract import Field, State
from detectors.governor import governor_mps
from detectors.parameters import LiftParams, plain
from detectors.segments import Bools, Ints
from detectors.signals import Heard
from detectors.windows import WINDOW_FIELDS, limit_at, limits_at
from telemetry.findings import Confidence, FindingKind

STEP_MOST_US: Final = 3_000_000
"""A run with longer steps between its frames is not judged: the speed between them is unknown."""
PERIOD_US: Final = 7_200_000_000
"""Runs that are off are counted by two hours of event time (practice): in a low building no run is
long enough to be right, and a barometer is out by enough once a day or so."""
CALM_RUNS: Final = 20
"""After so many runs in a row at speeds that a governor lets pass a scale is right (practice)."""
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
    rated_speed_mps: float = field(
        default=float("nan"), metadata=plain("rated_speed_mps", 0.05, 30, "f8", "registry")
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
    version = "4"
    kinds = (FindingKind.SPEED_IMPLAUSIBLE,)
    layout = (
        Field("way_um", "i8", 0),
        Field("begin_m", "f4", float("nan")),
        Field("blind", "?", True),
        Field("wrong", "u1", 0),
        Field("ahead", "?", False),  # the last run that was off was shorter by its height
        Field("off", "?", False),
        Field("past", "?", False, rare=True),  # a governor would have acted on this run
        Field("past_runs", "u1", 0, rare=True),  # that ended at a landing all the same
        Field("calm_runs", "u1", CALM_RUNS, rare=True),  # since the last of them
        *WINDOW_FIELDS,
    )
    params_type = SpeedImplausibleParams

    def judge(
        self, state: State, heard: Heard, params: Any
    ) -> tuple[tuple[Judged, ...], Mapping[str, NDArray[Any]]]:
        """Judge every element; see ``ConditionDetector.judge``."""
        way = _off(state, heard, params)
        past = _past(state, heard, params)
        unheeded = past.ended >= params.runs

        def evidence(at: Ints) -> Evidence:
            return Evidence(
                {"off": tri(way.off[at]), "governor_unheeded": tri(unheeded[at])},
                {
                    "way_by_speed_m": way.by_speed_m[at],
                    "way_by_height_m": way.by_height_m[at],
                    "runs_off": way.wrong[at],
                    "runs_past_governor": past.ended[at],
                    "speed_mps": heard.held("speed_mps")[at],
                },
                {
                    **limits_at(params, ("runs", "off_m"), at),
                    "governor_mps": limit_at(governor_mps(params.rated_speed_mps), at),
                },
            )

        at = heard.segments.last_at
        own = {
            "way_um": way.of.way_um[at],
            "begin_m": way.of.begin_m[at],
            "blind": way.of.blind[at],
            "wrong": np.minimum(way.wrong[at], MOST),
            "ahead": way.ahead[at],
            "off": way.off[at],
            "past": past.now[at],
            "past_runs": np.minimum(past.ended[at], MOST),
            "calm_runs": np.minimum(past.calm[at], CALM_RUNS),
        }
        sure = np.where(way.off, Confidence.CERTAIN, Confidence.PROBABLE)
        holds = way.off | unheeded
        return (Judged(self.kinds[0], holds, 0, 0, evidence, sure),), own


class _Off(NamedTuple):
    """What the heights say of the speeds, along the strip."""

    of: _Ways
    by_speed_m: NDArray[Any]
    by_height_m: NDArray[Any]
    wrong: Ints
    ahead: Bools
    off: Bools


def _off(state: State, heard: Heard, params: Any) -> _Off:
    seg, ways = heard.segments, _ways(state, heard)
    way_m = ways.way_um / 1e6
    climbed_m = np.abs(heard.held("height_m").astype("f8") - ways.begin_m)
    judged = ways.ends & ~ways.blind & ~np.isnan(climbed_m)
    limit_m = np.maximum(params.off_m, climbed_m * (params.off_pct / 100))
    off = judged & (np.abs(way_m - climbed_m) > limit_m)
    long = climbed_m * (params.off_pct / 100) >= params.off_m
    ahead = seg.hold(seg.headed(way_m > climbed_m, state["ahead"]), off)
    ends = (judged & ~off & long) | (off & (ahead != seg.prior(ahead)))
    wrong = seg.count_since(off, ends | heard.turns(PERIOD_US), state["wrong"])
    enough = wrong >= params.runs
    holds = seg.latch(seg.headed(enough, state["off"]), ends & ~enough & ~seg.is_head)
    return _Off(ways, way_m, climbed_m, wrong, ahead, holds)


class _Past(NamedTuple):
    """What governors say of the speeds, along the strip."""

    now: Bools  # one would have acted on this run
    ended: Ints  # such runs that ended at a landing, since its speeds were right
    calm: Ints  # other runs since the last of them


def _past(state: State, heard: Heard, params: Any) -> _Past:
    seg, speed = heard.segments, np.abs(heard.held("speed_mps"))
    runs = heard.held("car") == 1
    past = heard.told_at("speed_mps") & runs & (speed > governor_mps(params.rated_speed_mps))
    if not past.any() and (state["calm_runs"] == CALM_RUNS).all() and not state["past"].any():
        none = np.zeros(len(seg), np.int64)
        return _Past(past, none, none + CALM_RUNS)
    now = seg.latch(seg.headed(past, state["past"]), seg.rises(runs) & ~past)
    landed = seg.changes(runs) & ~runs & (heard.held("zone") == 1)
    unheeded = landed & seg.prior(now)
    calm = landed & ~unheeded & ~np.isnan(seg.prior(speed))
    calm_runs = seg.count_since(calm, unheeded, state["calm_runs"])
    ended = seg.count_since(unheeded, calm_runs >= CALM_RUNS, state["past_runs"])
    return _Past(now, ended, calm_runs)


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
