"""``hoistway desk``: a dispatch endpoint on this terminal, for trying out."""

import re
from typing import Annotated, Final

import typer

WORDS: Final = "ok, an HTTP status, hang, slow:<seconds>, redirect or cut"
KEY_NEEDED: Final = (
    "give --key or HOISTWAY_API_KEY; make one with `hoistway keys create --role dispatcher`"
)
BEHAVIOUR: Final = re.compile(r"ok|[2-5]\d\d|hang|slow:\d+(\.\d+)?|redirect|cut")


def desk(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8090,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    behaviour: Annotated[str, typer.Option(help=f"{WORDS}.")] = "ok",
    accept_as: Annotated[
        str | None, typer.Option(help="Take every case under this name; default: by key press.")
    ] = None,
    accept_after: Annotated[
        float | None,
        typer.Option(min=0, help="... so many seconds later, through the API; needs --key."),
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="Key of role dispatcher; default HOISTWAY_API_KEY.")
    ] = None,
    for_s: Annotated[
        float | None, typer.Option("--for", min=0, help="End after so many seconds.")
    ] = None,
) -> None:
    """Receive, verify, show and accept alarms; signing secrets are HOISTWAY_DISPATCH_SECRET.

    Its address, http://HOST:PORT/alarms, belongs into the service's HOISTWAY_DISPATCH_URLS. Keys
    on a terminal: a accept the oldest open case, r release, f false alarm (these need --key);
    o answer well, 5 answer 500, h hang, s answer slowly, q quit.
    """
    import asyncio

    from service.commands.failures import SETTINGS, UNAVAILABLE, CommandError
    from service.desk import DeskSettings
    from service.desk_screen import run_desk
    from service.settings import load

    settings = load()
    if not settings.dispatch.secrets():
        raise CommandError("HOISTWAY_DISPATCH_SECRET is not set: give the service's", SETTINGS)
    if BEHAVIOUR.fullmatch(behaviour) is None:
        raise CommandError(f"--behaviour must be {WORDS}, not {behaviour!r}", SETTINGS)
    api_key = key or (settings.api.key.get_secret_value() if settings.api.key else None)
    if accept_after is not None and accept_as is None:
        raise CommandError("--accept-after needs --accept-as: the name to accept under", SETTINGS)
    if accept_after is not None and api_key is None:
        raise CommandError(f"--accept-after accepts through the API: {KEY_NEEDED}", SETTINGS)
    made = DeskSettings(
        secrets=settings.dispatch.secrets(),
        host=host,
        port=port,
        accept_as=accept_as,
        accept_after_s=accept_after,
        api_url=settings.api.url or f"http://127.0.0.1:{settings.http.port}",
        api_key=api_key,
    )
    try:
        asyncio.run(run_desk(made, behaviour, for_s))
    except OSError as error:
        reason = error.strerror or str(error)
        raise CommandError(
            f"--host and --port: {host}:{port} cannot be had ({reason}); choose another",
            UNAVAILABLE,
        ) from error
