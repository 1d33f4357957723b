"""``POST /v1/frames``: frames of gateways without MQTT, answered after the commit.

The payload is that of wire v1, JSON or MessagePack; the key's name is the gateway. Bad frames are
no error of the request: they are stored as dead letters and named in the answer.
"""

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from service.http.auth import GuardedRoute, WithCaller, WithParts
from service.http.parts import IntakePausedError, Parts, SubmitResult
from service.http.problems import Code, Problem

router = APIRouter(route_class=GuardedRoute)


@router.post("/v1/frames")
async def post_frames(request: Request, parts: WithParts, caller: WithCaller) -> JSONResponse:
    """Take a payload; 200 means that it is stored."""
    result = await submit(parts, caller.name, await request.body())
    return JSONResponse(document(result))


def document(result: SubmitResult) -> dict[str, object]:
    """Return what became of a payload as JSON."""
    rejected = [{"index": index, "reason": str(reason)} for index, reason in result.rejected]
    return {"stored": result.stored, "duplicate": result.duplicate, "rejected": rejected}


async def submit(parts: Parts, gateway: str, payload: bytes) -> SubmitResult:
    """Submit as ``gateway``; a pause or a slow commit becomes 503 with Retry-After."""
    try:
        async with asyncio.timeout(parts.settings.submit_timeout_s):
            return await parts.intake.submit(gateway, payload)
    except IntakePausedError as error:
        raise Problem(Code.PAUSED, str(error)) from error
    except TimeoutError as error:
        raise Problem(Code.PAUSED, "not committed in time; send it again") from error
