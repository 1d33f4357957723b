"""The pages about findings say of every kind what a reader looks for, and name what exists."""

import re
import tomllib
from pathlib import Path
from typing import Final

import pytest

from detectors.bank import BANK
from telemetry.findings import FINDINGS, FindingKind

ROOT: Final = Path(__file__).parents[3]
PAGE: Final = (ROOT / "docs" / "detectors.md").read_text()
QUALITY: Final = (ROOT / "docs" / "detection-quality.md").read_text()
GLOSSARY: Final = (ROOT / "docs" / "glossary.md").read_text()
LIBRARY: Final = ROOT / "simulator" / "scenarios" / "library"

every_kind = pytest.mark.parametrize("kind", FindingKind, ids=lambda kind: kind.slug)


def section(rule: str) -> str:
    return PAGE.split(f"\n## `{rule}`\n")[1].split("\n## ")[0]


def row(kind: FindingKind) -> str:
    [found] = re.findall(rf"(?m)^\| `{kind.slug}` \| \[.*$", PAGE)
    return found


@every_kind
def test_every_kind_is_found_by_the_rules_that_its_row_names(kind):
    rules = [detector.name for detector in BANK if kind in detector.kinds]
    assert rules
    assert re.findall(r"\[`(\w+)`\]", row(kind)) == rules
    assert any(FINDINGS[kind].zh in section(r) or kind.slug in section(r) for r in rules)


@every_kind
def test_every_kind_is_expected_by_the_scenarios_that_its_row_names(kind):
    names = re.findall(r"`([a-z-]+)`", row(kind).rpartition("|")[0].rpartition("|")[2])
    assert names
    for name in names:
        wanted = tomllib.loads((LIBRARY / f"{name}.toml").read_text())["expect"]
        assert kind.slug in [one.get("alarm") for one in wanted], name


@every_kind
def test_every_kind_has_a_score_and_words(kind):
    assert re.search(rf"(?m)^\| `{kind.slug}` \| \d", QUALITY)
    finding = FINDINGS[kind]
    assert f"| `{kind.slug}` | {finding.en} | {finding.zh} |" in GLOSSARY


@pytest.mark.parametrize("rule", [detector.name for detector in BANK])
def test_every_rule_says_what_fools_it_and_where_its_thresholds_come_from(rule):
    page = section(rule)
    assert re.search(r"What (else )?fools it|fooled", page)
    assert re.search(r"tests/oracles/\w+\.py", page)
    assert re.search(r"practice|EN \d|field|[Nn]o window", page)
