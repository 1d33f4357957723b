"""Both sets of rules over the same frames, in one pass: hypertable, recording or scenario.

Of stored frames a while before the span is taken first, so that both know what state the lifts are
in; what is found in that while does not count.
"""

import time
from collections.abc import Sequence
from typing import Any, Final

import typer

from service.backtest.candidate import Candidate, CandidateError
from service.backtest.hypertable import StoredSlices
from service.backtest.meter import Meter
from service.backtest.run import SliceResult
from service.backtest.slices import Slices
from service.backtest.sources import Changes, open_source
from service.backtest.workers import BacktestError, run_all
from service.commands.failures import SETTINGS, CommandError
from service.compare.compared import Compared
from service.replay.stored import Choice, look
from service.settings import load
from service.times import MIN_US
from simulator.recordings.layout import RecordingError
from simulator.scenarios.errors import ScenarioError
from simulator.scoring.alarms import SeenAlarm
from simulator.scoring.differences import differences
from simulator.scoring.score import Multipliers

HOUR_US: Final = 3_600_000_000


def of_source(source: str, candidate: Candidate, workers: int) -> Compared:
    """Compare over a scenario of the library, a scenario file, or a recording."""
    try:
        opened = open_source(source, Changes(), Multipliers(1, 1))
    except (ScenarioError, RecordingError) as error:
        raise CommandError(str(error), SETTINGS) from error
    for warning in opened.warnings:
        typer.echo(warning, err=True)
    slices = opened.slices
    return _compared(opened.title, slices, candidate, workers, (slices.start_us, slices.end_us))


def of_stored(choice: Choice, warm_up_h: float, candidate: Candidate, workers: int) -> Compared:
    """Compare over stored frames with event times in the span of ``choice``."""
    settings = load().database
    earlier_us = max(MIN_US, choice.from_us - round(warm_up_h * HOUR_US))
    span = look(settings, Choice(choice.codes, earlier_us, choice.to_us))
    until_us = min(choice.to_us, span.last_us + 1)
    bounds_us = max(choice.from_us, span.first_us), until_us
    if bounds_us[0] >= until_us:
        raise CommandError("the table holds no frames of that span, only some before it", SETTINGS)
    slices = StoredSlices(settings, span, min(workers, len(span.lifts)))
    compared = _compared("stored frames", slices, candidate, workers, bounds_us)
    low, high = span.history.versions
    compared.summary["parameters_versions"] = f"{low} to {high}"
    return compared


def _compared(
    title: str, slices: Slices, candidate: Candidate, workers: int, bounds_us: tuple[int, int]
) -> Compared:
    began_s = time.monotonic()
    meter = Meter(slices.end_us - slices.start_us)
    try:
        results = run_all(slices, workers, candidate, meter)
    except (BacktestError, RecordingError, CandidateError) as error:
        raise CommandError(f"backtest: {error}", 1) from error
    current = [a for r in results for a in r.alarms]
    rival = [a for r in results for a in r.candidate_alarms or ()]
    return Compared(
        title=title,
        candidate={"parameters": dict(candidate.params), "detectors": candidate.detectors},
        from_us=bounds_us[0],
        until_us=bounds_us[1],
        found=differences(_within(current, bounds_us), _within(rival, bounds_us)),
        summary=_summary(results, slices, time.monotonic() - began_s, workers),
        failures=[text for r in results for text in r.failures],
    )


def _within(alarms: Sequence[SeenAlarm], bounds_us: tuple[int, int]) -> list[SeenAlarm]:
    low_us, high_us = bounds_us
    return [a for a in alarms if low_us <= (a.detected_us or a.onset_us) < high_us]


def _summary(
    results: Sequence[SliceResult], slices: Slices, elapsed_s: float, workers: int
) -> dict[str, Any]:
    frames = sum(r.frames for r in results)
    span_s = (slices.end_us - slices.start_us) / 1e6
    return {
        "frames": frames,
        "elapsed_s": round(elapsed_s, 2),
        "frames_per_s": round(frames / max(elapsed_s, 1e-9)),
        "times_real_time": round(span_s / max(elapsed_s, 1e-9), 1),
        "workers": min(workers, slices.count),
    }
