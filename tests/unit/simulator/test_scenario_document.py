"""``docs/scenarios.md`` says what the language is, and its example is one."""

import re
from dataclasses import fields
from pathlib import Path

from simulator.faults.causes import Cause
from simulator.scenarios.described import TABLES, described, filled
from simulator.scenarios.keys import keys_of
from simulator.scenarios.reader import read

DOCUMENT = Path(__file__).parents[3] / "docs" / "scenarios.md"


def test_the_document_is_as_the_declarations():
    text = DOCUMENT.read_text("utf-8")
    assert filled(text) == text, "run python scripts/write_scenarios.py"


def test_every_cause_is_named_once():
    names = DOCUMENT.read_text("utf-8").partition("<!-- causes -->")[2].partition("<!-- /")[0]
    told = re.findall(r"`([a-z_]+)`", names)
    assert set(told) == {str(cause) for cause in Cause}
    assert [name for name in told if told.count(name) > 1] == ["inspection"] * 2


def test_every_field_of_every_table_is_a_key():
    for table in TABLES.values():
        assert {f.name for f in fields(table)} - {"path"} == set(keys_of(table))
        assert all(row.count("|") == 5 for row in described(table))


def test_the_example_is_a_scenario():
    text = DOCUMENT.read_text("utf-8")
    example = text.partition("```toml\n")[2].partition("```")[0]
    assert read(example, "example.toml", {"entrapment_at_landing"}).scenario.title
