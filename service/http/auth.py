"""Keys and roles at the door: every route is guarded before its body is read.

The guard is part of the route class, so a route cannot be added without it: routes named in
``roles.OPEN`` pass, all others ask the table ``roles.ALLOWED``.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute

from service.http.parts import Parts
from service.http.problems import Code, Problem
from service.roles import ALLOWED, OPEN, Caller

BEARER = "bearer "


class GuardedRoute(APIRoute):
    """A route that asks for a key of an allowed role before it does anything else."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler behind the guard."""
        handler = super().get_route_handler()
        if self.name in OPEN:
            return handler
        allowed = ALLOWED[self.name]

        async def admitted(request: Request) -> Response:
            caller = await _caller(request)
            if caller.role not in allowed:
                needed = ", ".join(sorted(allowed))
                raise Problem(
                    Code.FORBIDDEN, f"key {caller.name!r} is {caller.role}, needed: {needed}"
                )
            request.state.caller = caller
            return await handler(request)

        async def guarded(request: Request) -> Response:
            return await _in_time(request, admitted(request))

        return guarded


async def _in_time(request: Request, work: Coroutine[Any, Any, Response]) -> Response:
    """Answer 503 when the work takes too long, and leave the work to end by itself.

    It is cancelled but not waited for: with a server that hangs, the driver hangs over the
    cancellation as well, and the caller must not.
    """
    parts = parts_of(request)
    task = asyncio.create_task(work, name=f"{request.method} {request.url.path}")
    try:
        done, _ = await asyncio.wait({task}, timeout=parts.settings.request_timeout_s)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        task.cancel()
        parts.abandoned.add(task)
        task.add_done_callback(parts.abandoned.discard)
        raise Problem(Code.DATABASE, f"no answer within {parts.settings.request_timeout_s:g} s")
    return task.result()


async def _caller(request: Request) -> Caller:
    token = token_of(request)
    challenge = {"WWW-Authenticate": 'Bearer realm="hoistway"'}
    if token is None:
        detail = "send Authorization: Bearer <key> or X-API-Key"
        raise Problem(Code.NO_KEY, detail, headers=challenge)
    caller = await parts_of(request).keys.verify(token)
    if caller is None:
        detail = "make one with `hoistway keys create`"
        raise Problem(Code.UNKNOWN_KEY, detail, headers=challenge)
    return caller


def token_of(request: Request) -> str | None:
    """Return the key that a request shows."""
    authorization = request.headers.get("authorization", "")
    if authorization.lower().startswith(BEARER):
        return authorization[len(BEARER) :].strip() or None
    return request.headers.get("x-api-key", "").strip() or None


def parts_of(request: Request) -> Parts:
    """Return what the application was made of."""
    return request.app.state.parts


def caller_of(request: Request) -> Caller:
    """Return who is calling, as the guard found out."""
    return request.state.caller


WithParts = Annotated[Parts, Depends(parts_of)]
WithCaller = Annotated[Caller, Depends(caller_of)]
