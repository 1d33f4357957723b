"""Values of the scenario language: durations, shares, names, numbers, lists, each with its unit.

A reader takes what ``tomllib`` made of a value and its path, and returns what the simulator
computes with (whole µs, parts per million, enumerations). It raises ``Problem`` with a remedy.
Quantities are texts with their unit, so that a file reads as sentences and no unit is guessed.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Final, TypeVar

from simulator.scenarios.errors import Problem
from simulator.scenarios.lines import Path


@dataclass(frozen=True, slots=True)
class Form:
    """A form of values.

    Parameters
    ----------
    looks
        How a value looks in TOML, for people.
    read
        Reads it: (value, path) to what the simulator computes with.
    """

    looks: str
    read: Callable[[Any, Path], Any]

    def __call__(self, value: Any, path: Path) -> Any:
        """Read a value; raises ``Problem``."""
        return self.read(value, path)


MS_US: Final = 1_000
SECOND_US: Final = 1_000_000
DAY_US: Final = 86_400 * SECOND_US
LONGEST_US: Final = 400 * DAY_US
"""The service believes no event time further back, so nothing longer is told or accepted."""

_UNITS_US: Final = {
    "ms": MS_US,
    "s": SECOND_US,
    "min": 60 * SECOND_US,
    "h": 3600 * SECOND_US,
    "d": DAY_US,
}
_DURATION: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|min|h|d)\b")
_NUMBER: Final = r"([-+]?\d+(?:\.\d+)?)\s*"
_DURATION_REMEDY: Final = 'write it with its unit, as "90 s", "1.5 min", "2 h" or "250 ms"'

E = TypeVar("E", bound=StrEnum)


def shown(value: Any) -> str:
    """Return a value as it stands in TOML, shortened."""
    if isinstance(value, bool):
        return str(value).lower()
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def nearest(name: str, known: Sequence[str]) -> str:
    """Return a remedy for an unknown name: the nearest known one, or all of them if few."""
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    listed = sorted(known)
    if len(listed) > 12:
        return f"known are {', '.join(listed[:12])} and {len(listed) - 12} more"
    return f"known are {', '.join(listed)}"


def _text(value: Any, path: Path) -> str:
    """Read a text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise Problem(path, f"is {shown(value)}: write a sentence in quotes")
    return value.strip()


def _yes_no(value: Any, path: Path) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise Problem(path, f"is {shown(value)}: write true or false")
    return value


def whole(low: int, high: int) -> Form:
    """Return the form of whole numbers in ``[low, high]``."""

    def read(value: Any, path: Path) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise Problem(path, f"is {shown(value)}: write a whole number from {low} to {high}")
        return value

    return Form(f"{low} to {high}", read)


def duration(low_us: int = 0, high_us: int = LONGEST_US) -> Form:
    """Return the form of durations [µs], whole milliseconds."""

    def read(value: Any, path: Path) -> int:
        us = _duration_us(value)
        if us is None:
            raise Problem(path, f"is {shown(value)}: {_DURATION_REMEDY}")
        if us % MS_US:
            raise Problem(path, f"is {shown(value)}: write whole milliseconds")
        if not low_us <= us <= high_us:
            span = f"from {spoken(low_us)} to {spoken(high_us)}"
            raise Problem(path, f"is {shown(value)}: write a duration {span}")
        return int(us)

    return Form('"<duration>"', read)


def _signed_duration(value: Any, path: Path) -> int:
    """Read a duration [µs] that may be negative, as in ``"-3 h"``."""
    if isinstance(value, str) and value.lstrip().startswith(("-", "+")):
        sign = -1 if value.lstrip()[0] == "-" else 1
        return sign * duration(0, 100 * 366 * DAY_US)(value.lstrip()[1:], path)
    return duration(0, 100 * 366 * DAY_US)(value, path)


def _duration_us(value: Any) -> Decimal | None:
    if not isinstance(value, str):
        return None
    total, at = Decimal(0), 0
    while at < len(value.rstrip()):
        part = _DURATION.match(value, at)
        if part is None:
            return None
        total += Decimal(part[1]) * _UNITS_US[part[2]]
        at = part.end()
    return total if at else None


def spoken(us: int) -> str:
    """Return a duration as a reader of it writes it: ``"90 s"``, ``"2 h"``."""
    for unit in ("d", "h", "min"):
        if us and us % _UNITS_US[unit] == 0:
            return f"{us // _UNITS_US[unit]} {unit}"
    return f"{us / SECOND_US:g} s"


def _interval(value: Any, path: Path) -> tuple[int, int]:
    """Read two durations from the start of the run, the first not after the second [µs]."""
    if not isinstance(value, list) or len(value) != 2:
        raise Problem(path, f'is {shown(value)}: write two times, as ["40 s", "75 s"]')
    low_us, high_us = (duration()(one, (*path, i)) for i, one in enumerate(value))
    if low_us > high_us:
        raise Problem(path, f"ends before it begins: write [{shown(value[1])}, {shown(value[0])}]")
    return low_us, high_us


def _instant(value: Any, path: Path) -> datetime:
    """Read an instant with its offset from UTC."""
    found = value
    if isinstance(value, str):
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            found = None
    if not isinstance(found, datetime) or found.tzinfo is None:
        remedy = 'write it with its offset, as "2026-03-24T08:30:00+08:00"'
        raise Problem(path, f"is {shown(value)}: {remedy}")
    if found.microsecond % 1000:
        raise Problem(path, f"is {shown(value)}: write whole milliseconds")
    offset = found.utcoffset()
    if offset is None or offset.total_seconds() % 3600:
        raise Problem(path, f"is {shown(value)}: write an offset of whole hours")
    return found


def _share(value: Any, path: Path) -> int:
    """Read a share, ``"1.5 %"``, as parts per million."""
    found = re.fullmatch(_NUMBER + "%", value) if isinstance(value, str) else None
    ppm = Decimal(found[1]) * 10_000 if found else Decimal(-1)
    if not 0 <= ppm <= 1_000_000 or ppm % 1:
        raise Problem(path, f'is {shown(value)}: write a share from "0 %" to "100 %"')
    return int(ppm)


def quantity(unit: str, low: float, high: float, scale: int = 1000) -> Form:
    """Return the form of numbers with ``unit``, as whole multiples of 1/``scale`` of it."""

    def read(value: Any, path: Path) -> int:
        pattern = _NUMBER + re.escape(unit)
        found = re.fullmatch(pattern, value) if isinstance(value, str) else None
        number = Decimal(found[1]) if found else None
        if number is None or not Decimal(str(low)) <= number <= Decimal(str(high)):
            span = f'from "{low:g} {unit}" to "{high:g} {unit}"'
            raise Problem(path, f"is {shown(value)}: write a value {span}")
        if (number * scale) % 1:
            raise Problem(path, f"is {shown(value)}: write at most {len(str(scale)) - 1} decimals")
        return int(number * scale)

    return Form(f'"{low:g} {unit}" to "{high:g} {unit}"', read)


def name_of(kinds: type[E]) -> Form:
    """Return the form of a member of ``kinds`` by its value."""
    known = [str(member) for member in kinds]

    def read(value: Any, path: Path) -> E:
        return kinds(one_of(known)(value, path))

    return Form(f'"<{kinds.__name__.lower()}>"', read)


def one_of(known: Sequence[str], word: str = "") -> Form:
    """Return the form of one of some names; ``word`` stands for them where they are many."""

    def read(value: Any, path: Path) -> str:
        if not isinstance(value, str) or value not in known:
            raise Problem(path, f"is {shown(value)}: {nearest(str(value), known)}")
        return value

    return Form(f'"<{word}>"' if word else " or ".join(f'"{one}"' for one in known), read)


def weights(known: Sequence[str], word: str) -> Form:
    """Return the form of one name, or of names with integer weights, as a dictionary."""

    def read(value: Any, path: Path) -> Mapping[str, int]:
        if not isinstance(value, dict):
            return {one_of(known)(value, path): 1}
        if not value:
            raise Problem(path, f"is empty: name at least one of {', '.join(known)}")
        for name in value:
            if name not in known:
                raise Problem((*path, name), f"is no such name: {nearest(name, known)}")
        found = {k: whole(0, 1_000_000)(v, (*path, k)) for k, v in value.items()}
        if not any(found.values()):
            raise Problem(path, "has no weight above 0: give one")
        return found

    return Form(f'"<{word}>" or {{ <{word}> = <weight> }}', read)


def list_of(form: Form) -> Form:
    """Return the form of a list, or of a single value as a list of one."""

    def read(value: Any, path: Path) -> tuple[Any, ...]:
        if not isinstance(value, list):
            return (form(value, path),)
        return tuple(form(one, (*path, i)) for i, one in enumerate(value))

    return Form(f"{form.looks} or a list", read)


def _numbers(value: Any, path: Path) -> Mapping[str, float]:
    """Read a table of names with numbers."""
    if not isinstance(value, dict):
        raise Problem(path, f"is {shown(value)}: write a table of names with numbers")
    for name, one in value.items():
        if isinstance(one, bool) or not isinstance(one, int | float):
            raise Problem((*path, name), f"is {shown(one)}: write a number")
    return dict(value)


TEXT: Final = Form('"<text>"', _text)
YES_NO: Final = Form("true or false", _yes_no)
SIGNED_DURATION: Final = Form('"<duration>" or "-<duration>"', _signed_duration)
INTERVAL: Final = Form('["<duration>", "<duration>"]', _interval)
INSTANT: Final = Form('"2026-03-24T08:30:00+08:00"', _instant)
SHARE: Final = Form('"0 %" to "100 %"', _share)
NUMBERS: Final = Form("{ <name> = <number> }", _numbers)
