"""The settings as people read them: a table of Markdown for the documentation, values."""

from typing import Any

from service.settings.load import fields, show, variable
from service.settings.tree import Settings


def markdown() -> str:
    """Return the table of all settings, one per row: variable, default, meaning."""
    lines = ["| variable | default | meaning, [unit], why |", "|---|---|---|"]
    for section, name, field in fields():
        about = " ".join((field.description or "").split()).replace("|", "\\|")
        lines.append(f"| `{variable(section, name)}` | `{show(field.default)}` | {about} |")
    return "\n".join(lines)


def values(settings: Settings) -> dict[str, Any]:
    """Return every variable with its value in force; secrets are hidden."""
    return {
        variable(section, name): show(getattr(getattr(settings, section), name))
        for section, name, _ in fields()
    }
