"""What ends the waiting of an alarm, and what persons and timers do to it. Pure.

Dispatching, recording as past, acceptance, release, false-alarm verdict, escalation. What telemetry
does is in ``lifecycle``. A person's act on an alarm that is over is refused by ``store`` before it
comes here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from alerting.alarm import (
    MAX_LEVEL,
    Alarm,
    AlarmState,
    EndReason,
    EventType,
    MessageType,
    Source,
)
from alerting.changes import DEFAULTS, Changes, LifecycleParams, Outcome
from alerting.history import LIVE, PAST_REASON, Context, Contexts, Disposition, disposition


def dispatch(
    changes: Changes,
    alarm: Alarm,
    now_us: int,
    params: LifecycleParams,
    outcome: Outcome,
    data: Mapping[str, Any],
) -> Alarm:
    """Make the first message of an alarm; from here on the acceptance timer runs."""
    late = outcome is Outcome.DISPATCHED_LATE
    alarm = replace(
        alarm, raised_us=now_us, held=False, next_escalation_us=now_us + params.accept_us
    )
    kind, at_us = (
        (EventType.DISPATCHED_LATE, now_us) if late else (EventType.RAISED, alarm.detected_us)
    )
    alarm = changes.note(alarm, at_us, kind, Source.SENSOR, data=data)
    changes.outcomes[outcome] += 1
    return changes.tell(alarm, MessageType.RAISED, now_us)


def record_past(changes: Changes, alarm: Alarm, verdict: Disposition, now_us: int) -> Alarm:
    """Record an alarm that is never dispatched."""
    opened_us = alarm.doors_opened_us if verdict is Disposition.PAST_DOORS_OPENED else None
    reason = PAST_REASON[verdict]
    alarm = replace(
        alarm,
        state=AlarmState.ENDED,
        held=False,
        past=True,
        ended_us=opened_us if opened_us is not None else now_us,
        ended_by=Source.SENSOR.value,
        end_reason=reason,
    )
    changes.outcomes[Outcome(verdict.value)] += 1
    return changes.note(
        alarm, alarm.ended_us or now_us, EventType.PAST, Source.SENSOR, data={"reason": reason}
    )


def release_held(
    held: Iterable[Alarm], contexts: Contexts, now_us: int, params: LifecycleParams = DEFAULTS
) -> Changes:
    """Settle held alarms of lifts that may no longer be catching up."""
    changes = Changes()
    for alarm in held:
        if alarm.open and alarm.held:
            changes.known.add(alarm.id)
            context = contexts.get(alarm.elevator_id, LIVE)
            settle_held(changes, alarm, context, now_us, params)
    return changes


def settle_held(
    changes: Changes,
    alarm: Alarm,
    context: Context,
    now_us: int,
    params: LifecycleParams,
    *,
    finding_active: bool | None = None,
) -> Alarm:
    """Dispatch a held alarm, record it as past, or leave it waiting."""
    if finding_active is not None:
        alarm = replace(alarm, finding_active=finding_active)
    verdict = disposition(alarm, context, now_us, params.max_age_us, sent=params.sends(alarm))
    if verdict is Disposition.WAIT:
        return alarm
    if verdict is Disposition.RECORD:  # held under other settings
        return changes.put(replace(alarm, held=False), Outcome.RECORDED)
    if verdict in PAST_REASON:
        return record_past(changes, alarm, verdict, now_us)
    alarm = replace(
        alarm,
        lag_us=alarm.lag_us if context.lag_us is None else context.lag_us,
        last_seen_us=alarm.last_seen_us if context.last_seen_us is None else context.last_seen_us,
        floor=context.floor or alarm.floor,
    )
    data = {"lag_s": None if alarm.lag_us is None else round(alarm.lag_us / 1e6, 3)}
    return dispatch(changes, alarm, now_us, params, Outcome.DISPATCHED_LATE, data)


def accept(
    alarm: Alarm,
    by: str,
    source: Source,
    now_us: int,
    params: LifecycleParams = DEFAULTS,
    note: str | None = None,
) -> Changes:
    """Let a person take an open alarm. The first who does counts; again changes nothing."""
    changes = Changes(known={alarm.id})
    if alarm.accepted_us is not None:
        changes.outcomes[Outcome.ALREADY_ACCEPTED] += 1
        return changes
    if not alarm.dispatched and params.sends(alarm):
        # Somebody saw it in the list while it waited: from now on it is news.
        alarm = dispatch(changes, alarm, now_us, params, Outcome.DISPATCHED_LATE, {"for": by})
    alarm = replace(
        alarm,
        state=AlarmState.ACCEPTED,
        accepted_us=now_us,
        accepted_by=by,
        next_escalation_us=None,
    )
    alarm = replace(alarm, held=False)
    alarm = changes.note(alarm, now_us, EventType.ACCEPTED, source, by, _with(note))
    if alarm.dispatched:
        changes.tell(alarm, MessageType.ACCEPTED, now_us)
    changes.outcomes[Outcome.ACCEPTED] += 1
    return changes


def release(alarm: Alarm, by: str, source: Source, now_us: int, note: str | None = None) -> Changes:
    """End an open alarm by a person's report that everybody is free."""
    return _end_by_person(alarm, AlarmState.RELEASED, by, source, now_us, note)


def cancel(alarm: Alarm, by: str, source: Source, now_us: int, note: str | None = None) -> Changes:
    """End an open alarm by a person's verdict that it was false."""
    return _end_by_person(alarm, AlarmState.CANCELLED, by, source, now_us, note)


_BY_PERSON: Final = {
    AlarmState.RELEASED: (EndReason.PERSON, MessageType.RELEASED, Outcome.RELEASED_BY_PERSON),
    AlarmState.CANCELLED: (EndReason.FALSE_ALARM, MessageType.CANCELLED, Outcome.CANCELLED),
}


def _end_by_person(
    alarm: Alarm, state: AlarmState, by: str, source: Source, now_us: int, note: str | None
) -> Changes:
    reason, kind, outcome = _BY_PERSON[state]
    changes = Changes(known={alarm.id})
    alarm = replace(
        alarm,
        state=state,
        ended_us=now_us,
        ended_by=by,
        end_reason=reason,
        next_escalation_us=None,
        held=False,
        past=alarm.held,
    )
    alarm = changes.note(
        alarm, now_us, EventType(state.value), source, by, _with(note, reason=reason)
    )
    if alarm.dispatched:
        alarm = changes.tell(alarm, kind, now_us)
    changes.put(alarm, outcome)
    return changes


def escalate(alarms: Iterable[Alarm], now_us: int, params: LifecycleParams = DEFAULTS) -> Changes:
    """Raise the level of alarms that nobody accepted in time, and tell every endpoint."""
    changes = Changes()
    for alarm in alarms:
        due_us = alarm.next_escalation_us
        if not alarm.open or due_us is None or due_us > now_us:
            continue
        changes.known.add(alarm.id)
        level = min(alarm.level + 1, MAX_LEVEL)
        again_us = now_us + params.accept_us if level < MAX_LEVEL else None
        raised = replace(alarm, level=level, next_escalation_us=again_us)
        raised = changes.note(
            raised, now_us, EventType.ESCALATED, Source.TIMER, data={"level": level}
        )
        changes.tell(raised, MessageType.ESCALATED, now_us, to_all=True)
        changes.outcomes[Outcome.ESCALATED] += 1
    return changes


def _with(note: str | None, **data: Any) -> dict[str, Any]:
    return data if note is None else {**data, "note": note}
