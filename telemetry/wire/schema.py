"""The typed frame of wire v1, made from ``columns.py`` so that no second list of columns exists."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal, Union

import msgspec
from msgspec import Meta

from telemetry.columns import COLUMNS, NATIONAL_CODES, Column

MIN_TIME_MS: Final = -62_135_596_800_000
"""0001-01-01T00:00:00Z [ms], the first instant that RFC 3339 can write."""
MAX_TIME_MS: Final = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z [ms], the last one."""
MAX_SEQ: Final = 2**63 - 1
MAX_FLOOR_CHARACTERS: Final = 16
MAX_ELEMENTS: Final = 32_768
"""Elements read one by one: the shortest frame has 33 bytes, the largest payload 1 MiB. Without it
a payload of bare digits would occupy the event loop for seconds."""

CODE_WORDS: Final = tuple(f"{code:02d}" for code in NATIONAL_CODES)

Instant = Annotated[int, Meta(ge=MIN_TIME_MS, le=MAX_TIME_MS)] | Annotated[datetime, Meta(tz=True)]


def wire_type(column: Column) -> Any:
    """Return the type of a column's value on the wire, ``None`` allowed and meaning unknown."""
    low, high = int(column.low), int(column.high)
    whole: Any = Annotated[int, Meta(ge=low, le=high)]
    match column.kind:
        case "flag" | "count_flag":
            return Union[bool, whole, None]
        case "enum" if column.words:
            return Union[whole, Literal[column.words], None]
        case "enum" | "integer":
            return Union[whole, None]
        case "real":
            return Union[Annotated[float, Meta(ge=column.low, le=column.high)], None]
        case "floor":
            text: Any = Annotated[str, Meta(min_length=1, max_length=MAX_FLOOR_CHARACTERS)]
            return Union[text, Annotated[int, Meta(ge=-999, le=9999)], None]
        case "codes":
            return Union[list[Literal[(*CODE_WORDS, *NATIONAL_CODES)]], None]


_FIELDS: Final = [
    ("elevator", Annotated[str, Meta(min_length=1, max_length=64)]),
    ("time", Instant),
    ("seq", Annotated[int, Meta(ge=0, le=MAX_SEQ)]),
    *((c.name, wire_type(c), None) for c in COLUMNS),
]
_RENAME: Final = {c.name: c.key for c in COLUMNS if c.name != c.key}

FrameStruct: Any = msgspec.defstruct(
    "FrameStruct", _FIELDS, rename=_RENAME, forbid_unknown_fields=True, gc=False
)
"""A frame exactly as wire v1 wants it, no key unknown."""

StrictEnvelope: Any = msgspec.defstruct(
    "StrictEnvelope", [("v", Literal[1]), ("frames", list[FrameStruct])],
    forbid_unknown_fields=True, gc=False,
)  # fmt: skip
"""``{"v": 1, "frames": [...]}`` around such frames."""
