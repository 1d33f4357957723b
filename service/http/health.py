"""``/healthz``, ``/readyz``, ``/metrics`` and the description of the API. No key is needed."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from service.http.auth import GuardedRoute, WithParts
from service.readiness import TEXTS
from service.times import rfc3339

router = APIRouter(route_class=GuardedRoute)


@router.get("/healthz")
async def healthz(parts: WithParts) -> JSONResponse:
    """Say that the process lives and its event loop turns."""
    return JSONResponse({"alive": True, "version": parts.version})


@router.get("/readyz")
async def readyz(parts: WithParts) -> JSONResponse:
    """Say whether frames are taken and alarms found; 503 with the causes if not."""
    standing = parts.readiness.standing()
    parts.metrics.refresh_ready(s.cause for s in standing)
    causes = [
        {
            "cause": s.cause,
            "since": rfc3339(s.since_us),
            "detail": s.detail,
            "text": {"zh": TEXTS[s.cause][0], "en": TEXTS[s.cause][1]},
        }
        for s in standing
    ]
    headers = {"Retry-After": str(parts.settings.retry_after_s)} if causes else {}
    return JSONResponse({"ready": not causes, "causes": causes}, 503 if causes else 200, headers)


@router.get("/metrics")
async def metrics(parts: WithParts) -> Response:
    """Return the metrics in Prometheus' text format."""
    parts.metrics.refresh_ready(s.cause for s in parts.readiness.standing())
    return Response(generate_latest(parts.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/openapi.json")
async def openapi(request: Request) -> JSONResponse:
    """Describe the API."""
    return JSONResponse(request.app.openapi())
