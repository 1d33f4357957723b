"""``hoistway shadow``: which other rules run beside the live ones, without a voice."""

from pathlib import Path
from typing import Annotated, Any

import typer

ACTOR = "cli"

app = typer.Typer(help="Other rules beside the live ones: set, clear, show.", no_args_is_help=True)


@app.command("set")
def set_(
    parameters: Annotated[
        Path | None, typer.Option(help="TOML file with other detector parameters of the fleet.")
    ] = None,
    candidate: Annotated[
        str, typer.Option(help="Other detectors: a name in detectors/candidates.py.")
    ] = "",
) -> None:
    """Let other rules run beside the live ones from now on, instead of those set before."""
    import asyncio

    from service.backtest.candidate import CandidateError, read_params
    from service.clock import SystemClock
    from service.commands.failures import SETTINGS, CommandError
    from service.database import visit
    from service.settings import load
    from service.shadow import runs

    if parameters is None and not candidate:
        raise CommandError("give --parameters FILE, --candidate NAME, or both", SETTINGS)
    try:
        chosen = runs.checked({} if parameters is None else read_params(parameters), candidate)
    except CandidateError as error:
        raise CommandError(str(error), SETTINGS) from error

    async def begun() -> int:
        async with visit(load().database) as conn:
            return await runs.begin(conn, chosen, ACTOR, SystemClock().now_us())

    version = asyncio.run(begun())
    typer.echo(f"shadow {version} is set; `hoistway compare --live` lists what it would have said")


@app.command()
def clear() -> None:
    """End the shadow; what it said stays."""
    import asyncio

    from service.clock import SystemClock
    from service.commands.failures import CommandError
    from service.database import visit
    from service.settings import load
    from service.shadow import runs

    async def ended() -> int | None:
        async with visit(load().database) as conn:
            return await runs.end(conn, ACTOR, SystemClock().now_us())

    version = asyncio.run(ended())
    if version is None:
        raise CommandError("no shadow is set; see `hoistway shadow show`")
    typer.echo(f"shadow {version} is cleared")


@app.command()
def show(
    version: Annotated[
        int | None, typer.Option(min=1, help="Of an earlier one [default: the one set]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show what runs as a shadow, since when, how far it is and what it costs."""
    import asyncio
    import json

    from service.commands.failures import CommandError

    found = asyncio.run(_shown(version))
    if found is None and version is not None:
        raise CommandError(f"there is no shadow {version}")
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    elif found is None:
        typer.echo("no shadow is set")
    else:
        _tell(found)


@app.command(hidden=True)
def follow() -> None:
    """Run the shadow that is set; ``serve`` starts this."""
    import asyncio

    from service.clock import SystemClock
    from service.logs import configure
    from service.settings import load
    from service.shadow import process

    settings = load()
    configure(settings.log, SystemClock())
    try:
        asyncio.run(process.follow(settings))
    except Exception as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())
        typer.echo(told)  # for ``ShadowKeeper``, which shows it as the reason
        raise


async def _shown(version: int | None) -> dict[str, Any] | None:
    from service.database import visit
    from service.settings import load
    from service.shadow import runs
    from service.shadow.state import state_of

    async with visit(load().database) as conn:
        run = await runs.find(conn, version)
        if run is None:
            return None
        lanes = await runs.standing(conn, run.version)
        state, why = state_of(run.document(), lanes, None)
        return {
            **run.document(),
            "state": state,
            "why": why,
            "lanes": lanes,
            "starts": await runs.starts(conn, run.version),
        }


def _tell(found: dict[str, Any]) -> None:
    state = f"cleared {found['cleared_at']}" if found["cleared_at"] else found["state"]
    parameters = ", ".join(f"{k} {v:g}" for k, v in found["parameters"].items()) or "as live"
    candidate = found["candidate"] or "as live"
    typer.echo(
        f"shadow {found['version']}, {state}, set {found['set_at']} by {found['set_by']}:"
        f" parameters {parameters}; detectors {candidate}"
    )
    for lane in found["lanes"]:
        typer.echo(
            f"  lane {lane['lane']}: {lane['since']} to {lane['until']}, {lane['behind_s']:.1f} s"
            f" behind; {lane['frames']} frames in {lane['step_s']} s,"
            f" {lane['transitions']} transitions, {lane['detector_failures']} detector failures"
            + (f" (last: {lane['last_failure']})" if lane["last_failure"] else "")
        )
    for one in found["starts"]:
        typer.echo(
            f"  lane {one['lane']} began {one['at']} ({one['because']}),"
            f" remembers since {one['remembers_since']}"
        )
    if not found["lanes"]:
        typer.echo("  it has not begun: is `hoistway serve` running, with HOISTWAY_SHADOW_ENABLED?")
