"""Frames straight into the detectors, and what these say: no broker, no database.

One transition is one line: a table for people, or a JSON object with evidence and thresholds.
Findings go to standard output as they are made; figures of the run are for the caller.
"""

import json
from typing import Any, Final

import typer

from service.backtest.engine import Engine
from service.backtest.judging import Versions
from service.commands.failures import CommandError
from service.simulate.telling import Ticker
from service.times import rfc3339
from simulator.scoring.alarms import Seen
from simulator.source import RegistryRow, Source
from telemetry.findings import Change

STEP_US: Final = 60_000_000
"""Arrival time a step; no step changes what is found."""
HEADER: Final = ("time", "elevator", "change", "finding", "onset", "confidence", "reason")
_WIDTHS: Final = (24, 20, 7, 28, 24, 10, 0)


def find(
    source: Source, end_us: int, versions: Versions | None = None, *, as_json: bool
) -> dict[str, Any]:
    """Put everything that arrives before ``end_us`` through the detectors; return the figures."""
    registry = source.registry()
    engine = Engine(registry, range(len(registry)), versions=versions)
    ticker = Ticker(source.start_us, end_us)
    told, raised, t_us = 0, 0, source.start_us
    while t_us < end_us:
        t_us = min(t_us + STEP_US, end_us)
        engine.take(source.arrived_until(t_us), t_us)
        for found in engine.found:
            if not as_json and not told:
                typer.echo(_row(HEADER))
            typer.echo(_json(found, registry) if as_json else _row(_cells(found, registry)))
            told += 1
            raised += found.transition.change is Change.RAISED
        engine.found.clear()
        ticker.at(t_us, engine.frames)
    if engine.failures:
        raise CommandError(
            f"a detector failed on {len(engine.failures)} lifts: {engine.failures[0]}"
        )
    return {
        "frames": engine.frames,
        "lifts": len(registry),
        "duplicates": engine.duplicates,
        "late": engine.late,
        "transitions": told,
        "raised": raised,
        "from": rfc3339(source.start_us),
        "to": rfc3339(end_us),
    }


def _row(cells: tuple[str, ...]) -> str:
    return " ".join(f"{cell:{w}}" for cell, w in zip(cells, _WIDTHS, strict=True)).rstrip()


def _cells(found: Seen, registry: list[RegistryRow]) -> tuple[str, ...]:
    t = found.transition
    cleared = t.change is Change.CLEARED
    return (
        rfc3339(t.t_us),
        registry[t.elevator_id].code,
        t.change.name.lower(),
        t.kind_now.slug,
        rfc3339(t.onset_us),
        t.confidence.name.lower(),
        t.reason.name.lower() if cleared else "",
    )


def _json(found: Seen, registry: list[RegistryRow]) -> str:
    t = found.transition
    return json.dumps(
        {
            "elevator": registry[t.elevator_id].code,
            "time": rfc3339(t.t_us),
            "known": None if found.known_us is None else rfc3339(found.known_us),
            "onset": rfc3339(t.onset_us),
            "kind": t.kind.slug,
            "kind_now": t.kind_now.slug,
            "change": t.change.name.lower(),
            "reason": t.reason.name.lower(),
            "rule": {
                "name": t.rule,
                "version": t.version,
                "thresholds": dict(t.thresholds),
                "parameters_version": t.parameters,
            },
            "evidence": t.evidence(),
        },
        ensure_ascii=False,
    )
