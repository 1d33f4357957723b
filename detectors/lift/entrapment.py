"""Entrapment: somebody is in a stopped car and cannot leave. One rule, two classes.

*Between landings*: stopped, not in the door zone, somebody inside or nobody can tell.
*At a landing*: stopped in the door zone, doors neither opening nor open, somebody inside; if nobody
can tell whether, then only with the alarm button, or with a claim and something that explains it.

The judgement of a frame is in ``entrapment_criteria`` (stopped, class) and ``entrapment_presence``
(who is inside); this module holds what needs time: the window, the alarm that is active, its class
as it is now, its end.

Invariants: a class must hold for its window before the finding is raised; the onset is the start
of the condition and frozen then; only doors open in the zone (or evidence that refutes what a tick
raised, or departure of a car whose doors are never told) clear it; a missing frame never does; one
lift has at most one entrapment; no doubt drops a case, it only asks for longer. Flapping: see
``EntrapmentParams.interruption_us``, ``release_hold_us``, ``class_hold_us``. docs/detectors.md has
the truth table, docs/adr/0008-entrapment-2.md the reasons; ``tests/oracles/entrapment.py`` says the
same, one frame at a time.
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

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
from detectors.lift.entrapment_criteria import (
    CRITERIA_FIELDS,
    LANDING,
    NO_CLASS,
    Judgement,
    evidence,
    judge,
    state_after,
)
from detectors.lift.entrapment_params import EntrapmentParams
from detectors.parameters import spread_all
from detectors.segments import NEVER_US, Bools, Ints
from detectors.windows import limits_at
from telemetry.columns import UNKNOWN, Door, Mode
from telemetry.findings import Change, ClearReason, Confidence, FindingKind
from telemetry.transitions import Transitions

_OWN_FIELDS: Final = (
    Field("onset_us", "i8", NEVER_US),  # of the condition in this stop; NEVER_US = none
    Field("interrupted_us", "i8", NEVER_US),  # since when no class has held, after the onset
    Field("class_since_us", "i8", NEVER_US),  # since when the class has been what it is
    Field("raised_onset_us", "i8", NEVER_US, rare=True),  # onset of the active alarm, frozen
    Field("tick_raise_us", "i8", NEVER_US, rare=True),  # its t_us if a tick raised it
    Field("closing", "?", False),  # onset = doors began to close; they were not shut since
    Field("kind", "i1", NO_CLASS),  # class under which the active alarm was raised; 0 = none
    Field("kind_now", "i1", NO_CLASS),  # class of the active alarm as it is now
)
_SHOWN: Final = (
    *("moving_speed_mps", "release_hold_us", "interruption_us"),
    *("silent_after_us", "empty_load_pct"),
)
"""Thresholds that are told."""


@dataclass(frozen=True, slots=True)
class EntrapmentDetector:
    """The entrapment rule, both classes."""

    name: str = "entrapment"
    version: str = "5"
    kinds: tuple[FindingKind, ...] = (
        FindingKind.ENTRAPMENT_BETWEEN_LANDINGS,
        FindingKind.ENTRAPMENT_AT_LANDING,
    )
    gap_policy: GapPolicy = GapPolicy.HOLD
    depends: tuple[str, ...] = ("car", "speed_mps", "zone", "door")
    layout: tuple[Field, ...] = CRITERIA_FIELDS + _OWN_FIELDS
    params_type: type[EntrapmentParams] = EntrapmentParams

    def step(self, state: State, batch: LiftFrames, params: EntrapmentParams) -> Stepped:
        """Advance ``m`` lifts; see ``contract.Detector.step``."""
        params = spread_all(params, batch.segments.row)
        judged = judge(state, batch.lift, params)
        pending = _pending(state, judged, params)
        alarm = _alarms(state, judged, pending, params)
        found = _transitions(self, judged, pending, alarm, params)
        return Stepped(_state_after(judged, pending, alarm), _due_us(judged, pending, alarm), found)


class _Pending(NamedTuple):
    """The condition along the strip, before it is an alarm."""

    late: Bools  # first frame of a row that refutes what a tick raised before it came
    onset_us: Ints  # NEVER_US where this stop has no onset
    closing: Bools  # the onset is that of closing doors, which were not shut since
    interrupted_us: Ints
    window_us: Ints
    unseen: Bools  # the window is that long because nobody was seen inside lately
    complete_us: Ints  # when the window is complete, if the condition goes on


def _pending(state: State, judged: Judgement, params: EntrapmentParams) -> _Pending:
    """Find since when the condition of each stop has held, and when its window is complete.

    Both classes share one onset: the person has been shut in all the time. A time without a class
    that is not longer than ``interruption_us`` is bridged, unless the stop ended in between. Who is
    inside while doors close can still stop them: their onset moves to when they are shut, once.
    """
    line, holds = judged.line, judged.holds
    seg = line.segments
    late = seg.first(~holds & ~seg.is_head & (line.t_us <= state["tick_raise_us"][seg.row]))
    interrupted_us = line.since(seg.prior(holds) & ~holds, state["interrupted_us"])
    held_or_carried = holds | (seg.is_head & (state["onset_us"] != NEVER_US)[seg.row])
    last_held = seg.last(held_or_carried)
    has_onset = held_or_carried[last_held] & (last_held >= seg.last(judged.stop_begins | late))
    bridged = (
        seg.prior(has_onset)
        & ~judged.stop_begins
        & (line.t_us - interrupted_us <= params.interruption_us)
    )
    starts = seg.rises(holds) & ~bridged
    still_closing = (judged.location == LANDING) & judged.heard.says("door", Door.CLOSING)
    closing = seg.latch(
        seg.headed(starts & still_closing, state["closing"]), holds & ~still_closing
    )
    shut = seg.prior(closing) & holds & (judged.location == LANDING) & ~still_closing
    onset_us = line.since(starts | (shut & ~seg.is_head), state["onset_us"])
    onset_us = np.where(has_onset & judged.rest.at_rest, onset_us, NEVER_US)
    window_us, unseen = _windows(judged, onset_us, params)
    return _Pending(
        late=late,
        onset_us=onset_us,
        closing=closing,
        interrupted_us=interrupted_us,
        window_us=window_us,
        unseen=unseen,
        complete_us=np.maximum(line.t_us, onset_us + window_us),
    )


def _windows(judged: Judgement, onset_us: Ints, params: EntrapmentParams) -> tuple[Ints, Bools]:
    """Return the window that applies to each element [µs], and where it is that of the unseen."""
    landing = judged.location == LANDING
    at_landing_us = params.at_landing_window_us
    base_us = np.where(landing, at_landing_us, params.between_landings_window_us)
    urgent = judged.called | (judged.mains_off & judged.people.latched)
    window_us = np.where(urgent, np.minimum(base_us, params.urgent_window_us), base_us)
    unexplained = landing & ~judged.explained
    calm_us = np.maximum(at_landing_us, params.unexplained_window_us)
    window_us = np.where(unexplained & judged.tells_faults, calm_us, window_us)
    windows = np.where(judged.rest.doubtful, params.doubtful_stop_windows, 1)
    window_us = window_us * windows
    heard_until_us = judged.heard.seen_us + params.silent_after_us
    unseen = unexplained & (judged.people.stale | (onset_us + window_us > heard_until_us))
    return np.where(unseen, np.maximum(window_us, params.unseen_window_us), window_us), unseen


class _Alarms(NamedTuple):
    """The alarm of each lift along the strip, and what happened to it in each element."""

    raised: Bools
    updated: Bools
    cleared: Bools
    active: Bools  # after the element
    onset_us: Ints  # frozen at the raise
    kind: NDArray[np.int8]
    kind_now: NDArray[np.int8]
    class_since_us: Ints
    update_us: Ints  # when the other class has held long enough
    tick_raise_us: Ints


def _alarms(
    state: State, judged: Judgement, pending: _Pending, params: EntrapmentParams
) -> _Alarms:
    """Follow the alarm: raise on a complete window, clear on a release or on late evidence.

    Set and reset never meet in one element: a window completes only while a class holds, and none
    does where doors are open in the zone or evidence refutes.
    """
    line, location = judged.line, judged.location
    seg = line.segments
    carried_kind = seg.join(state["kind"], NO_CLASS)
    was_active = state["kind"] != NO_CLASS
    ripe = judged.holds & line.reached(pending.complete_us)
    gone = judged.people.left_landing
    ends = judged.doors.begins | pending.late | gone
    active = seg.latch((carried_kind != NO_CLASS) | ripe, ends)
    before = seg.headed(seg.prior(active), was_active)
    raised, cleared = ripe & ~before, ends & before

    class_since_us = line.since(seg.changes(location), state["class_since_us"])
    update_us = class_since_us + params.class_hold_us
    steady = (location != NO_CLASS) & before & ~ends & line.reached(update_us)
    carried_now = seg.join(state["kind_now"], NO_CLASS)
    kind_now = seg.hold(np.where(raised | steady, location, carried_now), raised | steady)
    kind_before = seg.headed(seg.prior(kind_now), state["kind_now"])

    onset_us = np.where(raised, pending.onset_us, seg.join(state["raised_onset_us"], NEVER_US))
    by_tick = np.where(raised & line.by_tick(pending.complete_us), pending.complete_us, NEVER_US)
    carried_tick = np.where(cleared, NEVER_US, seg.join(state["tick_raise_us"], NEVER_US))
    return _Alarms(
        raised=raised,
        updated=steady & (location != kind_before),
        cleared=cleared,
        active=active,
        onset_us=seg.hold(onset_us, raised),
        kind=seg.hold(np.where(raised, location, carried_kind), raised),
        kind_now=kind_now,
        class_since_us=class_since_us,
        update_us=update_us,
        tick_raise_us=seg.hold(np.maximum(by_tick, carried_tick), raised | cleared),
    )


def _state_after(judged: Judgement, pending: _Pending, alarm: _Alarms) -> State:
    """Return the state after the last element of each row."""
    at = judged.line.segments.last_at
    active = alarm.active[at]
    own = {
        "onset_us": pending.onset_us[at],
        "interrupted_us": pending.interrupted_us[at],
        "class_since_us": alarm.class_since_us[at],
        "raised_onset_us": np.where(active, alarm.onset_us[at], NEVER_US),
        "tick_raise_us": np.where(active, alarm.tick_raise_us[at], NEVER_US),
        "closing": pending.closing[at],
        "kind": np.where(active, alarm.kind[at], np.int8(NO_CLASS)),
        "kind_now": np.where(active, alarm.kind_now[at], np.int8(NO_CLASS)),
    }
    return {**state_after(judged), **own}


def _due_us(judged: Judgement, pending: _Pending, alarm: _Alarms) -> Ints:
    """Return the next stream time at which a tick would tell something."""
    at = judged.line.segments.last_at
    active, location, doors = alarm.active[at], judged.location[at], judged.doors
    other_class = active & (location != NO_CLASS) & (location != alarm.kind_now[at])
    releasing = active & doors.is_open[at] & ~doors.believed[at]
    due_us = np.where(judged.holds[at] & ~active, pending.complete_us[at], NO_DUE_US)
    due_us = np.where(other_class, np.minimum(due_us, alarm.update_us[at]), due_us)
    return np.where(releasing, np.minimum(due_us, doors.deadline_us[at]), due_us)


def _transitions(
    rule: EntrapmentDetector,
    judged: Judgement,
    pending: _Pending,
    alarm: _Alarms,
    params: EntrapmentParams,
) -> tuple[Transitions, ...]:
    """Write down what happened, with its evidence."""
    at = np.flatnonzero(alarm.raised | alarm.updated | alarm.cleared)
    if not len(at):
        return ()
    raised, cleared, late = alarm.raised[at], alarm.cleared[at], pending.late[at]
    opened = judged.doors.begins[at] & ~late
    ended_us = np.where(opened, judged.doors.since_us[at], judged.line.t_us[at])
    later_us = np.where(cleared, ended_us, alarm.update_us[at])
    ended_by = np.select(
        [late, opened],
        [ClearReason.LATE_EVIDENCE, ClearReason.DOORS_OPENED],
        ClearReason.CONDITION_ENDED,
    )
    events = Events(
        at=at,
        change=np.select([raised, cleared], [Change.RAISED, Change.CLEARED], Change.UPDATED),
        t_us=np.where(raised, pending.complete_us[at], later_us),
        onset_us=alarm.onset_us[at],
        last_seen_us=judged.heard.seen_us[at],
        kind=alarm.kind[at],
        confidence=_confidence(judged, pending)[at],
        ended_by=ended_by,
        kind_now=alarm.kind_now[at],
    )
    criteria, values = evidence(judged, at)
    values["held_us"] = events.t_us - events.onset_us
    values["unheard_us"] = np.maximum(events.t_us - events.last_seen_us, 0)  # ends are dated back
    limits = {"window_us": pending.window_us[at], **limits_at(params, _SHOWN, at)}
    return (written(rule, judged.line.segments, events, criteria, values, limits),)


def _confidence(judged: Judgement, pending: _Pending) -> NDArray[Any]:
    """Rate each element.

    Possible: nobody can tell who is inside, or nobody was seen there lately. Probable: the car says
    "running" at no speed; or nothing explains the stop, and the doors are closed at a landing, or a
    mechanic may have made it, since nobody told the mode. Certain: the rest.
    """
    untold = (judged.stop_mode == UNKNOWN) | (judged.stop_mode == Mode.UNKNOWN.value)
    doubt = judged.rest.doubtful | (((judged.location == LANDING) | untold) & ~judged.explained)
    sure = np.where(doubt, Confidence.PROBABLE, Confidence.CERTAIN)
    known = (judged.people.inside == 1) & ~pending.unseen
    return np.where(known, sure, Confidence.POSSIBLE)
