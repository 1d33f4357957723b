"""How well a car stops at its landings, and how often it must correct that.

Decides two kinds: a car that stands too far from where its landing is known to be (平层不准), and
one that runs back to the same landing again and again (频繁再平层). Where landings are, and which
heights can be trusted for that, ``landing_heights`` says. A car that seems to be in the zone of a
landing farther away than any zone reaches is not off that landing: its zone switch, its floor or
its height is wrong. What it leaves to others: cars that leave the zone with open doors
(``open_doors``), slow trends of the error.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.conditions import ConditionDetector, Evidence, Judged, tri
from detectors.contract import Field, State
from detectors.lift.car_motion import Motion, apart, kept, known, motion
from detectors.lift.landing_heights import LANDING_FIELDS, learn
from detectors.parameters import US_PER_S, LiftParams, in_seconds, plain
from detectors.segments import NEVER_US, Bools, Ints
from detectors.signals import Heard
from detectors.windows import limit_at, window_fields
from telemetry.findings import FindingKind

_MOST: Final = int(np.iinfo("u2").max)
_VALUES: Final = ("height_m", "speed_mps", "car", "door", "zone", "floor", "mode")


@dataclass(frozen=True, slots=True)
class LevellingParams(LiftParams):
    """Thresholds, each a scalar or an array over lifts.

    Parameters
    ----------
    stopping_error_m, holding_error_m
        How far beside its landing a car may stop, and stand while people get in and out [m].
    levelling_noise_m
        How much the height, and what is known of the landing, may err [m].
    zone_reach_m
        Farther from its landing a car is not in the zone, whatever its switch says [m].
    landing_sure_stops
        So many stops in a row must agree before a landing is known.
    stopping_window_us, holding_window_us
        How long it must stand so [µs].
    relevellings
        So many runs back at one stop are too many.
    relevelling_pause_us
        Runs back that are further apart than this have nothing to do with each other [µs].
    relevelling_speed_mps
        From this speed on a car that is not said to run corrects its height [m/s].
    """

    stopping_error_m: Any = field(
        default=0.010, metadata=plain("stopping_error_m", 0.001, 1, "f4", "GB/T 10058: ± 10 mm")
    )
    holding_error_m: Any = field(
        default=0.020, metadata=plain("holding_error_m", 0.001, 1, "f4", "GB/T 10058: ± 20 mm")
    )
    levelling_noise_m: Any = field(
        default=0.003,
        metadata=plain("levelling_noise_m", 0, 1, "f4", "encoder 1 mm, landing known to 1-2 mm"),
    )
    zone_reach_m: Any = field(
        default=0.35,
        metadata=plain("zone_reach_m", 0.05, 2, "f4", "EN 81-20, 5.3.8: at most ± 0.35 m"),
    )
    landing_sure_stops: Any = field(
        default=5, metadata=plain("landing_sure_stops", 1, 14, "i4", "practice")
    )
    stopping_window_us: Any = field(
        default=US_PER_S,
        metadata=in_seconds("stopping_window_s", 0, 600, "practice: more than one sample"),
    )
    holding_window_us: Any = field(
        default=10 * US_PER_S,
        metadata=in_seconds("holding_window_s", 0, 600, "practice: time to level again"),
    )
    relevellings: Any = field(
        default=5, metadata=plain("relevellings", 2, 1000, "i4", "practice (DOMAIN section 3)")
    )
    relevelling_pause_us: Any = field(
        default=300 * US_PER_S,
        metadata=in_seconds("relevelling_pause_s", 1, 86_400, "practice: a sound car keeps longer"),
    )
    relevelling_speed_mps: Any = field(
        default=0.02,
        metadata=plain("relevelling_speed_mps", 0.001, 0.3, "f4", "practice: four times the noise"),
    )


class LevellingDetector(ConditionDetector):
    """The rules of levelling."""

    name = "levelling"
    version = "2"
    kinds = (FindingKind.LEVELLING_INACCURACY, FindingKind.FREQUENT_RELEVELLING)
    layout = (
        *window_fields("off_"),
        *window_fields("back_"),
        *LANDING_FIELDS,
        Field("landing_m", "f4", np.nan),  # of this stop, if known
        Field("travels", "?", False),  # outside the zone since it last stood in one
        Field("stopped_off", "?", False),  # stopped too far off, and not levelled since
        Field("sagged", "?", False),  # the same while it stood
        Field("opened", "?", False),  # the doors have parted in this stop
        Field("returned_us", "i8", NEVER_US),  # when it last came back to its landing
        Field("returns", "u2", 0),  # how often, in this stop
        Field("ran", "?", False),
        Field("away", "?", False),  # this run has left the landing
    )
    params_type = LevellingParams

    def judge(
        self, state: State, heard: Heard, params: LevellingParams
    ) -> tuple[tuple[Judged, ...], Mapping[str, NDArray[Any]]]:
        """Judge every element; see ``ConditionDetector.judge``."""
        car = motion(heard)
        off, learned = _off(state, heard, params, car)
        back, counted = _back(state, heard, params)
        return (off, back), learned | counted


# --- beside the landing -------------------------------------------------------------------------


class _Stops(NamedTuple):
    """Stops along the strip."""

    parked: Bools
    landing_m: NDArray[np.float32]  # NaN where it is not known, or while the car travels
    fields: dict[str, NDArray[Any]]


def _stops(state: State, heard: Heard, params: LevellingParams, car: Motion) -> _Stops:
    """Find where cars stop, and what was known of those landings; learn from the stops."""
    seg, floor, height_m = heard.segments, heard.held("floor"), heard.held("height_m")
    zone = heard.held("zone")
    parked = car.stands & (zone == 1)
    # A height from before says nothing about where it stopped.
    measured = parked & heard.told_at("height_m") & known(floor)
    leaves = car.moves & (zone == 0)
    travels = kept(seg, state["travels"], leaves, measured)
    at = np.flatnonzero(measured & seg.prior(travels))
    landing_m = np.full(len(seg), np.nan, np.float32)
    landing_m[seg.head_at] = state["landing_m"]
    if len(at):
        sure_stops = limit_at(params.landing_sure_stops, at)
        landing_m[at], fields = learn(state, seg.row[at], floor[at], height_m[at], sure_stops)
    else:
        fields = {name: state[name] for name in ("landings_m", "stops")}
    marks = np.zeros(len(seg), np.bool_)
    marks[at] = True
    # Another floor is another landing, even if the zone switch saw no way between them.
    elsewhere = seg.changes(floor)
    landing_m = seg.hold(landing_m, marks | elsewhere | (leaves & ~seg.is_head))
    last = seg.last_at
    return _Stops(
        parked, landing_m, {**fields, "travels": travels[last], "landing_m": landing_m[last]}
    )


def _off(
    state: State, heard: Heard, params: LevellingParams, car: Motion
) -> tuple[Judged, dict[str, NDArray[Any]]]:
    """Judge how far a car stands from its landing."""
    seg, stops = heard.segments, _stops(state, heard, params, car)
    error_m = heard.held("height_m") - stops.landing_m
    size_m = np.abs(error_m)
    size_m[size_m > params.zone_reach_m] = np.nan
    leaves = car.moves & (heard.held("zone") == 0)
    opened = kept(seg, state["opened"], apart(heard), leaves)
    level = leaves | (size_m <= params.stopping_error_m) | np.isnan(size_m)
    beyond = stops.parked & (size_m > params.stopping_error_m + params.levelling_noise_m)
    stopped_off = kept(seg, state["stopped_off"], beyond & ~opened, level)
    beyond = stops.parked & (size_m > params.holding_error_m + params.levelling_noise_m)
    sagged = kept(seg, state["sagged"], beyond, level)
    window_us = np.where(stopped_off, params.stopping_window_us, params.holding_window_us)

    def evidence(at: Ints) -> Evidence:
        return Evidence(
            {
                "stopped_off": tri(stopped_off[at]),
                "moved_while_standing": tri(sagged[at]),
                "doors_opened": tri(opened[at]),
            },
            {
                **{name: heard.held(name)[at] for name in _VALUES},
                "landing_m": stops.landing_m[at],
                "error_m": error_m[at],
            },
            {
                "window_us": window_us[at],
                "stopping_error_m": limit_at(params.stopping_error_m, at),
                "holding_error_m": limit_at(params.holding_error_m, at),
                "noise_m": limit_at(params.levelling_noise_m, at),
                "zone_reach_m": limit_at(params.zone_reach_m, at),
            },
        )

    last = seg.last_at
    own = {"stopped_off": stopped_off[last], "sagged": sagged[last], "opened": opened[last]}
    judged = Judged(
        FindingKind.LEVELLING_INACCURACY, stopped_off | sagged, window_us, 0, evidence,
        prefix="off_",
    )  # fmt: skip
    return judged, stops.fields | own


# --- back to the landing ------------------------------------------------------------------------


def _back(
    state: State, heard: Heard, params: LevellingParams
) -> tuple[Judged, dict[str, NDArray[Any]]]:
    """Judge how often a car runs back to the landing at which it stands."""
    seg, line = heard.segments, heard.line
    speed = np.abs(heard.held("speed_mps"))
    runs = (heard.held("car") == 1) | (speed >= params.relevelling_speed_mps)
    runs[seg.head_at] = state["ran"]
    floor, zone = heard.held("floor"), heard.held("zone")
    before = seg.prior(floor)
    left = (zone == 0) | ((floor != before) & known(before) & ~seg.is_head)
    away = kept(seg, state["away"], left, ~runs & ~left)
    returns = seg.prior(runs) & ~runs & ~seg.is_head & ~seg.prior(away) & ~left & (zone == 1)
    returned_us = line.since(returns, state["returned_us"])
    apart_us = line.t_us - seg.prior(returned_us)
    anew = returns & (apart_us > params.relevelling_pause_us)
    count = seg.count_since(returns, left | anew, state["returns"])
    limit = params.relevellings

    def evidence(at: Ints) -> Evidence:
        most = np.broadcast_to(limit_at(limit, at), len(at))
        return Evidence(
            {"too_many": tri(count[at] >= most), "in_zone": zone[at]},
            {**{name: heard.held(name)[at] for name in _VALUES}, "returns": count[at]},
            {"window_us": 0, "relevellings": most},
        )

    last = seg.last_at
    own = {
        "returned_us": returned_us[last],
        "returns": np.minimum(count[last], _MOST).astype("u2"),
        "ran": runs[last],
        "away": away[last],
    }
    judged = Judged(
        FindingKind.FREQUENT_RELEVELLING, count >= limit, 0, 0, evidence, prefix="back_",
        updates=returns,
    )  # fmt: skip
    return judged, own
