"""``/v1/shadow``: other rules beside the live ones: which run, how they are, what they would say.

A change is all or nothing: one wrong key, value or candidate refuses it with a sentence for each.
What runs already goes on when it is put again. The working process starts and ends the shadow
within seconds; nothing of it ever alarms.
"""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from service.commands.failures import CommandError
from service.http.auth import GuardedRoute, WithCaller, WithParts
from service.http.paging import Limit, Number, Text, instant, page, text_filter
from service.http.parts import Parts
from service.http.problems import Code, Problem
from service.shadow.store import Case, Place, SaidFilter, ShadowRefusedError
from service.times import MAX_US, MIN_US
from telemetry.findings import FindingKind

router = APIRouter(route_class=GuardedRoute, prefix="/v1/shadow")

PAGE: Final = 100
MAX_VERSION: Final = 2**31 - 2
MAX_ID: Final = 2**63 - 1
DAY_US: Final = 86_400_000_000
AHEAD_US: Final = 60_000_000
"""Event times are at most so far ahead of the clock [µs]."""
KINDS: Final = {kind.slug: int(kind) for kind in FindingKind}
EXAMPLE: Final = {"parameters": {"between_landings_window_s": 25}, "candidate": ""}
SHOWN: Final = {
    "version": 3,
    "parameters": {"between_landings_window_s": 25},
    "candidate": "",
    "set_at": "2026-11-22T08:00:00.000Z",
    "set_by": "an admin",
    "cleared_at": None,
    "cleared_by": None,
    "state": "running",
    "why": "",
    "lanes": [
        {
            "lane": 0, "since": "2026-11-22T08:00:02.000Z", "until": "2026-11-22T09:15:30.250Z",
            "behind_s": 0.4, "frames": 1250000, "transitions": 212, "step_s": 9.1,
            "detector_failures": 0, "last_failure": None,
        }
    ],
    "starts": [
        {
            "lane": 0, "at": "2026-11-22T08:00:03.000Z", "because": "first start",
            "remembers_since": "2026-11-22T06:00:02.000Z",
        }
    ],
}  # fmt: skip
_SHOWS: Final[Any] = {200: {"content": {"application/json": {"example": SHOWN}}}}

Version = Annotated[
    int | None,
    Query(ge=1, le=MAX_VERSION, description="of an earlier run; default: the one in force"),
]
From = Annotated[str | None, Query(alias="from", description="inclusive; default: a day before to")]
To = Annotated[str | None, Query(alias="to", description="exclusive; default: now")]
After = Annotated[str | None, Query(max_length=200, description="next of the page before")]


class Rules(BaseModel):
    """What is other than live: parameters of the fleet, other detectors by name, or both."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    parameters: Annotated[dict[str, Number], Field(max_length=500)] = Field(default_factory=dict)
    candidate: Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f]*$")] = ""


@router.get("", responses=_SHOWS)
async def get_shadow(parts: WithParts, version: Version = None) -> JSONResponse:
    """Return what runs as a shadow, since when, its state and why.

    ``state``: none, off (not at this process), starting, running, behind, failed, or cleared;
    at a process that does not look after it, caught_up instead of running.
    """
    return JSONResponse(await _run(parts, version))


@router.put("", responses=_SHOWS)
async def put_shadow(body: Rules, parts: WithParts, caller: WithCaller) -> JSONResponse:
    """Let these rules run as the shadow from now on, instead of those before."""
    now_us = parts.clock.now_us()
    try:
        done = await parts.shadow.put(body.parameters, body.candidate, caller.name, now_us)
    except ShadowRefusedError as error:
        errors = [{"where": ["body"], "what": text} for text in error.problems[:20]]
        raise Problem(Code.INVALID, f"shadow: {error}", errors=errors) from error
    return JSONResponse(done)


@router.delete("")
async def delete_shadow(parts: WithParts, caller: WithCaller) -> JSONResponse:
    """End the shadow; what it said stays under its version."""
    version = await parts.shadow.clear(caller.name, parts.clock.now_us())
    if version is None:
        raise Problem(Code.NOT_FOUND, "no shadow is set; PUT /v1/shadow sets one")
    return JSONResponse(await _run(parts, version))


@router.get("/runs")
async def list_shadow_runs(
    parts: WithParts,
    before: Annotated[int, Query(ge=1, le=MAX_VERSION, description="next of the page")] = (
        MAX_VERSION
    ),
    limit: Limit = None,
) -> JSONResponse:
    """List all runs, newest first: what was other than live, from when to when, by whose will."""
    size = page(limit, PAGE, parts.settings.page_max)
    found = await parts.shadow.runs(before, size)
    following = found[-1]["version"] if len(found) == size else None
    return JSONResponse({"runs": found, "next": following})


@router.get("/transitions")
async def list_shadow_transitions(
    parts: WithParts,
    version: Version = None,
    since: From = None,
    until: To = None,
    elevator: Text = None,
    kind: Annotated[str | None, Query(description="kind as it is named in messages")] = None,
    after: After = None,
    limit: Limit = None,
) -> JSONResponse:
    """List what the shadow would have said, by event time."""
    which = await _which(parts, version, (since, until), elevator, kind)
    size = page(limit, PAGE, parts.settings.page_max)
    found = await parts.shadow.said(which, _place(after), size)
    last = found[-1] if len(found) == size else None
    following = None if last is None else _spelt(last)
    return JSONResponse({"version": which.version, "transitions": found, "next": following})


@router.get("/differences")
async def list_shadow_differences(
    parts: WithParts,
    version: Version = None,
    since: From = None,
    until: To = None,
    elevator: Text = None,
    after: After = None,
    limit: Limit = None,
) -> JSONResponse:
    """List what the shadow would have said otherwise than the service, by time of raising."""
    which = await _which(parts, version, (since, until), elevator, None)
    size = page(limit, PAGE, parts.settings.page_max)
    try:
        head, cases = await parts.shadow.differences(which, _case(after), size)
    except ShadowRefusedError as error:
        raise Problem(Code.INVALID, str(error)) from error
    except CommandError as error:  # it has not begun
        raise Problem(Code.CONFLICT, str(error)) from error
    following = ".".join(map(str, cases[-1][0])) if len(cases) == size else None
    told = [document for _, document in cases]
    return JSONResponse({**head, "differences": told, "next": following})


async def _run(parts: Parts, version: int | None) -> dict[str, Any]:
    found = await parts.shadow.show(version)
    if found is None:
        raise Problem(Code.NOT_FOUND, "no run has this version; GET /v1/shadow/runs lists all")
    return found


async def _which(
    parts: Parts,
    version: int | None,
    span: tuple[str | None, str | None],
    elevator: str | None,
    kind: str | None,
) -> SaidFilter:
    """Return what is asked for; refuses what there is not."""
    since, until = span
    until_us = instant("to", until) if until else parts.clock.now_us() + AHEAD_US
    since_us = instant("from", since) if since else max(MIN_US, until_us - DAY_US)
    if since_us >= until_us:
        raise Problem(Code.INVALID, "from must lie before to")
    if kind is not None and kind not in KINDS:
        raise Problem(Code.INVALID, f"kind must be one of {', '.join(KINDS)}")
    code = text_filter("elevator", elevator)
    if code is not None and await parts.fleet.elevator(code) is None:
        raise Problem(Code.INVALID, "elevator: no lift has this code")
    run = await _run(parts, version)
    if run["version"] is None:
        raise Problem(
            Code.NOT_FOUND, "no shadow is set; give version, GET /v1/shadow/runs lists all"
        )
    return SaidFilter(
        run["version"], since_us, until_us, code, None if kind is None else KINDS[kind]
    )


def _spelt(transition: dict[str, Any]) -> str:
    time_us = instant("time", transition["time"])
    return ".".join(str(n) for n in (time_us, *(transition[k] for k in ("lane", "batch", "n"))))


def _place(text: str | None) -> Place | None:
    if text is None:
        return None
    try:
        time_us, lane, batch, n = map(int, text.split("."))
    except ValueError:
        raise Problem(Code.INVALID, "after is no cursor of this list") from None
    fits = MIN_US <= time_us <= MAX_US and -1 <= batch <= MAX_ID
    if not fits or not -1 <= lane < 2**15 or not -1 <= n < 2**31:
        raise Problem(Code.INVALID, "after is no cursor of this list")
    return time_us, lane, batch, n


def _case(text: str | None) -> Case | None:
    if text is None:
        return None
    try:
        time_us, kind, code = text.split(".", 2)
        return int(time_us), int(kind), code
    except ValueError:
        raise Problem(Code.INVALID, "after is no cursor of this list") from None
