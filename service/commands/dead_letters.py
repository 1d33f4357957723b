"""``hoistway dead-letters``: list and show from the database, replay through the service."""

from typing import Annotated, Any, Final

import typer

app = typer.Typer(help="What could not be taken: list, show, replay.", no_args_is_help=True)

TIMEOUT_S: Final = 30
KEY_NEEDED: Final = (
    "an API key of role admin is needed: --key or HOISTWAY_API_KEY; make one with"
    " `hoistway keys create --role admin`"
)

LetterId = Annotated[int, typer.Argument(min=1, help="Number from the list.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command("list")
def list_letters(
    reason: Annotated[str | None, typer.Option(help="Only of this reason.")] = None,
    topic: Annotated[str | None, typer.Option(help="Only from this topic.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most to list.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List dead letters, newest first."""
    import asyncio
    import json

    letters = asyncio.run(_listed(reason, topic, limit))
    for letter in letters:
        if as_json:
            typer.echo(json.dumps(letter, ensure_ascii=False))
            continue
        replayed = f" replayed {letter['replayed_at']}" if letter["replayed_at"] else ""
        where = f"{letter['topic']}[{letter['index']}]{letter['key'] and '.' + letter['key']}"
        typer.echo(
            f"{letter['id']:>8} {letter['last_at']} {letter['class']:5} {letter['reason']:18}"
            f" x{letter['times']} {letter['size']} B {where}{replayed}"
        )
    if not letters and not as_json:
        typer.echo("no dead letters")


@app.command()
def show(letter_id: LetterId, as_json: AsJson = False) -> None:
    """Show one dead letter with its bytes."""
    import asyncio
    import json

    from service.commands.failures import CommandError

    letter = asyncio.run(_shown(letter_id))
    if letter is None:
        raise CommandError(f"there is no dead letter {letter_id}; see `hoistway dead-letters list`")
    if as_json:
        typer.echo(json.dumps(letter, ensure_ascii=False))
        return
    for name, value in letter.items():
        if name not in ("text", "base64"):
            typer.echo(f"{name:12} {value}")
    told = letter["text"] is not None and letter["text"].isprintable()
    typer.echo(f"{'payload':12} {letter['text'] if told else 'base64:' + letter['base64']}")


@app.command()
def replay(
    letter_id: LetterId,
    url: Annotated[str | None, typer.Option(help="Service; default HOISTWAY_API_URL.")] = None,
    key: Annotated[str | None, typer.Option(help="Admin key; default HOISTWAY_API_KEY.")] = None,
) -> None:
    """Submit a dead letter again to the running service.

    It goes in as the gateway that sent it; exit code 1 if it is rejected again.
    """
    from service.commands.failures import CommandError
    from service.settings import load

    settings = load()
    secret = key or (settings.api.key.get_secret_value() if settings.api.key else None)
    if secret is None:
        raise CommandError(KEY_NEEDED, 2)
    base = url or settings.api.url or f"http://127.0.0.1:{settings.http.port}"
    result = post(f"{base.rstrip('/')}/v1/dead-letters/{letter_id}/replay", secret)
    typer.echo(
        f"stored {result['stored']}, duplicate {result['duplicate']},"
        f" rejected {', '.join(r['reason'] for r in result['rejected']) or 0}"
    )
    if result["rejected"]:
        raise typer.Exit(1)


def post(url: str, key: str) -> dict[str, Any]:
    """POST nothing to the service and return its answer; refusals become ``CommandError``."""
    import json
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    from service.commands.failures import UNAVAILABLE, CommandError

    if not url.startswith(("http://", "https://")):
        raise CommandError(f"--url must begin with http:// or https://, not {url!r}", 2)
    request = Request(url, data=b"", method="POST", headers={"X-API-Key": key})  # noqa: S310 - checked
    try:
        with urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - checked above
            return json.load(answer)
    except HTTPError as error:
        raise CommandError(_refusal(error.read(), error.code), UNAVAILABLE) from error
    except URLError as error:
        raise CommandError(
            f"no service at {url}: {error.reason}; start it with `hoistway serve`, or give --url",
            UNAVAILABLE,
        ) from error


def _refusal(body: bytes, status: int) -> str:
    import json

    try:
        return f"the service answers {status}: {json.loads(body)['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"the service answers {status}"


async def _listed(reason: str | None, topic: str | None, limit: int) -> list[dict[str, Any]]:
    from service.database import visit
    from service.dead_letters import FIRST, DeadLetterStore
    from service.settings import load

    async with visit(load().database) as conn:
        return await DeadLetterStore(conn).list_dead_letters(
            FIRST, limit, reason=reason, topic=topic
        )


async def _shown(letter_id: int) -> dict[str, Any] | None:
    from service.database import visit
    from service.dead_letters import DeadLetterStore
    from service.settings import load

    async with visit(load().database) as conn:
        letter = await DeadLetterStore(conn).dead_letter(letter_id)
        return letter.document if letter else None
