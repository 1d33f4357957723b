"""The shadow as the API shows and changes it: what runs and how it is, what it said, what differs.

Setting is all or nothing: one wrong key, value or candidate refuses it with a sentence for each.
Setting what runs already changes nothing, since a new run would begin without memory. What it would
have said is read from its own table; differences are worked out as by ``hoistway compare --live``.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

import asyncpg

from ingest.store import transitions
from service.backtest.candidate import Candidate, CandidateError
from service.compare.live import compared
from service.parameters.known import KNOWN, known_of, problem_of
from service.replay.stored import Choice
from service.shadow import runs
from service.shadow.state import Kept, state_of
from service.sql import statements
from service.times import MIN_US, rfc3339, to_datetime
from simulator.scoring.alarms import SeenAlarm
from simulator.scoring.differences import Differences
from simulator.scoring.document import kinds_document

Document = dict[str, Any]
MOST_COMPARED: Final = 20_000
"""Transitions that one request compares: some seconds of work."""
TOO_MUCH: Final = (
    f"more than {MOST_COMPARED} transitions since from: choose a later from, one elevator, or"
    " `hoistway compare --live`"
)
CHANGED: Final = ("other_class", "other_onset", "other_time", "other_end", "other_confidence")


class ShadowRefusedError(Exception):
    """A shadow that cannot run, or a span that holds too much; a sentence for each cause."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems[:5]))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class SaidFilter:
    """What of a run's findings is wanted.

    Parameters
    ----------
    version
        Of the run.
    from_us, to_us
        Event time, the second exclusive [µs].
    elevator
        Code of one lift; None = all.
    kind
        Number of the kind; None = all.
    """

    version: int
    from_us: int
    to_us: int
    elevator: str | None = None
    kind: int | None = None


Place = tuple[int, int, int, int]
"""Event time [µs], lane, batch and number of a transition: the order of the list."""
Case = tuple[int, int, str]
"""Time of raising [µs], kind and lift of a difference: the order of that list."""


class ShadowStore:
    """Shadow runs over a pool; ``kept`` tells what the keeper of this process knows."""

    def __init__(self, pool: asyncpg.Pool, kept: Callable[[], Kept | None]) -> None:
        self._pool = pool
        self._kept = kept

    async def show(self, version: int | None = None) -> Document | None:
        """Return a run with its state; without a version the one in force, or that there is none.

        None = no run has this version.
        """
        run = await runs.find(self._pool, version)
        if run is None:
            state, why = state_of(None, (), None)
            return None if version else {"version": None, "state": state, "why": why}
        document = run.document()
        lanes = await runs.standing(self._pool, run.version)
        state, why = state_of(document, lanes, self._kept())
        starts = await runs.starts(self._pool, run.version)
        return {**document, "state": state, "why": why, "lanes": lanes, "starts": starts}

    async def runs(self, before: int, limit: int) -> list[Document]:
        """Return a page of runs, newest first."""
        rows = await self._pool.fetch(statements()["list_shadow_runs"], before, limit)
        return [runs.of_row(row).document() for row in rows]

    async def put(
        self, params: Mapping[str, float], candidate: str, actor: str, now_us: int
    ) -> Document:
        """Let this run from now on; raises ``ShadowRefusedError``."""
        chosen = wanted(params, candidate)
        async with self._connection() as conn:
            await runs.begin(conn, chosen, actor, now_us, anew=False)
        shown = await self.show()
        assert shown is not None
        return shown

    async def clear(self, actor: str, now_us: int) -> int | None:
        """End the run in force; return its version, None = none was."""
        async with self._connection() as conn:
            return await runs.end(conn, actor, now_us)

    async def said(self, which: SaidFilter, after: Place | None, limit: int) -> list[Document]:
        """Return a page of what a run would have said, by event time."""
        time_us, *rest = after or (which.from_us, -1, -1, -1)
        rows = await self._pool.fetch(
            statements()["list_shadow_transitions"],
            *(which.version, to_datetime(which.from_us), to_datetime(which.to_us)),
            *(which.elevator, which.kind, to_datetime(time_us), *rest, limit),
        )
        return [_transition(row) for row in rows]

    async def differences(
        self, which: SaidFilter, after: Case | None, limit: int
    ) -> tuple[Document, list[tuple[Case, Document]]]:
        """Return what a comparison with live comes to, and a page of the cases that differ.

        Raises ``ShadowRefusedError`` if the span holds too much, or the run has not begun.
        """
        codes = () if which.elevator is None else (which.elevator,)
        async with self._connection() as conn:
            size: Any = await conn.fetchval(
                statements()["compare_size"],
                *(which.version, to_datetime(which.from_us), which.elevator, MOST_COMPARED + 1),
            )
            if size > MOST_COMPARED:
                raise ShadowRefusedError([TOO_MUCH])
            choice = Choice(codes, which.from_us, which.to_us)
            found = await compared(conn, choice, which.version)
        start: Case = after or (MIN_US - 1, 0, "")
        cases = [case for case in _cases(found.found) if case[0] > start]
        head = {
            "version": which.version,
            "from": rfc3339(found.from_us),
            "to": rfc3339(found.until_us),
            "kinds": kinds_document(found.found),
            "gaps": found.gaps,
        }
        return head, cases[:limit]

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        async with self._pool.acquire() as conn:
            yield cast("asyncpg.Connection", conn)


def wanted(params: Mapping[str, float], candidate: str) -> Candidate:
    """Return what is to run; raises ``ShadowRefusedError`` that names all that is wrong."""
    try:
        chosen = runs.checked({}, candidate) if candidate else None
        known = KNOWN if chosen is None else known_of(chosen.rules().detectors)
        problems = [
            problem
            for key, value in params.items()
            if (problem := problem_of(key, value, known)) is not None
        ]
        if problems:
            raise ShadowRefusedError(problems)
        return runs.checked(params, candidate)
    except CandidateError as error:
        raise ShadowRefusedError([str(error)]) from error


def _transition(row: Any) -> Document:
    t = transitions.of_row(row)
    return {
        "elevator": row["code"],
        "time": rfc3339(t.t_us),
        "onset": rfc3339(t.onset_us),
        "kind": t.kind.slug,
        "kind_now": t.kind_now.slug,
        "change": t.change.name.lower(),
        "reason": t.reason.name.lower(),
        "confidence": t.confidence.name.lower(),
        "rule": {
            "name": t.rule,
            "version": t.version,
            "thresholds": dict(t.thresholds),
            "parameters_version": t.parameters,
        },
        "evidence": t.evidence(),
        "lane": row["lane"],
        "batch": row["batch"],
        "n": row["n"],
    }


def _cases(found: Differences) -> list[tuple[Case, Document]]:
    """Return the cases that differ, in one order."""
    pairs = [(name, p.current, p.candidate) for name in CHANGED for p in getattr(found, name)]
    pairs += [("only_current", alarm, None) for alarm in found.only_current]
    pairs += [("only_candidate", None, alarm) for alarm in found.only_candidate]
    return sorted((_case(*pair) for pair in pairs), key=lambda case: case[0])


def _case(
    name: str, current: SeenAlarm | None, candidate: SeenAlarm | None
) -> tuple[Case, Document]:
    one = current or candidate
    assert one is not None
    place = (one.detected_us or one.onset_us, int(one.kind), one.code)
    sides = {"current": current, "candidate": candidate}
    told = {side: None if alarm is None else _alarm(alarm) for side, alarm in sides.items()}
    return place, {"elevator": one.code, "difference": name, **told}


def _alarm(alarm: SeenAlarm) -> Document:
    return {
        "kind": alarm.kind.slug,
        "onset": rfc3339(alarm.onset_us),
        "detected": None if alarm.detected_us is None else rfc3339(alarm.detected_us),
        "ended": None if alarm.ended_us is None else rfc3339(alarm.ended_us),
        "confidence": None if alarm.confidence is None else alarm.confidence.name.lower(),
        "rule": alarm.rule,
        "parameters_version": alarm.parameters,
        "thresholds": dict(alarm.thresholds),
        "evidence": dict(alarm.evidence),
    }
