"""Who lost the frames of a lift: gaps in its stored numbers, joined with what we refused.

``sequence_gaps`` says that frames are missing, from stored frames alone. Here the table is read
afterwards, so frames that came late are no longer missing, and dead letters tell which numbers we
refused ourselves. What remains went missing in a silence of the terminal, or amid a stream, on the
way. Reads only; decides nothing (ADR 0012).
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import msgspec

from detectors.health.number_pages import MOST_PER_S
from service.sql import statements
from service.times import rfc3339, to_datetime, to_us

SILENCE_US: Final = 120_000_000
"""As ``gaps_silence_s`` (docs/detectors.md): longer without a frame is a silence [µs]."""
ARRIVES_WITHIN_US: Final = 86_400_000_000
"""Dead letters are looked for until a day after the gap: a terminal may have been cut off [µs]."""
MOST_LETTERS: Final = 100_000
"""At most so many dead letters are read, the newest ones."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers that are missing between two stored frames.

    Parameters
    ----------
    from_us, to_us
        Times of these frames [µs].
    first, last
        First and last missing number.
    refused
        How many of them are among the dead letters.
    """

    from_us: int
    to_us: int
    first: int
    last: int
    refused: int = 0

    @property
    def missing(self) -> int:
        """Return how many numbers are missing."""
        return self.last - self.first + 1

    @property
    def lost(self) -> dict[str, int]:
        """Return by whom they were lost, and how many."""
        rest = self.missing - self.refused
        silent = self.to_us - self.from_us > SILENCE_US
        return {"us": self.refused, "terminal": rest * silent, "way": rest * (not silent)}

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "from": rfc3339(self.from_us),
            "to": rfc3339(self.to_us),
            "first": self.first,
            "last": self.last,
            "missing": self.missing,
            "lost_by": self.lost,
        }


async def gaps_of(
    conn: asyncpg.Connection, elevator: str, since_us: int, until_us: int
) -> list[Gap] | None:
    """Return the gaps between frames of ``[since_us, until_us)``; None = there is no such lift."""
    lift = await conn.fetchrow(statements()["compare_codes"], [elevator])
    if lift is None:
        return None
    span = to_datetime(since_us), to_datetime(until_us)
    rows = await conn.fetch(statements()["number_gaps"], lift["id"], *span)
    found = [
        Gap(to_us(row["time_before"]), to_us(row["time"]), row["seq_before"] + 1, row["seq"] - 1)
        for row in rows
    ]
    gaps = [gap for gap in found if is_credible(gap)]
    if not gaps:
        return []
    arrived = to_datetime(gaps[0].from_us), to_datetime(gaps[-1].to_us + ARRIVES_WITHIN_US)
    letters = await conn.fetch(statements()["refused_frames"], *arrived, MOST_LETTERS)
    refused = {
        number
        for letter in letters
        for code, number in numbers_in(bytes(letter["raw"]))
        if code == elevator
    }
    return [attributed(gap, refused) for gap in gaps]


def is_credible(gap: Gap) -> bool:
    """Tell whether a terminal can have numbered so many frames; else its numbers jumped."""
    return gap.missing <= ((gap.to_us - gap.from_us) // 1_000_000 + 1) * MOST_PER_S


def attributed(gap: Gap, refused: Iterable[int]) -> Gap:
    """Return the gap with the count of its numbers that we refused."""
    mine = sum(gap.first <= number <= gap.last for number in refused)
    return Gap(gap.from_us, gap.to_us, gap.first, gap.last, mine)


def numbers_in(payload: bytes) -> Iterator[tuple[str, int]]:
    """Yield lift and number of each frame in a refused payload, as far as they can be read."""
    decoded = json.loads if payload[:1] in b"[{ \t\r\n" else msgspec.msgpack.decode
    try:
        read: Any = decoded(payload)
    except (ValueError, msgspec.DecodeError, RecursionError):
        return
    if isinstance(read, dict) and isinstance(read.get("frames"), list):
        read = read["frames"]
    for frame in read if isinstance(read, list) else [read]:
        if not isinstance(frame, dict):
            continue
        code, number = frame.get("elevator"), frame.get("seq")
        if isinstance(code, str) and isinstance(number, int) and not isinstance(number, bool):
            yield code, number
