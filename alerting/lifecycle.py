"""The life of an alarm as telemetry makes it: a pure fold of transitions.

Returns ``Changes``: alarms to write, lines for their timelines, messages to send, and one
``Outcome`` per transition, which is also the metric label. Nothing is sent, stored or read here,
and nothing is grouped, throttled, muted or delayed: a transition that raises gives its message in
the same fold unless ``history`` says that it waits, or that its class is not sent (never rescue).
What persons and timers do is in ``decisions``.

Rules (DESIGN sections 3, 5 and 8):

- While an alarm of a family is open on a lift, transitions of that family update it.
- An entrapment ends with its finding: self-released when nobody had accepted, released otherwise.
- An alarm button is ended by a person only; letting go ends the finding. Each press tells.
- An alarm of a class that is not sent is told to nobody and rises no level. If it becomes one of a
  class that is sent (somebody is inside a car that stands between floors), it is dispatched then.
- A press that tests the alarm opens a drill, which goes every way of an alarm; a press in earnest
  ends it and opens a case of its own. In an open case a test is one more press.
- After a person has ended an alarm whose finding goes on, that finding is only recorded until it
  clears and is raised anew.
- A raise made by the passing of time and refuted by a newer frame ends with ``late_evidence``.

Invariants: at most one open alarm per (lift, family); id, kind and onset never change; no raise is
refused.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from alerting.alarm import (
    Alarm,
    AlarmState,
    Elevator,
    EndReason,
    EventType,
    MessageType,
    Source,
    alarm_id,
)
from alerting.changes import DEFAULTS, Changes, LifecycleParams, Outcome
from alerting.decisions import dispatch, record_past, settle_held
from alerting.history import LIVE, PAST_REASON, Context, Contexts, Disposition, disposition
from telemetry.findings import FINDINGS, Change, ClearReason
from telemetry.transitions import Transition

Key = tuple[int, str]
"""(elevator id, family of findings)"""

TEST: Final = "test"
"""Criterion of a press of ``alarm_button`` that is the periodic test of the alarm: a drill."""

DOORS_OPENED: Final = "doors_opened_in_zone"
"""Criterion of an update of ``alarm_button``: the doors opened in the zone after the press."""


def fold(
    current: Iterable[Alarm],
    transitions: Iterable[Transition],
    elevators: Mapping[int, Elevator],
    contexts: Contexts,
    now_us: int,
    taken: Collection[UUID] = (),
    params: LifecycleParams = DEFAULTS,
) -> Changes:
    """Fold ``transitions``, in their order, into the alarms of their lifts.

    Parameters
    ----------
    current
        Alarms of those lifts that are open, or ended while their finding goes on.
    transitions
        In the order of ``telemetry.transitions.in_order``.
    elevators
        The lifts concerned, by id.
    contexts
        What is known of the lifts now; a missing one counts as live.
    now_us
        When this is decided [µs].
    taken
        Ids of stored alarms that a raise of this fold might want (same lift, kind and onset).
    params
        Limits.
    """
    book = _Book({(a.elevator_id, a.family): a for a in current}, elevators, now_us, params)
    book.taken.update(taken)
    book.changes.known.update(a.id for a in book.current.values())
    for transition in transitions:
        context = contexts.get(transition.elevator_id, LIVE)
        _step(book, _with_label(transition, context), context)
    for key, alarm in list(book.current.items()):
        if alarm.id in book.changes.alarms and alarm.open and alarm.held:
            context = contexts.get(alarm.elevator_id, LIVE)
            book.current[key] = settle_held(book.changes, alarm, context, now_us, params)
    return book.changes


@dataclass(slots=True)
class _Book:
    """Working state of one fold."""

    current: dict[Key, Alarm]
    elevators: Mapping[int, Elevator]
    now_us: int
    params: LifecycleParams
    taken: set[UUID] = field(default_factory=set)
    changes: Changes = field(default_factory=Changes)


def _step(book: _Book, t: Transition, context: Context) -> None:
    key = (t.elevator_id, FINDINGS[t.kind].family)
    alarm = book.current.get(key)
    decide = _STEPS[t.change]
    after = decide(book, alarm, t, context)
    if after is None:
        book.changes.outcomes[Outcome.NO_ALARM] += 1
    elif after.open or after.finding_active:
        book.current[key] = after
    else:
        book.current.pop(key, None)


def _raised(book: _Book, alarm: Alarm | None, t: Transition, context: Context) -> Alarm:
    if alarm is None:
        return _open(book, t, context)
    if not alarm.open:
        # A new raise without a clear in between: the ended case stays ended, this is a new one.
        book.changes.put(replace(alarm, finding_active=False))
        return _open(book, t, context)
    if alarm.held and _is_over(book, alarm):
        # The doors answered the press before, or it is too old: this one is a case of its own.
        settle_held(book.changes, alarm, LIVE, book.now_us, book.params, finding_active=False)
        return _open(book, t, context)
    if alarm.drill and not _is_drill(t):
        # Who presses after a test is no part of it: a case of its own, raised as any other.
        _end_drill(book, alarm, t)
        return _open(book, t, context)
    return _update(book, replace(alarm, finding_active=True), t, context, pressed=_is_press(t))


def _is_over(book: _Book, alarm: Alarm) -> bool:
    sent = book.params.sends(alarm)
    verdict = disposition(alarm, LIVE, book.now_us, book.params.max_age_us, sent=sent)
    return verdict in PAST_REASON


def _updated(book: _Book, alarm: Alarm | None, t: Transition, context: Context) -> Alarm | None:
    if alarm is None:
        return None
    if not alarm.open:
        return _record(book, alarm, t, EventType.UPDATED)
    if t.criteria.get(DOORS_OPENED) and not alarm.finding.ends_with_finding:
        return _doors_opened(book, alarm, t, context)
    return _update(book, alarm, t, context, pressed=_is_press(t))


def _cleared(book: _Book, alarm: Alarm | None, t: Transition, context: Context) -> Alarm | None:
    if alarm is None:
        return None
    alarm = replace(alarm, finding_active=False)
    if not alarm.open:
        if alarm.end_reason is EndReason.TOO_OLD:
            alarm = replace(alarm, ended_us=max(t.t_us, alarm.onset_us))
        return _record(book, alarm, t, EventType.FINDING_CLEARED)
    if not alarm.finding.ends_with_finding:
        book.changes.outcomes[Outcome.FINDING_CLEARED] += 1
        return book.changes.note(alarm, t.t_us, EventType.FINDING_CLEARED, Source.SENSOR)
    return _end_by_sensor(book, _seen(alarm, t, context), t)


_STEPS: Final[
    Mapping[Change, Callable[[_Book, Alarm | None, Transition, Context], Alarm | None]]
] = {
    Change.RAISED: _raised,
    Change.UPDATED: _updated,
    Change.CLEARED: _cleared,
}


def _open(book: _Book, t: Transition, context: Context) -> Alarm:
    """Make the alarm of a raise. Never refuses: an id in use moves the onset on by 1 µs."""
    code = book.elevators[t.elevator_id].code
    onset_us = t.onset_us
    while (identity := alarm_id(code, t.kind, onset_us)) in book.taken:
        onset_us += 1
    book.taken.add(identity)
    press = _is_press(t)
    alarm = Alarm(
        id=identity,
        elevator_id=t.elevator_id,
        family=FINDINGS[t.kind].family,
        kind=t.kind,
        kind_now=t.kind_now,
        onset_us=onset_us,
        detected_us=t.t_us,
        confidence=t.confidence,
        people=_people(t),
        presses=int(press),
        last_press_us=t.t_us if press else None,
        evidence=t.evidence(),
        rule={
            "name": t.rule,
            "version": t.version,
            "thresholds": dict(t.thresholds),
            "parameters_version": t.parameters,
        },
        floor=context.floor,
        last_seen_us=_last_seen(t, context),
        lag_us=context.lag_us,
        drill=_is_drill(t),
    )
    sent = book.params.sends(alarm)
    verdict = disposition(alarm, context, book.now_us, book.params.max_age_us, sent=sent)
    if verdict is Disposition.RECORD:
        alarm = book.changes.note(alarm, t.t_us, EventType.RAISED, Source.SENSOR, data=_why(t))
        return book.changes.put(alarm, Outcome.RECORDED)
    if verdict is Disposition.WAIT:
        alarm = book.changes.note(
            replace(alarm, held=True), t.t_us, EventType.HELD, Source.SENSOR, data=_why(t)
        )
        return book.changes.put(alarm, Outcome.HELD)
    if verdict is Disposition.DISPATCH:
        return dispatch(book.changes, alarm, book.now_us, book.params, Outcome.RAISED, _why(t))
    return record_past(book.changes, alarm, verdict, book.now_us)


def _update(book: _Book, alarm: Alarm, t: Transition, context: Context, *, pressed: bool) -> Alarm:
    people = _people(t)
    alarm = replace(
        _seen(alarm, t, context),
        kind_now=t.kind_now,
        confidence=t.confidence,
        people=alarm.people if people is None else people,
        evidence=t.evidence(),
    )
    kind, outcome = EventType.UPDATED, Outcome.UPDATED
    if pressed:
        kind, outcome = EventType.PRESSED, Outcome.PRESSED
        alarm = replace(
            alarm,
            presses=alarm.presses + 1,
            last_press_us=t.t_us,
            doors_opened_us=None,
        )
    alarm = book.changes.note(alarm, t.t_us, kind, Source.SENSOR, data=_why(t))
    if not alarm.dispatched and not alarm.held and book.params.sends(alarm):
        if context.holding:
            return book.changes.put(replace(alarm, held=True), Outcome.HELD)
        return dispatch(book.changes, alarm, book.now_us, book.params, Outcome.RAISED, _why(t))
    return _tell_update(book, alarm, outcome)


def _doors_opened(book: _Book, alarm: Alarm, t: Transition, context: Context) -> Alarm:
    alarm = replace(_seen(alarm, t, context), doors_opened_us=t.t_us)
    alarm = book.changes.note(alarm, t.t_us, EventType.DOORS_OPENED, Source.SENSOR)
    return _tell_update(book, alarm, Outcome.UPDATED)


def _tell_update(book: _Book, alarm: Alarm, outcome: Outcome) -> Alarm:
    if not alarm.dispatched:
        outcome = Outcome.UPDATED_WHILE_HELD if alarm.held else Outcome.RECORDED
        return book.changes.put(alarm, outcome)
    book.changes.outcomes[outcome] += 1
    return book.changes.tell(alarm, MessageType.UPDATED, book.now_us)


def _record(book: _Book, alarm: Alarm, t: Transition, kind: EventType) -> Alarm:
    alarm = book.changes.note(alarm, t.t_us, kind, Source.SENSOR, data=_why(t))
    return book.changes.put(alarm, Outcome.RECORDED_AFTER_END)


def _end_by_sensor(book: _Book, alarm: Alarm, t: Transition) -> Alarm:
    """End an entrapment whose finding cleared."""
    state, kind, outcome = _how_it_ended(alarm, t)
    reason = EndReason(t.reason.name.lower()) if t.reason else EndReason.CONDITION_ENDED
    alarm = replace(
        alarm,
        state=state,
        ended_us=max(t.t_us, alarm.onset_us),
        ended_by=Source.SENSOR.value,
        end_reason=reason,
        next_escalation_us=None,
        held=False,
        past=alarm.held,
    )
    data = {**_why(t), "reason": reason, "duration_s": round((alarm.duration_us or 0) / 1e6, 3)}
    alarm = book.changes.note(alarm, t.t_us, EventType(state.value), Source.SENSOR, data=data)
    if alarm.past:
        return book.changes.put(alarm, Outcome.PAST_ENDED)
    if not alarm.dispatched:
        return book.changes.put(alarm, outcome)
    book.changes.outcomes[outcome] += 1
    return book.changes.tell(alarm, kind, book.now_us)


def _end_drill(book: _Book, alarm: Alarm, t: Transition) -> None:
    """End a test of the alarm because somebody presses in earnest."""
    alarm = replace(
        alarm,
        state=AlarmState.ENDED,
        finding_active=False,
        ended_us=max(t.t_us, alarm.onset_us),
        ended_by=Source.SENSOR.value,
        end_reason=EndReason.REAL_PRESS,
        next_escalation_us=None,
        held=False,
        past=not alarm.dispatched,
    )
    data = {"reason": EndReason.REAL_PRESS}
    alarm = book.changes.note(alarm, t.t_us, EventType.ENDED, Source.SENSOR, data=data)
    if alarm.dispatched:
        book.changes.tell(alarm, MessageType.ENDED, book.now_us)


def _how_it_ended(alarm: Alarm, t: Transition) -> tuple[AlarmState, MessageType, Outcome]:
    if t.reason is ClearReason.LATE_EVIDENCE:
        return AlarmState.ENDED, MessageType.ENDED, Outcome.LATE_EVIDENCE
    if alarm.accepted_us is None:
        return AlarmState.SELF_RELEASED, MessageType.RELEASED, Outcome.SELF_RELEASED
    return AlarmState.RELEASED, MessageType.RELEASED, Outcome.RELEASED


def _is_press(t: Transition) -> bool:
    return not FINDINGS[t.kind].ends_with_finding


def _is_drill(t: Transition) -> bool:
    return t.criteria.get(TEST) is True


def _people(t: Transition) -> int | None:
    value = t.values.get("people")
    return None if value is None else int(value)


def _last_seen(t: Transition, context: Context) -> int:
    return t.last_seen_us if context.last_seen_us is None else context.last_seen_us


def _seen(alarm: Alarm, t: Transition, context: Context) -> Alarm:
    """Bring up to date what the newest frame tells."""
    return replace(
        alarm,
        last_seen_us=_last_seen(t, context),
        lag_us=alarm.lag_us if context.lag_us is None else context.lag_us,
        floor=context.floor or alarm.floor,
    )


def _with_label(t: Transition, context: Context) -> Transition:
    """Return it with the floor that people read, not its key, which would pass for a floor."""
    key = t.values.get("floor")
    if key is None:
        return t
    return replace(t, values={**t.values, "floor": context.floors.get(int(key))})


def _why(t: Transition) -> dict[str, Any]:
    return {"kind": t.kind_now.slug, "confidence": t.confidence.name.lower(), **t.evidence()}
