"""The options of ``hoistway compare``.

Table or JSON to standard output, progress to standard error. Exit code 0 if nothing differs, 1 if
something does or a detector failed, 2 usage, 3 no database.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from service.backtest.candidate import Candidate, CandidateError, read_params
from service.commands.failures import SETTINGS, CommandError
from service.compare import trial
from service.compare.compared import Compared
from service.compare.live import of_live
from service.replay.choosing import choice_of
from service.replay.stored import Choice

WIDTH: Final = 150
"""Columns of the tables where no terminal says how wide it is."""

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code; errors are left to the caller."""
    result = app(list(arguments), prog_name="hoistway compare", standalone_mode=False)
    return int(result or 0)


@app.command()
def compare(  # noqa: PLR0913, PLR0917 - a command's options
    source: Annotated[
        str,
        typer.Argument(
            help="A scenario of the library, a scenario file, or a recording "
            "[default: the hypertable of HOISTWAY_DATABASE_URL]"
        ),
    ] = "",
    live: Annotated[
        bool,
        typer.Option("--live", help="What the service said and what its shadow would have said."),
    ] = False,
    version: Annotated[
        int | None,
        typer.Option(min=1, help="With --live: which shadow [default: the one set, or the last]"),
    ] = None,
    parameters: Annotated[
        Path | None, typer.Option(help="TOML file with other detector parameters of the fleet.")
    ] = None,
    candidate: Annotated[
        str,
        typer.Option(
            help="Other detectors: a name in detectors/candidates.py, or module:attribute."
        ),
    ] = "",
    elevator: Annotated[
        list[str] | None,
        typer.Option(help="Of stored frames: code of a lift, repeatable [default: all]"),
    ] = None,
    from_: Annotated[
        str,
        typer.Option("--from", help="First event time, RFC 3339 [default: the oldest]"),
    ] = "",
    until: Annotated[
        str,
        typer.Option("--until", help="Event time before which it ends [default: the newest]"),
    ] = "",
    warm_up: Annotated[
        float,
        typer.Option(min=0, help="Stored frames before --from that both see first [h]."),
    ] = 2.0,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 = one per core.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON.")] = False,
) -> int:
    """List what other parameters or detectors would have said, with evidence."""
    choice = choice_of(elevator, from_, until)
    if live:
        if source or parameters or candidate:
            raise CommandError(
                "--live compares with the shadow that runs: `hoistway shadow set` says which",
                SETTINGS,
            )
        return _told(of_live(choice, version), as_json=as_json)
    rival = _candidate(parameters, candidate)
    if source and choice != Choice():
        raise CommandError("--elevator, --from and --until are for stored frames", SETTINGS)
    if source:
        compared = trial.of_source(source, rival, workers or _cores())
    else:
        compared = trial.of_stored(choice, warm_up, rival, workers or _cores())
    return _told(compared, as_json=as_json)


def _candidate(parameters: Path | None, detectors: str) -> Candidate:
    if parameters is None and not detectors:
        raise CommandError("give --parameters FILE, --candidate NAME, or both", SETTINGS)
    try:
        rival = Candidate({} if parameters is None else read_params(parameters), detectors)
        rival.rules()
    except CandidateError as error:
        option = "--candidate" if detectors else "--parameters"
        raise CommandError(f"{option}: {error}", SETTINGS) from error
    return rival


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _told(compared: Compared, *, as_json: bool) -> int:
    """Tell it, and return the exit code."""
    if as_json:
        typer.echo(json.dumps(compared.document(), ensure_ascii=False))
    else:
        compared.show(Console(width=None if sys.stdout.isatty() else WIDTH))
    for text in compared.failures[:3]:
        typer.echo(f"hoistway: compare: detector failed: {text}", err=True)
    return 1 if len(compared.found) or compared.failures else 0
