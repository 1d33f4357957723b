"""The alarm button: a press is told at once, in every mode, without a window.

Decides: each press (the button was not pressed before, and now is) raises the finding, letting go
clears it. The finding says only that the button is down; the *alarm* goes on until a person ends
it, and what a further press means to an open alarm is decided in ``alerting``. The first time the
doors stand open in the zone after a press is told by an update with the criterion
``doors_opened_in_zone``, be the button down or not: whoever pressed could get out.

Invariants: no mode, class, window, count or flapping rule ever holds a press back; raise and clear
alternate; national code 90 is the same press told by other means.
"""

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors import doors as door_openings
from detectors.contract import NO_DUE_US, Field, GapPolicy, LiftFrames, State, written
from detectors.doors import OPENING_FIELDS, RELEASE_SOURCE, Openings, openings
from detectors.parameters import US_PER_S, LiftParams, in_seconds, spread_all
from detectors.segments import NEVER_US, Bools, Ints, Timeline
from detectors.signals import BUTTON_CODE, held, held_code, tells
from telemetry.columns import UNKNOWN
from telemetry.findings import Change, ClearReason, Confidence, FindingKind
from telemetry.transitions import Transitions

_MAX_PRESSES: Final = 2**15 - 1
_SHOWN: Final = ("mode", "car", "floor", "passenger")
"""Columns that are evidence only."""


@dataclass(frozen=True, slots=True)
class AlarmButtonParams(LiftParams):
    """Thresholds, each a scalar or an array over lifts.

    Parameters
    ----------
    release_hold_us
        How long doors must stand open in the zone to let people out [µs].
    """

    release_hold_us: Any = field(
        default=1 * US_PER_S, metadata=in_seconds("release_hold_s", 0, 60, RELEASE_SOURCE)
    )


@dataclass(frozen=True, slots=True)
class AlarmButtonDetector:
    """The rule of the alarm button."""

    name: str = "alarm_button"
    version: str = "1"
    kinds: tuple[FindingKind, ...] = (FindingKind.ALARM_BUTTON,)
    gap_policy: GapPolicy = GapPolicy.HOLD
    layout: tuple[Field, ...] = (
        Field("time_us", "i8", NEVER_US),  # of the last frame
        Field("told_us", "i8", NEVER_US),  # of the last frame that told any input
        Field("pressed_us", "i8", NEVER_US),  # of the last press
        Field("due_us", "i8", NO_DUE_US),
        Field("presses", "i2", 0),  # since the doors last let people out
        Field("passenger", "i2", UNKNOWN),
        Field("floor", "i2", UNKNOWN),
        Field("button", "i1", UNKNOWN),
        Field("button_code", "i1", UNKNOWN),  # code 90 among the codes: 1, not: 0
        Field("mode", "i1", UNKNOWN),
        Field("car", "i1", UNKNOWN),
        Field("awaiting", "?", False),  # pressed, and the doors have not opened since
        *OPENING_FIELDS,
    )
    params_type: type[AlarmButtonParams] = AlarmButtonParams

    def step(
        self, state: State, batch: LiftFrames, now_us: Ints, params: AlarmButtonParams
    ) -> tuple[State, Transitions]:
        """Advance ``m`` lifts; see ``contract.Detector.step``."""
        params = spread_all(params, batch.segments.row)
        heard = _hear(state, batch, now_us, params)
        presses = _presses(state, heard)
        after = {**heard.held, **_own_state(heard, presses)}
        at = batch.segments.last_at
        new_state = {f.name: after[f.name][at].astype(f.dtype) for f in self.layout}
        return new_state, _transitions(self, heard, presses, params)


class _Heard(NamedTuple):
    """What the frames say, per element of the strip."""

    line: Timeline
    held: dict[str, NDArray[Any]]
    pressed: Bools
    doors: Openings
    seen_us: Ints


def _hear(state: State, batch: LiftFrames, now_us: Ints, params: AlarmButtonParams) -> _Heard:
    seg, frames = batch.segments, batch.frames
    told = {name: tells(batch, name) for name in ("button", "door", "zone", *_SHOWN)}
    now = {name: held(batch, state[name], frames[name], told[name]) for name in told}
    let_go = told["button"] & (frames["button"] == 0)
    now["button_code"] = held_code(batch, state["button_code"], BUTTON_CODE, let_go)
    any_told = told["button"] | told["door"] | told["zone"] | tells(batch, "codes")
    told_strip = seg.at_frames(any_told)
    line = Timeline.of(seg, state["time_us"], frames["time_us"], now_us, told_strip)
    doors = openings(state, line, now["door"], now["zone"], params.release_hold_us)
    pressed = (now["button"] == 1) | (now["button_code"] == 1)
    return _Heard(line, now, pressed, doors, line.since(told_strip, state["told_us"]))


class _Presses(NamedTuple):
    """Presses along the strip."""

    begins: Bools  # frames that are a press
    ends: Bools  # frames that let go
    answered: Bools  # elements within which the doors let people out, after a press
    pressed_us: Ints  # time of the last press
    series: Ints  # since the doors last let people out
    awaiting: Bools  # after the element


def _presses(state: State, heard: _Heard) -> _Presses:
    line, doors = heard.line, heard.doors
    seg = line.segments
    begins = seg.rises(heard.pressed)
    carried = seg.join(state["awaiting"], False)
    awaiting = seg.latch(begins | carried, doors.believed)
    series = seg.count_since(begins, seg.prior(doors.believed) & ~seg.is_head, state["presses"])
    return _Presses(
        begins=begins,
        ends=seg.prior(heard.pressed) & ~heard.pressed,
        answered=doors.believed & (begins | np.where(seg.is_head, carried, seg.prior(awaiting))),
        pressed_us=line.since(begins, state["pressed_us"]),
        series=series,
        awaiting=awaiting,
    )


def _own_state(heard: _Heard, presses: _Presses) -> dict[str, NDArray[Any]]:
    doors = heard.doors
    waits = presses.awaiting & doors.is_open & ~doors.believed
    forgotten = np.where(doors.believed, 0, presses.series)
    return {
        "time_us": heard.line.t_us,
        "told_us": heard.seen_us,
        **door_openings.state_after(doors),
        "pressed_us": presses.pressed_us,
        "due_us": np.where(waits, doors.deadline_us, NO_DUE_US),
        "presses": np.minimum(forgotten, _MAX_PRESSES),
        "awaiting": presses.awaiting,
    }


def _transitions(
    rule: AlarmButtonDetector, heard: _Heard, presses: _Presses, params: AlarmButtonParams
) -> Transitions:
    """Write down presses, letting go and answers; a press and its answer may share an element."""
    parts = [np.flatnonzero(marks) for marks in (presses.ends, presses.begins, presses.answered)]
    changes = (Change.CLEARED, Change.RAISED, Change.UPDATED)
    at = np.concatenate(parts)
    if not len(at):
        return Transitions.none(rule.name, rule.version)
    change = np.repeat(changes, [len(part) for part in parts])
    order = np.argsort(at, kind="stable")
    at, change = at[order], change[order]
    answered_us = np.maximum(heard.doors.since_us[at], presses.pressed_us[at])
    kind = np.full(len(at), FindingKind.ALARM_BUTTON)
    columns = {
        "row": heard.line.segments.row[at],
        "t_us": np.where(change == Change.UPDATED, answered_us, heard.line.t_us[at]),
        "onset_us": presses.pressed_us[at],
        "kind": kind,
        "kind_now": kind,
        "change": change,
        "reason": np.where(change == Change.CLEARED, ClearReason.CONDITION_ENDED, ClearReason.NONE),
        "confidence": np.full(len(at), Confidence.CERTAIN),
        "last_seen_us": heard.seen_us[at],
    }
    held_now = {name: values[at] for name, values in heard.held.items()}
    criteria = {
        "button_pressed": heard.pressed[at].astype(np.int8),
        "doors_opened_in_zone": (change == Change.UPDATED).astype(np.int8),
        "in_zone": held_now["zone"],
    }
    values = {name: held_now[name] for name in ("button", "door", *_SHOWN)}
    values["presses"] = presses.series[at]
    values["people"] = np.where(held_now["passenger"] > 1, held_now["passenger"], UNKNOWN)
    limit = np.broadcast_to(params.release_hold_us, len(heard.line.segments))[at]
    return written(rule, columns, criteria, values, {"release_hold_us": limit})
