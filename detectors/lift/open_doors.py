"""A car that leaves its landing, or runs, with its doors open.

Decides two findings. *Unintended movement* (开门走车, code 05): doors that stood open at a landing
were not closed since, and the car is outside the zone, standing or creeping. *Doors open while
running*: the car moves outside the zone with open doors, and they were shut earlier on this run, or
it creeps. Inside the zone advance opening and relevelling are legal, so what happens there is no
finding. While the newest word on car, speed, doors or zone is one that could not be used, no car
runs with open doors: such a terminal contradicts itself, often for hours. Doors that merely seem
open all the time, from a switch that sticks, are decided elsewhere (``door_switch_fault``); the
conditions here are such that they look like neither.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.codes import merged
from detectors.conditions import ConditionDetector, Evidence, Judged, Judging, tri
from detectors.contract import Field, State
from detectors.lift.car_motion import Motion, apart, kept, known, motion, shut
from detectors.parameters import US_PER_S, LiftParams, in_seconds, plain
from detectors.segments import Bools, Ints
from detectors.signals import Heard
from detectors.windows import limit_at, window_fields
from telemetry.columns import QUALITY_BIT, Mode
from telemetry.findings import FindingKind

CODE_UNINTENDED = 5
_SEEN_BY = {"car": "car", "speed": "speed_mps", "door": "door", "zone": "zone"}
"""Wire keys, and their columns, by which it is seen that doors part on a ride."""
_FLAPS = "practice: a chattering switch keeps a wrong value for at most a frame, 1 s"


@dataclass(frozen=True, slots=True)
class OpenDoorsParams(LiftParams):
    """Thresholds, each a scalar or an array over lifts.

    Parameters
    ----------
    unintended_movement_window_us
        How long it must hold [µs].
    unintended_movement_bridge_us
        Absences shorter than this change nothing [µs].
    doors_open_running_window_us
        How long it must hold [µs].
    creep_speed_mps
        Below this a car creeps [m/s].
    """

    unintended_movement_window_us: Any = field(
        default=2 * US_PER_S, metadata=in_seconds("unintended_movement_window_s", 0, 60, _FLAPS)
    )
    unintended_movement_bridge_us: Any = field(
        default=2 * US_PER_S, metadata=in_seconds("unintended_movement_bridge_s", 0, 60, _FLAPS)
    )
    doors_open_running_window_us: Any = field(
        default=2 * US_PER_S, metadata=in_seconds("doors_open_running_window_s", 0, 60, _FLAPS)
    )
    creep_speed_mps: Any = field(
        default=0.4,
        metadata=plain(
            "creep_speed_mps", 0.05, 2, "f8",
            "EN 81-20: relevelling at 0.3 m/s at most; a trip is faster once outside the zone",
        ),
    )  # fmt: skip


class OpenDoorsDetector(ConditionDetector):
    """The rules of cars with open doors."""

    name = "open_doors"
    version = "3"
    kinds = (FindingKind.UNINTENDED_MOVEMENT, FindingKind.DOORS_OPEN_WHILE_RUNNING)
    layout = (
        *window_fields("away_"),
        *window_fields("run_"),
        Field("stood_open", "?", False),  # at a landing, and the doors were not shut since
        Field("moved", "?", False),  # since then
        Field("shut_on_run", "?", False),  # doors were shut since the car last stood
        Field("parted", "?", False),  # and then parted outside the zone, and are open since
        Field("refused", "u1", 0, rare=True),  # keys of which the newest value was, by bit
    )
    params_type = OpenDoorsParams

    def judge(
        self, state: State, heard: Heard, params: OpenDoorsParams
    ) -> tuple[tuple[Judged, ...], Mapping[str, NDArray[Any]]]:
        """Judge every element; see ``ConditionDetector.judge``."""
        car = _car(state, heard, params)
        code = heard.code(CODE_UNINTENDED)
        fault = merged(car.away, code)
        last = heard.segments.last_at
        own = {
            "stood_open": car.stood_open[last],
            "moved": car.moved[last],
            "shut_on_run": car.shut_on_run[last],
            "parted": car.parted[last],
            "refused": car.refused[last],
        }
        return (
            Judged(
                self.kinds[0],
                fault.holds,
                params.unintended_movement_window_us,
                params.unintended_movement_bridge_us,
                _evidence(heard, car, params, {"sensed": car.away, "code_05": code}, 0),
                fault.confidence,
                prefix="away_",
            ),
            Judged(
                self.kinds[1],
                car.runs_open,
                params.doors_open_running_window_us,
                0,
                _evidence(heard, car, params, {}, 1),
                prefix="run_",
            ),
        ), own


class _Car(NamedTuple):
    """What is so of car and doors, along the strip."""

    motion: Motion
    creeps: Bools
    open: Bools
    stood_open: Bools
    moved: Bools
    shut_on_run: Bools
    parted: Bools
    refused: NDArray[np.uint8]
    away: NDArray[np.int8]
    runs_open: Bools


def _car(state: State, heard: Heard, params: OpenDoorsParams) -> _Car:
    seg, at = heard.segments, motion(heard)
    door, zone = heard.held("door"), heard.held("zone")
    is_open, is_shut = apart(heard), shut(heard)
    creeps = at.speed_mps < params.creep_speed_mps
    stood_open = kept(seg, state["stood_open"], is_open & (zone == 1) & at.stands, is_shut)
    moved = kept(
        seg, state["moved"], at.moves & stood_open, ~stood_open | (at.stands & (zone == 1))
    )
    shut_on_run = kept(seg, state["shut_on_run"], is_shut & at.moves, at.stands)
    # A mechanic may bridge the doors; what inspection does with them is his.
    by_hand = heard.held("mode") == Mode.INSPECTION
    outside = (zone == 0) & ~by_hand & is_open
    away = outside & stood_open & moved & (creeps | at.stands)
    refused = _refused(state, heard, at.stands)
    doubted = refused != 0
    # A car that passes a landing with parted doors is not about to open them there.
    parts = outside & at.moves & shut_on_run
    parted = kept(seg, state["parted"], parts, ~is_open | ~at.moves | by_hand | doubted)
    seen = known(door) & known(zone) & (at.moves | at.stands)
    return _Car(
        motion=at,
        creeps=creeps,
        open=is_open,
        stood_open=stood_open,
        moved=moved,
        shut_on_run=shut_on_run,
        parted=parted,
        refused=refused,
        away=tri(away, ~seen),
        runs_open=parted | (outside & at.moves & creeps & ~doubted),
    )


def _refused(state: State, heard: Heard, stands: Bools) -> NDArray[np.uint8]:
    """Return, as bits, of which keys the newest value was refused, since the car last stood.

    What is held of such a key is from before, and may be hours old.
    """
    seg, quality, carried = heard.segments, heard.frames["quality"], state["refused"]
    bits = {name: 1 << QUALITY_BIT[key] for key, name in _SEEN_BY.items()}
    refused = np.zeros(len(seg), np.uint8)
    if not (quality & sum(bits.values())).any() and not carried.any():
        return refused
    for place, (name, bit) in enumerate(bits.items()):
        now = seg.at_frames(((quality & bit) != 0) & heard.mine)
        clear = (heard.told_at(name) | stands) & ~now
        refused |= kept(seg, carried >> place & 1 == 1, now, clear).astype(np.uint8) << place
    return refused


def _evidence(
    heard: Heard,
    car: _Car,
    params: OpenDoorsParams,
    told: Mapping[str, NDArray[np.int8]],
    which: int,
) -> Judging:
    window_us = (params.unintended_movement_window_us, params.doors_open_running_window_us)[which]

    def evidence(at: Ints) -> Evidence:
        door, zone = heard.held("door")[at], heard.held("zone")[at]
        nobody_knows = ~(car.motion.moves | car.motion.stands)[at]
        criteria = {
            **{name: values[at] for name, values in told.items()},
            "in_zone": zone,
            "doors_open": tri(car.open[at], ~known(door)),
            "moving": tri(car.motion.moves[at], nobody_knows),
            "creeping": tri(car.creeps[at], np.isnan(car.motion.speed_mps[at])),
            "doors_stood_open_at_landing": tri(car.stood_open[at]),
            "moved_since": tri(car.moved[at]),
            "doors_shut_on_this_run": tri(car.shut_on_run[at]),
        }
        shown = ("car", "direction", "door", "floor", "height_m", "mode", "passenger")
        values = {"speed_mps": car.motion.speed_mps[at]}
        values |= {name: heard.held(name)[at] for name in shown}
        limits = {
            "window_us": limit_at(window_us, at),
            "creep_speed_mps": limit_at(params.creep_speed_mps, at),
        }
        return Evidence(criteria, values, limits)

    return evidence
