"""What the frames say, for the entrapment rule: named criteria per element of a strip.

Decides from held (sample-and-hold) values what is so at each element: stopped, mode, class, and
whether anything explains why the doors stay closed. Who is inside is in ``entrapment_presence``;
everything about windows and alarms is left to ``entrapment``. Rows of escalators and walks say
nothing here.

Invariants: unknown is never "no"; a frame that tells nothing changes nothing.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.contract import Field, State
from detectors.lift import doors as door_openings
from detectors.lift.doors import OPENING_FIELDS, Openings, openings
from detectors.lift.entrapment_params import EntrapmentParams
from detectors.lift.entrapment_presence import (
    PRESENCE_FIELDS,
    SHUT_DOORS,
    Presence,
    Rest,
    among,
    presence,
)
from detectors.segments import Bools, Ints, Segments, Timeline
from detectors.signals import BUTTON_CODE, MAINS_OFF_CODE, Heard
from telemetry.columns import CODE_BIT, UNKNOWN, Door, Mode, Power
from telemetry.findings import FindingKind

NO_CLASS: Final = 0
BETWEEN: Final = int(FindingKind.ENTRAPMENT_BETWEEN_LANDINGS)
LANDING: Final = int(FindingKind.ENTRAPMENT_AT_LANDING)
"""Class of an element: the number of its finding kind, or 0 for none."""

SUPPRESSING_MODES: Final = (Mode.STOPPED, Mode.INSPECTION, Mode.FIRE_RECALL, Mode.FIREFIGHTER)
_EMERGENCY: Final = (Mode.EMERGENCY_POWER, Mode.SEISMIC)
_FAULTS: Final = sum(1 << CODE_BIT[code] for code in range(1, 9))
"""Bits of the national codes that are faults of lifts."""
_SHOWN: Final = (
    *("speed_mps", "height_m", "floor", "car", "door", "mode", "power", "button"),
    *("passenger", "load_pct"),
)

CRITERIA_FIELDS: Final = (
    Field("stop_mode", "i1", UNKNOWN),  # mode in the first frame of this stop
    Field("called", "?", False),  # button pressed in this stop
    Field("press_unanswered", "?", False),  # pressed, and no doors have let people out since
    Field("doors_tried", "?", False),  # they began to open in this stop
    *PRESENCE_FIELDS,
    *OPENING_FIELDS,
)


class Judgement(NamedTuple):
    """What is so at each element; arrays of shape (n + m,)."""

    line: Timeline
    heard: Heard
    doors: Openings
    rest: Rest
    stop_begins: Bools  # frames that begin a stop
    stop_mode: NDArray[np.int8]
    mode_allows: Bools
    people: Presence
    called: Bools  # button pressed in this stop
    press_unanswered: Bools
    mains_off: Bools
    doors_tried: Bools  # they began to open in this stop, and did not come to stand open
    explained: Bools  # something tells why the doors stay closed
    tells_faults: Bools  # the lift tells its faults
    location: NDArray[np.int8]  # class, whatever the mode
    holds: Bools  # a class, and the mode allows it


def judge(state: State, heard: Heard, params: EntrapmentParams) -> Judgement:
    """Judge every element; ``params`` are spread over the strip."""
    line, seg = heard.line, heard.segments
    doors = openings(state, line, heard.held("door"), heard.held("zone"), params.release_hold_us)
    rest = _motion(heard, params.moving_speed_mps)
    elsewhere = _elsewhere(heard, params.silent_after_us)
    stop_begins = _stop_begins(seg, rest.at_rest, doors, elsewhere)
    called, press_unanswered = _called(state, heard, doors, stop_begins)
    people = presence(state, heard, rest, doors, called, params)
    stop_mode = seg.hold(seg.headed(heard.held("mode"), state["stop_mode"]), stop_begins)
    suppressed = among(stop_mode, SUPPRESSING_MODES) & ~(
        (stop_mode == Mode.STOPPED.value) & people.latched
    )
    mains_off = heard.says("power", Power.BATTERY) | (heard.code(MAINS_OFF_CODE) == 1)
    opening = heard.says("door", Door.OPENING) & rest.at_rest
    tried = seg.latch(seg.headed(opening, state["doors_tried"]), stop_begins & ~opening)
    codes = heard.held("codes")
    faulty = _out_of_order(heard, params) | ((codes != UNKNOWN) & ((codes & _FAULTS) != 0))
    location = _location(heard, rest.at_rest, people, called, faulty | mains_off)
    return Judgement(
        line=line,
        heard=heard,
        doors=doors,
        rest=rest,
        stop_begins=stop_begins,
        stop_mode=stop_mode,
        mode_allows=~suppressed,
        people=people,
        called=called,
        press_unanswered=press_unanswered,
        mains_off=mains_off,
        doors_tried=tried,
        explained=called | mains_off | tried | faulty,
        tells_faults=codes != UNKNOWN,
        location=location,
        holds=(location != NO_CLASS) & ~suppressed,
    )


def _motion(heard: Heard, moving_speed_mps: Any) -> Rest:
    """Return where the car is stopped, where it says "running" at no speed, where it moves."""
    car, speed = heard.held("car"), np.abs(heard.held("speed_mps"))
    slow = speed < moving_speed_mps  # unknown is not slow
    untold = np.isnan(speed)
    stopped = np.where(car == 0, slow | untold, slow & (car == UNKNOWN))
    doubtful = slow & (car == 1)
    moving = ~(slow | untold) | (untold & (car == 1))
    return Rest(stopped, doubtful, stopped | doubtful, moving)


def _stop_begins(seg: Segments, at_rest: Bools, doors: Openings, elsewhere: Bools) -> Bools:
    """Mark first stopped frames: after motion, heard or not, or after doors let people out."""
    reopened = seg.prior(doors.believed) & ~doors.standing
    return at_rest & (~seg.prior(at_rest) | reopened | elsewhere) & ~seg.is_head


def _elsewhere(heard: Heard, silent_after_us: Any) -> Bools:
    """Mark frames that end a silence in which the car has evidently moved."""
    silent = heard.after_silence(silent_after_us)
    moved = np.zeros(len(heard.segments), np.bool_)
    if not silent.any():
        return moved
    for name in ("zone", "floor"):
        now, before = heard.held(name), heard.prior(name)
        moved |= (now != before) & (now != UNKNOWN) & (before != UNKNOWN)
    return silent & moved


def _called(state: State, heard: Heard, doors: Openings, stop_begins: Bools) -> tuple[Bools, Bools]:
    """Tell whether the button was pressed in this stop: people do not hold it down for 10 s.

    A press that the doors have answered no longer counts, so a stuck button does not make an
    entrapment of every closed door. Returns that, and whether the last press is unanswered.
    """
    seg = heard.segments
    pressed = (heard.held("button") == 1) | (heard.code(BUTTON_CODE) == 1)
    presses = seg.rises(pressed)
    unanswered = seg.latch(seg.headed(presses, state["press_unanswered"]), doors.believed)
    while_let_out = seg.prior(doors.believed) & doors.standing
    waits = (presses & ~while_let_out) | seg.prior(unanswered)
    counts = seg.headed(pressed & waits, state["called"])
    if not counts.any():
        return counts, unanswered
    at = seg.last(counts)
    return counts[at] & (at >= seg.last(stop_begins)), unanswered


def _out_of_order(heard: Heard, params: EntrapmentParams) -> Bools:
    """Tell whether safety circuit, scale or mode say that the lift cannot serve."""
    overloaded = heard.held("load_pct") > params.overload_pct  # unknown is not
    open_circuit = heard.held("safety_circuit") == 0
    return open_circuit | overloaded | heard.says("mode", *_EMERGENCY)


def _location(
    heard: Heard, at_rest: Bools, people: Presence, called: Bools, faulty: Bools
) -> NDArray[np.int8]:
    """Return the class of each element, whatever the mode; ``faulty``: the lift says it is."""
    zone, inside = heard.held("zone"), people.inside
    between = at_rest & (zone == 0) & (inside != 0)
    perhaps = (inside == UNKNOWN) & (called | (people.claimed & faulty))
    shut = heard.says("door", *SHUT_DOORS)
    landing = at_rest & (zone == 1) & shut & ((inside == 1) | perhaps)
    return np.where(between, BETWEEN, np.where(landing, LANDING, NO_CLASS)).astype(np.int8)


def state_after(judged: Judgement) -> dict[str, NDArray[Any]]:
    """Return the fields of ``CRITERIA_FIELDS`` after the last element of each row."""
    at = judged.line.segments.last_at
    after = {
        **door_openings.state_after(judged.doors),
        **judged.people.after,
        "stop_mode": judged.stop_mode,
        "called": judged.called,
        "press_unanswered": judged.press_unanswered,
        "doors_tried": judged.doors_tried,
    }
    return {f.name: after[f.name][at].astype(f.dtype) for f in CRITERIA_FIELDS}


def evidence(
    judged: Judgement, at: Ints
) -> tuple[dict[str, NDArray[np.int8]], dict[str, NDArray[Any]]]:
    """Return named criteria (1, 0, -1 unknown) and values at elements ``at``, shape (k,)."""
    heard, people = judged.heard, judged.people
    now = {name: heard.held(name)[at] for name in (*_SHOWN, "zone", "safety_circuit")}
    mains_code, button_code = heard.code(MAINS_OFF_CODE)[at], heard.code(BUTTON_CODE)[at]
    unheard_motion = (now["car"] == UNKNOWN) & np.isnan(now["speed_mps"])
    unheard_door = now["door"] == UNKNOWN
    unheard_mains = (now["power"] == UNKNOWN) & (mains_code == UNKNOWN)
    unheard_button = (now["button"] == UNKNOWN) & (button_code == UNKNOWN)
    codes = heard.held("codes")[at]
    shut = among(now["door"], SHUT_DOORS)
    criteria = {
        "stopped": _tri(judged.rest.stopped[at], unheard_motion | judged.rest.doubtful[at]),
        "in_zone": now["zone"],
        "door_not_opening": _tri(shut, unheard_door),
        "doors_open_in_zone": _tri(
            judged.doors.is_open[at], unheard_door | (now["zone"] == UNKNOWN)
        ),
        "inside": people.inside[at],
        "inside_latched": _tri(people.latched[at]),
        "presence_trusted": _tri(people.trusted[at], now["passenger"] == UNKNOWN),
        "scale_says_somebody": people.scale[at],
        "seen_since_silence": _tri(~people.stale[at], ~people.latched[at]),
        "explained": _tri(judged.explained[at], ~judged.explained[at] & (codes == UNKNOWN)),
        "fault_code": _tri((codes & _FAULTS) != 0, codes == UNKNOWN),
        "safety_circuit_open": _tri(now["safety_circuit"] == 0, now["safety_circuit"] == UNKNOWN),
        "doors_tried": _tri(judged.doors_tried[at], unheard_door),
        "mains_off": _tri(judged.mains_off[at], unheard_mains),
        "button_pressed": _tri(judged.called[at], unheard_button & ~judged.called[at]),
        "mode_allows": _tri(judged.mode_allows[at]),
    }
    values = {name: now[name] for name in _SHOWN}
    values["stop_mode"] = judged.stop_mode[at]
    values["people"] = np.where(now["passenger"] > 1, now["passenger"], UNKNOWN)
    return criteria, values


def _tri(held_true: Bools, unknown: Bools | bool = False) -> NDArray[np.int8]:
    return np.where(unknown, UNKNOWN, held_true).astype(np.int8)
