"""Which version of the parameters was in force when, in each lane, as the stored batches tell it.

A batch row names the version that judged it. A change takes effect between two batches: at the
instant of the batch that was written for it, or behind the batch before. Of the time before the
oldest batch that is still listed only the clock is known: there a version counts from the moment at
which it was set, a fraction of a second early.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import asyncpg

from ingest.store import parameters
from ingest.store.parameters import ParameterChange
from service.parameters.book import Book
from service.parameters.known import KNOWN
from service.sql import statements
from service.times import to_us

Since = tuple[int, int]
"""Arrival time from which on a version judged [µs], and the version."""
_ALWAYS: Final = (-(2**62), 0)


@dataclass(frozen=True, slots=True)
class Opening:
    """A version came into force in a lane: for frames that arrived at ``at_us`` [µs] or later."""

    at_us: int
    lane: int
    version: int


@dataclass(frozen=True, slots=True)
class History:
    """What was in force over a span of arrival time.

    Parameters
    ----------
    first
        Version in force at its beginning, by lane; a lift belongs to lane ``id % len(first)``.
    openings
        Later ones, by time.
    changes
        What the versions set, in order of their numbers: of each subject all that matter here.
    """

    first: tuple[int, ...] = (0,)
    openings: tuple[Opening, ...] = ()
    changes: tuple[ParameterChange, ...] = ()

    @property
    def versions(self) -> tuple[int, int]:
        """Return the oldest and the newest version in it."""
        return min(self.first), max([*self.first, *(o.version for o in self.openings)])

    def between(self, before: int, version: int) -> list[ParameterChange]:
        """Return the changes after version ``before``, up to ``version``."""
        return [c for c in self.changes if before < c.version <= version]

    def moved(self, later_us: int) -> Self:
        """Return it as it is when all clocks are moved by ``later_us``."""
        moved = (replace(o, at_us=o.at_us + later_us) for o in self.openings)
        return replace(self, openings=tuple(moved))


def largest(history: History, elevator_ids: Sequence[int]) -> dict[int, dict[str, float]]:
    """Return the largest value that each of these lifts had, of parameters that were ever set."""
    book = Book()
    low, high = history.versions
    book.take(history.between(0, low))
    had = {i: [book.overrides(i)] for i in elevator_ids}
    for change in history.between(low, high):
        touched = book.take([change])
        concerned = touched.elevator_ids.union(book.of_models(touched.models))
        for i in elevator_ids if touched.everybody else concerned & had.keys():
            had[i].append(book.overrides(i))
    return {i: _largest(params) for i, params in had.items()}


def _largest(had: Sequence[Mapping[str, float]]) -> dict[str, float]:
    keys = {key for params in had for key in params}
    values = {key: [params.get(key, KNOWN[key].default) for params in had] for key in keys}
    known = {key: [v for v in of_key if v is not None] for key, of_key in values.items()}
    return {key: max(of_key) for key, of_key in sorted(known.items())}


async def read(conn: asyncpg.Connection, from_us: int, to_us: int) -> History:
    """Return what was in force for frames that arrived in ``[from_us, to_us]``."""
    by_lane = await _by_lane(conn)
    first, openings = [], []
    for lane, since in enumerate(by_lane):
        first.append(max(version for at_us, version in [_ALWAYS, *since] if at_us <= from_us))
        openings += [Opening(at_us, lane, v) for at_us, v in since if from_us < at_us <= to_us]
    openings.sort(key=lambda o: (o.at_us, o.lane, o.version))
    found = History(tuple(first), tuple(openings))
    low, high = found.versions
    changes = [
        *sorted(await parameters.at_version(conn, low), key=lambda c: c.version),
        *(c for c in await parameters.after_version(conn, low) if c.version <= high),
    ]
    return replace(found, changes=tuple(changes))


async def _by_lane(conn: asyncpg.Connection) -> list[list[Since]]:
    """Return since when each version judged, by lane."""
    rows = await conn.fetch(statements()["parameter_times"])
    clock = [(to_us(row["at"]), row["id"]) for row in rows]
    listed: dict[int, list[Any]] = defaultdict(list)
    for row in await conn.fetch(statements()["parameter_openings"]):
        listed[row["lane"]].append(row)
    return [_since(listed[lane], clock) for lane in range(max(listed, default=0) + 1)]


def _since(openings: Sequence[Any], clock: Sequence[Since]) -> list[Since]:
    if not openings:
        return list(clock)
    oldest_us, oldest = openings[0]["now_us"], openings[0]["parameters"]
    before = [(min(at_us, oldest_us), v) for at_us, v in clock if v <= oldest]
    later = [(row["at_us"] + row["tied"], row["parameters"]) for row in openings[1:]]
    return [*before, *later]
