"""``hoistway score``: how good the findings are, on a simulated fleet, a recording, or live.

Joins sources, backtest and database with ``simulator.scoring``. Tables or JSON go to standard
output, progress and warnings to standard error. Exit code 0 done; 1 below a bar, or a detector
failed; 2 usage; 3 no database.
"""

import asyncio
import hashlib
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from detectors.bank import BANK
from service.backtest import bars, stored
from service.backtest.asked import asked
from service.backtest.candidate import Candidate, CandidateError, read_params
from service.backtest.meter import Meter
from service.backtest.report import show, show_differences
from service.backtest.run import SliceResult
from service.backtest.sources import Changes, Opened, open_source
from service.backtest.stages import Stages
from service.backtest.workers import BacktestError, run_all
from service.commands.failures import SETTINGS, CommandError
from service.database import visit
from service.settings import load
from simulator.recordings.layout import RecordingError
from simulator.scenarios.errors import ScenarioError
from simulator.scoring.differences import differences
from simulator.scoring.document import differences_document, document
from simulator.scoring.plot import PlotError, check, plot
from simulator.scoring.score import Multipliers, Observed, Score, score
from simulator.source import RegistryRow

HOUR_US: Final = 3_600_000_000
LATE_US: Final = 600_000_000
"""Findings of a live service are looked for up to so long after the last true event [µs]."""
WIDTH: Final = 150
"""Columns of the tables where no terminal says how wide it is."""

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A score, its candidate's, and what goes with them."""

    title: str
    current: Score
    candidate: Score | None
    summary: dict[str, Any]
    differences: dict[str, Any] | None
    failures: list[str]
    show_differences: Any = None


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code; errors are left to the caller."""
    result = app(list(arguments), prog_name="hoistway score", standalone_mode=False)
    return int(result or 0)


@app.command()
def command(  # noqa: PLR0913, PLR0917 - a command's options
    source: Annotated[
        str, typer.Argument(help="A scenario of the library, a scenario file, or a recording.")
    ] = "city-weekday",
    lifts: Annotated[int | None, typer.Option(min=1, help="Lifts, other than there.")] = None,
    hours: Annotated[float | None, typer.Option(min=0.01, help="Length, likewise [h].")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed, likewise.")] = None,
    faults: Annotated[
        int | None, typer.Option(min=0, help="Faults at this multiple of the field's rates.")
    ] = None,
    look_alikes: Annotated[
        int | None, typer.Option(min=0, help="Look-alikes at this multiple.")
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 = one per core.")] = 0,
    slices: Annotated[
        int, typer.Option(min=0, help="Parts that workers take; changes the digest only.")
    ] = 0,
    candidate: Annotated[
        Path | None, typer.Option(help="TOML file with other detector parameters, to compare.")
    ] = None,
    candidate_detector: Annotated[
        str, typer.Option(help="module:attribute of other detectors, to compare.")
    ] = "",
    bar: Annotated[
        list[str] | None,
        typer.Option(help="[family or kind.]measure=bound; exit code 1 if it is not reached."),
    ] = None,
    database: Annotated[
        bool, typer.Option("--database", help="Score what the service of this database found.")
    ] = False,
    truth: Annotated[
        Path | None, typer.Option(help="With --database: what simulate --truth wrote.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON.")] = False,
    picture: Annotated[
        Path | None, typer.Option("--plot", help="Write a picture here (.png, .svg, .pdf).")
    ] = None,
) -> int:
    """Score findings against the truth, and say how sure the figures are."""
    wanted = _bars(bar or [])
    if picture is not None:
        _check_plot(picture)
    if database != (truth is not None):
        raise CommandError("--database and --truth FILE go together", SETTINGS)
    rivals = _candidate(candidate, candidate_detector)
    times = Multipliers(max(faults or 1, 1), max(look_alikes or 1, 1))
    if truth is not None:
        outcome = _live(truth, times)
    else:
        lasts_us = None if hours is None else round(hours * HOUR_US)
        changes = Changes(lifts, lasts_us, seed, slices, faults, look_alikes)
        outcome = _backtest(_opened(source, changes, times), workers or _cores(), rivals)
    _print(outcome, as_json=as_json)
    if picture is not None:
        _plot(outcome, picture)
    return _judge(outcome, wanted)


def _opened(source: str, changes: Changes, times: Multipliers) -> Opened:
    try:
        opened = open_source(source, changes, times)
    except (ScenarioError, RecordingError) as error:
        raise CommandError(str(error), SETTINGS) from error
    for warning in opened.warnings:
        typer.echo(warning, err=True)
    return opened


def _candidate(params: Path | None, detectors: str) -> Candidate | None:
    if params is None and not detectors:
        return None
    try:
        chosen = Candidate({} if params is None else read_params(params), detectors)
        chosen.rules()
    except CandidateError as error:
        raise CommandError(f"--candidate: {error}", SETTINGS) from error
    return chosen


def _bars(texts: Sequence[str]) -> list[bars.Bar]:
    try:
        return [bars.read_bar(text) for text in texts]
    except bars.BarError as error:
        raise CommandError(str(error), SETTINGS) from error


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# --- backtest -------------------------------------------------------------------------------------


def _backtest(opened: Opened, workers: int, candidate: Candidate | None) -> Outcome:
    began_s = time.monotonic()
    meter = Meter(opened.slices.end_us - opened.slices.start_us)
    try:
        results = run_all(opened.slices, workers, candidate, meter)
    except (BacktestError, RecordingError, CandidateError) as error:
        raise CommandError(f"backtest: {error}", 1) from error
    elapsed_s = time.monotonic() - began_s
    registry = opened.slices.open(0).source.registry()
    rules = None if candidate is None else candidate.rules()
    current = _score(opened, results, registry, None)
    other = None if rules is None else _score(opened, results, registry, candidate)
    found = None
    if rules is not None:
        found = differences(_alarms(results, None), _alarms(results, candidate))
    return Outcome(
        opened.title, current, other, _summary(results, elapsed_s, workers, opened),
        None if found is None else differences_document(found),
        [text for r in results for text in r.failures], found,
    )  # fmt: skip


def _alarms(results: Sequence[SliceResult], candidate: Candidate | None) -> list[Any]:
    if candidate is None:
        return [alarm for r in results for alarm in r.alarms]
    return [alarm for r in results for alarm in r.candidate_alarms or ()]


def _score(
    opened: Opened, results: Sequence[SliceResult], registry: list[RegistryRow],
    candidate: Candidate | None,
) -> Score:  # fmt: skip
    rules = None if candidate is None else candidate.rules()
    observed = Observed(
        alarms=_alarms(results, candidate),
        truth=[event for r in results for event in r.truth],
        look_alikes=[like for r in results for like in r.look_alikes],
        registry=registry,
        from_us=opened.slices.start_us,
        to_us=opened.slices.end_us,
    )
    return score(
        observed,
        asked(
            registry,
            opened.multipliers,
            {} if rules is None else rules.defaults,
            BANK if rules is None else rules.detectors,
        ),
    )


def _summary(
    results: Sequence[SliceResult], elapsed_s: float, workers: int, opened: Opened
) -> dict[str, Any]:
    stages = Stages()
    for result in results:
        stages.add(result.seconds)
    frames, spent_s = sum(r.frames for r in results), sum(stages.seconds.values())
    digests = [r.sha256 for r in results]
    joined = hashlib.sha256("".join(digests).encode()).hexdigest()
    return {
        "frames": frames,
        "duplicates": sum(r.duplicates for r in results),
        "late": sum(r.late for r in results),
        "elapsed_s": round(elapsed_s, 2),
        "processor_s": round(spent_s, 2),
        "frames_per_s": round(frames / max(elapsed_s, 1e-9)),
        "workers": min(workers, opened.slices.count),
        "sha256": digests[0] if len(digests) == 1 else joined,
        "stage_pct": {
            str(stage): round(100 * seconds / max(spent_s, 1e-9), 1)
            for stage, seconds in stages.seconds.items()
        },
        "peak_mib_of_a_worker": round(max(r.peak_bytes for r in results) / 2**20),
        "true_events": sum(len(r.truth) for r in results),
        "look_alikes": sum(len(r.look_alikes) for r in results),
        "faults_times": opened.multipliers.faults,
        "look_alikes_times": opened.multipliers.look_alikes,
    }


# --- live -----------------------------------------------------------------------------------------


def _live(truth: Path, times: Multipliers) -> Outcome:
    try:
        told = stored.read_truth(truth)
    except stored.TruthFileError as error:
        raise CommandError(str(error), SETTINGS) from error
    until_us = told.to_us + LATE_US
    seen, registry = asyncio.run(_stored(told, until_us))
    observed = Observed(seen, told.events, told.look_alikes, registry, told.from_us, told.to_us)
    current = score(observed, asked(registry, times))
    summary = {
        "alarms": len(seen),
        "true_events": len(told.events),
        "look_alikes": len(told.look_alikes),
        "lifts": len(registry),
        "lifts_not_in_database": sorted({*told.codes} - {row.code for row in registry}),
    }
    return Outcome(str(truth), current, None, summary, None, [])


async def _stored(told: stored.TruthFile, until_us: int) -> tuple[list[Any], list[RegistryRow]]:
    settings = load()
    async with visit(settings.database) as conn:
        return await stored.alarms(conn, told.codes, told.from_us - HOUR_US, until_us)


# --- output ---------------------------------------------------------------------------------------


def _print(outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(_document(outcome)))
        return
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    show(console, outcome.current, outcome.candidate)
    if outcome.show_differences is not None:
        show_differences(console, outcome.show_differences)
    pairs = (f"{name} {_short(value)}" for name, value in outcome.summary.items())
    console.print(", ".join(pairs), highlight=False, soft_wrap=True)


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{name} {one}" for name, one in value.items()) + ")"
    return str(value)


def _document(outcome: Outcome) -> dict[str, Any]:
    return {
        "title": outcome.title,
        "summary": outcome.summary,
        "score": document(outcome.current),
        "candidate": None if outcome.candidate is None else document(outcome.candidate),
        "differences": outcome.differences,
        "detector_failures": outcome.failures,
    }


def _check_plot(path: Path) -> None:
    try:
        check(path)
    except PlotError as error:
        raise CommandError(f"--plot: {error}", SETTINGS) from error


def _plot(outcome: Outcome, path: Path) -> None:
    try:
        plot(outcome.current, path, outcome.title)
    except PlotError as error:
        raise CommandError(f"--plot: {error}", SETTINGS) from error


def _judge(outcome: Outcome, wanted: list[bars.Bar]) -> int:
    """Say which bars were not reached, and whether a detector failed."""
    try:
        said = bars.failures(wanted, outcome.current)
    except bars.BarError as error:
        raise CommandError(str(error), SETTINGS) from error
    said += [f"detector failed: {text}" for text in outcome.failures[:3]]
    for text in said:
        typer.echo(f"hoistway: score: {text}", err=True)
    return 1 if said else 0
