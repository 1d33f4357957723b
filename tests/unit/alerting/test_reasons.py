"""Texts say what a person would ask next: which mode, which quantity, which sensors to doubt."""

from dataclasses import replace
from typing import Any

import pytest

from alerting.message import document
from alerting.reasons import MODES, QUANTITIES, SENSORS
from detectors.doubt import DOUBTS
from detectors.trend.wear_signs import QUANTITIES as WORN
from telemetry.columns import Mode
from telemetry.findings import FindingKind
from tests.fakes.alerting_values import LIFT, Book, transition


def told(kind: FindingKind = FindingKind.ENTRAPMENT_BETWEEN_LANDINGS, **evidence: Any) -> str:
    book = Book()
    book.fold([replace(transition(kind=kind), **evidence)])
    text = document(book.only(), LIFT)["text"]
    return f"{text['zh']} {text['en']}"


def test_a_text_names_the_sensors_that_are_in_doubt() -> None:
    text = told(suspect=("zone", "door"))
    assert "存疑：门开关、平层开关" in text
    assert "in doubt: door switch and door zone switch" in text
    assert "in doubt" not in told()


def test_every_column_that_may_be_suspect_and_every_quantity_has_words() -> None:
    assert {name for names in DOUBTS.values() for name in names} <= SENSORS.keys()
    assert set(WORN) == QUANTITIES.keys()
    assert MODES.keys() == set(Mode) - {Mode.NORMAL, Mode.UNKNOWN}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"mode": 2, "mode_by_code": None}, "检修"),
        ({"mode": 1, "mode_by_code": 3}, "fire recall"),
        ({"mode": None, "mode_by_code": 0}, "停止服务"),
    ],
)
def test_a_text_names_the_special_mode(values: dict[str, Any], says: str) -> None:
    assert says in told(FindingKind.SPECIAL_MODE, values=values)


def test_a_text_names_what_wears() -> None:
    text = told(FindingKind.DEGRADING, criteria={"door_closing": True, "vibration": False})
    assert "关门时间" in text
    assert "door closing time" in text
    assert "vibration" not in text
