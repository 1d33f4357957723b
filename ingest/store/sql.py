"""Named queries: ``queries.sql`` read once, each block under the name in its first line.

A block starts with ``-- name: what it does`` and ends where the next one starts. The SQL is static;
values travel as parameters.
"""

from functools import cache
from importlib.resources import files
from typing import Final

_MARK: Final = "-- "


@cache
def queries() -> dict[str, str]:
    """Return all queries by name."""
    text = files("ingest.store").joinpath("queries.sql").read_text(encoding="utf-8")
    blocks: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        name, colon, _ = line.removeprefix(_MARK).partition(":")
        if line.startswith(_MARK) and colon and name.isidentifier():
            if name in blocks:
                raise ValueError(f"two queries are called {name}")
            lines = blocks.setdefault(name, [])
        elif not line.startswith("--"):
            lines.append(line)
    return {name: "\n".join(block).strip() for name, block in blocks.items()}
