"""``/v1/parameters`` and the parameters of a lift: what is in force, why, since when, and changes.

A change is all or nothing: one wrong key or value refuses it with a sentence that names scope, key
and range. ``dry_run=true`` says what would be different and changes nothing. The working process
takes a change over between two batches, within a fraction of a second.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from ingest.store.parameters import Scope
from service.http.auth import GuardedRoute, WithCaller, WithParts
from service.http.paging import Limit, Number, RawCode, Text, elevator_code, page, text_filter
from service.http.parts import Parts
from service.http.problems import Code, Problem
from service.parameters import Known, ParametersRefusedError, Wanted
from service.parameters.store import check
from service.roles import Caller

router = APIRouter(route_class=GuardedRoute, prefix="/v1")

PAGE = 50
MAX_VERSION = 2**31 - 2
EXAMPLE = {
    "params": {"at_landing_window_s": 90, "urgent_window_s": None},
    "reason": "riders of this building wait in the parked car",
}

DryRun = Annotated[bool, Query(description="only say what would be different")]
RawModel = Annotated[str, Path(alias="model", description="model, percent-encoded")]


class Setting(BaseModel):
    """Values by key; null takes a key back to what applies without it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    params: Annotated[dict[str, Number | None], Field(min_length=1, max_length=500)]
    reason: Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")] = ""


@router.get("/elevators/{code}/parameters")
async def get_elevator_parameters(code: RawCode, parts: WithParts) -> JSONResponse:
    """Return what is in force for a lift: value, range, source, and where the value comes from."""
    found = await parts.parameters.effective(elevator_code(code))
    if found is None:
        raise Problem(Code.NOT_FOUND, "no lift has this code")
    return JSONResponse(found)


@router.patch("/elevators/{code}/parameters")
async def patch_elevator_parameters(
    code: RawCode, body: Setting, parts: WithParts, caller: WithCaller, dry_run: DryRun = False
) -> JSONResponse:
    """Set parameters of a lift; they go before those of its model."""
    wanted = Wanted(Scope.LIFT, elevator_code(code), body.params, body.reason)
    return await _change(parts, caller, wanted, dry_run=dry_run)


@router.get("/parameters")
async def get_parameters(parts: WithParts) -> JSONResponse:
    """Return all parameters with default, range and source, and what fleet and models have."""
    return JSONResponse(await parts.parameters.overview())


@router.patch("/parameters")
async def patch_parameters(
    body: Setting, parts: WithParts, caller: WithCaller, dry_run: DryRun = False
) -> JSONResponse:
    """Set parameters of the fleet; they go before the defaults."""
    wanted = Wanted(Scope.FLEET, "", body.params, body.reason)
    return await _change(parts, caller, wanted, dry_run=dry_run)


@router.get("/parameters/models/{model}")
async def get_model_parameters(model: RawModel, parts: WithParts) -> JSONResponse:
    """Return what is set for the lifts that are registered as this model."""
    return JSONResponse(await parts.parameters.model(_model(model)))


@router.patch("/parameters/models/{model}")
async def patch_model_parameters(
    model: RawModel, body: Setting, parts: WithParts, caller: WithCaller, dry_run: DryRun = False
) -> JSONResponse:
    """Set parameters of a model; they go before those of the fleet."""
    wanted = Wanted(Scope.MODEL, _model(model), body.params, body.reason)
    return await _change(parts, caller, wanted, dry_run=dry_run)


@router.get("/parameters/versions")
async def list_parameter_versions(
    parts: WithParts,
    scope: Annotated[Scope | None, Query()] = None,
    subject: Text = None,
    before: Annotated[int, Query(ge=1, le=MAX_VERSION, description="next of the page")] = (
        MAX_VERSION
    ),
    limit: Limit = None,
) -> JSONResponse:
    """List versions, newest first: who, when, why, and what became different."""
    size = page(limit, PAGE, parts.settings.page_max)
    versions = await parts.parameters.versions(
        before, size, scope=scope, subject=text_filter("subject", subject)
    )
    following = versions[-1]["version"] if len(versions) == size else None
    return JSONResponse({"versions": versions, "next": following})


@router.get("/parameters/versions/{version}")
async def get_parameter_version(
    version: Annotated[int, Path(ge=1, le=MAX_VERSION)], parts: WithParts
) -> JSONResponse:
    """Return one version; an alarm names it as ``rule.parameters_version``."""
    found = await parts.parameters.version(version)
    if found is None:
        raise Problem(Code.NOT_FOUND, "no version has this number")
    return JSONResponse(found)


def refuse_wrong(wanted: Wanted, known: Mapping[str, Known]) -> None:
    """Raise a problem that names every wrong key."""
    try:
        check(wanted, known)
    except ParametersRefusedError as error:
        raise _refused(error) from error


def _refused(error: ParametersRefusedError) -> Problem:
    errors = [{"where": ["body", "params"], "what": text} for text in error.problems[:20]]
    return Problem(Code.INVALID, f"params: {error}", errors=errors)


def _model(raw: str) -> str:
    """Decode a model out of a path; what can be none is not found."""
    try:
        name = unquote(raw, errors="strict")
    except UnicodeDecodeError:
        raise Problem(Code.NOT_FOUND, "the model is not UTF-8") from None
    if not 1 <= len(name) <= 200 or not name.isprintable():
        raise Problem(Code.NOT_FOUND, "a model has 1 to 200 printable characters")
    return name


async def _change(parts: Parts, caller: Caller, wanted: Wanted, *, dry_run: bool) -> JSONResponse:
    now_us = parts.clock.now_us()
    try:
        done = await parts.parameters.change(wanted, caller.name, now_us, dry_run=dry_run)
    except ParametersRefusedError as error:
        raise _refused(error) from error
    if done is None:
        raise Problem(Code.NOT_FOUND, "no lift has this code; PUT /v1/elevators registers one")
    if done.version is not None:
        await parts.intake.reload((0,))
    answer: dict[str, Any] = {"scope": wanted.scope, "subject": wanted.subject, **asdict(done)}
    return JSONResponse(answer)
