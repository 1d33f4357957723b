"""``/v1/elevators`` and ``/v1/gateways``: the registry, and frames of one lift.

Unknown lifts are listed like any other, unconfirmed; a person confirms them here. Every change is
audited with the key's name and makes the pipeline read the registration again.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ingest.store.parameters import Scope
from service.http.auth import GuardedRoute, WithCaller, WithParts
from service.http.paging import (
    MAX_ID,
    Limit,
    Number,
    RawCode,
    Text,
    elevator_code,
    frame_cursor,
    instant,
    page,
    text_filter,
)
from service.http.parameters import refuse_wrong
from service.http.parts import Document, Parts
from service.http.problems import Code, Problem
from service.parameters import Wanted
from service.parameters.book import RATED_SPEED
from service.roles import Caller
from telemetry.columns import Unit

router = APIRouter(route_class=GuardedRoute, prefix="/v1")

PAGE = 100
FRAMES_PAGE = 1_000
HOUR_US = 3_600_000_000


def _unit(value: Any) -> Any:
    """Read ``lift`` like 0, as the wire does."""
    words = {unit.name.lower(): unit for unit in Unit}
    return words.get(value, value) if isinstance(value, str) else value


Line = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f]*$")] | None
Reason = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")]
UnitWord = Annotated[Unit, BeforeValidator(_unit)]
After = Annotated[int, Query(ge=0, le=MAX_ID, description="next of the page before")]


class Registration(BaseModel):
    """What a person can say about a lift; null = not known."""

    model_config = ConfigDict(extra="forbid")

    sticker: Line = None
    unit: UnitWord | None = None
    building: Line = None
    address: Line = None
    district: Line = None
    maintainer: Line = None
    use_unit: Line = None
    insurer: Line = None
    policy: Line = None
    model: Line = None
    rated_speed_mps: Annotated[Number, Field(gt=0, le=30)] | None = None
    params: dict[str, Number] = Field(default_factory=dict)
    confirmed: bool = True
    reason: Reason = ""
    """Why its parameters change, for the list of versions."""
    gateway: (
        Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f]*$")] | None
    ) = None


class Amendment(Registration):
    """Only the fields that are given change; a parameter set to null goes back to its default."""

    params: dict[str, Number | None] = Field(default_factory=dict)  # pyright: ignore[reportIncompatibleVariableOverride]


@router.get("/elevators")
async def list_elevators(
    parts: WithParts,
    confirmed: bool | None = None,
    gateway: Text = None,
    sticker: Text = None,
    after: After = 0,
    limit: Limit = None,
) -> JSONResponse:
    """List lifts in the order in which they became known."""
    size = page(limit, PAGE, parts.settings.page_max)
    lifts = await parts.fleet.list_elevators(
        after,
        size,
        confirmed=confirmed,
        gateway=text_filter("gateway", gateway),
        sticker=text_filter("sticker", sticker),
    )
    following = lifts[-1]["id"] if len(lifts) == size else None
    return JSONResponse({"elevators": lifts, "next": following})


@router.get("/elevators/{code}")
async def get_elevator(code: RawCode, parts: WithParts) -> JSONResponse:
    """Return one lift."""
    return JSONResponse(await _elevator(parts, elevator_code(code)))


@router.put("/elevators/{code}")
async def put_elevator(
    code: RawCode, body: Registration, parts: WithParts, caller: WithCaller
) -> JSONResponse:
    """Register a lift, known or not: what is not given is cleared, and it counts as confirmed."""
    return await _register(parts, caller, code, body.model_dump(), whole=True)


@router.patch("/elevators/{code}")
async def patch_elevator(
    code: RawCode, body: Amendment, parts: WithParts, caller: WithCaller
) -> JSONResponse:
    """Change some of what is registered about a lift."""
    changes = body.model_dump(exclude_unset=True)
    return await _register(parts, caller, code, changes, whole=False)


@router.get("/elevators/{code}/frames")
async def list_frames(
    code: RawCode,
    parts: WithParts,
    since: Annotated[str | None, Query(alias="from", description="inclusive")] = None,
    until: Annotated[str | None, Query(alias="to", description="exclusive")] = None,
    after: Annotated[str | None, Query(description="next of the page before")] = None,
    limit: Limit = None,
) -> Response:
    """Return frames of a lift by event time; the last hour if no span is given."""
    lift = await _elevator(parts, elevator_code(code))
    until_us = instant("to", until) if until else parts.clock.now_us() + 60_000_000
    since_us = instant("from", since) if since else until_us - HOUR_US
    cursor = frame_cursor(after, since_us)
    size = page(limit, FRAMES_PAGE, parts.settings.frames_max)
    content = await parts.fleet.frames(lift["id"], since_us, until_us, cursor, size)
    return Response(content, media_type="application/json")


@router.get("/gateways")
async def list_gateways(parts: WithParts, after: After = 0, limit: Limit = None) -> JSONResponse:
    """List gateways in the order in which they became known."""
    size = page(limit, PAGE, parts.settings.page_max)
    gateways = await parts.fleet.list_gateways(after, size)
    following = gateways[-1]["id"] if len(gateways) == size else None
    return JSONResponse({"gateways": gateways, "next": following})


async def _elevator(parts: Parts, code: str) -> Document:
    lift = await parts.fleet.elevator(code)
    if lift is None:
        raise Problem(Code.NOT_FOUND, "no lift has this code")
    return lift


async def _register(
    parts: Parts, caller: Caller, raw_code: str, changes: dict[str, Any], *, whole: bool
) -> JSONResponse:
    code = elevator_code(raw_code)
    reason = changes.pop("reason", "")
    _check_parameters(parts, code, changes)
    now_us = parts.clock.now_us()
    elevator_id = await parts.fleet.register(
        code, changes, caller.name, now_us, whole=whole, reason=reason
    )
    if elevator_id is None:
        raise Problem(Code.NOT_FOUND, "no lift has this code; PUT registers one")
    await parts.intake.reload((elevator_id,))
    return JSONResponse(await _elevator(parts, code))


def _check_parameters(parts: Parts, code: str, changes: dict[str, Any]) -> None:
    """Refuse what no detector takes, the rated speed among it, before anything is written."""
    given = dict(changes.get("params") or {})
    rated_speed_mps = changes.get(RATED_SPEED)
    if rated_speed_mps is not None and RATED_SPEED in parts.parameters.known:
        given.setdefault(RATED_SPEED, rated_speed_mps)
    refuse_wrong(Wanted(Scope.LIFT, code, given), parts.parameters.known)
