"""The options of ``hoistway replay``.

Progress and warnings go to standard error, findings and the broker's summary to standard output.
Exit code 0 if the broker acknowledged everything, or the detectors have seen everything.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from service.clock import SystemClock
from service.commands.failures import SETTINGS, CommandError
from service.replay.choosing import choice_of
from service.replay.files import Opened, open_files
from service.replay.finding import find
from service.replay.sending import SourceFeed
from service.replay.stored import Choice, open_stored
from service.settings import load
from service.simulate.plan import Run, speed_of
from service.simulate.publishing import published
from service.simulate.telling import tell
from simulator.publishing.live import start_of_run
from simulator.recordings.layout import RecordingError
from simulator.recordings.moved import Moved

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

CLIENT: Final = "replay"
To = Literal["broker", "detectors"]


@dataclass(frozen=True, slots=True)
class Manner:
    """How frames are replayed.

    Parameters
    ----------
    to
        Where they go.
    speed
        Arrival time per time; ``None`` = as fast as possible.
    rebase
        Moved to the present.
    per_message, connections
        To the broker.
    as_json
        What is said, as JSON.
    """

    to: To
    speed: float | None
    rebase: bool
    per_message: int
    connections: int
    as_json: bool


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code; errors are left to the caller."""
    result = app(list(arguments), prog_name="hoistway replay", standalone_mode=False)
    return int(result or 0)


@app.command()
def replay(  # noqa: PLR0913, PLR0917 - a command's options
    source: Annotated[
        list[Path] | None,
        typer.Argument(
            help="A recording; a ride log (.csv); or a trace: ACCELERATION.csv PRESSURE.csv, or "
            "the first part of their names."
        ),
    ] = None,
    database: Annotated[
        bool,
        typer.Option("--database", help="Instead: the hypertable of HOISTWAY_DATABASE_URL."),
    ] = False,
    elevator: Annotated[
        list[str] | None,
        typer.Option(help="With --database: code of a lift, repeatable [default: all]"),
    ] = None,
    from_: Annotated[
        str,
        typer.Option(
            "--from", help="With --database: first event time, RFC 3339 [default: the oldest]"
        ),
    ] = "",
    until: Annotated[
        str,
        typer.Option(
            "--until", help="With --database: event time before which it ends [default: the newest]"
        ),
    ] = "",
    to: Annotated[
        str,
        typer.Option(
            help="broker: that of HOISTWAY_MQTT_URL; detectors: no broker and no database, what "
            "they find is printed."
        ),
    ] = "broker",
    speed: Annotated[
        str,
        typer.Option(
            help="To the broker: 1 = as it arrived, N times as fast, or max "
            "[default: 1; logs and traces: max]"
        ),
    ] = "",
    rebase: Annotated[
        bool,
        typer.Option(
            "--rebase",
            help="Move all clocks to the present, so that it ends now or later; traces always are.",
        ),
    ] = False,
    code: Annotated[
        str, typer.Option(help="Code of the lift of a log or trace [default: RIDES, TRACE]")
    ] = "",
    per_message: Annotated[int, typer.Option(min=1, help="Frames in one message, at most.")] = 1,
    connections: Annotated[int, typer.Option(min=1, max=64, help="Connections to the broker.")] = 2,
    as_json: Annotated[
        bool, typer.Option("--json", help="Summary, or each finding with its evidence, as JSON.")
    ] = False,
) -> int:
    """Replay frames of a file or of the hypertable, to a broker or straight into the detectors."""
    if to not in ("broker", "detectors"):
        raise CommandError(f"--to is {to!r}: give broker or detectors", SETTINGS)
    if to == "detectors" and speed:
        raise CommandError("--speed is for the broker; detectors are always max", SETTINGS)
    if not database and (elevator or from_ or until):
        raise CommandError("--elevator, --from and --until need --database", SETTINGS)
    choice = choice_of(elevator, from_, until)
    with _opened(source or [], choice if database else None, code) as opened:
        pace = speed_of(speed or ("1" if opened.slow else "max"))
        manner = Manner(
            "broker" if to == "broker" else "detectors",
            pace, rebase or opened.undated, per_message, connections, as_json,
        )  # fmt: skip
        if opened.warning:
            typer.echo(opened.warning, err=True)
        try:
            return _replayed(opened, manner)
        except RecordingError as error:
            raise CommandError(str(error), SETTINGS) from error


@contextmanager
def _opened(paths: list[Path], choice: Choice | None, code: str) -> Iterator[Opened]:
    if choice is not None and paths:
        raise CommandError("give files or --database, not both", SETTINGS)
    if choice is None and not 1 <= len(paths) <= 2:
        raise CommandError("give a recording, a ride log, a trace, or --database", SETTINGS)
    if choice is None:
        yield open_files(paths, code)
        return
    with open_stored(load().database, choice) as source:
        yield Opened(source, source.end_us, slow=True, versions=source.versions)


def _replayed(opened: Opened, manner: Manner) -> int:
    """Do it, and return the exit code."""
    source, end_us, versions = opened.source, opened.end_us, opened.versions
    if manner.rebase:
        later_us = _later(source.start_us, end_us, manner)
        source, end_us = Moved(source, later_us), end_us + later_us
        versions = None if versions is None else versions.moved(later_us)
    if manner.to == "detectors":
        figures = find(source, end_us, versions, as_json=manner.as_json)
        typer.echo(", ".join(f"{name} {value}" for name, value in figures.items()), err=True)
        return 0
    feed = SourceFeed(source, manner.per_message)
    run = Run(feed, source.start_us, end_us, manner.speed, announce=False)
    summary: dict[str, Any] = asyncio.run(published(run, manner.connections, CLIENT))
    tell(summary, as_json=manner.as_json)
    return 0 if summary["unacknowledged"] == 0 else 1


def _later(start_us: int, end_us: int, manner: Manner) -> int:
    """Return by how much a run is moved to the present, whole ms."""
    lasts_us, now_us = end_us - start_us, SystemClock().now_us()
    speed = None if manner.to == "detectors" else manner.speed
    begins_us = start_of_run(now_us - (lasts_us if speed is None else 0), lasts_us, speed or 1)
    return (begins_us - start_us) // 1000 * 1000
