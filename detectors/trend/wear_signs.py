"""Signs of wear in ordinary life: how long doors move, how rough and slow rides are.

Turns frames into *signs*: a quantity, when, and its value, once per movement of the doors and per
ride, in normal service only. Whether a sign is unusual is decided in ``degrading``. Heights and
vibrations are kept as whole micro-units, so that splits change nothing.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.contract import Field, State
from detectors.segments import NEVER_US, Bools, Ints
from detectors.signals import Heard
from telemetry.columns import UNKNOWN, Door, Mode

QUANTITIES: Final = (
    "door_opening", "door_closing", "reopenings", "levelling", "vibration", "trip_time",
)  # fmt: skip
"""Seconds; seconds; times in a stop; metres of height at one landing; m/s², the largest told on a
ride; duration of a ride by that of an ideal one over the same way."""
OPENING, CLOSING, REOPENINGS, LEVELLING, VIBRATION, TRIP_TIME = range(len(QUANTITIES))

SHORTEST_WAY_M: Final = 2.5
"""Rides over less than a storey say nothing about the drive."""
STRAY_M: Final = 0.1
"""A stop further from its landing's mean is no levelling error, but another position (practice)."""
IDEAL_MPS2: Final = 0.8
IDEAL_MPS3: Final = 1.0
"""Acceleration and jerk of the ideal ride (DOMAIN section 6: between housing and office)."""
IDEAL_MPS: Final = 1.75
"""Its speed, where the rated one is not known: what most lifts have."""

SIGN_FIELDS: Final = (
    Field("begun_us", "i8", NEVER_US),  # the doors' whole movement that goes on
    Field("went_us", "i8", NEVER_US),  # the ride that goes on
    Field("went_um", "i4", UNKNOWN),  # height at which it began
    Field("landing", "i2", UNKNOWN),  # floor at which stops are compared
    Field("shook_um", "i4", 0),  # largest vibration of that ride
    Field("turns", "u1", 0),  # closings of this stop that turned
)
_APART_DOORS: Final = (Door.CLOSING, Door.OPENING, Door.OPEN, Door.HELD)
_NO_HEIGHT: Final = UNKNOWN
_BELOW_RIDE: Final = 30
"""Bits that hold any vibration in micro-units."""


class Signs(NamedTuple):
    """Signs of a batch, in no order: element of the strip, quantity, value; shape (k,)."""

    at: Ints
    quantity: Ints
    value: NDArray[np.float64]
    state: dict[str, NDArray[Any]]


def signs_of(state: State, heard: Heard, rated_mps: Any) -> Signs:
    """Read the signs of a batch; ``rated_mps`` is a scalar or a strip, NaN = unknown."""
    normal = heard.says("mode", Mode.NORMAL) | (heard.held("mode") == UNKNOWN)
    doors, of_doors = _door_signs(state, heard)
    rides, of_rides = _ride_signs(state, heard, rated_mps)
    parts = [(at[normal[at]], q, value[normal[at]]) for at, q, value in (*doors, *rides)]
    return Signs(
        np.concatenate([at for at, _, _ in parts]),
        np.concatenate([np.full(len(at), q) for at, q, _ in parts]),
        np.concatenate([value for _, _, value in parts]),
        {**of_doors, **of_rides},
    )


def _door_signs(state: State, heard: Heard) -> tuple[list[Any], dict[str, NDArray[Any]]]:
    """Return how long whole movements of the doors took, and how often closings turned."""
    seg, t_us = heard.segments, heard.line.t_us
    says, said, changes = heard.says, heard.said, seg.changes(heard.held("door"))
    if not changes.any():
        return [], {name: state[name] for name in ("begun_us", "turns")}
    opening, closed = says("door", Door.OPENING), says("door", Door.CLOSED)
    was_opening, was_closing = said("door", Door.OPENING), said("door", Door.CLOSING)
    whole = opening & said("door", Door.CLOSED, Door.LOCKED)
    whole |= says("door", Door.CLOSING) & said("door", Door.OPEN)
    begun_us = seg.join(state["begun_us"], NEVER_US)
    begun_us[whole & changes] = t_us[whole & changes]
    begun_us = seg.hold(begun_us, changes)
    since_us = seg.prior(begun_us)
    measured = changes & (since_us != NEVER_US)
    turns = changes & was_closing & says("door", Door.OPENING, Door.OPEN)
    comes_shut = changes & closed
    shuts = comes_shut & said("door", *_APART_DOORS)
    count = np.minimum(seg.count_since(turns, comes_shut, state["turns"]), 255)

    at = seg.last_at
    after = {"begun_us": begun_us[at], "turns": count[at].astype(np.uint8)}
    signs = []
    opened = was_opening & says("door", Door.OPEN)
    for marks, quantity in ((opened, OPENING), (was_closing & closed, CLOSING)):
        at = np.flatnonzero(measured & marks)
        signs.append((at, quantity, (t_us[at] - since_us[at]) / 1e6))
    at = np.flatnonzero(shuts)
    signs.append((at, REOPENINGS, count[seg.before[at]].astype(np.float64)))
    return signs, after


def _ride_signs(
    state: State, heard: Heard, rated_mps: Any
) -> tuple[list[Any], dict[str, NDArray[Any]]]:
    """Return how much rides shook, how long they took, and where they ended.

    Rides begin and end rarely: all but the running peak is worked out at those elements alone.
    """
    seg, t_us = heard.segments, heard.line.t_us
    runs = heard.held("car") == 1
    starts, stops = seg.rises(runs), seg.prior(runs) & (heard.held("car") == 0) & ~seg.is_head
    height_m, began_at = heard.held("height_m"), seg.last(starts)
    landing, level = _at_landing(state, heard, stops)
    peak_um = _shaking(state, heard, runs, starts)
    ended = np.flatnonzero(stops)
    from_us, from_um = _began(state, heard, began_at[seg.before[ended]], height_m)
    end_um = _micro(height_m[ended])
    far = (end_um != _NO_HEIGHT) & (from_um != _NO_HEIGHT) & (from_us != NEVER_US)
    far &= np.abs(end_um - from_um) >= SHORTEST_WAY_M * 1e6
    slow = np.full(len(ended), np.nan)
    rated = rated_mps[ended[far]] if isinstance(rated_mps, np.ndarray) else rated_mps
    lasted_s = (t_us[ended] - from_us)[far] / 1e6
    slow[far] = lasted_s / ideal_s(np.abs(end_um - from_um)[far] / 1e6, rated)
    shook_um = peak_um[seg.before[ended]]

    at = seg.last_at
    went_us, went_um = _began(state, heard, began_at[at], height_m)
    goes = runs[at]
    after = {
        "went_us": np.where(goes, went_us, NEVER_US),
        "went_um": np.where(goes, went_um, _NO_HEIGHT),
        "landing": landing,
        "shook_um": peak_um[at].astype(np.int32),
    }
    leveled = np.flatnonzero(level)
    rough = shook_um > 0
    signs = [
        (leveled, LEVELLING, _micro(height_m[leveled]) / 1e6),
        (ended[rough], VIBRATION, shook_um[rough] / 1e6),
        (ended[far], TRIP_TIME, slow[far]),
    ]
    return signs, after


def _began(state: State, heard: Heard, began_at: Ints, height_m: NDArray[Any]) -> tuple[Ints, Ints]:
    """Return when and at which height rides began that began at these elements; heads: before."""
    seg = heard.segments
    carried, row = seg.is_head[began_at], seg.row[began_at]
    from_us = np.where(carried, state["went_us"][row], heard.line.t_us[began_at])
    from_um = _micro(height_m[seg.before[began_at]])
    return from_us, np.where(carried, state["went_um"][row], from_um)


def _shaking(state: State, heard: Heard, runs: Bools, starts: Bools) -> Ints:
    """Return the largest vibration told on the ride so far; 0 while the car stands.

    Rides are numbered along the strip, and the number weighs more than any vibration, so one
    running maximum serves them all.
    """
    seg = heard.segments
    told = np.flatnonzero(heard.told_at("vibration_mps2") & runs)
    value = np.zeros(len(seg), np.int64)
    value[told] = _micro(heard.held("vibration_mps2")[told])
    value[seg.head_at] = state["shook_um"]
    ride = np.cumsum(starts | seg.is_head) << _BELOW_RIDE
    peak = np.maximum.accumulate(ride + value) - ride
    return np.where(runs, peak, 0)


def _at_landing(state: State, heard: Heard, stops: Bools) -> tuple[NDArray[np.int16], Bools]:
    """Return the floor at which stops are compared, the first at which it stood, and such stops."""
    seg = heard.segments
    floor, landing = heard.held("floor"), state["landing"]
    told = heard.told_at("height_m") & (heard.held("zone") == 1) & (floor != UNKNOWN)
    new = landing[seg.row] == UNKNOWN
    if (new & told).any():
        first = np.flatnonzero(seg.first(told & new & (heard.held("car") == 0)))
        landing = landing.copy()
        landing[seg.row[first]] = floor[first]
    return landing, stops & told & (floor == landing[seg.row])


def _micro(values: NDArray[Any]) -> Ints:
    """Return whole millionths, ``UNKNOWN`` where nothing is known."""
    known = np.isfinite(values)
    return np.where(known, np.rint(np.where(known, values, 0) * 1e6), UNKNOWN).astype(np.int64)


def ideal_s(way_m: NDArray[Any], rated_mps: Any) -> NDArray[np.float64]:
    """Return how long an ideal ride takes [s], by the closed form of DOMAIN section 6."""
    speed = np.where(np.isnan(rated_mps), IDEAL_MPS, rated_mps)
    a, j = IDEAL_MPS2, IDEAL_MPS3
    cruises = way_m >= speed * speed / a + speed * a / j
    short_s = a / j + np.sqrt(4 * way_m / a + (a / j) ** 2)
    return np.where(cruises, way_m / speed + speed / a + a / j, short_s)
