"""Between rows and values: alarms, timeline lines and messages as they are stored.

Decides how each value is spelt in the database and nothing else. SQL is written once, in
``queries.sql``, and looked up here by name. Times are exact in both directions (µs).
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec

from alerting.alarm import (
    Alarm,
    AlarmState,
    Elevator,
    EndReason,
    Event,
    Message,
    MessageType,
)
from alerting.message import EPOCH, TextParams, cloud_event, rfc3339
from telemetry.findings import Confidence, FindingKind

FAILOVER_TYPES: Final = frozenset({MessageType.RAISED, MessageType.UPDATED})
"""What the next endpoint must hear of when the one before does not take it: a person is in need."""

ROWS_PER_STATEMENT: Final = 5_000
"""Bounds one statement's JSON text to some 10 MB."""

_US: Final = timedelta(microseconds=1)
_encode = msgspec.json.Encoder().encode


@cache
def queries() -> Mapping[str, str]:
    """Return the statements of ``queries.sql`` by name."""
    text = files("alerting.store").joinpath("queries.sql").read_text(encoding="utf-8")
    blocks = text.split("-- name: ")[1:]
    return {b.split(":", 1)[0]: "-- name: " + b.strip().rstrip(";") for b in blocks}


def moment(us: int) -> datetime:
    """Return µs since epoch as a datetime, exactly."""
    return EPOCH + timedelta(microseconds=us)


def micros(value: datetime | None) -> int | None:
    """Return a datetime as µs since epoch, exactly."""
    return None if value is None else (value - EPOCH) // _US


def as_json(rows: Iterable[Mapping[str, Any]]) -> str:
    """Spell rows as the one text parameter of a statement."""
    return _encode(list(rows)).decode()


def loads(value: Any) -> Any:
    """Read a jsonb value, whether or not the connection has a codec for it."""
    return json.loads(value) if isinstance(value, str) else value


def alarm_of(row: Mapping[str, Any]) -> Alarm:
    """Read a row of ``alarms``."""
    sequence: int = row["sequence"]
    lag_ms: int | None = row["lag_ms"]
    return Alarm(
        id=row["id"],
        elevator_id=row["elevator_id"],
        family=row["family"],
        kind=FindingKind(row["kind"]),
        kind_now=FindingKind(row["kind_now"]),
        onset_us=_us(row["onset"]),
        detected_us=_us(row["detected"]),
        raised_us=micros(row["raised_at"]) if sequence else None,
        state=AlarmState(row["state"]),
        level=row["level"],
        finding_active=row["finding_active"],
        held=row["held"],
        past=row["past"],
        confidence=Confidence(row["confidence"]),
        people=row["people"],
        presses=row["presses"],
        last_press_us=micros(row["last_press"]),
        doors_opened_us=micros(row["doors_opened_at"]),
        evidence=loads(row["evidence"]),
        rule=loads(row["rule"]),
        sequence=sequence,
        events=row["events"],
        accepted_us=micros(row["accepted_at"]),
        accepted_by=row["accepted_by"],
        ended_us=micros(row["ended_at"]),
        ended_by=row["ended_by"],
        end_reason=EndReason(row["end_reason"]) if row["end_reason"] else None,
        next_escalation_us=micros(row["next_escalation_at"]),
        last_seen_us=micros(row["last_seen"]),
        lag_us=None if lag_ms is None else lag_ms * 1000,
        floor=row["floor"],
        drill=row["drill"],
    )


def row_of(alarm: Alarm) -> dict[str, Any]:
    """Spell an alarm as a row of ``alarms``."""
    return {
        "id": alarm.id,
        "elevator_id": alarm.elevator_id,
        "family": alarm.family,
        "kind": int(alarm.kind),
        "kind_now": int(alarm.kind_now),
        "onset": rfc3339(alarm.onset_us),
        "detected": rfc3339(alarm.detected_us),
        "raised_at": rfc3339(alarm.detected_us if alarm.raised_us is None else alarm.raised_us),
        "state": alarm.state.value,
        "level": alarm.level,
        "finding_active": alarm.finding_active,
        "held": alarm.held,
        "past": alarm.past,
        "confidence": int(alarm.confidence),
        "people": alarm.people,
        "presses": alarm.presses,
        "last_press": rfc3339(alarm.last_press_us),
        "doors_opened_at": rfc3339(alarm.doors_opened_us),
        "evidence": alarm.evidence,
        "rule": alarm.rule,
        "sequence": alarm.sequence,
        "events": alarm.events,
        "accepted_at": rfc3339(alarm.accepted_us),
        "accepted_by": alarm.accepted_by,
        "ended_at": rfc3339(alarm.ended_us),
        "ended_by": alarm.ended_by,
        "end_reason": alarm.end_reason.value if alarm.end_reason else None,
        "next_escalation_at": rfc3339(alarm.next_escalation_us),
        "last_seen": rfc3339(alarm.last_seen_us),
        "lag_ms": None if alarm.lag_us is None else alarm.lag_us // 1000,
        "floor": alarm.floor,
        "drill": alarm.drill,
    }


def event_row(event: Event) -> dict[str, Any]:
    """Spell a line of a timeline as a row of ``alarm_events``."""
    return {
        "alarm_id": event.alarm_id,
        "n": event.n,
        "at": rfc3339(event.at_us),
        "type": event.type.value,
        "actor": event.actor,
        "source": event.source.value,
        "data": event.data,
    }


def message_rows(
    messages: Iterable[Message], elevators: Mapping[int, Elevator], texts: TextParams
) -> list[dict[str, Any]]:
    """Spell messages for ``enqueue``; ``first`` marks an alarm's first one in this list."""
    seen: set[Any] = set()
    rows: list[dict[str, Any]] = []
    for message in messages:
        alarm = message.alarm
        rows.append(
            {
                "message_id": message.id,
                "alarm_id": alarm.id,
                "sequence": alarm.sequence,
                "type": message.type.value,
                "body": msgspec.Raw(cloud_event(message, elevators[alarm.elevator_id], texts)),
                "at": rfc3339(message.at_us),
                "first": alarm.id not in seen,
                "to_all": message.to_all,
                "failover": message.type in FAILOVER_TYPES,
                "priority": message.priority,
            }
        )
        seen.add(alarm.id)
    return rows


def elevator_of(row: Mapping[str, Any], key: str = "id") -> Elevator:
    """Read what messages say about a lift; ``key`` names the column with its id."""
    return Elevator(
        id=row[key],
        code=row["code"],
        sticker=row["sticker"],
        building=row["building"],
        address=row["address"],
        confirmed=row["confirmed"],
    )


def _us(value: datetime) -> int:
    return (value - EPOCH) // _US
