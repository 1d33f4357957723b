"""The outermost layer of the API: paths as they were sent, bounded bodies, request times.

Elevator codes are percent-encoded in paths and may hold a slash, so routing looks at the path
before decoding. Bodies are counted while they arrive, whatever length they declare.
"""

from time import perf_counter
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.problems import Code, Problem
from service.metrics import Metrics


class Edge:
    """ASGI middleware; ``body_max_bytes`` bounds every request's body [B]."""

    def __init__(self, app: ASGIApp, metrics: Metrics, body_max_bytes: int) -> None:
        self._app = app
        self._metrics = metrics
        self._body_max_bytes = body_max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = perf_counter()

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                label = f"{message['status'] // 100}xx"
                self._metrics.http_s.labels(status=label).observe(perf_counter() - began_s)
            await send(message)

        declared = _declared_length(scope)
        if declared is not None and declared > self._body_max_bytes:
            await self._too_large().response()(scope, receive, timed)
            return
        await self._app(_as_sent(scope), self._bounded(receive), timed)

    def _bounded(self, receive: Receive) -> Receive:
        seen_bytes = 0

        async def counted() -> Message:
            nonlocal seen_bytes
            message = await receive()
            seen_bytes += len(message.get("body", b""))
            if seen_bytes > self._body_max_bytes:
                raise HTTPException(Code.TOO_LARGE.status)  # FastAPI lets only these pass
            return message

        return counted

    def _too_large(self) -> Problem:
        return Problem(Code.TOO_LARGE, f"at most {self._body_max_bytes} bytes")


def _as_sent(scope: Scope) -> Scope:
    raw: bytes | None = scope.get("raw_path")
    if not raw:
        return scope
    path = raw.split(b"?", 1)[0].decode("ascii", "replace")
    return {**scope, "path": path}


def _declared_length(scope: Scope) -> int | None:
    headers: list[tuple[bytes, bytes]] | Any = scope["headers"]
    for name, value in headers:
        if name.lower() == b"content-length" and value.isdigit():
            return int(value)
    return None
