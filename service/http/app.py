"""The application: routes joined, every one guarded, every error a problem."""

from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from service.http import (
    alarms,
    dead_letters,
    elevators,
    frames,
    health,
    parameters,
    problems,
    shadow,
)
from service.http.auth import GuardedRoute
from service.http.edge import Edge
from service.http.parts import Parts
from service.roles import ALLOWED, OPEN

ROUTERS: Final = (health.router, frames.router, alarms.router, elevators.router,
                  parameters.router, shadow.router, dead_letters.router)  # fmt: skip


def make_app(parts: Parts) -> FastAPI:
    """Return the API over ``parts``. Opens nothing and starts nothing."""
    app = FastAPI(
        title="Hoistway",
        version=parts.version,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        openapi_url=None,  # served by a guarded route of our own
        redirect_slashes=False,
    )
    app.state.parts = parts
    for router in ROUTERS:
        _check_table(router)
        app.include_router(router)
    problems.install(app, parts.settings.retry_after_s)
    app.add_middleware(Edge, metrics=parts.metrics, body_max_bytes=parts.body_max_bytes)
    return app


def _check_table(router: APIRouter) -> None:
    """Refuse a route that nobody decided about."""
    for route in router.routes:
        if not isinstance(route, GuardedRoute):
            raise TypeError(f"{route} is not guarded")
        if route.name not in ALLOWED and route.name not in OPEN:
            raise LookupError(f"{route.name} is missing in service.roles")


def routes() -> list[BaseRoute]:
    """Return every route of the API."""
    return [route for router in ROUTERS for route in router.routes]
