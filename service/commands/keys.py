"""``hoistway keys``: create, list, revoke. A new key is printed once, alone on standard output."""

from typing import Annotated

import typer

from service.roles import Role

ACTOR = "cli"
"""Who stands in the audit log: whoever can read the database's password."""

app = typer.Typer(help="API keys: create, list, revoke.", no_args_is_help=True)


@app.command()
def create(
    role: Annotated[Role, typer.Option(help="What the key may do.")],
    name: Annotated[
        str,
        typer.Option(
            help="Who acts; default: the role. Role gateway needs it: the gateway's name."
        ),
    ] = "",
) -> None:
    """Make a key and print it, once: only its digest is kept."""
    import asyncio

    from service import keys
    from service.clock import SystemClock
    from service.commands.failures import SETTINGS, CommandError
    from service.database import visit
    from service.settings import load

    if role is Role.GATEWAY and not name:
        raise CommandError("--name is needed for role gateway: it is the gateway's name", SETTINGS)

    async def made() -> keys.NewKey:
        key = keys.make(name or role.value, role)
        async with visit(load().database) as conn:
            await keys.create(conn, key, ACTOR, SystemClock().now_us())
        return key

    key = asyncio.run(made())
    typer.echo(f"key {key.name!r} of role {key.role}; it is shown only now:", err=True)
    typer.echo(key.token)


@app.command("list")
def list_keys(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List all keys, revoked ones too."""
    import asyncio
    import json
    from typing import Any

    from service import keys
    from service.database import visit
    from service.settings import load

    async def listed() -> list[dict[str, Any]]:
        async with visit(load().database) as conn:
            return await keys.listed(conn)

    found = asyncio.run(listed())
    if as_json:
        typer.echo(json.dumps(found, default=str, ensure_ascii=False))
        return
    for key in found:
        state = f"revoked {key['revoked_at']}" if key["revoked_at"] else "in force"
        used = key["last_used_at"] or "never"
        typer.echo(f"{key['name']:24} {key['role']:11} {state}, last used {used}")


@app.command()
def revoke(name: Annotated[str, typer.Argument(help="Name of the key.")]) -> None:
    """Revoke a key.

    The service forgets it within seconds (HOISTWAY_HTTP_KEY_CACHE_S).
    """
    import asyncio

    from service import keys
    from service.clock import SystemClock
    from service.commands.failures import CommandError
    from service.database import visit
    from service.settings import load

    async def revoked() -> bool:
        async with visit(load().database) as conn:
            return await keys.revoke(conn, name, ACTOR, SystemClock().now_us())

    if not asyncio.run(revoked()):
        raise CommandError(f"no key named {name!r} is in force; see `hoistway keys list`")
    typer.echo(f"key {name!r} is revoked")
