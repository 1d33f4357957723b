"""What the documents name exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NAMED = re.compile(
    r"`((?:alerting|bench|deploy|detectors|docs|ingest|migrations|scripts|service|simulator"
    r"|telemetry|tests)/[\w./*-]+\.\w+)`"
)
DOCUMENTS = [
    ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "deploy/README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]  # fmt: skip
MADE_BY_THE_READER = {"deploy/hoistway.env"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_is_named_exists(document):
    named = set(NAMED.findall(document.read_text("utf-8"))) - MADE_BY_THE_READER
    assert [path for path in named if not list(ROOT.glob(path))] == []


def test_every_link_leads_somewhere():
    for document in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text("utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
