"""``hoistway``: one command per task, imports inside the commands so that ``--help`` is quick.

Exit codes: 0 done; 1 the command did its work and found something wrong (``doctor``, ``demo``, an
unknown name; ``serve``: the clock was set back); 2 usage or settings; 3 a service that is needed is
missing or refuses (database, broker, the running service); 130 interrupted. Every error is one line
on standard error.
"""

import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from service.commands import dead_letters, desk, doctor, gaps, keys, parameters, shadow
from service.commands.failures import UNAVAILABLE, CommandError
from service.commands.failures import explained as failure_of

UNINSTALLED: Final = "0+unknown"
PASS_ON: Final = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
    "allow_interspersed_args": False,
}
"""For commands that read their own arguments."""

app = typer.Typer(
    name="hoistway",
    help="Watches elevators: MQTT telemetry in, entrapments found, rescue dispatched.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(keys.app, name="keys")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(parameters.app, name="parameters")
app.add_typer(shadow.app, name="shadow")
app.command("desk", short_help="A dispatch endpoint on this terminal, for trying out.")(desk.desk)
app.command("gaps", short_help="Which frames of a lift are missing, and who lost them.")(gaps.gaps)
app.command("doctor", short_help="What is wrong, and what to do about it.")(doctor.doctor)


def main() -> NoReturn:
    """Run the command line and exit."""
    sys.exit(run())


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; errors become one line on standard error."""
    try:
        app(list(arguments) if arguments is not None else None, prog_name="hoistway")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): nothing is left to say, nor to be flushed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        failure = failure_of(error)
        if failure is None:
            raise
        print(f"hoistway: {failure}", file=sys.stderr)  # noqa: T201 - the command line's voice
        return failure.exit_code
    return 0


def installed_version() -> str:
    """Return the version of the installed package."""
    try:
        return version("hoistway")
    except PackageNotFoundError:
        return UNINSTALLED


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hoistway {installed_version()}")
        raise typer.Exit


@app.callback()
def common(
    config: Annotated[
        Path | None, typer.Option(help="Settings file (TOML); same as HOISTWAY_CONFIG.")
    ] = None,
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Read what is common to all commands."""
    del show_version
    if config is not None:
        os.environ["HOISTWAY_CONFIG"] = str(config)  # for this process and those it starts


@app.command(short_help="Run the service.")
def serve() -> None:
    """Run the service: take frames, find faults, dispatch alarms, answer the API."""
    import asyncio

    import asyncpg

    from service import app as composition
    from service.clock import SystemClock
    from service.database import dsn, explained
    from service.logs import configure
    from service.settings import load, narrow

    settings = load()
    dsn(settings.database)
    narrow.mqtt_source(settings)
    _check_port(settings.http.host, settings.http.port)
    configure(settings.log, SystemClock())
    try:
        code = asyncio.run(composition.serve(settings))
    except asyncpg.PostgresError as error:
        raise explained(settings.database, error) from error
    raise typer.Exit(code)


def _check_port(host: str, port: int) -> None:
    """Say which setting is at fault before anything is opened; port 0 is always free."""
    import socket

    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise CommandError(
            f"HOISTWAY_HTTP_HOST and HOISTWAY_HTTP_PORT: {host}:{port} cannot be had"
            f" ({error.strerror or error}); choose another or stop what listens there",
            UNAVAILABLE,
        ) from error


@app.command(short_help="Create the schema, or bring it to this version.")
def migrate() -> None:
    """Create the schema in the database, or bring it to this version."""
    from migrations.run import upgrade
    from service.database import dsn, shown
    from service.settings import load

    settings = load()
    migrated = upgrade(dsn(settings.database))
    for note in migrated.notes:
        typer.echo(note)
    if migrated.before == migrated.after:
        typer.echo(f"{shown(settings.database)} is at {migrated.after}: nothing to do")
    else:
        before = migrated.before or "nothing"
        typer.echo(f"{shown(settings.database)}: {before} -> {migrated.after}")


@app.command(
    context_settings=PASS_ON,
    add_help_option=False,
    short_help="Everything on real parts, from a lift to the desk.",
)
def demo(context: typer.Context) -> None:
    """Show everything on real parts: fleet, broker, database, alarms, desk. --help for options."""
    from service import demo as command

    raise typer.Exit(command.main(context.args))


@app.command(context_settings=PASS_ON, add_help_option=False)
def simulate(context: typer.Context) -> None:
    """Let a simulated fleet publish to the broker. --help for options."""
    from service import simulate as command

    raise typer.Exit(command.main(context.args))


@app.command(
    context_settings=PASS_ON,
    add_help_option=False,
    short_help="How good the findings are, against the truth.",
)
def score(context: typer.Context) -> None:
    """Score findings against the truth of a simulated fleet. --help for options."""
    from service import score as command

    raise typer.Exit(command.main(context.args))


@app.command(
    context_settings=PASS_ON,
    add_help_option=False,
    short_help="What other parameters or detectors would have said.",
)
def compare(context: typer.Context) -> None:
    """Compare with other parameters or detectors. --help for options."""
    from service import compare as command

    raise typer.Exit(command.main(context.args))


@app.command(context_settings=PASS_ON, add_help_option=False)
def replay(context: typer.Context) -> None:
    """Replay a recording, a log or stored frames. --help for options."""
    from service import replay as command

    raise typer.Exit(command.main(context.args))


__all__ = ["CommandError", "app", "installed_version", "main", "run"]
