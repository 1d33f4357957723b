"""Instants and their three spellings: µs since epoch, ``datetime``, RFC 3339. Pure.

The driver wants ``datetime`` for ``timestamptz``; everything inside is µs. RFC 3339 is read only
with an offset: a local time without one means something else on every machine.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MIN_US: Final = -62_135_596_800_000_000
"""0001-01-01T00:00:00Z [µs]."""
MAX_US: Final = 253_402_300_799_999_999
"""9999-12-31T23:59:59.999999Z [µs]."""


def to_datetime(t_us: int) -> datetime:
    """Return the instant as an aware ``datetime``; ``t_us`` must lie in [MIN_US, MAX_US]."""
    return EPOCH + timedelta(microseconds=t_us)


def to_us(instant: datetime) -> int:
    """Return an aware ``datetime`` in µs since epoch, exactly."""
    return (instant - EPOCH) // timedelta(microseconds=1)


def rfc3339(t_us: int) -> str:
    """Spell an instant in UTC, with milliseconds, or with microseconds if it has them."""
    spec = "microseconds" if t_us % 1000 else "milliseconds"
    return to_datetime(t_us).isoformat(timespec=spec).replace("+00:00", "Z")


def read(text: str) -> int | None:
    """Read RFC 3339 with offset or integer epoch milliseconds, as on the wire; None = neither."""
    try:
        if text.removeprefix("-").isascii() and text.removeprefix("-").isdigit():
            t_us = int(text) * 1000
        else:
            instant = datetime.fromisoformat(text)
            if instant.tzinfo is None:
                return None
            t_us = to_us(instant)
    except (ValueError, OverflowError):
        return None
    return t_us if MIN_US <= t_us <= MAX_US else None
