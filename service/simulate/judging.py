"""A scenario through the detectors, without broker or database, and the judge's word on it.

The backtest puts the frames through the code that runs live; what it found becomes alarms, and
these and the truth are compared with what the scenario expects.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from detectors.bank import BANK
from service.backtest.engine import Engine
from service.simulate.plan import recorder
from service.simulate.telling import Ticker
from simulator.recordings.recorder import Recorded
from simulator.scenarios.build import build
from simulator.scenarios.judge import Difference, Happened, RaisedAlarm, judge
from simulator.scenarios.reader import ScenarioFile
from simulator.scoring import Seen
from simulator.source import Source
from telemetry.findings import FINDINGS, Change, FindingKind

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
    alarms = alarms_of(engine.found)
    return Happened(start_us, end_us, alarms, source.truth(), source.look_alikes())


def judged(file: ScenarioFile, record: Path | None = None) -> Verdict:
    """Run a scenario and judge it; record it if wanted."""
    built = build(file.scenario)
    source = built.source()
    ticker = Ticker(built.start_us, built.end_us)
    if record is None:
        result = happened(source, built.start_us, built.end_us, ticker)
    else:
        with recorder(record, file, source) as tape:
            taped = Recorded(source, tape)
            result = happened(taped, built.start_us, built.end_us, ticker)
            tape.add(source.rest())
            tape.complete(built.end_us, source.fleet.digest.hexdigest())
    of_run = {"frames": source.made, "sha256": source.fleet.digest.hexdigest()}
    return Verdict(result, judge(file, result), of_run)


def alarms_of(found: Iterable[Seen]) -> list[RaisedAlarm]:
    """Return the alarms that findings raise and end, in the order of raising.

    Nobody sits at a desk here, so an alarm that a person ends lasts until the end of the run, and
    what is raised meanwhile belongs to it.
    """
    alarms: list[RaisedAlarm] = []
    open_: dict[tuple[int, FindingKind], int] = {}
    for t, known_us, off_us in found:
        key = (t.elevator_id, t.kind)
        if t.change is Change.RAISED and key not in open_:
            open_[key] = len(alarms)
            alarms.append(
                RaisedAlarm(
                    t.elevator_id, t.kind, t.t_us, t.onset_us,
                    known_us=known_us, clock_off_us=off_us,
                )
            )  # fmt: skip
        elif t.change is Change.CLEARED and key in open_ and FINDINGS[t.kind].ends_with_finding:
            at = open_.pop(key)
            alarms[at] = replace(alarms[at], ended_us=t.t_us)
    return alarms
