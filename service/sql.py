"""Named statements: SQL is written once, in ``queries.sql``, and called by its name."""

import re
from functools import cache
from importlib.resources import files
from types import MappingProxyType


@cache
def statements() -> MappingProxyType[str, str]:
    """Return the service's statements by name; each begins with ``-- name: what it does``."""
    text = (files("service") / "queries.sql").read_text("utf-8")
    blocks = re.split(r"^-- (\w+): .*\n", text, flags=re.MULTILINE)[1:]
    return MappingProxyType(dict(zip(blocks[::2], map(str.strip, blocks[1::2]), strict=True)))
