"""The alarm button: a press is told at once, in every mode, without a window.

Decides: each press (the button was not pressed before, and now is) raises the finding, letting go
clears it; a contact that is broken for less than ``bounce_us`` was not let go. The finding says
only that the button is down; the *alarm* goes on until a person ends it, and what a further press
means to an open alarm is decided in ``alerting``. The first time the doors stand open in the zone
after a press is told by an update with the criterion ``doors_opened_in_zone``, be the button down
or not: whoever pressed could get out. Presses that look like play, or belong to a test, are marked
(criteria ``burst``, ``test``) and told like any other.

Invariants: no mode, class, window, count or flapping rule ever holds a press back; raise and clear
alternate; national code 90 is the same press told by other means.
"""

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.codes import Merged, merged
from detectors.contract import (
    NO_DUE_US,
    Events,
    Field,
    GapPolicy,
    LiftFrames,
    State,
    Stepped,
    written,
)
from detectors.lift import doors as door_openings
from detectors.lift.doors import OPENING_FIELDS, RELEASE_SOURCE, Openings, openings
from detectors.parameters import US_PER_S, LiftParams, in_seconds, plain, spread_all
from detectors.segments import NEVER_US, Bools, Ints
from detectors.signals import BUTTON_CODE, Heard
from detectors.windows import limits_at
from telemetry.columns import UNKNOWN
from telemetry.findings import Change, Confidence, FindingKind
from telemetry.transitions import Transitions

_MAX_PRESSES: Final = 2**15 - 1
_MAX_CHAIN: Final = 255
_BOUNCE: Final = "practice: contacts bounce for 5 to 20 ms, no finger lets go for so short a time"
_BURST: Final = "practice: who needs help presses long and waits for an answer, children do not"
_SHOWN: Final = ("mode", "car", "floor", "passenger")
"""Columns that are evidence only."""
_LIMITS: Final = ("release_hold_us", "bounce_us", "burst_gap_us", "burst_presses")


@dataclass(frozen=True, slots=True)
class AlarmButtonParams(LiftParams):
    """Thresholds, each a scalar or an array over lifts.

    Parameters
    ----------
    release_hold_us
        How long doors must stand open in the zone to let people out [µs].
    bounce_us
        A button that is let go for no longer was not let go [µs].
    burst_gap_us, burst_presses
        From so many presses on, each within the gap [µs] after the one before, it is a burst.
    """

    release_hold_us: Any = field(
        default=1 * US_PER_S, metadata=in_seconds("release_hold_s", 0, 60, RELEASE_SOURCE)
    )
    bounce_us: Any = field(
        default=US_PER_S // 10, metadata=in_seconds("button_bounce_s", 0, 1, _BOUNCE)
    )
    burst_gap_us: Any = field(
        default=10 * US_PER_S, metadata=in_seconds("button_burst_gap_s", 0.1, 60, _BURST)
    )
    burst_presses: Any = field(
        default=5, metadata=plain("button_burst_presses", 2, 200, "i8", _BURST)
    )


@dataclass(frozen=True, slots=True)
class AlarmButtonDetector:
    """The rule of the alarm button."""

    name: str = "alarm_button"
    version: str = "2"
    kinds: tuple[FindingKind, ...] = (FindingKind.ALARM_BUTTON,)
    gap_policy: GapPolicy = GapPolicy.HOLD
    layout: tuple[Field, ...] = (
        Field("pressed_us", "i8", NEVER_US),  # of the last press
        Field("let_go_us", "i8", NEVER_US),  # when the contact was last broken
        Field("down", "?", False),  # pressed, or broken for a bounce at most
        Field("test", "?", False),  # the last press belongs to a test
        Field("chain", "u1", 0),  # presses in a row, each soon after the one before
        Field("presses", "i2", 0),  # since the doors last let people out
        Field("awaiting", "?", False),  # pressed, and the doors have not opened since
        *OPENING_FIELDS,
    )
    params_type: type[AlarmButtonParams] = AlarmButtonParams

    def step(self, state: State, batch: LiftFrames, params: AlarmButtonParams) -> Stepped:
        """Advance ``m`` lifts; see ``contract.Detector.step``."""
        params = spread_all(params, batch.segments.row)
        button = _button(batch.lift)
        doors = _doors(state, batch.lift, params)
        presses = _presses(state, batch.lift, button.holds, doors, params)
        after = _state_after(doors, presses)
        at = batch.segments.last_at
        new_state = {f.name: after[f.name][at].astype(f.dtype) for f in self.layout}
        due_us = _due_us(button.holds, doors, presses, params)[at]
        found = _transitions(self, _Heard(batch.lift, button, doors), presses, params)
        return Stepped(new_state, due_us, found)


class _Heard(NamedTuple):
    """What the frames say, per element of the strip."""

    lift: Heard
    button: Merged
    doors: Openings


def _button(lift: Heard) -> Merged:
    """Merge the contact and code 90."""
    return merged(lift.held("button"), lift.code(BUTTON_CODE))


def _doors(state: State, lift: Heard, params: AlarmButtonParams) -> Openings:
    door, zone = lift.held("door"), lift.held("zone")
    return openings(state, lift.line, door, zone, params.release_hold_us)


class _Presses(NamedTuple):
    """Presses along the strip."""

    begins: Bools  # frames that are a press
    ends: Bools  # elements within which it turns out that the button was let go
    answered: Bools  # elements within which the doors let people out, after a press
    pressed_us: Ints  # time of the last press
    let_go_us: Ints  # when the contact was last broken
    down: Bools  # after the element
    test: Bools  # the last press belongs to a test
    chain: Ints  # presses in a row
    series: Ints  # since the doors last let people out
    awaiting: Bools  # after the element


def _presses(
    state: State, lift: Heard, pressed: Bools, doors: Openings, params: AlarmButtonParams
) -> _Presses:
    line, seg = lift.line, lift.segments
    let_go_us = line.since(seg.prior(pressed) & ~pressed, state["let_go_us"])
    over = ~pressed & line.reached(let_go_us + params.bounce_us)
    down = seg.latch(seg.headed(pressed, state["down"]), over)
    before = seg.headed(seg.prior(down), state["down"])
    begins = pressed & ~before & ~seg.is_head
    pressed_us = line.since(begins, state["pressed_us"])
    apart = begins & (line.t_us - seg.prior(pressed_us) > params.burst_gap_us)
    awaiting = seg.latch(seg.headed(begins, state["awaiting"]), doors.believed)
    series = seg.count_since(begins, seg.prior(doors.believed) & ~seg.is_head, state["presses"])
    return _Presses(
        begins=begins,
        ends=before & over,
        answered=doors.believed & (begins | seg.headed(seg.prior(awaiting), state["awaiting"])),
        pressed_us=pressed_us,
        let_go_us=let_go_us,
        down=down,
        test=seg.hold(seg.join(state["test"], _tests(lift)), begins),
        chain=seg.count_since(begins, apart, state["chain"]),
        series=series,
        awaiting=awaiting,
    )


def _tests(lift: Heard) -> Bools:
    """Tell which frames belong to a test, shape (n,): never held, lest it hide a press."""
    return lift.told("alarm_test") & (lift.frames["alarm_test"] == 1)


def _state_after(doors: Openings, presses: _Presses) -> dict[str, NDArray[Any]]:
    forgotten = np.where(doors.believed, 0, presses.series)
    return {
        **door_openings.state_after(doors),
        "pressed_us": presses.pressed_us,
        "let_go_us": presses.let_go_us,
        "down": presses.down,
        "test": presses.test,
        "chain": np.minimum(presses.chain, _MAX_CHAIN),
        "presses": np.minimum(forgotten, _MAX_PRESSES),
        "awaiting": presses.awaiting,
    }


def _due_us(pressed: Bools, doors: Openings, presses: _Presses, params: AlarmButtonParams) -> Ints:
    """Return when a tick would tell that people could get out, or that the button was let go."""
    waits = presses.awaiting & doors.is_open & ~doors.believed
    due_us = np.where(waits, doors.deadline_us, NO_DUE_US)
    broken = presses.down & ~pressed
    return np.where(broken, np.minimum(due_us, presses.let_go_us + params.bounce_us), due_us)


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
    moments_us = (presses.let_go_us, heard.lift.line.t_us, heard.doors.since_us)
    t_us = np.select([change == c for c in changes], [moment[at] for moment in moments_us])
    t_us = np.where(change == Change.UPDATED, np.maximum(t_us, presses.pressed_us[at]), t_us)
    burst = _burst(heard, presses, params)[at]
    sure = heard.button.confidence(at)
    sure = np.maximum(sure, np.where(burst, Confidence.PROBABLE, Confidence.CERTAIN))
    events = Events(
        at=at,
        change=change,
        t_us=t_us,
        onset_us=presses.pressed_us[at],
        last_seen_us=heard.lift.seen_us[at],
        kind=FindingKind.ALARM_BUTTON,
        confidence=np.where(change == Change.RAISED, sure, Confidence.CERTAIN),
    )
    held_now = {name: heard.lift.held(name)[at] for name in ("button", "door", "zone", *_SHOWN)}
    criteria = {
        "button_pressed": heard.button.holds[at].astype(np.int8),
        **heard.button.criteria("code_90", at),
        "burst": burst.astype(np.int8),
        "test": presses.test[at].astype(np.int8),
        "doors_opened_in_zone": (change == Change.UPDATED).astype(np.int8),
        "in_zone": held_now["zone"],
    }
    values = {name: held_now[name] for name in ("button", "door", *_SHOWN)}
    values["presses"] = np.where(change == Change.CLEARED, UNKNOWN, presses.series[at])
    values["presses_in_a_row"] = presses.chain[at]
    values["people"] = np.where(held_now["passenger"] > 1, held_now["passenger"], UNKNOWN)
    limits = limits_at(params, _LIMITS, at)
    return (written(rule, heard.lift.segments, events, criteria, values, limits),)


def _burst(heard: _Heard, presses: _Presses, params: AlarmButtonParams) -> Bools:
    """Tell where a press looks like play: many in a row while people can get out or travel."""
    at_play = heard.doors.is_open | (heard.lift.held("car") == 1)
    return at_play & (presses.chain >= params.burst_presses)
