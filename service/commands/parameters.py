"""``hoistway parameters``: show, set, history, on the database; a running service hears of it."""

from typing import Annotated, Any, Final

import typer

ACTOR: Final = "cli"
"""Who stands in the versions: whoever can read the database's password."""
BACK: Final = frozenset({"default", "none", "null", ""})
"""Values that take a key back to what applies without it."""

app = typer.Typer(help="Parameters of the detectors: show, set, history.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
Model = Annotated[str | None, typer.Option(help="Model as it is registered.")]


@app.command()
def show(
    lift: Annotated[str | None, typer.Argument(help="Code of a lift; default: the fleet.")] = None,
    model: Model = None,
    every: Annotated[bool, typer.Option("--all", help="Also what has its default.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is in force for a lift and why, or what fleet and models have."""
    import asyncio
    import json

    found = asyncio.run(_shown(lift, model))
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    elif lift is not None:
        typer.echo(f"lift {lift}, model {found['model'] or '-'}, version {found['version']}")
        for key, p in found["parameters"].items():
            if every or p["from"] != "default":
                typer.echo(f"{key:32} {p['value']!s:>8}  {p['from']:12} {p.get('source', '')}")
        for name, why in found["ignored"].items():
            typer.echo(f"ignored: {name}: {why}")
    elif model is not None:
        typer.echo(f"model {model}, {found['lifts']} lifts, version {found['version']}")
        _echo(found["params"])
    else:
        _echo_fleet(found, every=every)


@app.command("set")
def set_parameters(
    values: Annotated[list[str], typer.Argument(help="KEY=VALUE …; VALUE default takes it back.")],
    fleet: Annotated[bool, typer.Option("--fleet", help="For all lifts.")] = False,
    model: Model = None,
    lift: Annotated[str | None, typer.Option(help="Code of the lift.")] = None,
    reason: Annotated[str, typer.Option(help="Why, for the list of versions.")] = "",
    dry_run: Annotated[bool, typer.Option(help="Only say what would be different.")] = False,
) -> None:
    """Set parameters, all or nothing, of the fleet, a model or a lift."""
    import asyncio

    from ingest.store.parameters import Scope
    from service.commands.failures import SETTINGS, CommandError
    from service.parameters import Wanted

    chosen = [(Scope.FLEET, "")] * fleet
    chosen += [(Scope.MODEL, model)] if model else []
    chosen += [(Scope.LIFT, lift)] if lift else []
    if len(chosen) != 1:
        raise CommandError("say for whom: one of --fleet, --model NAME, --lift CODE", SETTINGS)
    scope, subject = chosen[0]
    wanted = Wanted(scope, subject, dict(map(_pair, values)), reason)
    done = asyncio.run(_changed(wanted, dry_run=dry_run))
    if done is None:
        raise CommandError(f"no lift has the code {subject!r}; GET /v1/elevators lists all")
    for key, (before, after) in done.changed.items():
        typer.echo(f"{key}: {_spelt(before)} -> {_spelt(after)}")
    if scope is Scope.MODEL and not done.lifts:
        typer.echo(f"no lift is registered as model {subject!r} yet", err=True)
    if not done.changed:
        typer.echo(f"{wanted}: nothing is different")
    elif dry_run:
        typer.echo(f"dry run: {wanted} would change, {done.lifts} lifts")
    else:
        typer.echo(f"{wanted}: version {done.version}, {done.lifts} lifts")


@app.command()
def history(
    lift: Annotated[str | None, typer.Option(help="Only of this lift.")] = None,
    model: Model = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most to list.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List versions, newest first: who, when, why, what."""
    import asyncio
    import json

    versions = asyncio.run(_listed(lift, model, limit))
    for version in versions:
        if as_json:
            typer.echo(json.dumps(version, ensure_ascii=False))
            continue
        why = f": {version['reason']}" if version["reason"] else ""
        typer.echo(f"{version['version']:>6} {version['at']} {version['by']}{why}")
        for change in version["changes"]:
            for key, (before, after) in change["changed"].items():
                where = f"{change['scope']} {change['subject']}".strip()
                typer.echo(f"       {where}: {key} {_spelt(before)} -> {_spelt(after)}")
    if not versions and not as_json:
        typer.echo("no versions: everything has its default")


def _pair(text: str) -> tuple[str, float | None]:
    from service.commands.failures import SETTINGS, CommandError

    key, equals, value = text.partition("=")
    if not equals or not key:
        raise CommandError(f"write KEY=VALUE, not {text!r}", SETTINGS)
    if value.lower() in BACK:
        return key, None
    try:
        return key, float(value)
    except ValueError:
        raise CommandError(f"{key}: {value!r} is no number", SETTINGS) from None


def _spelt(value: Any) -> str:
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _echo(params: dict[str, Any]) -> None:
    for key, value in params.items():
        typer.echo(f"{key:32} {_spelt(value):>8}")


def _echo_fleet(found: dict[str, Any], *, every: bool) -> None:
    typer.echo(f"version {found['version']}")
    for name in ("installation", "fleet"):
        if found[name]:
            typer.echo(f"{name}:")
            _echo(found[name])
    for model, params in found["models"].items():
        typer.echo(f"model {model}:")
        _echo(params)
    if every:
        typer.echo("defaults:")
        for key, p in found["parameters"].items():
            span = f"{p['low']:g} to {p['high']:g}"
            typer.echo(f"{key:32} {_spelt(p['default']):>8}  {span:16} {p['source']}")


async def _shown(lift: str | None, model: str | None) -> dict[str, Any]:
    from service.commands.failures import CommandError
    from service.database import visit
    from service.parameters import ParameterStore
    from service.settings import load

    async with visit(load().database) as conn:
        store = ParameterStore(conn)
        if lift is None:
            return await (store.overview() if model is None else store.model(model))
        found = await store.effective(lift)
    if found is None:
        raise CommandError(f"no lift has the code {lift!r}; GET /v1/elevators lists all")
    return found


async def _changed(wanted: Any, *, dry_run: bool) -> Any:
    from service.clock import SystemClock
    from service.database import visit
    from service.parameters import ParameterStore
    from service.settings import load

    async with visit(load().database) as conn:
        now_us = SystemClock().now_us()
        return await ParameterStore(conn).change(wanted, ACTOR, now_us, dry_run=dry_run)


async def _listed(lift: str | None, model: str | None, limit: int) -> list[dict[str, Any]]:
    from ingest.store.parameters import Scope
    from service.database import visit
    from service.parameters import ParameterStore
    from service.settings import load

    scope = Scope.LIFT if lift else Scope.MODEL if model else None
    async with visit(load().database) as conn:
        return await ParameterStore(conn).versions(
            2**31 - 1, limit, scope=scope, subject=lift or model
        )
