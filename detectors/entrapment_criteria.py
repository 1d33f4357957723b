"""What the frames say, for the entrapment rule: named criteria per element of a strip.

Decides from held (sample-and-hold) values what is so at each element: stopped, inside, mode,
class. Leaves everything about windows and alarms to ``entrapment``. Rows of escalators and walks
say nothing here.

Invariants: unknown is never "no"; a frame that tells nothing changes nothing.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors import doors as door_openings
from detectors.contract import Field, State
from detectors.doors import OPENING_FIELDS, Openings, openings
from detectors.entrapment_params import EntrapmentParams
from detectors.segments import Bools, Ints, Segments, Timeline
from detectors.signals import BUTTON_CODE, MAINS_OFF_CODE, Heard
from telemetry.columns import UNKNOWN, Door, Mode, Power
from telemetry.findings import FindingKind

NO_CLASS: Final = 0
BETWEEN: Final = int(FindingKind.ENTRAPMENT_BETWEEN_LANDINGS)
LANDING: Final = int(FindingKind.ENTRAPMENT_AT_LANDING)
"""Class of an element: the number of its finding kind, or 0 for none."""

SUPPRESSING_MODES: Final = (Mode.STOPPED, Mode.INSPECTION, Mode.FIRE_RECALL, Mode.FIREFIGHTER)
SHUT_DOORS: Final = (Door.CLOSING, Door.CLOSED, Door.LOCKED, Door.HELD)
"""Door states that are known and neither opening nor open."""
LATCHING_DOORS: Final = (Door.CLOSING, Door.CLOSED)
_SHOWN: Final = (
    *("speed_mps", "height_m", "floor", "car", "door", "mode", "power", "button"),
    *("passenger", "zone"),
)
_MAX_OPENINGS: Final = 255

CRITERIA_FIELDS: Final = (
    Field("stop_mode", "i1", UNKNOWN),  # mode in the first frame of this stop
    Field("latched", "?", False),  # somebody inside
    Field("called", "?", False),  # button pressed in this stop
    Field("press_unanswered", "?", False),  # pressed, and no doors have let people out since
    Field("openings", "u1", 0),  # since the presence sensor last changed
    *OPENING_FIELDS,
)


class Judgement(NamedTuple):
    """What is so at each element; arrays of shape (n + m,)."""

    line: Timeline
    heard: Heard
    doors: Openings
    stopped: Bools
    doubtful: Bools  # "running" at no speed
    at_rest: Bools  # stopped or doubtful
    stop_begins: Bools  # frames that begin a stop
    stop_mode: NDArray[np.int8]
    mode_allows: Bools
    latched: Bools
    inside: NDArray[np.int8]  # 1, 0 or unknown
    trusted: Bools  # the presence sensor is not known to be stuck
    openings: Ints  # since the presence sensor last changed
    called: Bools  # button pressed in this stop
    press_unanswered: Bools
    mains_off: Bools
    location: NDArray[np.int8]  # class, whatever the mode
    holds: Bools  # a class, and the mode allows it


def judge(state: State, heard: Heard, params: EntrapmentParams) -> Judgement:
    """Judge every element; ``params`` are spread over the strip."""
    line, seg = heard.line, heard.segments
    now = {name: heard.held(name) for name in _SHOWN}
    mains_code, button_code = heard.code(MAINS_OFF_CODE), heard.code(BUTTON_CODE)
    doors = openings(state, line, now["door"], now["zone"], params.release_hold_us)
    seen_shut_in = (now["passenger"] > 0) & _among(now["door"], LATCHING_DOORS)
    latched = seg.latch(
        np.where(seg.is_head, seg.join(state["latched"], False), seen_shut_in), doors.believed
    )
    stopped, doubtful = _motion(now, params.moving_speed_mps)
    at_rest = stopped | doubtful
    stop_begins = _stop_begins(seg, at_rest, doors)
    pressed = (now["button"] == 1) | (button_code == 1)
    presses = np.where(seg.is_head, seg.join(state["press_unanswered"], False), seg.rises(pressed))
    press_unanswered = seg.latch(presses, doors.believed)
    called = _called(state, seg, pressed & press_unanswered, stop_begins)
    stop_mode = seg.hold(
        np.where(seg.is_head, seg.join(state["stop_mode"], UNKNOWN), now["mode"]), stop_begins
    )
    suppressed = _among(stop_mode, SUPPRESSING_MODES) & ~((stop_mode == Mode.STOPPED) & latched)
    count = seg.count_since(doors.begins, seg.changes(np.sign(now["passenger"])), state["openings"])
    trusted = (now["passenger"] == UNKNOWN) | (count < params.presence_stuck_openings)
    inside = _inside(now, latched, trusted)
    location = _location(now, at_rest, inside, called)
    return Judgement(
        line=line,
        heard=heard,
        doors=doors,
        stopped=stopped,
        doubtful=doubtful,
        at_rest=at_rest,
        stop_begins=stop_begins,
        stop_mode=stop_mode,
        mode_allows=~suppressed,
        latched=latched,
        inside=inside,
        trusted=trusted,
        openings=count,
        called=called,
        press_unanswered=press_unanswered,
        mains_off=(now["power"] == Power.BATTERY) | (mains_code == 1),
        location=location,
        holds=(location != NO_CLASS) & ~suppressed,
    )


def _among(values: NDArray[np.int8], chosen: tuple[int, ...]) -> Bools:
    """Tell which values are among a few enumeration members; unknown is none of them."""
    table = np.zeros(256, np.bool_)
    table[list(chosen)] = True
    return table[values.astype(np.uint8)]


def _motion(now: dict[str, NDArray[Any]], moving_speed_mps: Any) -> tuple[Bools, Bools]:
    """Return where the car is stopped, and where it says "running" at no speed."""
    car, speed = now["car"], np.abs(now["speed_mps"])
    slow = speed < moving_speed_mps  # unknown is not slow
    stopped = np.where(car == 0, slow | np.isnan(speed), slow & (car == UNKNOWN))
    return stopped, slow & (car == 1)


def _stop_begins(seg: Segments, at_rest: Bools, doors: Openings) -> Bools:
    """Mark first stopped frames: after motion, and when doors that let people out leave open."""
    reopened = seg.prior(doors.believed) & ~doors.standing
    return at_rest & (~seg.prior(at_rest) | reopened) & ~seg.is_head


def _called(state: State, seg: Segments, pressed: Bools, stop_begins: Bools) -> Bools:
    """Tell whether the button was pressed in this stop: people do not hold it down for 10 s.

    A press that the doors have answered no longer counts, so a stuck button does not make an
    entrapment of every closed door.
    """
    pressed = np.where(seg.is_head, seg.join(state["called"], False), pressed)
    at = seg.last(pressed)
    return pressed[at] & (at >= seg.last(stop_begins))


def _inside(now: dict[str, NDArray[Any]], latched: Bools, trusted: Bools) -> NDArray[np.int8]:
    """Tell whether somebody is inside.

    Unknown: presence was never told; the sensor is stuck; or it sees somebody while the doors
    cannot tell whether to latch it (never told, held, locked).
    """
    passenger, door = now["passenger"], now["door"]
    cannot_latch = (passenger > 0) & ~_among(door, (Door.OPENING, Door.OPEN))
    unsure = (passenger == UNKNOWN) | cannot_latch | ~trusted
    return np.where(latched, 1, np.where(unsure, UNKNOWN, 0)).astype(np.int8)


def _location(
    now: dict[str, NDArray[Any]], at_rest: Bools, inside: NDArray[np.int8], called: Bools
) -> NDArray[np.int8]:
    """Return the class of each element, whatever the mode."""
    between = at_rest & (now["zone"] == 0) & (inside != 0)
    somebody = (inside == 1) | ((inside == UNKNOWN) & called)
    landing = at_rest & (now["zone"] == 1) & _among(now["door"], SHUT_DOORS) & somebody
    return np.where(between, BETWEEN, np.where(landing, LANDING, NO_CLASS)).astype(np.int8)


def state_after(judged: Judgement) -> dict[str, NDArray[Any]]:
    """Return the fields of ``CRITERIA_FIELDS`` after the last element of each row."""
    at = judged.line.segments.last_at
    after = {
        **door_openings.state_after(judged.doors),
        "stop_mode": judged.stop_mode,
        "latched": judged.latched,
        "called": judged.called,
        "press_unanswered": judged.press_unanswered,
        "openings": np.minimum(judged.openings, _MAX_OPENINGS).astype(np.uint8),
    }
    return {f.name: after[f.name][at] for f in CRITERIA_FIELDS}


def evidence(
    judged: Judgement, at: Ints
) -> tuple[dict[str, NDArray[np.int8]], dict[str, NDArray[Any]]]:
    """Return named criteria (1, 0, -1 unknown) and values at elements ``at``, shape (k,)."""
    heard = judged.heard
    now = {name: heard.held(name)[at] for name in _SHOWN}
    mains_code, button_code = heard.code(MAINS_OFF_CODE)[at], heard.code(BUTTON_CODE)[at]
    unheard_motion = (now["car"] == UNKNOWN) & np.isnan(now["speed_mps"])
    unheard_opening = (now["door"] == UNKNOWN) | (now["zone"] == UNKNOWN)
    unheard_mains = (now["power"] == UNKNOWN) & (mains_code == UNKNOWN)
    unheard_button = (now["button"] == UNKNOWN) & (button_code == UNKNOWN)
    criteria = {
        "stopped": _tri(judged.stopped[at], unheard_motion | judged.doubtful[at]),
        "in_zone": now["zone"],
        "door_not_opening": _tri(_among(now["door"], SHUT_DOORS), now["door"] == UNKNOWN),
        "doors_open_in_zone": _tri(judged.doors.is_open[at], unheard_opening),
        "inside": judged.inside[at],
        "inside_latched": _tri(judged.latched[at]),
        "presence_trusted": _tri(judged.trusted[at], now["passenger"] == UNKNOWN),
        "mains_off": _tri(judged.mains_off[at], unheard_mains),
        "button_pressed": _tri(judged.called[at], unheard_button & ~judged.called[at]),
        "mode_allows": _tri(judged.mode_allows[at]),
    }
    values = {name: now[name] for name in _SHOWN if name != "zone"}
    values["stop_mode"] = judged.stop_mode[at]
    values["people"] = np.where(now["passenger"] > 1, now["passenger"], UNKNOWN)
    return criteria, values


def _tri(held_true: Bools, unknown: Bools | bool = False) -> NDArray[np.int8]:
    return np.where(unknown, UNKNOWN, held_true).astype(np.int8)
