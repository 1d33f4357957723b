"""``hoistway gaps CODE``: which frames of a lift are missing, and who lost them."""

from typing import Annotated, Any, Final

import typer

DAY_US: Final = 86_400_000_000


def gaps(
    elevator: Annotated[str, typer.Argument(help="Registration code of the lift.")],
    from_: Annotated[
        str, typer.Option("--from", help="RFC 3339 with offset; default: a day before --until.")
    ] = "",
    until: Annotated[str, typer.Option("--until", help="Likewise; default: now.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the numbers that are missing between stored frames of a lift, and who lost them.

    ``us``: among the dead letters; ``terminal``: in a silence of more than two minutes; ``way``:
    amid a stream. Frames that came late are stored by now, and not missing.
    """
    import asyncio
    import json

    from service.clock import SystemClock
    from service.commands.failures import CommandError
    from service.replay.choosing import choice_of

    asked = choice_of([elevator], from_, until)
    until_us = asked.to_us if until else SystemClock().now_us()
    since_us = asked.from_us if from_ else until_us - DAY_US
    found = asyncio.run(_found(elevator, since_us, until_us))
    if found is None:
        raise CommandError(f"there is no elevator {elevator}")
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    for gap in found:
        lost = ", ".join(f"{who} {n}" for who, n in gap["lost_by"].items() if n)
        numbers = f"{gap['first']}-{gap['last']}"
        typer.echo(f"{gap['from']} {gap['to']} missing {gap['missing']:>6} {numbers:>16}: {lost}")
    total = {who: sum(gap["lost_by"][who] for gap in found) for who in ("us", "terminal", "way")}
    typer.echo(
        f"missing {sum(total.values())}: {', '.join(f'{who} {n}' for who, n in total.items())}"
    )


async def _found(elevator: str, since_us: int, until_us: int) -> list[dict[str, Any]] | None:
    from service.database import visit
    from service.gaps import gaps_of
    from service.settings import load

    async with visit(load().database) as conn:
        found = await gaps_of(conn, elevator, since_us, until_us)
    return None if found is None else [gap.document() for gap in found]
