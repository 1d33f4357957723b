"""What a running service found: its transitions, as alarms to be compared with a truth file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec

from ingest.store import transitions as stored_transitions
from service.parameters import history
from service.parameters.history import largest
from service.sql import statements
from service.times import to_datetime
from service.times import to_us as micros
from simulator.scoring import Seen, SeenAlarm, alarms_of
from simulator.source import RegistryRow
from simulator.truth import LookAlike, TruthEvent
from telemetry.columns import Unit
from telemetry.findings import FindingKind

UNKNOWN_MODEL: Final = "unknown"
"""Terminal type of lifts of which the registry does not tell it."""
_KINDS: Final = {kind.slug: kind for kind in FindingKind}


class TruthFileError(Exception):
    """A truth file that cannot be read: one line with file, line and remedy."""


@dataclass(frozen=True, slots=True)
class TruthFile:
    """What a truth file tells; times of what it holds span ``[from_us, to_us]``."""

    events: list[TruthEvent]
    look_alikes: list[LookAlike]
    from_us: int
    to_us: int

    @property
    def codes(self) -> list[str]:
        """Return the lifts of which it tells something."""
        return sorted({one.code for one in (*self.events, *self.look_alikes)})


def read_truth(path: Path) -> TruthFile:
    """Read true events and look-alikes, one JSON object a line. Raises ``TruthFileError``."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise TruthFileError(f"{path}: {error.strerror}; simulate --truth writes it") from error
    events: list[TruthEvent] = []
    look_alikes: list[LookAlike] = []
    for number, line in enumerate(lines, 1):
        try:
            one = _read_line(line)
        except (msgspec.MsgspecError, KeyError, TypeError) as error:
            raise TruthFileError(
                f"{path}:{number}: {error}; write it anew with simulate --truth"
            ) from error
        if isinstance(one, TruthEvent):
            events.append(one)
        else:
            look_alikes.append(one)
    if not events and not look_alikes:
        raise TruthFileError(f"{path}: tells nothing; simulate with faults, and --truth")
    times = [e.onset_us for e in events] + [s.from_us for s in look_alikes]
    ends = [e.end_us or e.onset_us for e in events] + [s.to_us or s.from_us for s in look_alikes]
    return TruthFile(events, look_alikes, min(times), max(ends))


def _read_line(line: bytes) -> TruthEvent | LookAlike:
    told: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
    if "from_us" in told:
        return msgspec.convert(told, LookAlike)
    kind = told["kind"]
    told["kind"] = _KINDS[kind] if isinstance(kind, str) else kind
    return msgspec.convert(told, TruthEvent)


async def alarms(
    conn: asyncpg.Connection, codes: Sequence[str], from_us: int, to_us: int
) -> tuple[list[SeenAlarm], list[RegistryRow]]:
    """Return the alarms of these lifts whose finding was raised in a span, and what they are.

    Their parameters are the largest that they had in it: by the longest window is judged what must
    have been found.
    """
    units = await conn.fetch(statements()["score_elevators"], list(codes))
    names = {row["id"]: row["code"] for row in units}
    rows = await conn.fetch(
        statements()["score_transitions"], list(names), to_datetime(from_us), to_datetime(to_us)
    )
    found = (Seen(stored_transitions.of_row(row), row["known_us"]) for row in rows)
    stored = await conn.fetch(statements()["score_alarms"], list(names))
    ids = {(row["code"], row["kind"], micros(row["onset"])): str(row["id"]) for row in stored}
    seen = [
        replace(a, alarm_id=ids.get((a.code, int(a.kind), a.onset_us), a.alarm_id))
        for a in alarms_of(found, names)
    ]
    had = largest(await history.read(conn, from_us, to_us), list(names))
    return seen, [_unit(row, had[row["id"]]) for row in units]


def _unit(row: Any, params: dict[str, float]) -> RegistryRow:
    return RegistryRow(
        code=row["code"],
        sticker=row["sticker"] or "",
        unit=Unit.LIFT if row["unit"] is None else row["unit"],
        building=row["building"] or "",
        address=row["address"] or "",
        district=row["district"] or "",
        maintainer=row["maintainer"] or "",
        use_unit=row["use_unit"] or "",
        insurer=row["insurer"] or "",
        policy=row["policy"] or "",
        model=row["model"] or UNKNOWN_MODEL,
        rated_speed_mps=row["rated_speed_mps"],
        gateway="",
        params=params,
    )
