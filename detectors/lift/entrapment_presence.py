"""Is somebody inside? What presence sensor, scale and doors say together, for the entrapment rule.

Decides per element of a strip whether somebody is inside, nobody is, or nobody can tell, and how
far the witnesses can be trusted. Leaves to ``entrapment_criteria`` what follows from it.

Invariants: a witness that is not there says nothing; witnesses that contradict each other make the
answer unknown, never no; a gap makes what was seen before it *stale*, and forgets nothing.
"""

from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.contract import Field, State
from detectors.lift.doors import Openings
from detectors.lift.entrapment_params import EntrapmentParams
from detectors.segments import NEVER_US, Bools, Ints
from detectors.signals import Heard
from telemetry.columns import UNKNOWN, Door

SHUT_DOORS: Final = (Door.CLOSING, Door.CLOSED, Door.LOCKED, Door.HELD)
"""Door states that are known and neither opening nor open."""
_LATCHING_DOORS: Final = (Door.CLOSING, Door.CLOSED)
_PARTED_DOORS: Final = (Door.OPENING, Door.OPEN)
_AFTER_LONG_STAY: Final = 10
"""Openings for which one counts that ends a long stay behind closed doors: whoever had waited so
long would have been seen leaving (practice)."""
_MOST: Final = 255

PRESENCE_FIELDS: Final = (
    Field("shut_since_us", "i8", NEVER_US),  # at rest behind closed doors; NEVER_US = never
    Field("unheard_since_us", "i8", NEVER_US),  # at rest in the zone, doors never told
    Field("latched", "?", False),  # somebody inside
    Field("stale", "?", False),  # ... who was last seen before a silence
    Field("long_stay", "?", False),  # the last stay behind closed doors was long
    Field("openings", "u1", 0),  # since the presence sensor last changed
    Field("scale_openings", "u1", 0),  # since the scale last changed between empty and not
)


class Rest(NamedTuple):
    """Whether the car stands, per element."""

    stopped: Bools
    doubtful: Bools  # "running" at no speed
    at_rest: Bools  # stopped or doubtful
    moving: Bools  # known to move


class Presence(NamedTuple):
    """Who is inside, per element; arrays of shape (n + m,)."""

    latched: Bools
    inside: NDArray[np.int8]  # 1, 0 or unknown
    claimed: Bools  # at least one witness has seen somebody
    trusted: Bools  # the presence sensor is not known to be stuck
    scale: NDArray[np.int8]  # somebody or something 1, empty 0, or no word
    stale: Bools  # latched before a silence, and not seen since
    left_landing: Bools  # where a car whose doors are never told goes on after a stay at a landing
    after: dict[str, NDArray[Any]]  # fields of PRESENCE_FIELDS along the strip


def among(values: NDArray[np.int8], chosen: tuple[int, ...]) -> Bools:
    """Tell which values are among a few enumeration members; unknown is none of them."""
    return _table(chosen).take(values.view(np.uint8))


@cache
def _table(chosen: tuple[int, ...]) -> Bools:
    return np.isin(np.arange(256), chosen)


def presence(
    state: State, heard: Heard, rest: Rest, doors: Openings, called: Bools, params: EntrapmentParams
) -> Presence:
    """Judge who is inside; ``called``: the button was pressed in this stop."""
    seg = heard.segments
    passenger = heard.held("passenger")
    seen = (passenger > 0) & (heard.says("door", *_LATCHING_DOORS) | rest.moving)
    unheard_us, left_landing = _landings_without_doors(state, heard, rest, params)
    stuck = _stuck(state, heard, rest, doors, params)
    trusted = (passenger == UNKNOWN) | (stuck["openings"] < params.presence_stuck_openings)
    scale, scale_openings = _scale(state, heard, doors, params)
    emptied = _emptied(heard, rest, (passenger == 0) & (scale == 0))
    gone = doors.believed | (left_landing & ~seen) | emptied
    latched = seg.latch(seg.headed(seen, state["latched"]), gone)
    stale = _stale(state, heard, latched, seen | gone, params)
    return Presence(
        latched=latched,
        inside=_inside(heard, latched, trusted, scale, called),
        claimed=latched | (scale == 1),
        trusted=trusted,
        scale=scale,
        stale=stale,
        left_landing=left_landing,
        after={
            "unheard_since_us": unheard_us,
            "latched": latched,
            "stale": stale,
            "scale_openings": np.minimum(scale_openings, _MOST),
            **stuck,
            "openings": np.minimum(stuck["openings"], _MOST),
        },
    )


def _emptied(heard: Heard, rest: Rest, nobody: Bools) -> Bools:
    """Mark frames that show an empty car by open doors, whose zone switch denies a landing.

    A drive opens no doors between landings, so the switch sticks, or somebody forced them. Two
    frames in a row with doors open are no bounce; ``nobody``: sensor and scale both say so.
    """
    stands_open = heard.says("door", Door.OPEN) & heard.said("door", Door.OPEN) & rest.at_rest
    return heard.line.told & stands_open & (heard.held("zone") == 0) & nobody


def _inside(
    heard: Heard, latched: Bools, trusted: Bools, scale: NDArray[np.int8], called: Bools
) -> NDArray[np.int8]:
    """Weigh the witnesses: the latch, else the sensor, else the scale.

    Somebody latched by a stuck sensor, or whom the scale does not feel, is not certain; nor is an
    empty car that weighs something or shows somebody whom the doors did not let latch.
    """
    passenger = heard.held("passenger")
    has_sensor = (passenger != UNKNOWN) & trusted
    doubted = ~trusted | (scale == 0)
    contradicted = ((passenger > 0) | (scale == 1)) & ~heard.says("door", *_PARTED_DOORS)
    by_sensor = np.where(contradicted, UNKNOWN, 0)
    by_scale = np.where((scale == 0) & ~called, 0, UNKNOWN)
    seen = np.where(doubted, UNKNOWN, 1)
    return np.where(latched, seen, np.where(has_sensor, by_sensor, by_scale)).astype(np.int8)


def _landings_without_doors(
    state: State, heard: Heard, rest: Rest, params: EntrapmentParams
) -> tuple[Ints, Bools]:
    """Find where a car whose doors are never told goes on after a stay at a landing.

    People could leave there. Returns since when it has stood, and the elements at which it goes on.
    """
    line, seg = heard.line, heard.segments
    stands = rest.at_rest & (heard.held("zone") == 1) & (heard.held("door") == UNKNOWN)
    since_us = line.since(seg.rises(stands), state["unheard_since_us"])
    long = line.t_us - seg.prior(since_us) >= params.unheard_doors_us
    return since_us, seg.prior(stands) & rest.moving & long


def _stuck(
    state: State, heard: Heard, rest: Rest, doors: Openings, params: EntrapmentParams
) -> dict[str, NDArray[Any]]:
    """Count openings during which the presence sensor did not change."""
    line, seg = heard.line, heard.segments
    passenger = heard.held("passenger")
    shut = rest.at_rest & heard.says("door", *SHUT_DOORS)
    since_us = line.since(seg.rises(shut), state["shut_since_us"])
    ends = seg.prior(shut) & ~shut
    long = ends & (line.t_us - seg.prior(since_us) >= params.at_landing_window_us)
    long_stay = seg.hold(seg.headed(long, state["long_stay"]), ends)
    weight = np.where(long_stay & (passenger > 0), _AFTER_LONG_STAY, 1) * doors.begins
    openings = seg.count_since(weight, seg.changes(np.sign(passenger)), state["openings"])
    return {"shut_since_us": since_us, "long_stay": long_stay, "openings": openings}


def _scale(
    state: State, heard: Heard, doors: Openings, params: EntrapmentParams
) -> tuple[NDArray[np.int8], Ints]:
    """Return the scale's word, and for how many openings it has not changed it."""
    seg, load = heard.segments, heard.held("load_pct")
    word = np.where(np.isnan(load), UNKNOWN, load > params.empty_load_pct).astype(np.int8)
    changes = seg.changes(word) & (seg.prior(word) != UNKNOWN)
    openings = seg.count_since(doors.begins, changes, state["scale_openings"])
    trusted = openings < params.presence_stuck_openings
    return np.where(trusted, word, UNKNOWN).astype(np.int8), openings


def _stale(
    state: State, heard: Heard, latched: Bools, settled: Bools, params: EntrapmentParams
) -> Bools:
    """Tell whether whoever is latched was last seen before a silence.

    ``settled``: elements at which somebody is seen inside, or was let out.
    """
    seg, silent = heard.segments, heard.after_silence(params.silent_after_us)
    return seg.latch(seg.headed(silent & latched, state["stale"]), settled)
