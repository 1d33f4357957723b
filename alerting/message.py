"""What goes over the wire: the alarm document in a CloudEvents 1.0 body. Pure.

The keys of the document are part of the contract (DESIGN section 8): each is always present,
``null`` if unknown. Times are RFC 3339 in UTC, durations seconds. Texts are for people; their
local time follows ``TextParams``. Which message is made, and when, is decided in ``lifecycle``
and ``decisions``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final
from uuid import UUID

import msgspec

from alerting.alarm import Alarm, Elevator, Message, MessageType
from alerting.reasons import reasons
from telemetry.findings import FINDINGS, Confidence, FindingClass

SOURCE: Final = "/hoistway"
"""CloudEvents ``source``: a URI reference; one service, one outbox."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH: Final = EPOCH.replace(tzinfo=None)

_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True, slots=True)
class TextParams:
    """How texts tell local time: minutes east of UTC (480 = Beijing, where 96333 desks are)."""

    utc_offset_min: int = 480


DEFAULTS: Final = TextParams()


def rfc3339(us: int | None) -> str | None:
    """Spell µs since epoch as RFC 3339 in UTC with all digits, ``2026-11-22T08:15:30.250000Z``."""
    if us is None:
        return None
    return (_NAIVE_EPOCH + timedelta(microseconds=us)).isoformat(timespec="microseconds") + "Z"


def cloud_event(message: Message, elevator: Elevator, texts: TextParams = DEFAULTS) -> bytes:
    """Return the body of a message about an alarm; ``id`` is the ``webhook-id``."""
    alarm = message.alarm
    return envelope(
        message.id,
        message.type.value,
        message.at_us,
        str(alarm.id),
        document(alarm, elevator, message.type, texts),
    )


def envelope(identity: UUID, kind: str, at_us: int, subject: str, data: Mapping[str, Any]) -> bytes:
    """Return a CloudEvents 1.0 JSON body."""
    return _encode(
        {
            "specversion": "1.0",
            "id": str(identity),
            "source": SOURCE,
            "type": kind,
            "time": rfc3339(at_us),
            "subject": subject,
            "datacontenttype": "application/json",
            "data": data,
        }
    )


def document(
    alarm: Alarm,
    elevator: Elevator,
    kind: MessageType | None = None,
    texts: TextParams = DEFAULTS,
) -> dict[str, Any]:
    """Return the alarm document, as it is sent and as the API shows it."""
    duration_us = alarm.duration_us
    return {
        "alarm_id": str(alarm.id),
        "sequence": alarm.sequence,
        "elevator": {
            "code": elevator.code,
            "sticker": elevator.sticker,
            "building": elevator.building,
            "address": elevator.address,
            "floor": alarm.floor,
            "confirmed": elevator.confirmed,
        },
        "class": FINDINGS[alarm.kind_now].finding_class.value,
        "kind": alarm.kind.slug,
        "kind_now": alarm.kind_now.slug,
        "state": alarm.state.value,
        "level": alarm.level,
        "onset": rfc3339(alarm.onset_us),
        "detected": rfc3339(alarm.detected_us),
        "raised": rfc3339(alarm.raised_us),
        "finding_active": alarm.finding_active,
        "held": alarm.held,
        "past": alarm.past,
        "confidence": alarm.confidence.name.lower(),
        "people": alarm.people,
        "presses": alarm.presses,
        "last_press": rfc3339(alarm.last_press_us),
        "doors_opened": rfc3339(alarm.doors_opened_us),
        "evidence": dict(alarm.evidence),
        "rule": {
            "name": alarm.rule.get("name"),
            "version": alarm.rule.get("version"),
            "thresholds": alarm.rule.get("thresholds"),
            "parameters_version": alarm.rule.get("parameters_version"),
        },
        "last_seen": rfc3339(alarm.last_seen_us),
        "lag_s": None if alarm.lag_us is None else round(alarm.lag_us / 1e6, 3),
        "accepted": rfc3339(alarm.accepted_us),
        "accepted_by": alarm.accepted_by,
        "ended": rfc3339(alarm.ended_us),
        "ended_by": alarm.ended_by,
        "end_reason": alarm.end_reason,
        "duration_s": None if duration_us is None else round(duration_us / 1e6, 3),
        "drill": alarm.drill,
        "text": text(alarm, elevator, kind, texts),
    }


_VERB: Final[Mapping[MessageType | None, tuple[str, str]]] = {
    None: ("", ""),
    MessageType.RAISED: ("", ""),
    MessageType.UPDATED: ("更新：", "Update: "),
    MessageType.ACCEPTED: ("已受理：", "Accepted: "),
    MessageType.ESCALATED: ("升级：", "Escalated: "),
    MessageType.RELEASED: ("已解救：", "Released: "),
    MessageType.CANCELLED: ("误报撤销：", "Cancelled as false: "),
    MessageType.ENDED: ("已结束：", "Ended: "),
}
_CLEARED: Final = ("已消除：", "Cleared: ")
"""Of ``RELEASED``, where the finding is about no person."""

ESCALATOR_KINDS: Final = range(50, 60)
"""Numbers of findings of escalators and walks (``telemetry.findings``)."""
_UNSURE: Final = {
    Confidence.PROBABLE: ("（很可能）", " (probable)"),
    Confidence.POSSIBLE: ("（可能）", " (possible)"),
}


def text(
    alarm: Alarm, elevator: Elevator, kind: MessageType | None, texts: TextParams
) -> dict[str, str]:
    """Return one line each in Chinese and English, for a person who reads it aloud."""
    finding = FINDINGS[alarm.kind_now]
    about_people = finding.finding_class is FindingClass.RESCUE
    zh, en = _CLEARED if kind is MessageType.RELEASED and not about_people else _VERB[kind]
    unsure_zh, unsure_en = _UNSURE.get(alarm.confidence, ("", ""))
    zh_parts = [f"{zh}{finding.zh}{unsure_zh}", *_place_zh(alarm, elevator)]
    en_parts = [f"{en}{finding.en}{unsure_en}", *_place_en(alarm, elevator)]
    since = _local(alarm.onset_us, texts)
    zh_parts.append(f"始于 {since}")
    en_parts.append(f"since {since}")
    for zh_part, en_part in _details(alarm, elevator):
        zh_parts.append(zh_part)
        en_parts.append(en_part)
    drill_zh, drill_en = ("【演练】", "[DRILL] ") if alarm.drill else ("", "")
    return {
        "zh": f"{drill_zh}{'，'.join(zh_parts)}。",
        "en": f"{drill_en}{', '.join(en_parts)}.",
    }


def _place_zh(alarm: Alarm, elevator: Elevator) -> list[str]:
    code = f"{_unit(alarm)[0]} {elevator.code}" + (
        f"（识别码 {elevator.sticker}）" if elevator.sticker else ""
    )
    floor = f"{alarm.floor} 层" if alarm.floor else ""
    return [p for p in (elevator.address, elevator.building, code, floor) if p]


def _place_en(alarm: Alarm, elevator: Elevator) -> list[str]:
    code = f"{_unit(alarm)[1]} {elevator.code}" + (
        f" (sticker {elevator.sticker})" if elevator.sticker else ""
    )
    floor = f"floor {alarm.floor}" if alarm.floor else ""
    return [p for p in (code, elevator.building, elevator.address, floor) if p]


def _details(alarm: Alarm, elevator: Elevator) -> list[tuple[str, str]]:
    details: list[tuple[str, str]] = []
    if alarm.people:
        details.append((f"{alarm.people} 人", f"people: {alarm.people}"))
    if alarm.presses:
        details.append((f"按铃 {alarm.presses} 次", f"button presses: {alarm.presses}"))
    if alarm.level > 1:
        details.append((f"{alarm.level} 级响应", f"level {alarm.level}"))
    details += reasons(alarm)
    duration_us = alarm.duration_us
    if duration_us is not None:
        minutes = f"{duration_us / 60e6:.1f}"
        details.append((f"历时 {minutes} 分钟", f"lasted {minutes} min"))
    if not elevator.confirmed:
        details.append(("设备未登记确认", f"{_unit(alarm)[1]} not confirmed in the registry"))
    return details


def _unit(alarm: Alarm) -> tuple[str, str]:
    """Return what the alarm is about; escalators meet no other findings than their own."""
    return ("扶梯", "escalator") if alarm.kind_now in ESCALATOR_KINDS else ("电梯", "lift")


def _local(us: int, texts: TextParams) -> str:
    offset = timedelta(minutes=texts.utc_offset_min)
    local = (EPOCH + timedelta(microseconds=us)).astimezone(timezone(offset))
    return f"{local:%Y-%m-%d %H:%M:%S} UTC{texts.utc_offset_min / 60:+g}"
