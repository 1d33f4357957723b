"""Overspeed: the car runs faster than its rated speed allows.

Decides by speeds that were told, never by one alone: a single reading may be a spike. What makes it
a finding is a second reading, or a car that comes to stand outside the zone right after the first,
as its governor would make it, if no mechanic did. A speed that the height contradicts is none. A
terminal without a steady height is not believed on readings alone if they are beyond what any
governor lets pass and the car just runs on, nor while its last fast runs ended at a landing as if
nothing had been: then its scale is wrong, which ``speed_implausible`` says; and without any height
only if they go on. A lift whose rated speed nobody knows is not judged.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.conditions import ConditionDetector, Evidence, Judged, Judging, tri
from detectors.contract import Field, State
from detectors.governor import governor_mps
from detectors.lift.car_motion import kept, known, motion
from detectors.parameters import US_PER_S, LiftParams, in_seconds, plain
from detectors.segments import NEVER_US, Bools, Ints, Segments
from detectors.signals import Heard
from detectors.windows import WINDOW_FIELDS, limit_at, limits_at
from telemetry.columns import UNKNOWN, Mode
from telemetry.findings import Confidence, FindingKind

HEIGHT_AGREES: Final = 0.95
"""The way between two readings must be this part of what the limit would make of it: readings are
not taken at one instant; a car at its rated speed makes 0.87 of it."""
TRUSTED_STOPS: Final = 20
"""After so many stops without a fast run a scale is believed again (practice)."""


_OWN_FIELDS: Final = (
    Field("fast_since_us", "i8", NEVER_US, rare=True),  # of the readings in a row
    Field(
        "fast_last_us", "i8", NEVER_US, rare=True
    ),  # newest fast reading, as long as a stop may follow
    Field(
        "fast_from_m", "f4", float("nan"), rare=True
    ),  # height told with the first of the readings
    Field("height_agrees", "i1", UNKNOWN),  # at the newest frame
    Field("denied", "?", False, rare=True),  # by the height, since the car last stood
    Field("confirmed", "?", False),
    Field("stopped", "?", False),  # outside the zone, right after a fast reading
    Field("fast_on_run", "?", False),  # since the car last stood
    Field("stops", "u1", TRUSTED_STOPS),  # at landings, since a fast run ended at one
)
_WAITS: Final = ("overspeed_apart_us", "overspeed_alone_us", "overspeed_stop_us")
_OWN_NAMES: Final = tuple(f.name for f in _OWN_FIELDS)


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
    overspeed_alone_us
        Of a terminal without height a second reading counts from so long after the first [µs].
    overspeed_stop_us
        A car that stands outside the zone so soon after a reading was stopped by its governor [µs].
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
    overspeed_alone_us: Any = field(
        default=10 * US_PER_S,
        metadata=in_seconds("overspeed_alone_s", 0, 600, "field: a controller's E9 after 10 s"),
    )
    overspeed_stop_us: Any = field(
        default=5 * US_PER_S,
        metadata=in_seconds("overspeed_stop_s", 0, 60, "practice: an emergency stop takes 1-2 s"),
    )
    overspeed_bridge_us: Any = field(
        default=10 * US_PER_S,
        metadata=in_seconds("overspeed_bridge_s", 0, 600, "practice: one run is one finding"),
    )


class OverspeedDetector(ConditionDetector):
    """The rule of overspeed."""

    name = "overspeed"
    version = "3"
    kinds = (FindingKind.OVERSPEED,)
    layout = (*WINDOW_FIELDS, *_OWN_FIELDS)
    params_type = OverspeedParams

    def judge(
        self, state: State, heard: Heard, params: OverspeedParams
    ) -> tuple[tuple[Judged, ...], Mapping[str, NDArray[Any]]]:
        """Judge every element; see ``ConditionDetector.judge``."""
        run = _run(state, heard, params)
        holds = run.confirmed | run.stopped
        sure = run.confirmed & (run.height_agrees == 1)
        one = Judged(
            self.kinds[0],
            holds,
            0,
            params.overspeed_bridge_us,
            _evidence(heard, run, params),
            np.where(sure, Confidence.CERTAIN, Confidence.PROBABLE)
            if holds.any()
            else Confidence.CERTAIN,
        )
        last = heard.segments.last_at
        return (one,), {name: values[last] for name, values in run.after.items()}


class _Run(NamedTuple):
    """What the readings of a run say, along the strip."""

    speed_mps: NDArray[Any]
    limit_mps: Any
    fast: Bools
    since_us: Ints
    height_agrees: NDArray[np.int8]
    trusted: Bools
    passed: Bools
    confirmed: Bools
    stopped: Bools
    after: dict[str, NDArray[Any]]


def _run(state: State, heard: Heard, params: OverspeedParams) -> _Run:
    seg, t_us, car = heard.segments, heard.line.t_us, motion(heard)
    limit_mps = params.rated_speed_mps * params.overspeed_factor
    fast = car.speed_mps > limit_mps  # unknown is not fast
    if not fast.any() and _nothing_known(state):
        return _nothing(state, seg, car.speed_mps, limit_mps)
    told = heard.told_at("speed_mps") & fast
    since_us = heard.line.since(seg.rises(fast), state["fast_since_us"])
    last_us = heard.line.since(told, state["fast_last_us"])
    from_m, agrees = _by_height(state, heard, fast, t_us - since_us, limit_mps)
    zone = heard.held("zone")
    arrives = seg.rises(car.stands & (zone == 1))
    fast_on_run = kept(seg, state["fast_on_run"], told, car.stands)
    after_fast = arrives & seg.prior(fast_on_run)
    stops = seg.count_since(arrives & ~after_fast, after_fast, state["stops"].astype(np.int64))
    trusted = stops >= TRUSTED_STOPS
    passed = car.speed_mps <= governor_mps(params.rated_speed_mps)
    apart = t_us - since_us >= params.overspeed_apart_us
    unmeasured = np.isnan(heard.held("height_m"))
    waited = ~unmeasured | (t_us - since_us >= params.overspeed_alone_us)
    believed = (agrees == 1) | ((agrees == UNKNOWN) & trusted & passed & waited)
    confirmed = kept(seg, state["confirmed"], told & apart & believed, ~fast)
    denied = kept(seg, state["denied"], fast & (agrees == 0), seg.prior(car.stands))
    outside = car.stands & (zone == 0)
    soon = t_us - last_us <= params.overspeed_stop_us
    by_hand = heard.held("mode") == Mode.INSPECTION
    by_governor = seg.rises(outside) & soon & ~by_hand & ~denied & (trusted | (agrees == 1))
    stopped = kept(seg, state["stopped"], by_governor, ~outside)
    after = {
        "fast_since_us": np.where(fast, since_us, NEVER_US),
        "fast_last_us": np.where(soon, last_us, NEVER_US),
        "fast_from_m": np.where(fast, from_m, np.float32(np.nan)),
        "height_agrees": agrees,
        "denied": denied,
        "confirmed": confirmed,
        "stopped": stopped,
        "fast_on_run": fast_on_run,
        "stops": np.minimum(stops, TRUSTED_STOPS).astype(np.uint8),
    }
    return _Run(
        car.speed_mps, limit_mps, fast, since_us, agrees, trusted, passed, confirmed, stopped, after
    )


def _nothing_known(state: State) -> bool:
    """Tell whether no lift has a fast reading behind it that still counts."""
    return bool(
        (state["stops"] == TRUSTED_STOPS).all()
        and (state["fast_last_us"] == NEVER_US).all()
        and not (state["fast_on_run"] | state["stopped"]).any()
    )


def _nothing(state: State, seg: Segments, speed_mps: NDArray[Any], limit_mps: Any) -> _Run:
    """Return what is so where nobody is fast, nor was: in almost every batch."""
    size = len(seg)
    none = np.zeros(size, np.bool_)
    after = {name: state[name][seg.row] for name in _OWN_NAMES}
    return _Run(
        speed_mps=speed_mps,
        limit_mps=limit_mps,
        fast=none,
        since_us=np.full(size, NEVER_US),
        height_agrees=after["height_agrees"],
        trusted=~none,
        passed=~none,
        confirmed=none,
        stopped=none,
        after=after,
    )


def _by_height(
    state: State, heard: Heard, fast: Bools, lasted_us: Ints, limit_mps: Any
) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Return the height at the first reading, and whether the way since then bears it out.

    A terminal that tells no doors has a height of its own, which drifts: it tells nothing here.
    """
    seg, height_m = heard.segments, heard.held("height_m")
    told_m = np.where(heard.told_at("height_m"), height_m, np.float32(np.nan))
    at = told_m.copy()
    at[seg.head_at] = state["fast_from_m"]
    from_m = seg.hold(at, seg.rises(fast))
    steady = fast & known(heard.held("door")) & (lasted_us > 0)
    way_m = np.where(steady, np.abs(told_m.astype(np.float64) - from_m), np.nan)
    agrees = way_m >= HEIGHT_AGREES * limit_mps * lasted_us / US_PER_S
    so_far = tri(agrees, np.isnan(way_m))
    so_far[seg.head_at] = state["height_agrees"]
    return from_m, so_far


def _evidence(heard: Heard, run: _Run, params: OverspeedParams) -> Judging:
    def evidence(at: Ints) -> Evidence:
        limit_mps = limit_at(run.limit_mps, at)
        unknown = np.isnan(run.speed_mps[at]) | np.isnan(limit_mps)
        lasted_us = heard.line.t_us - run.since_us
        shown = ("car", "direction", "zone", "floor", "height_m")
        return Evidence(
            {
                "over_limit": tri(run.fast[at], unknown),
                "height_agrees": run.height_agrees[at],
                "stopped_outside_zone": tri(run.stopped[at]),
                "scale_trusted": tri(run.trusted[at]),
                "within_governor": tri(run.passed[at], unknown),
            },
            {
                "speed_mps": run.speed_mps[at],
                "fast_for_us": np.where(run.fast, lasted_us, UNKNOWN)[at],
                **{name: heard.held(name)[at] for name in shown},
            },
            {
                "limit_mps": limit_mps,
                "rated_speed_mps": limit_at(params.rated_speed_mps, at),
                **limits_at(params, _WAITS, at),
            },
        )

    return evidence
