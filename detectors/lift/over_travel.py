"""Over-travel: the car has come to rest beyond its highest or its lowest landing.

Decides by height, so only for terminals that tell a steady one. Where the last landings are is
either registered (``top_height_m``, ``bottom_height_m``) or learned: the highest and the lowest
height at which the doors have stood open in the zone. Learned heights count once two landings are
known, and the last one was visited more than once; until then nothing is judged. Beyond means
0.1 m (where the final limit switch sits) to 1.5 m: further away there is no shaft, so a landing
has not been learned yet.

Learned heights only grow apart. Two frames must agree, so one reading of nonsense teaches nothing;
a scale that is shifted for good hides over-travel at one end, until the heights are registered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.conditions import ConditionDetector, Evidence, Judged, Judging, tri
from detectors.contract import Field, State
from detectors.lift.car_motion import Motion, kept, motion
from detectors.parameters import US_PER_S, LiftParams, in_seconds, plain
from detectors.segments import Bools, Ints, Segments
from detectors.signals import Heard
from detectors.windows import limit_at, window_fields
from telemetry.columns import Door, Mode
from telemetry.findings import Confidence, FindingKind

NO_LANDING_MM: Final = -(2**31)
"""No landing has been learned."""
NEAR_MM: Final = 300
"""Heights this close are the same landing: doors open within the unlocking zone."""
STEADY_M: Final = 0.02
"""Two readings this close agree: a relevelling is smaller."""
SURE_VISITS: Final = 10
"""From so many visits on a learned landing is as good as a registered one (practice)."""
_MAX_VISITS: Final = 255
_ROW_MM: Final = 10**10
"""Keeps the running maxima of rows apart; larger than any span of heights."""
_REGISTRY: Final = "the registry; learned by default"


@dataclass(frozen=True, slots=True)
class OverTravelParams(LiftParams):
    """Thresholds, each a scalar or an array over lifts.

    Parameters
    ----------
    top_height_m, bottom_height_m
        Heights of the highest and the lowest landing [m], NaN = learned.
    over_travel_m
        Beyond the last landing from here on [m].
    over_travel_at_most_m
        Further beyond than this is another landing [m].
    landings_apart_m
        Learned heights count once they are this far apart [m].
    landing_visits
        Learned heights count after so many visits of that landing.
    over_travel_window_us
        How long the car must rest there [µs].
    over_travel_bridge_us
        Absences shorter than this change nothing [µs].
    """

    top_height_m: Any = field(
        default=float("nan"), metadata=plain("top_height_m", -1000, 2000, "f8", _REGISTRY)
    )
    bottom_height_m: Any = field(
        default=float("nan"), metadata=plain("bottom_height_m", -1000, 2000, "f8", _REGISTRY)
    )
    over_travel_m: Any = field(
        default=0.1,
        metadata=plain("over_travel_m", 0.02, 2, "f8", "practice: the final limit switch"),
    )
    over_travel_at_most_m: Any = field(
        default=1.5,
        metadata=plain("over_travel_at_most_m", 0.1, 10, "f8", "practice: buffer and headroom"),
    )
    landings_apart_m: Any = field(
        default=2.0,
        metadata=plain("landings_apart_m", 0.5, 100, "f8", "practice: less than any storey"),
    )
    landing_visits: Any = field(
        default=2, metadata=plain("landing_visits", 1, 255, "i8", "practice: once may be a mistake")
    )
    over_travel_window_us: Any = field(
        default=2 * US_PER_S,
        metadata=in_seconds("over_travel_window_s", 0, 600, "practice: it stands, no turn"),
    )
    over_travel_bridge_us: Any = field(
        default=10 * US_PER_S,
        metadata=in_seconds("over_travel_bridge_s", 0, 600, "practice: one event is one finding"),
    )


class OverTravelDetector(ConditionDetector):
    """The rules of over-travel at both ends."""

    name = "over_travel"
    kinds = (FindingKind.OVER_TRAVEL_TOP, FindingKind.OVER_TRAVEL_BOTTOM)
    layout = (
        *window_fields("top_"),
        *window_fields("bottom_"),
        Field("top_mm", "i4", NO_LANDING_MM),
        Field("bottom_mm", "i4", NO_LANDING_MM),  # negated, so that both only grow
        Field("top_visits", "u1", 0),
        Field("bottom_visits", "u1", 0),
        Field("counted", "?", False),  # this opening of the doors, as a visit
    )
    params_type = OverTravelParams

    def judge(
        self, state: State, heard: Heard, params: OverTravelParams
    ) -> tuple[tuple[Judged, ...], Mapping[str, NDArray[Any]]]:
        """Judge every element; see ``ConditionDetector.judge``."""
        at = motion(heard)
        height_m = heard.held("height_m").astype(np.float64)
        learns, counted = _learns(state, heard, at, height_m)
        rests = at.stands & (heard.held("zone") != 1) & ~heard.says("mode", Mode.INSPECTION)
        told_mm = np.where(learns, np.rint(height_m * 1000), np.nan)
        visits = learns & ~heard.segments.prior(counted)
        own, judged = {"counted": counted[heard.segments.last_at]}, []
        top, bottom = (
            _end(state, heard.segments, told_mm, visits, side) for side in ("top", "bottom")
        )
        apart = top.learned_m - bottom.learned_m >= params.landings_apart_m
        for kind, end, given_m in (
            (self.kinds[0], top, params.top_height_m),
            (self.kinds[1], bottom, params.bottom_height_m),
        ):
            trusted = apart & (end.visits >= params.landing_visits)
            landing_m = np.where(
                np.isnan(given_m), np.where(trusted, end.learned_m, np.nan), given_m
            )
            beyond_m = (height_m - landing_m) * end.sign
            holds = (
                rests & (beyond_m >= params.over_travel_m)
                & (beyond_m <= params.over_travel_at_most_m)
            )  # fmt: skip
            sure = ~np.isnan(given_m) | (end.visits >= SURE_VISITS)
            judged.append(
                Judged(
                    kind,
                    holds,
                    params.over_travel_window_us,
                    params.over_travel_bridge_us,
                    _evidence(heard, at, end, beyond_m, params),
                    np.where(sure, Confidence.CERTAIN, Confidence.PROBABLE)
                    if holds.any()
                    else Confidence.CERTAIN,
                    prefix=f"{end.side}_",
                )
            )
            own |= end.after(heard.segments.last_at)
        return tuple(judged), own


class _End(NamedTuple):
    """One end of the shaft, as learned, along the strip."""

    side: str
    sign: int
    learned_m: NDArray[np.float64]  # NaN where none
    mm: Ints  # grows outwards
    visits: Ints

    def after(self, last: Ints) -> dict[str, NDArray[Any]]:
        """Return the fields of the state."""
        return {
            f"{self.side}_mm": self.mm[last].astype(np.int32),
            f"{self.side}_visits": self.visits[last].astype(np.uint8),
        }


def _learns(
    state: State, heard: Heard, at: Motion, height_m: NDArray[np.float64]
) -> tuple[Bools, Bools]:
    """Mark frames that tell a landing's height at a second instant, and openings that had one."""
    seg = heard.segments
    open_here = heard.says("door", Door.OPEN) & (heard.held("zone") == 1) & at.stands
    steady = np.abs(height_m - height_m[seg.before]) <= STEADY_M
    later = heard.line.t_us > heard.line.t_us[seg.before]
    learns = open_here & seg.prior(open_here) & later & steady & heard.told_at("height_m")
    return learns, kept(seg, state["counted"], learns, ~open_here)


def _end(
    state: State, seg: Segments, told_mm: NDArray[np.float64], visits: Bools, side: str
) -> _End:
    """Follow the furthest height learned at one end, and how often its landing was visited."""
    sign = 1 if side == "top" else -1
    carried = state[f"{side}_mm"].astype(np.int64)
    carried_visits = state[f"{side}_visits"].astype(np.int64)
    mm, count = carried[seg.row], carried_visits[seg.row]
    if not np.isnan(told_mm).all():
        out_mm = np.where(np.isnan(told_mm), NO_LANDING_MM, told_mm * sign).astype(np.int64)
        out_mm[seg.head_at] = carried
        lanes = seg.row * _ROW_MM
        mm = np.maximum.accumulate(out_mm + lanes) - lanes
        here = visits & (mm - out_mm <= NEAR_MM)
        count = seg.count_since(here, mm - mm[seg.before] > NEAR_MM, carried_visits)
        count = np.minimum(count, _MAX_VISITS)
    learned_m = np.where(mm == NO_LANDING_MM, np.nan, mm * sign / 1000)
    return _End(side, sign, learned_m, mm, count)


def _evidence(
    heard: Heard, at: Motion, end: _End, beyond_m: NDArray[np.float64], params: OverTravelParams
) -> Judging:
    def evidence(where: Ints) -> Evidence:
        beyond = beyond_m[where]
        limit_m = limit_at(params.over_travel_m, where)
        return Evidence(
            {
                "stopped": tri(at.stands[where], ~(at.stands | at.moves)[where]),
                "beyond_last_landing": tri(beyond >= limit_m, np.isnan(beyond)),
                "in_zone": heard.held("zone")[where],
            },
            {
                "beyond_m": beyond,
                "learned_height_m": end.learned_m[where],
                "landing_visits": end.visits[where],
                **{
                    name: heard.held(name)[where]
                    for name in ("height_m", "speed_mps", "car", "door", "floor", "mode")
                },
            },
            {
                "window_us": limit_at(params.over_travel_window_us, where),
                "over_travel_m": limit_m,
                "over_travel_at_most_m": limit_at(params.over_travel_at_most_m, where),
            },
        )

    return evidence
