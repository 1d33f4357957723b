"""A scenario through the detectors, without broker or database, and the judge's word on it.

The backtest puts the frames through the code that runs live; what it found becomes alarms, and
these and the truth are compared with what the scenario expects.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from detectors.bank import BANK
from service.backtest.engine import Engine
from service.simulate.telling import Ticker
from simulator.scenarios.build import build
from simulator.scenarios.judge import Difference, Happened, RaisedAlarm, judge
from simulator.scenarios.reader import ScenarioFile
from simulator.source import Source
from telemetry.findings import Change, FindingKind
from telemetry.transitions import Transition

STEP_US: Final = 60_000_000
"""Event time a step: long ones are quick, and no step changes what is found."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a scenario, how that differs from what it expects, and figures of the run."""

    happened: Happened
    differences: list[Difference]
    of_run: Mapping[str, Any]


def kinds_found() -> set[str]:
    """Return the kinds of findings that a detector of the bank finds."""
    return {kind.slug for detector in BANK for kind in detector.kinds}


def happened(source: Source, start_us: int, end_us: int, ticker: Ticker | None = None) -> Happened:
    """Let a source live until ``end_us`` before the detectors; return what came of it."""
    registry = source.registry()
    engine = Engine(registry, range(len(registry)))
    t_us = start_us
    while t_us < end_us:
        t_us = min(t_us + STEP_US, end_us)
        engine.take(source.arrived_until(t_us), t_us)
        if ticker is not None:
            ticker.at(t_us, engine.frames)
    if engine.failures:
        raise RuntimeError(f"a detector failed: {engine.failures[0]}")
    alarms = alarms_of(found.transition for found in engine.found)
    return Happened(start_us, end_us, alarms, source.truth(), source.look_alikes())


def judged(file: ScenarioFile) -> Verdict:
    """Run a scenario and judge it."""
    built = build(file.scenario)
    source = built.source()
    ticker = Ticker(built.start_us, built.end_us)
    result = happened(source, built.start_us, built.end_us, ticker)
    of_run = {"frames": source.made, "sha256": source.fleet.digest.hexdigest()}
    return Verdict(result, judge(file, result), of_run)


def alarms_of(transitions: Iterable[Transition]) -> list[RaisedAlarm]:
    """Return the alarms that transitions raise and end, in the order of raising."""
    alarms: list[RaisedAlarm] = []
    open_: dict[tuple[int, FindingKind], int] = {}
    for t in transitions:
        key = (t.elevator_id, t.kind)
        if t.change is Change.RAISED:
            open_[key] = len(alarms)
            alarms.append(RaisedAlarm(t.elevator_id, t.kind, t.t_us, t.onset_us))
        elif t.change is Change.CLEARED and key in open_:
            at = open_.pop(key)
            alarms[at] = replace(alarms[at], ended_us=t.t_us)
    return alarms
