"""What ``hoistway simulate`` says: the library, progress, summaries, the truth as a file."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import typer

from service.clock import SystemClock
from service.commands.failures import SETTINGS, CommandError
from simulator.publishing.live import Progress
from simulator.scenarios.reader import load, names
from simulator.truth import LookAlike, TruthEvent

PROGRESS_US: Final = 1_000_000


def listed(*, as_json: bool) -> int:
    """Show the scenarios of the library."""
    rows = [(name, load(name).scenario) for name in names()]
    if as_json:
        typer.echo(json.dumps({name: scenario.title for name, scenario in rows}))
        return 0
    width = max(len(name) for name, _ in rows)
    for name, scenario in rows:
        typer.echo(f"{name:{width}}  {scenario.title}")
    return 0


def tell(summary: dict[str, Any], *, as_json: bool) -> None:
    """Write the summary."""
    line = ", ".join(f"{name} {value}" for name, value in summary.items())
    typer.echo(json.dumps(summary) if as_json else line)


def hint(text: str) -> None:
    """Write one line that is no result."""
    typer.echo(text, err=True)


def show(progress: Progress) -> None:
    """Write how a live run goes."""
    typer.echo(
        f"{progress.frames} frames, {progress.frames_per_s:.0f}/s, "
        f"{progress.messages - progress.acknowledged} messages unacknowledged, "
        f"lag {progress.lag_us / 1e6:.2f} s",
        err=True,
    )


class Ticker:
    """Writes about once a second how far a run without a broker is."""

    def __init__(self, start_us: int, end_us: int) -> None:
        self._clock = SystemClock()
        self._start_us = start_us
        self._length_us = max(end_us - start_us, 1)
        self._began_us = self._told_us = self._clock.now_us()

    def at(self, t_us: int, frames: int) -> None:
        """Tell event time and frames so far, if it is time."""
        now_us = self._clock.now_us()
        if now_us - self._told_us < PROGRESS_US:
            return
        self._told_us = now_us
        done_pct = 100 * (t_us - self._start_us) // self._length_us
        rate = frames * 1e6 / max(now_us - self._began_us, 1)
        typer.echo(f"{done_pct} %, {frames} frames, {rate:.0f}/s", err=True)


def write_truth(
    path: Path | None, truth: Sequence[TruthEvent], look_alikes: Sequence[LookAlike]
) -> None:
    """Write true events and look-alikes, one JSON object a line."""
    if path is None:
        return
    events = [{"what": "event", **asdict(e), "kind": e.kind.slug} for e in truth]
    seeming = [{"what": "look_alike", **asdict(one)} for one in look_alikes]
    text = "".join(json.dumps(one) + "\n" for one in [*events, *seeming])
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"--truth: {path}: {error.strerror}", SETTINGS) from error
