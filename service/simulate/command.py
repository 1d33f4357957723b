"""The options of ``hoistway simulate``, and what each combination does.

Progress and differences go to standard error, the summary to standard output (one line, or JSON).
Exit code 0 only if the broker acknowledged everything, or the judge found no difference.
"""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand

from service.simulate.feeds import ScenarioFeed
from service.simulate.judging import judged, kinds_found
from service.simulate.plan import Options, Run, load_run, loaded, plan, rides_run, speed_of
from service.simulate.publishing import made, published
from service.simulate.telling import listed, tell, write_truth
from simulator.scenarios.judge import sentence
from simulator.truth import LookAlike, TruthEvent

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

WHAT: Final = "What is simulated"
PACE: Final = "How it is sent"
INSTEAD: Final = "Instead of a fleet"
LOOK: Final = "What is done with it"


class Grouped(TyperCommand):
    """Shows options under their headings."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write one section for each heading; the types are private to the library."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                heading = getattr(param, "rich_help_panel", None) or "Other"
                sections.setdefault(heading, []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code; errors are left to the caller."""
    result = app(list(arguments), prog_name="hoistway simulate", standalone_mode=False)
    return int(result or 0)


@app.command(cls=Grouped)
def simulate(  # noqa: PLR0913, PLR0917 - a command's options
    scenario: Annotated[
        str,
        typer.Argument(
            help="Name of a scenario of the library (see --list) or path of a TOML file. Without "
            "one, a fleet is made of the options below; with one, they override it."
        ),
    ] = "",
    lifts: Annotated[
        int | None,
        typer.Option(min=1, help="Lifts of the fleet [default: 200]", rich_help_panel=WHAT),
    ] = None,
    escalators: Annotated[
        int | None,
        typer.Option(min=0, help="Escalators beside them [default: 0]", rich_help_panel=WHAT),
    ] = None,
    for_s: Annotated[
        float | None,
        typer.Option(
            "--for", min=1, help="Length in event time [s; default: 60]", rich_help_panel=WHAT
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, help="Equal seeds give equal frames [default: 1]", rich_help_panel=WHAT
        ),
    ] = None,
    traffic: Annotated[
        int | None,
        typer.Option(min=0, help="Passengers [% of the usual; default: 100]", rich_help_panel=WHAT),
    ] = None,
    faults: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Draw faults at this multiple of field rates [default: 0]",
            rich_help_panel=WHAT,
        ),
    ] = None,
    look_alikes: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Draw look-alikes at this multiple [default: as --faults]",
            rich_help_panel=WHAT,
        ),
    ] = None,
    network: Annotated[
        str,
        typer.Option(
            help="perfect, noisy or field: what happens on the way to the broker "
            "[default: perfect]",
            rich_help_panel=WHAT,
        ),
    ] = "",
    noise: Annotated[
        bool, typer.Option("--noise", help="The same as --network noisy.", rich_help_panel=WHAT)
    ] = False,
    rate: Annotated[
        int,
        typer.Option(min=0, help="A steady load of so many frames/s.", rich_help_panel=INSTEAD),
    ] = 0,
    rides: Annotated[
        Path | None,
        typer.Option(help="A ride log (start_ms,end_ms,direction).", rich_help_panel=INSTEAD),
    ] = None,
    code: Annotated[
        str,
        typer.Option(help="Registration code of the lift of the log.", rich_help_panel=INSTEAD),
    ] = "RIDES",
    speed: Annotated[
        str,
        typer.Option(
            help="1 = real time, N times as fast, or max. A faster run begins in the past: see "
            "HOISTWAY_HISTORY_HOLD_LAG_S [default: 1; rides: max]",
            rich_help_panel=PACE,
        ),
    ] = "",
    per_message: Annotated[
        int | None,
        typer.Option(
            min=1, help="Frames in one message, at most [default: 1]", rich_help_panel=PACE
        ),
    ] = None,
    connections: Annotated[
        int, typer.Option(min=1, max=64, help="Connections to the broker.", rich_help_panel=PACE)
    ] = 2,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Publish nothing: make the messages and count them.",
            rich_help_panel=LOOK,
        ),
    ] = False,
    judge: Annotated[
        bool,
        typer.Option(
            "--judge",
            help="Publish nothing: let the detectors see the frames, and "
            "compare truth and alarms with what the scenario expects.",
            rich_help_panel=LOOK,
        ),
    ] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Only read the scenario and say whether it can be.",
            rich_help_panel=LOOK,
        ),
    ] = False,
    list_: Annotated[
        bool,
        typer.Option("--list", help="List the scenarios of the library.", rich_help_panel=LOOK),
    ] = False,
    record: Annotated[
        Path | None,
        typer.Option(
            help="Write frames and truth to this recording, to be replayed.", rich_help_panel=LOOK
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            help="Write true events and look-alikes to this file, one JSON object a line.",
            rich_help_panel=LOOK,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Summary as JSON.", rich_help_panel=LOOK)
    ] = False,
) -> int:
    """Let a simulated fleet publish to the broker of HOISTWAY_MQTT_URL, or judge it without."""
    if list_:
        return listed(as_json=as_json)
    options = Options(
        scenario=scenario, lifts=lifts, escalators=escalators, for_s=for_s, seed=seed,
        traffic=traffic, faults=faults, look_alikes=look_alikes,
        network=network or ("noisy" if noise else ""), per_message=per_message,
    )  # fmt: skip
    if check:
        return _checked(options)
    pace = speed_of(speed or ("max" if rides else "1"))
    if judge:
        return _judge(options, truth, record, as_json=as_json)
    with ExitStack() as stack:
        if rides is not None:
            run = rides_run(rides, code, pace)
        elif rate:
            run = load_run(options, rate, pace)
        else:
            run = plan(options, pace, record, stack)
        return _run(run, truth, None if dry_run else connections, as_json=as_json)


def _checked(options: Options) -> int:
    """Read a scenario and say so."""
    file = loaded(options, kinds_found())
    typer.echo(f"{file.file}: {file.scenario.title}")
    return 0


def _judge(options: Options, truth: Path | None, record: Path | None, *, as_json: bool) -> int:
    """Judge a scenario; its differences are lines on standard error."""
    file = loaded(options, kinds_found())
    verdict = judged(file, record)
    for difference in verdict.differences:
        typer.echo(sentence(file, difference), err=True)
    result = verdict.happened
    write_truth(truth, result.truth, result.look_alikes)
    summary = {
        "scenario": file.file,
        "passed": not verdict.differences,
        "differences": len(verdict.differences),
        "alarms": len(result.alarms),
        "true_events": len(result.truth),
        "look_alikes": len(result.look_alikes),
        **verdict.of_run,
    }
    tell(summary, as_json=as_json)
    return 1 if verdict.differences else 0


def _run(run: Run, truth: Path | None, connections: int | None, *, as_json: bool) -> int:
    """Make or publish a run; ``connections`` None = publish nothing."""
    summary = made(run) if connections is None else asyncio.run(published(run, connections))
    if isinstance(run.feed, ScenarioFeed):
        run.feed.complete()
        summary |= _of_fleet(run.feed, truth)
    tell(summary, as_json=as_json)
    return 0 if summary.get("unacknowledged", 0) == 0 else 1


def _of_fleet(feed: ScenarioFeed, path: Path | None) -> dict[str, Any]:
    """Return what only a world has: digest, people, truth; write the truth if wanted."""
    truth: list[TruthEvent] = feed.truth()
    look_alikes: list[LookAlike] = feed.look_alikes()
    write_truth(path, truth, look_alikes)
    return {
        "true_events": len(truth),
        "look_alikes": len(look_alikes),
        "sha256": feed.fleet.digest.hexdigest(),
        **feed.fleet.people(),
    }
