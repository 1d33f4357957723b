"""What callers put into queries: instants, limits, cursors, codes, numbers. Pure.

A cursor is opaque to the caller (the last page's ``next``); a wrong one is a 422.
"""

from typing import Annotated
from urllib.parse import unquote
from uuid import UUID

from fastapi import Path, Query
from pydantic import Field

from ingest.fleet import is_usable_name
from service.http.problems import Code, Problem
from service.times import MAX_US, MIN_US, read

MAX_ID = 2**63 - 1

Limit = Annotated[int | None, Query(ge=1, description="largest number of entries in the answer")]
Text = Annotated[str | None, Query(max_length=200)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A number in a body. Strict: ``true`` read as 1 would be a window of one second."""
RawCode = Annotated[str, Path(alias="code", description="elevator code, percent-encoded")]


def page(limit: int | None, default: int, greatest: int) -> int:
    """Return the page size to use."""
    return min(limit or default, greatest)


def instant(name: str, text: str) -> int:
    """Read an instant [µs] from a query."""
    t_us = read(text)
    if t_us is None:
        detail = f"{name} must be RFC 3339 with an offset or epoch milliseconds (+ is %2B)"
        raise Problem(Code.INVALID, detail)
    return t_us


def elevator_code(raw: str) -> str:
    """Decode the code of an elevator out of a path; what can be no code is not found."""
    try:
        code = unquote(raw, errors="strict")
    except UnicodeDecodeError:
        raise Problem(Code.NOT_FOUND, "the code is not UTF-8") from None
    if not is_usable_name(code):
        raise Problem(Code.NOT_FOUND, "a code has 1 to 64 printable characters")
    return code


def text_filter(name: str, text: str | None) -> str | None:
    """Return a filter's text; the database cannot hold NUL, so nothing matches it."""
    if text is not None and "\x00" in text:
        raise Problem(Code.INVALID, f"{name} holds a NUL")
    return text


def frame_cursor(text: str | None, first_us: int) -> tuple[int, int]:
    """Read ``<time in µs>.<seq>``: the key after which frames are wanted."""
    if text is None:
        return first_us, -1
    time_text, _, seq_text = text.partition(".")
    try:
        key = int(time_text), int(seq_text)
    except ValueError:
        raise Problem(Code.INVALID, "after is no cursor of this list") from None
    if not MIN_US <= key[0] <= MAX_US or not -1 <= key[1] <= MAX_ID:
        raise Problem(Code.INVALID, "after is no cursor of this list")
    return key


def alarm_cursor(text: str | None) -> tuple[int, UUID] | None:
    """Read ``<onset in µs>.<id>``: the alarm after which more are wanted."""
    if text is None:
        return None
    time_text, _, id_text = text.partition(".")
    try:
        key = int(time_text), UUID(id_text)
    except ValueError:
        raise Problem(Code.INVALID, "after is no cursor of this list") from None
    if not MIN_US <= key[0] <= MAX_US:
        raise Problem(Code.INVALID, "after is no cursor of this list")
    return key
