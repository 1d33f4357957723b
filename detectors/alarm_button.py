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
from detectors.contract import (
    NO_DUE_US,
    Field,
    GapPolicy,
    LiftFrames,
    State,
    Stepped,
    written,
)
from detectors.doors import OPENING_FIELDS, RELEASE_SOURCE, Openings, openings
from detectors.parameters import US_PER_S, LiftParams, in_seconds, spread_all
from detectors.segments import NEVER_US, Bools, Ints, Timeline
from detectors.signals import BUTTON_CODE, Heard
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
        Field("pressed_us", "i8", NEVER_US),  # of the last press
        Field("presses", "i2", 0),  # since the doors last let people out
        Field("awaiting", "?", False),  # pressed, and the doors have not opened since
        *OPENING_FIELDS,
    )
    params_type: type[AlarmButtonParams] = AlarmButtonParams

    def step(self, state: State, batch: LiftFrames, params: AlarmButtonParams) -> Stepped:
        """Advance ``m`` lifts; see ``contract.Detector.step``."""
        params = spread_all(params, batch.segments.row)
        pressed = _pressed(batch.lift)
        doors = _doors(state, batch.lift, params)
        presses = _presses(state, batch.lift.line, pressed, doors)
        after = _state_after(doors, presses)
        at = batch.segments.last_at
        new_state = {f.name: after[f.name][at].astype(f.dtype) for f in self.layout}
        waits = presses.awaiting & doors.is_open & ~doors.believed
        due_us = np.where(waits, doors.deadline_us, NO_DUE_US)[at]
        found = _transitions(self, _Heard(batch.lift, pressed, doors), presses, params)
        return Stepped(new_state, due_us, found)


class _Heard(NamedTuple):
    """What the frames say, per element of the strip."""

    lift: Heard
    pressed: Bools
    doors: Openings


def _pressed(lift: Heard) -> Bools:
    return (lift.held("button") == 1) | (lift.code(BUTTON_CODE) == 1)


def _doors(state: State, lift: Heard, params: AlarmButtonParams) -> Openings:
    door, zone = lift.held("door"), lift.held("zone")
    return openings(state, lift.line, door, zone, params.release_hold_us)


class _Presses(NamedTuple):
    """Presses along the strip."""

    begins: Bools  # frames that are a press
    ends: Bools  # frames that let go
    answered: Bools  # elements within which the doors let people out, after a press
    pressed_us: Ints  # time of the last press
    series: Ints  # since the doors last let people out
    awaiting: Bools  # after the element


def _presses(state: State, line: Timeline, pressed: Bools, doors: Openings) -> _Presses:
    seg = line.segments
    begins = seg.rises(pressed)
    carried = seg.join(state["awaiting"], False)
    awaiting = seg.latch(begins | carried, doors.believed)
    series = seg.count_since(begins, seg.prior(doors.believed) & ~seg.is_head, state["presses"])
    return _Presses(
        begins=begins,
        ends=seg.prior(pressed) & ~pressed,
        answered=doors.believed & (begins | np.where(seg.is_head, carried, seg.prior(awaiting))),
        pressed_us=line.since(begins, state["pressed_us"]),
        series=series,
        awaiting=awaiting,
    )


def _state_after(doors: Openings, presses: _Presses) -> dict[str, NDArray[Any]]:
    forgotten = np.where(doors.believed, 0, presses.series)
    return {
        **door_openings.state_after(doors),
        "pressed_us": presses.pressed_us,
        "presses": np.minimum(forgotten, _MAX_PRESSES),
        "awaiting": presses.awaiting,
    }


def _transitions(
    rule: AlarmButtonDetector, heard: _Heard, presses: _Presses, params: AlarmButtonParams
) -> tuple[Transitions, ...]:
    """Write down presses, letting go and answers; a press and its answer may share an element."""
    parts = [np.flatnonzero(marks) for marks in (presses.ends, presses.begins, presses.answered)]
    changes = (Change.CLEARED, Change.RAISED, Change.UPDATED)
    at = np.concatenate(parts)
    if not len(at):
        return ()
    change = np.repeat(changes, [len(part) for part in parts])
    order = np.argsort(at, kind="stable")
    at, change = at[order], change[order]
    answered_us = np.maximum(heard.doors.since_us[at], presses.pressed_us[at])
    kind = np.full(len(at), FindingKind.ALARM_BUTTON)
    columns = {
        "row": heard.lift.line.segments.row[at],
        "t_us": np.where(change == Change.UPDATED, answered_us, heard.lift.line.t_us[at]),
        "onset_us": presses.pressed_us[at],
        "kind": kind,
        "kind_now": kind,
        "change": change,
        "reason": np.where(change == Change.CLEARED, ClearReason.CONDITION_ENDED, ClearReason.NONE),
        "confidence": np.full(len(at), Confidence.CERTAIN),
        "last_seen_us": heard.lift.seen_us[at],
    }
    held_now = {name: heard.lift.held(name)[at] for name in ("button", "door", "zone", *_SHOWN)}
    criteria = {
        "button_pressed": heard.pressed[at].astype(np.int8),
        "doors_opened_in_zone": (change == Change.UPDATED).astype(np.int8),
        "in_zone": held_now["zone"],
    }
    values = {name: held_now[name] for name in ("button", "door", *_SHOWN)}
    values["presses"] = presses.series[at]
    values["people"] = np.where(held_now["passenger"] > 1, held_now["passenger"], UNKNOWN)
    limit = np.broadcast_to(params.release_hold_us, len(heard.lift.line.segments))[at]
    return (written(rule, columns, criteria, values, {"release_hold_us": limit}),)
