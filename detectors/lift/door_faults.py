"""What goes wrong with the doors of a stop: they do not open, do not close, stand open, open again.

Decides four kinds that read the same states. Codes 02 and 03 of the controller are merged with what
is sensed. A car that parks with closed doors is no fault, and looks like one whose doors fail: only
somebody inside, or the controller, tells them apart. Likewise doors that merely stand open are no
failure to close. Doors that are shut on trip after trip work: it is their switch that sticks, and
one that is shut again and again within a minute flaps; ``stuck_sensors`` says so. Doors of which
nobody heard for a while may have done anything: what was pending is forgotten, and only a frame
shows that they are still as they were. What is left to others: people behind doors that do not
open (``entrapment``), doors open while the car moves (``open_doors``), slow wear of doors.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.codes import merged
from detectors.conditions import ConditionDetector, Evidence, Judged, tri
from detectors.contract import Field, GapPolicy, State
from detectors.lift.car_motion import Motion, apart, kept, known, motion, shut
from detectors.lift.door_movements import (
    MOVEMENT_FIELDS,
    DoorMovements,
    door_movements,
    movements_after,
)
from detectors.parameters import US_PER_S, LiftParams, in_seconds, plain
from detectors.segments import Bools, Ints
from detectors.signals import MAINS_OFF_CODE, SILENT_SOURCE, Heard
from detectors.windows import limit_at, window_fields
from telemetry.columns import Door, Mode, Power
from telemetry.findings import FindingKind

CODE_FAILS_TO_CLOSE: Final = 2
CODE_FAILS_TO_OPEN: Final = 3
"""National codes (GB/T 24476)."""

_AT_WORK: Final = (Mode.STOPPED, Mode.INSPECTION, Mode.FIRE_RECALL, Mode.FIREFIGHTER)
"""Modes in which doors are worked by hand or by other rules."""
_MOST: Final = int(np.iinfo("u1").max)
MINUTE_US: Final = 60 * US_PER_S
_VALUES: Final = ("car", "door", "zone", "floor", "mode", "power", "passenger", "load_pct")


@dataclass(frozen=True, slots=True)
class DoorFaultParams(LiftParams):
    """Thresholds, each a scalar or an array over lifts.

    Parameters
    ----------
    fails_to_open_window_us, fails_to_close_window_us
        How long doors may take to open, or to close [µs].
    fails_to_open_trips
        So many trips in a row may end at doors that do not open.
    occupied_load_pct
        From this load on somebody is inside [%].
    held_open_window_us
        How long doors may stand open in ordinary service [µs].
    unseen_closing_us
        How much longer if the terminal does not tell that they are closing [µs].
    reopenings
        So many openings again in one stop are too many.
    door_bridge_us
        Absences shorter than this change nothing [µs].
    door_bounces
        Doors that are told to be shut more often within a minute are not bridged over.
    silent_after_us
        After a longer silence it is not known what the doors did meanwhile [µs].
    """

    fails_to_open_window_us: Any = field(
        default=30 * US_PER_S,
        metadata=in_seconds("fails_to_open_window_s", 0, 600, "field: 10-500 s by source"),
    )
    fails_to_close_window_us: Any = field(
        default=30 * US_PER_S,
        metadata=in_seconds("fails_to_close_window_s", 0, 600, "field: 10-500 s by source"),
    )
    fails_to_open_trips: Any = field(
        default=2,
        metadata=plain("fails_to_open_trips", 1, 100, "i4", "practice: one landing, and the next"),
    )
    occupied_load_pct: Any = field(
        default=4.0,
        metadata=plain(
            "occupied_load_pct", 1, 100, "f4", "75 kg of 1,600 kg (EN 81-20), told to 1 %"
        ),
    )
    held_open_window_us: Any = field(
        default=60 * US_PER_S,
        metadata=in_seconds("held_open_window_s", 5, 3600, "practice (DOMAIN section 3)"),
    )
    unseen_closing_us: Any = field(
        default=5 * US_PER_S,
        metadata=in_seconds("unseen_closing_s", 0, 60, "GB/T 10058: doors close within 4 s"),
    )
    reopenings: Any = field(
        default=5, metadata=plain("reopenings", 2, 1000, "i4", "practice (DOMAIN section 3)")
    )
    door_bridge_us: Any = field(
        default=US_PER_S,
        metadata=in_seconds("door_bridge_s", 0, 60, "practice: longer than contact bounce"),
    )
    door_bounces: Any = field(
        default=3,
        metadata=plain("door_bounces_per_min", 0, 100, "i4", "practice: a worn contact's bounces"),
    )
    silent_after_us: Any = field(
        default=45 * US_PER_S, metadata=in_seconds("silent_after_s", 0.1, 86_400, SILENT_SOURCE)
    )


@dataclass(frozen=True)
class _Scene:
    """What all four kinds look at, along the strip."""

    heard: Heard
    params: DoorFaultParams
    car: Motion
    doors: DoorMovements
    arrived: Bools
    occupied: Bools
    trips: Ints
    shuts: Ints
    silent: Bools

    @cached_property
    def at_work(self) -> Bools:
        """Tell where doors are worked by hand, by fire service, or not at all."""
        return self.heard.says("mode", *_AT_WORK)

    @cached_property
    def dark(self) -> Bools:
        """Tell where the lift is without mains, or its terminal, which hangs on its light."""
        says = self.heard.says
        off = says("power", Power.BATTERY) | says("terminal_power", Power.BATTERY)
        return off | (self.heard.code(MAINS_OFF_CODE) == 1)

    def values(self, at: Ints) -> dict[str, NDArray[Any]]:
        return {name: self.heard.held(name)[at] for name in _VALUES}


class DoorFaultsDetector(ConditionDetector):
    """The rules of doors at a landing."""

    name = "door_faults"
    version = "3"
    gap_policy = GapPolicy.RESET
    kinds = (
        FindingKind.DOOR_FAILS_TO_OPEN,
        FindingKind.DOOR_FAILS_TO_CLOSE,
        FindingKind.DOOR_HELD_OPEN,
        FindingKind.REPEATED_REOPENING,
    )
    layout = (
        *window_fields("open_"),
        *window_fields("close_"),
        *window_fields("held_"),
        *window_fields("again_"),
        *MOVEMENT_FIELDS,
        Field("arrived", "?", False),  # it came from outside the zone and did not open yet
        Field("occupied", "?", False),  # somebody has been inside since the doors were closed
        Field("away", "?", False),  # it left a zone, and has not stood in one since
        Field("trips", "u1", 0),  # how often it left, since the doors were last apart
        Field("shuts", "u1", 0),  # how often the doors were told to be shut in this minute
    )
    params_type = DoorFaultParams

    def judge(
        self, state: State, heard: Heard, params: DoorFaultParams
    ) -> tuple[tuple[Judged, ...], Mapping[str, NDArray[Any]]]:
        """Judge every element; see ``ConditionDetector.judge``."""
        seg, car, zone = heard.segments, motion(heard), heard.held("zone")
        doors_apart, doors_shut = apart(heard), shut(heard)
        silent = heard.after_silence(params.silent_after_us)
        outside = car.moves & (zone == 0)
        away = kept(seg, state["away"], outside, car.stands & (zone == 1))
        somebody = (heard.held("passenger") > 0) | (
            heard.held("load_pct") >= params.occupied_load_pct
        )
        somebody &= doors_shut
        scene = _Scene(
            heard,
            params,
            car,
            door_movements(state, heard, car.moves),
            # Who was inside before a silence may have left, by doors of which nobody heard.
            arrived=kept(seg, state["arrived"], outside, doors_apart | (silent & ~outside)),
            occupied=kept(seg, state["occupied"], somebody, doors_apart | (silent & ~somebody)),
            trips=seg.count_since(seg.rises(away) & ~doors_apart, doors_apart, state["trips"]),
            shuts=seg.count_since(seg.rises(doors_shut), heard.turns(MINUTE_US), state["shuts"]),
            silent=silent,
        )
        last = seg.last_at
        own = movements_after(scene.doors, last)
        own |= {
            "arrived": scene.arrived[last],
            "occupied": scene.occupied[last],
            "away": away[last],
            "trips": np.minimum(scene.trips[last], _MOST).astype("u1"),
            "shuts": np.minimum(scene.shuts[last], _MOST).astype("u1"),
        }
        return (_opens(scene), _closes(scene), _held(scene), _again(scene)), own


def _opens(scene: _Scene) -> Judged:
    """Judge a car that came with somebody inside and whose doors do not open."""
    heard, params = scene.heard, scene.params
    zone, door = heard.held("zone"), heard.held("door")
    waits = scene.car.stands & (zone == 1) & shut(heard) & scene.arrived
    waits &= ~scene.at_work & ~scene.dark & (heard.held("safety_circuit") != 0)
    # Who went on from landing to landing with shut doors had them open: the switch sticks.
    sticks = scene.trips > params.fails_to_open_trips
    shows = scene.occupied & ~sticks
    sensed = tri(waits & shows, (waits & ~shows) | ~(known(door) & known(zone)))
    merge = merged(sensed, heard.code(CODE_FAILS_TO_OPEN))

    def evidence(at: Ints) -> Evidence:
        return Evidence(
            {
                **merge.criteria("code_03", at),
                "arrived": tri(scene.arrived[at]),
                "mains_off": tri(scene.dark[at]),
                "occupied": tri(scene.occupied[at]),
                "door_switch_trusted": tri(~sticks[at]),
                "stopped": tri(scene.car.stands[at], ~(scene.car.stands | scene.car.moves)[at]),
            },
            {**scene.values(at), "trips_with_shut_doors": scene.trips[at]},
            {
                "window_us": limit_at(params.fails_to_open_window_us, at),
                "trips": limit_at(params.fails_to_open_trips, at),
            },
        )

    return Judged(
        FindingKind.DOOR_FAILS_TO_OPEN, merge.holds, params.fails_to_open_window_us,
        params.door_bridge_us, evidence, merge.confidence, "open_", anew=scene.silent,
    )  # fmt: skip


def _closes(scene: _Scene) -> Judged:
    """Judge doors that are closing, or held not fully closed, and do not get there."""
    heard, params = scene.heard, scene.params
    unfinished = heard.says("door", Door.CLOSING, Door.HELD) & ~scene.at_work
    sensed = tri(unfinished, ~unfinished & ~shut(heard))  # doors that stand open may be told to
    merge = merged(sensed, heard.code(CODE_FAILS_TO_CLOSE))

    def evidence(at: Ints) -> Evidence:
        return Evidence(
            {
                **merge.criteria("code_02", at),
                "tells_closing": tri(scene.doors.tells_closing[at]),
            },
            {**scene.values(at), "reopened": scene.doors.reopened[at]},
            {"window_us": limit_at(params.fails_to_close_window_us, at)},
        )

    return Judged(
        FindingKind.DOOR_FAILS_TO_CLOSE, merge.holds, params.fails_to_close_window_us,
        params.door_bridge_us, evidence, merge.confidence, "close_", anew=scene.silent,
    )  # fmt: skip


def _held(scene: _Scene) -> Judged:
    """Judge doors that stand open in the zone, in ordinary service."""
    heard, params = scene.heard, scene.params
    stands_open = heard.says("door", Door.OPEN) & (heard.held("zone") != 0)
    # A mode that was never told is ordinary.
    normal = heard.says("mode", Mode.NORMAL, Mode.UNKNOWN) | ~known(heard.held("mode"))
    holds = stands_open & ~scene.car.moves & ~scene.dark & normal
    window_us = params.held_open_window_us + np.where(
        scene.doors.tells_closing, 0, params.unseen_closing_us
    )

    def evidence(at: Ints) -> Evidence:
        return Evidence(
            {
                "in_zone": heard.held("zone")[at],
                "tells_closing": tri(scene.doors.tells_closing[at]),
                "mains_off": tri(scene.dark[at]),
            },
            {**scene.values(at), "door_since_us": scene.doors.since_us[at]},
            {"window_us": window_us[at]},
        )

    # A switch that bounces again and again tells nothing: what it calls shut is shut.
    bridge_us = np.where(scene.shuts > params.door_bounces, 0, params.door_bridge_us)
    return Judged(
        FindingKind.DOOR_HELD_OPEN, holds, window_us, bridge_us, evidence, prefix="held_",
        anew=scene.silent,
    )  # fmt: skip


def _again(scene: _Scene) -> Judged:
    """Judge doors that opened again too often in one stop."""
    doors, params = scene.doors, scene.params

    def evidence(at: Ints) -> Evidence:
        limit = np.broadcast_to(limit_at(params.reopenings, at), len(at))
        return Evidence(
            {"too_many": tri(doors.reopened[at] >= limit)},
            {**scene.values(at), "reopened": doors.reopened[at]},
            {"window_us": 0, "reopenings": limit},
        )

    return Judged(
        FindingKind.REPEATED_REOPENING, doors.reopened >= params.reopenings, 0, 0, evidence,
        prefix="again_", updates=doors.reopens,
    )  # fmt: skip
