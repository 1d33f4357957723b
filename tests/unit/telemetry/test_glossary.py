"""The glossary names every column, and nothing else decides what columns there are."""

from pathlib import Path

from telemetry.columns import COLUMNS, Column
from telemetry.findings import FINDINGS

GLOSSARY = Path(__file__).parents[3] / "docs" / "glossary.md"


def row(column: Column) -> str:
    """Return the glossary's line for a column."""
    match column.kind:
        case "flag":
            values = "0, 1, false, true"
        case "count_flag":
            values = f"0 to {column.high:.0f}, false, true"
        case "floor":
            values = "text of 1 to 16 characters"
        case "codes":
            values = "list of two-digit codes"
        case "enum" if column.words:
            values = ", ".join(f"{i} {word}" for i, word in enumerate(column.words))
        case _:
            values = f"{column.low:.0f} to {column.high:.0f}"
    return f"| `{column.key}` | `{column.name}` | {column.unit} | {values} | {column.about} |"


def test_the_glossary_has_every_column_as_the_table_says():
    lines = GLOSSARY.read_text("utf-8").splitlines()
    missing = [row(c) for c in COLUMNS if row(c) not in lines]
    assert not missing, "docs/glossary.md lacks these lines:\n" + "\n".join(missing)


def test_the_glossary_has_every_finding():
    text = GLOSSARY.read_text("utf-8")
    for kind, finding in FINDINGS.items():
        assert f"| `{kind.slug}` | {finding.en} | {finding.zh} |" in text
