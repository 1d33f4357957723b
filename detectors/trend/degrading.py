"""Degrading: slow trends of one lift against its own past, before they are a fault (事前预警).

Decides: each movement of the doors and each ride gives signs of wear (``wear_signs``); each sign
has a baseline of its own (``baseline``). When one quantity has left its band for the worse the
finding is raised, with which, since when and how far; it is updated when another joins, and ends
when all are back. It leaves to others: limits that hold for every lift, such as excessive
vibration, and what to repair.

Invariants: nothing is said before a lift has been watched for the warm-up and a quantity has given
enough signs; a single sign, however wild, moves nothing much; only frames tell, never time.
"""

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.contract import (
    NO_DUE_US,
    Events,
    Field,
    GapPolicy,
    LiftFrames,
    State,
    Stepped,
    written,
)
from detectors.parameters import US_PER_S, LiftParams, plain, spread_all
from detectors.segments import NEVER_US, Bools, Ints
from detectors.signals import Heard
from detectors.trend.baseline import Taken, Values, cells_of, take
from detectors.trend.wear_signs import (
    CLOSING,
    LEVELLING,
    OPENING,
    QUANTITIES,
    REOPENINGS,
    SIGN_FIELDS,
    STRAY_M,
    TRIP_TIME,
    VIBRATION,
    Signs,
    signs_of,
)
from detectors.windows import limit_at, limits_at
from telemetry.findings import Change, Confidence, FindingKind
from telemetry.transitions import Transitions

_N: Final = len(QUANTITIES)
_LEAST: Final = np.full(_N, 0.3)
"""By quantity: how much worse it must be at least. Doors, and what has a threshold of its own: [s],
for frames are told every half second or so."""
_LEAST[VIBRATION] = 0.03  # [m/s²]
_LEAST[TRIP_TIME] = 0.1  # of the time that the way takes
_REOPENING_RATIO: Final = 3.0
_PRACTICE: Final = "practice: well beyond what load, weather and time of day do"
_SURE: Final = "practice: chance does it once in 30,000 times"
_WARM: Final = "practice: a week has every hour of use once"
_SHOWN: Final = (
    *("ratio", "trip_ratio", "reopenings", "levelling_mm", "fast_signs", "slow_signs", "sigmas"),
    *("warm_up_signs", "warm_up_d", "rated_speed_mps"),
)
"""Thresholds that are told."""


@dataclass(frozen=True, slots=True)
class DegradingParams(LiftParams):
    """Thresholds, each a scalar or an array over lifts.

    Parameters
    ----------
    ratio
        Door times and vibration, of the baseline, from which on they are off.
    trip_ratio
        The same of the time of rides.
    reopenings
        Re-openings in a stop above the baseline.
    levelling_mm
        Mean of stops beside that of the baseline [mm].
    fast_signs, slow_signs
        How many signs the present and the baseline are about.
    sigmas
        How many of its own standard deviations the present must be off besides.
    warm_up_signs
        Signs of a quantity before it may speak.
    warm_up_d
        Time since the first sign before any may speak [days].
    rated_speed_mps
        Rated speed of the lift; NaN = unknown [m/s].
    """

    ratio: Any = field(default=1.25, metadata=plain("degrading_ratio", 1.01, 10, "f8", _PRACTICE))
    trip_ratio: Any = field(
        default=1.15, metadata=plain("degrading_trip_ratio", 1.01, 10, "f8", _PRACTICE)
    )
    reopenings: Any = field(
        default=0.3, metadata=plain("degrading_reopenings", 0.01, 10, "f8", _PRACTICE)
    )
    levelling_mm: Any = field(
        default=3.0, metadata=plain("degrading_levelling_mm", 0.1, 100, "f8", _PRACTICE)
    )
    fast_signs: Any = field(
        default=50.0, metadata=plain("degrading_fast_signs", 1, 10_000, "f8", _PRACTICE)
    )
    slow_signs: Any = field(
        default=5000.0, metadata=plain("degrading_slow_signs", 2, 60_000, "f8", _PRACTICE)
    )
    sigmas: Any = field(default=4.0, metadata=plain("degrading_sigmas", 0, 100, "f8", _SURE))
    warm_up_signs: Any = field(
        default=300.0, metadata=plain("degrading_warm_up_signs", 1, 60_000, "f8", _WARM)
    )
    warm_up_d: Any = field(default=7.0, metadata=plain("degrading_warm_up_d", 0, 366, "f8", _WARM))
    rated_speed_mps: Any = field(
        default=float("nan"),
        metadata=plain("rated_speed_mps", 0.01, 30, "f8", "the registry's rated speed"),
    )


@dataclass(frozen=True, slots=True)
class DegradingDetector:
    """The rule of slow trends."""

    name: str = "degrading"
    version: str = "1"
    kinds: tuple[FindingKind, ...] = (FindingKind.DEGRADING,)
    gap_policy: GapPolicy = GapPolicy.HOLD
    layout: tuple[Field, ...] = (
        Field("onset_us", "i8", NEVER_US, rare=True),
        *SIGN_FIELDS,
        Field("first_s", "u4", 0),  # second of the first sign; 0 = none yet
        Field("base", "f4", 0.0, (_N,)),
        Field("now", "f4", 0.0, (_N,)),
        Field("scale", "f4", 0.0, (_N,)),
        Field("since_s", "u4", 0, (_N,)),
        Field("count", "u2", 0, (_N,)),
        Field("off", "?", False, (_N,)),
    )
    params_type: type[DegradingParams] = DegradingParams

    def step(self, state: State, batch: LiftFrames, params: DegradingParams) -> Stepped:
        """Advance ``m`` lifts; see ``contract.Detector.step``."""
        heard, m = batch.lift, len(batch.now_us)
        limits = spread_all(params, batch.segments.row)
        signs = signs_of(state, heard, limits.rated_speed_mps)
        after = dict(signs.state)
        if not len(signs.at):
            return Stepped(after, NO_DUE_US, ())
        signs = _in_time(signs)
        first_s = _first_s(state, heard, signs)
        cells = cells_of(state)
        taken = take(cells, _values(heard, signs, limits, first_s))
        for name in ("base", "now", "scale", "count", "since_s", "off"):
            after[name] = getattr(cells, name).reshape(m, _N)
        after["first_s"] = first_s
        if not (taken.off.any() or taken.was_off.any()):
            return Stepped(after, NO_DUE_US, ())
        life = _life(state, heard, signs, taken)
        last = batch.segments.last_at
        after["onset_us"] = np.where(life.off[last].any(axis=1), life.onset_us[last], NEVER_US)
        return Stepped(after, NO_DUE_US, _told(self, heard, signs, taken, life, limits))


def _in_time(signs: Signs) -> Signs:
    order = np.lexsort((signs.quantity, signs.at))
    return Signs(signs.at[order], signs.quantity[order], signs.value[order], signs.state)


def _seconds(heard: Heard, at: Ints) -> Ints:
    return heard.line.t_us[at] // US_PER_S


def _first_s(state: State, heard: Heard, signs: Signs) -> NDArray[np.uint32]:
    """Return when the first sign of each row came."""
    first_s = np.array(state["first_s"])
    rows, index = np.unique(heard.segments.row[signs.at], return_index=True)
    new = first_s[rows] == 0
    first_s[rows[new]] = _seconds(heard, signs.at[index[new]])
    return first_s


def _values(
    heard: Heard, signs: Signs, limits: DegradingParams, first_s: NDArray[np.uint32]
) -> Values:
    """Put the signs beside the limits of their cells."""
    at, q = signs.at, signs.quantity
    row, second = heard.segments.row[at], _seconds(heard, at)

    def limit(name: str) -> Any:
        return limit_at(getattr(limits, name), at)

    by_ratio = (q == OPENING) | (q == CLOSING) | (q == VIBRATION)
    ratio = np.where(by_ratio, limit("ratio"), _REOPENING_RATIO)
    ratio = np.where(q == TRIP_TIME, limit("trip_ratio"), ratio)
    least = _LEAST.take(q)
    least = np.where(q == REOPENINGS, limit("reopenings"), least)
    least = np.where(q == LEVELLING, limit("levelling_mm") / 1000, least)
    watched_s = second - first_s[row].astype(np.int64)
    return Values(
        cell=row * _N + q,
        second=second,
        value=signs.value,
        slow=limit("slow_signs"),
        fast=limit("fast_signs"),
        ratio=ratio,
        least=least,
        stray=np.where(q == LEVELLING, STRAY_M, np.inf),
        sigmas=limit("sigmas"),
        enough=limit("warm_up_signs"),
        speaks=watched_s >= limit("warm_up_d") * 86_400,
        both_ways=q == LEVELLING,
    )


class _Life(NamedTuple):
    """What became of the finding; ``k`` events in the order of the strip."""

    at: Ints
    change: NDArray[Any]
    sign: Ints  # the sign that is told of each
    off: Bools  # which quantities are off after each element, shape (n + m, quantities)
    onset_us: Ints  # along the strip


def _life(state: State, heard: Heard, signs: Signs, taken: Taken) -> _Life:
    seg, line = heard.segments, heard.line
    number = np.full((len(seg), _N), -1)
    number[signs.at, signs.quantity] = np.arange(len(signs.at))
    off = np.zeros((len(seg), _N), np.bool_)
    for q in range(_N):
        here = number[:, q] >= 0
        column = here.copy()
        column[here] = taken.off[number[here, q]]
        column[seg.head_at] = state["off"][:, q]
        off[:, q] = seg.hold(column, here)
    before = off[seg.before]
    joins, leaves = off & ~before, before & ~off
    is_off, was_off = np.asarray(off.any(axis=1)), np.asarray(before.any(axis=1))
    raised, cleared = is_off & ~was_off, was_off & ~is_off
    at = np.flatnonzero(joins.any(axis=1) | cleared)
    change = np.select([raised[at], cleared[at]], [Change.RAISED, Change.CLEARED], Change.UPDATED)
    moved = np.where(cleared[at, None], leaves[at], joins[at])
    sign = number[at, moved.argmax(axis=1)]
    began_us = line.t_us.copy()
    began_us[at] = taken.since_s[sign].astype(np.int64) * US_PER_S
    began_us[seg.head_at] = state["onset_us"]
    onset_us = seg.hold(began_us, raised)
    return _Life(at, change, sign, off, onset_us)


def _told(
    rule: DegradingDetector,
    heard: Heard,
    signs: Signs,
    taken: Taken,
    life: _Life,
    limits: DegradingParams,
) -> tuple[Transitions, ...]:
    at = life.at
    if not len(at):
        return ()
    events = Events(
        at=at,
        change=life.change,
        t_us=heard.line.t_us[at],
        onset_us=life.onset_us[at],
        last_seen_us=heard.seen_us[at],
        kind=FindingKind.DEGRADING,
        confidence=Confidence.PROBABLE,
    )
    off, quantity = life.off[at], signs.quantity[life.sign]
    base, now = (a[life.sign].astype(np.float64) for a in (taken.base, taken.now))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where((quantity == LEVELLING) | (base == 0), np.nan, now / base)
    since_us = taken.since_s[life.sign].astype(np.int64) * US_PER_S
    values = {
        "quantity": quantity + 1,
        "affected": (off * 2 ** np.arange(_N)).sum(axis=1),
        "since_us": np.where(since_us == 0, -1, since_us),
        "baseline": base,
        "present": now,
        "ratio": ratio,
    }
    criteria = {name: off[:, i].astype(np.int8) for i, name in enumerate(QUANTITIES)}
    limit = limits_at(limits, _SHOWN, at)
    return (written(rule, heard.segments, events, criteria, values, limit),)
