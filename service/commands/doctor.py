"""``hoistway doctor``: look at everything that the service needs, and say what to do."""

from typing import Annotated

import typer


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    settings: Annotated[
        bool, typer.Option("--settings", help="List all settings in force, and stop.")
    ] = False,
) -> None:
    """Check settings, database, broker, disk, clock and endpoints; exit code 1 on a failure."""
    import asyncio
    import json

    from service.doctor import Grade, examine
    from service.settings import load
    from service.settings.text import values

    tree = load()
    if settings:
        for name, value in values(tree).items():
            typer.echo(f"{name}={value}")
        return
    checks = asyncio.run(examine(tree))
    if as_json:
        typer.echo(json.dumps([c.document() for c in checks], ensure_ascii=False, indent=2))
    else:
        for check in checks:
            typer.echo(check.line())
    if any(c.grade is Grade.FAILED for c in checks):
        raise typer.Exit(1)
