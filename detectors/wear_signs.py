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
    Field("went_um", "i8", UNKNOWN),  # height at which it began
    Field("landing", "i2", UNKNOWN),  # floor at which stops are compared
    Field("shook_um", "i4", 0),  # largest vibration of that ride
    Field("turns", "u1", 0),  # closings of this stop that turned
)
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
    mode = heard.held("mode")
    normal = (mode == Mode.NORMAL) | (mode == UNKNOWN)
    doors, of_doors = _door_signs(state, heard)
    rides, of_rides = _ride_signs(state, heard, rated_mps)
    parts = [(marks & normal, q, value) for marks, q, value in (*doors, *rides)]
    found = [(np.flatnonzero(marks), q, value) for marks, q, value in parts]
    return Signs(
        np.concatenate([at for at, _, _ in found]),
        np.concatenate([np.full(len(at), q) for at, q, _ in found]),
        np.concatenate([value(at) for at, _, value in found]),
        {**of_doors, **of_rides},
    )


def _door_signs(state: State, heard: Heard) -> tuple[list[Any], dict[str, NDArray[Any]]]:
    """Return how long whole movements of the doors took, and how often closings turned."""
    seg, t_us = heard.segments, heard.line.t_us
    door = heard.held("door")
    before = seg.prior(door)
    changes = seg.changes(door)
    if not changes.any():
        return [], {name: state[name] for name in ("begun_us", "turns")}
    shut = (before == Door.CLOSED) | (before == Door.LOCKED)
    whole = ((door == Door.OPENING) & shut) | ((door == Door.CLOSING) & (before == Door.OPEN))
    begun_us = seg.join(state["begun_us"], NEVER_US)
    begun_us[whole & changes] = t_us[whole & changes]
    begun_us = seg.hold(begun_us, changes)
    since_us = seg.prior(begun_us)
    measured = changes & (since_us != NEVER_US)
    opened = measured & (before == Door.OPENING) & (door == Door.OPEN)
    closed = measured & (before == Door.CLOSING) & (door == Door.CLOSED)
    turns = changes & (before == Door.CLOSING) & ((door == Door.OPENING) | (door == Door.OPEN))
    stood = (before >= Door.CLOSING) & (before != Door.LOCKED)
    shuts = changes & (door == Door.CLOSED) & stood
    count = np.minimum(seg.count_since(turns, changes & (door == Door.CLOSED), state["turns"]), 255)

    def lasted(at: Ints) -> NDArray[np.float64]:
        return (t_us[at] - since_us[at]) / 1e6

    def turned(at: Ints) -> NDArray[np.float64]:
        return seg.prior(count)[at].astype(np.float64)

    at = seg.last_at
    after = {"begun_us": begun_us[at], "turns": count[at].astype(np.uint8)}
    signs = [(opened, OPENING, lasted), (closed, CLOSING, lasted), (shuts, REOPENINGS, turned)]
    return signs, after


def _ride_signs(
    state: State, heard: Heard, rated_mps: Any
) -> tuple[list[Any], dict[str, NDArray[Any]]]:
    """Return how much rides shook, how long they took, and where they ended."""
    seg, t_us = heard.segments, heard.line.t_us
    runs = heard.held("car") == 1
    starts, stops = seg.rises(runs), seg.prior(runs) & (heard.held("car") == 0) & ~seg.is_head
    height_um = _micro(heard.held("height_m"))
    went_us = np.where(runs, heard.line.since(starts, state["went_us"]), NEVER_US)
    went_um = seg.join(state["went_um"], _NO_HEIGHT)
    went_um[starts] = seg.prior(height_um)[starts]
    went_um = np.where(runs, seg.hold(went_um, starts), _NO_HEIGHT)
    shook_um = _shaking(state, heard, runs, starts)
    landing, level = _at_landing(state, heard, stops)
    from_us, from_um = seg.prior(went_us), seg.prior(went_um)
    peak_um = seg.prior(shook_um)
    known = (height_um != _NO_HEIGHT) & (from_um != _NO_HEIGHT)
    far = known & (np.abs(height_um - from_um) >= SHORTEST_WAY_M * 1e6)

    def rough(at: Ints) -> NDArray[np.float64]:
        return peak_um[at] / 1e6

    def slow(at: Ints) -> NDArray[np.float64]:
        way_m = np.abs(height_um[at] - from_um[at]) / 1e6
        rated = rated_mps[at] if isinstance(rated_mps, np.ndarray) else rated_mps
        return (t_us[at] - from_us[at]) / 1e6 / ideal_s(way_m, rated)

    def where(at: Ints) -> NDArray[np.float64]:
        return height_um[at] / 1e6

    at = seg.last_at
    after = {"went_us": went_us[at], "went_um": went_um[at], "landing": landing}
    after |= {"shook_um": shook_um[at].astype(np.int32)}
    signs = [
        (level, LEVELLING, where),
        (stops & (peak_um > 0), VIBRATION, rough),
        (stops & far & (from_us != NEVER_US), TRIP_TIME, slow),
    ]
    return signs, after


def _shaking(state: State, heard: Heard, runs: Bools, starts: Bools) -> Ints:
    """Return the largest vibration told on the ride so far; 0 while the car stands.

    Rides are numbered along the strip, and the number weighs more than any vibration, so one
    running maximum serves them all.
    """
    seg = heard.segments
    told = heard.told_at("vibration_mps2") & runs
    value = np.where(told, _micro(heard.held("vibration_mps2")), 0)
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
