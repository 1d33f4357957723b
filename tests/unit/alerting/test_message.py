"""What goes over the wire, key by key and byte by byte (DESIGN section 8).

The golden bodies are in ``tests/golden/alerting``; after a wanted change of the contract write them
anew with ``python -m tests.unit.alerting.test_message``.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alerting import decisions
from alerting.alarm import Elevator, Message, MessageType, Source
from alerting.history import Context
from alerting.message import TextParams, cloud_event, document, rfc3339
from telemetry.findings import Confidence, FindingKind
from tests.fakes.alerting_values import (
    AT,
    BARE,
    CLEARED,
    HOLDING,
    LIFT,
    T0,
    UPDATED,
    Book,
    S,
    press,
    transition,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "alerting"

LISTED = {
    "alarm_id", "sequence", "elevator", "kind", "level", "onset", "detected", "people", "evidence",
    "rule", "drill", "text",
}  # fmt: skip


def messages() -> dict[str, tuple[Message, Elevator]]:
    """Return one message of every type, and the bare, held and drill variants."""
    book = Book()
    book.fold([transition(people=2)], {7: Context(lag_us=0, last_seen_us=T0 + 30 * S, floor="12")})
    book.fold([transition(UPDATED, 45, kind_now=AT, confidence=Confidence.PROBABLE)])
    book.keep(decisions.escalate([book.only()], T0 + 210 * S))
    book.keep(decisions.accept(book.only(), "李 (96333)", Source.API, T0 + 220 * S))
    book.fold([transition(CLEARED, 300)])
    told = {m.type.value.rpartition(".")[2]: (m, LIFT) for m in book.messages}

    button = Book()
    button.fold([press(0, lift=8), press(4.25, lift=8)])
    alarm = button.only()
    told["button"] = (button.messages[-1], BARE)
    told["cancelled"] = (decisions.cancel(alarm, "wang", Source.API, T0 + 9 * S).messages[0], BARE)

    late = Book()
    late.fold([transition(confidence=Confidence.POSSIBLE)], HOLDING, T0 + 640 * S)
    late.keep(decisions.release_held([late.only()], {7: Context(lag_us=5 * S)}, T0 + 700 * S))
    told["late"] = (late.messages[0], LIFT)
    drill = replace(late.messages[0], alarm=replace(late.messages[0].alarm, drill=True))
    told["drill"] = (drill, LIFT)
    return told


@pytest.mark.parametrize("name", sorted(messages()))
def test_golden_body(name: str) -> None:
    message, elevator = messages()[name]
    got = json.loads(cloud_event(message, elevator))
    assert got == json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("floors", "told"), [({3: "B1", 5: "12"}, "B1"), ({}, None)])
def test_evidence_tells_the_floor_that_the_car_displays(floors, told) -> None:
    """The key of a label looks like a floor and is none: 3 is B1 here."""
    book = Book()
    seen = replace(transition(), values={"people": 2, "floor": 3})
    book.fold([seen], {7: Context(floor="12", floors=floors)})
    alarm = book.only()
    assert alarm.floor == "12"
    assert alarm.evidence["values"] == {"people": 2, "floor": told}
    assert alarm.evidence["unknown"] == ([] if told else ["floor"])
    assert book.messages[0].alarm.evidence["values"]["floor"] == told


@pytest.mark.parametrize("name", sorted(messages()))
def test_every_listed_key_is_present_and_the_envelope_is_cloudevents_1_0(name: str) -> None:
    message, elevator = messages()[name]
    event = json.loads(cloud_event(message, elevator))
    assert event["specversion"] == "1.0"
    assert event["id"] == str(message.id)
    assert event["subject"] == event["data"]["alarm_id"]
    assert {"id", "source", "type", "time", "subject", "data"} <= set(event)
    assert set(event["data"]) >= LISTED
    assert set(event["data"]["elevator"]) == {
        "code", "sticker", "building", "address", "floor", "confirmed",
    }  # fmt: skip
    assert set(event["data"]["rule"]) == {"name", "version", "thresholds", "parameters_version"}
    assert set(event["data"]["text"]) == {"zh", "en"}


def test_unknown_is_null_not_missing() -> None:
    message, _ = messages()["button"]
    data: dict[str, Any] = document(message.alarm, BARE)
    assert data["people"] is None
    assert data["elevator"]["sticker"] is None
    assert data["elevator"]["confirmed"] is False


def test_drills_are_plainly_marked() -> None:
    message, elevator = messages()["drill"]
    data = document(message.alarm, elevator)
    assert data["drill"] is True
    assert data["text"]["zh"].startswith("【演练】")
    assert data["text"]["en"].startswith("[DRILL] ")


def test_every_message_of_every_type_has_a_stable_identity() -> None:
    first = {name: m.id for name, (m, _) in messages().items()}
    second = {name: m.id for name, (m, _) in messages().items()}
    assert first == second
    assert len(set(first.values())) == len(first) - 2, "late and drill tell of the same alarm"


def test_text_tells_local_time_and_the_place() -> None:
    message, elevator = messages()["raised"]
    assert document(message.alarm, elevator)["text"] == {
        "zh": "非平层困人，武汉市江汉区江汉路 1 号，江汉路 1 号楼，"
        "电梯 31103301102014075069（识别码 123456），12 层，始于 2026-11-22 16:00:00 UTC+8，2 人。",
        "en": "Entrapment between landings, lift 31103301102014075069 (sticker 123456),"
        " 江汉路 1 号楼, 武汉市江汉区江汉路 1 号, floor 12,"
        " since 2026-11-22 16:00:00 UTC+8, people: 2.",
    }
    text = document(message.alarm, elevator, texts=TextParams(utc_offset_min=0))["text"]["en"]
    assert "2026-11-22 08:00:00 UTC+0" in text


@pytest.mark.parametrize("kind", FindingKind)
def test_a_message_calls_an_escalator_by_its_name(kind: FindingKind) -> None:
    book = Book()
    book.fold([transition(kind=kind)])
    told = document(book.only(), BARE)["text"]
    stairs = kind.slug.startswith("escalator") or kind in (
        FindingKind.HANDRAIL_DEVIATION, FindingKind.STEP_MISSING,
    )  # fmt: skip
    assert f"{'escalator' if stairs else 'lift'} {BARE.code}" in told["en"]
    assert f"{'扶梯' if stairs else '电梯'} {BARE.code}" in told["zh"]


@pytest.mark.parametrize("kind", FindingKind)
def test_only_people_are_released_any_other_finding_is_cleared(kind: FindingKind) -> None:
    book = Book()
    book.fold([transition(kind=kind)])
    told = document(book.only(), BARE, MessageType.RELEASED)["text"]
    rescue = kind.slug.startswith("entrapment") or kind is FindingKind.ALARM_BUTTON
    assert told["en"].startswith("Released: " if rescue else "Cleared: ")
    assert told["zh"].startswith("已解救：" if rescue else "已消除：")


def test_times_are_exact_and_in_utc() -> None:
    assert rfc3339(T0 + 1) == "2026-11-22T08:00:00.000001Z"
    assert rfc3339(None) is None


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for _name, (_message, _elevator) in messages().items():
        _text = json.dumps(
            json.loads(cloud_event(_message, _elevator)), ensure_ascii=False, indent=2
        )
        (GOLDEN / f"{_name}.json").write_text(_text + "\n", encoding="utf-8")
