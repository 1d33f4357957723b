"""Presence sensor, door switch, zone switch and floor that do not follow what the lift does.

Decides from runs: a car that went to another landing must have left the door zone and must have
opened its doors, and somebody must have come or gone within a few runs. What does not change over
enough of them is stuck. A door or zone switch that changes more often in a minute than doors and
cars can is flapping; one that changes as floors go by follows a car that moves, whatever ``car``
says. What a stuck sensor means to other findings is ``doubt``'s.

Invariants: a column that is never told is never found fault with; each sensor is judged by columns
other than its own, so two that are stuck together (zone and floor) are not found.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.conditions import ConditionDetector, Evidence, Judged, tri
from detectors.contract import Field, State
from detectors.parameters import LiftParams, in_seconds, plain
from detectors.segments import Bools, Ints
from detectors.signals import Heard
from detectors.windows import limit_at, window_fields
from telemetry.columns import UNKNOWN, Door, Mode
from telemetry.findings import Confidence, FindingKind

MINUTE_US: Final = 60_000_000
_PRACTICE: Final = "practice"


@dataclass(frozen=True, slots=True)
class StuckSensorsParams(LiftParams):
    """Thresholds of ``stuck_sensors``."""

    presence_runs: int = field(
        default=20,
        metadata=plain(
            "presence_stuck_runs", 2, 200, "i8", "practice: as of presence_stuck_openings"
        ),
    )
    presence_window_us: int = field(
        default=900_000_000,
        metadata=in_seconds(
            "presence_stuck_s", 0, 86_400, "a measured ride log: somebody rode for a quarter hour"
        ),
    )
    door_runs: int = field(
        default=8,
        metadata=plain(
            "door_stuck_runs", 2, 200, "i8", "practice: more than a car is parked or corrected"
        ),
    )
    zone_runs: int = field(
        default=4,
        metadata=plain("zone_stuck_runs", 2, 200, "i8", "practice: each run leaves the zone"),
    )
    floor_runs: int = field(
        default=4,
        metadata=plain("floor_frozen_runs", 1, 200, "i8", "practice: each run changes the floor"),
    )
    door_flaps: int = field(
        default=15,
        metadata=plain(
            "door_flaps_per_min", 2, 600, "i8", "mechanics: opening and closing take 4 s at least"
        ),
    )
    zone_flaps: int = field(
        default=10,
        metadata=plain(
            "zone_flaps_per_min", 2, 600, "i8", "practice: a standing car re-levels less often"
        ),
    )
    calm_us: int = field(
        default=120_000_000, metadata=in_seconds("sensor_calm_s", 0, 86_400, _PRACTICE)
    )


class _Runs(NamedTuple):
    """What runs say, along the strip."""

    floor: NDArray[Any]  # at which the run began
    zone: NDArray[Any]  # in which it began
    left: Bools  # it was seen outside the zone
    elsewhere: Bools  # elements that end a run at another floor
    out_and_in: Bools  # elements that end a run from one zone to another


class StuckSensorsDetector(ConditionDetector):
    """Four sensors, one rule each; see the module."""

    name = "stuck_sensors"
    version = "2"
    kinds = (
        FindingKind.PRESENCE_SENSOR_STUCK,
        FindingKind.DOOR_SWITCH_FAULT,
        FindingKind.ZONE_SWITCH_FAULT,
        FindingKind.FLOOR_FROZEN,
    )
    layout = (
        Field("run_floor", "i2", UNKNOWN),
        Field("run_zone", "i1", UNKNOWN),
        Field("left_zone", "?", False),
        Field("presence_runs", "u1", 0),
        Field("door_runs", "u1", 0),
        Field("zone_runs", "u1", 0),
        Field("floor_runs", "u1", 0),
        Field("door_flaps", "u2", 0),
        Field("zone_flaps", "u2", 0),
        *window_fields("presence_"),
        *window_fields("door_"),
        *window_fields("zone_"),
        *window_fields("floor_"),
    )
    params_type = StuckSensorsParams

    def judge(
        self, state: State, heard: Heard, params: Any
    ) -> tuple[tuple[Judged, ...], Mapping[str, NDArray[Any]]]:
        """Judge every element; see ``ConditionDetector.judge``."""
        runs = _runs(state, heard)
        counts = {**_counts(state, heard, runs), **_flaps(state, heard)}
        at = heard.segments.last_at
        own = {name: np.minimum(count[at], 255) for name, count in counts.items()}
        own |= {"run_floor": runs.floor[at], "run_zone": runs.zone[at], "left_zone": runs.left[at]}
        presence = _judged(FindingKind.PRESENCE_SENSOR_STUCK, "passenger", heard, counts, params)
        door = _judged(FindingKind.DOOR_SWITCH_FAULT, "door", heard, counts, params)
        zone = _judged(FindingKind.ZONE_SWITCH_FAULT, "zone", heard, counts, params)
        floor = _judged(FindingKind.FLOOR_FROZEN, "floor", heard, counts, params)
        return (presence, door, zone, floor), own


def _runs(state: State, heard: Heard) -> _Runs:
    seg = heard.segments
    runs, zone, floor = heard.held("car") == 1, heard.held("zone"), heard.held("floor")
    starts = seg.rises(runs)
    ends = seg.prior(runs) & ~runs
    begin_floor, begin_zone = seg.prior(floor).copy(), seg.prior(zone).copy()
    begin_floor[seg.head_at], begin_zone[seg.head_at] = state["run_floor"], state["run_zone"]
    begin_floor, begin_zone = seg.hold(begin_floor, starts), seg.hold(begin_zone, starts)
    outside = runs & (zone == 0)
    outside[seg.head_at] = state["left_zone"]
    left = seg.latch(outside, starts & ~outside)
    known = (floor != UNKNOWN) & (begin_floor != UNKNOWN)
    return _Runs(
        begin_floor,
        begin_zone,
        left,
        ends & known & (floor != begin_floor),
        ends & left & (begin_zone == 1) & (zone == 1),
    )


def _counts(state: State, heard: Heard, runs: _Runs) -> dict[str, Ints]:
    """Count runs since each sensor changed."""
    seg, door, zone = heard.segments, heard.held("door"), heard.held("zone")
    opens = runs.elsewhere & (zone != 0) & (heard.held("mode") != int(Mode.INSPECTION))
    marks = {
        "presence_runs": (runs.elsewhere, heard.held("passenger")),
        "door_runs": (opens, door),
        "zone_runs": (runs.elsewhere, zone),
        "floor_runs": (runs.out_and_in, heard.held("floor")),
    }
    return {
        name: seg.count_since(mark, seg.changes(values), state[name])
        for name, (mark, values) in marks.items()
    }


def _flaps(state: State, heard: Heard) -> dict[str, Ints]:
    """Count closings of the door, and changes of the zone at one floor, in this minute.

    A floor that changes tells of a car that moves, even where a dead accelerometer calls it still.
    """
    seg, car = heard.segments, heard.held("car")
    door, zone = heard.held("door"), heard.held("zone")
    minute = heard.turns(MINUTE_US)
    closes = seg.rises(door == int(Door.CLOSED)) & (seg.prior(door) != UNKNOWN)
    stands = (car == 0) & (seg.prior(car) == 0)
    passes = seg.changes(heard.held("floor"))
    flips = seg.changes(zone) & (seg.prior(zone) != UNKNOWN) & stands
    return {
        "door_flaps": seg.count_since(closes, minute, state["door_flaps"]),
        "zone_flaps": seg.count_since(flips & ~passes, minute | passes, state["zone_flaps"]),
    }


def _judged(
    kind: FindingKind, column: str, heard: Heard, counts: Mapping[str, Ints], params: Any
) -> Judged:
    """Judge one sensor by its counts."""
    name = "presence" if column == "passenger" else column
    runs, most = counts[f"{name}_runs"], getattr(params, f"{name}_runs")
    value = heard.held(column)
    stuck = (runs >= most) & (value != UNKNOWN)
    flaps, limit = counts.get(f"{name}_flaps"), getattr(params, f"{name}_flaps", 0)
    flapping = np.zeros(len(stuck), np.bool_) if flaps is None else flaps >= limit

    def evidence(at: Ints) -> Evidence:
        criteria = {"stuck": tri(stuck[at])}
        values: dict[str, NDArray[Any]] = {column: value[at], "runs_unchanged": runs[at]}
        thresholds: dict[str, Any] = {"runs": limit_at(most, at)}
        if flaps is not None:
            criteria["flapping"] = tri(flapping[at])
            values["changes_per_min"] = flaps[at]
            thresholds["changes_per_min"] = limit_at(limit, at)
        return Evidence(criteria, values, thresholds)

    window_us = params.presence_window_us if name == "presence" else 0
    sure = np.where(flapping, Confidence.CERTAIN, Confidence.PROBABLE)
    return Judged(kind, stuck | flapping, window_us, params.calm_us, evidence, sure, f"{name}_")
