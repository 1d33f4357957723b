"""``/v1/alarms``: list, one with its timeline, and what a person does: accept, release, dismiss.

Who did it is the key's name, never a field of the body, because the timeline is evidence. Doing it
again changes nothing and answers as the first time did; what the state forbids is a 409.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from service.http.auth import GuardedRoute, WithCaller, WithParts
from service.http.paging import Limit, Text, alarm_cursor, instant, page, text_filter
from service.http.parts import Act, ActRefusedError, AlarmFilter, Parts
from service.http.problems import Code, Problem
from service.roles import Caller
from service.times import read, to_datetime
from telemetry.findings import FindingClass, FindingKind

router = APIRouter(route_class=GuardedRoute, prefix="/v1/alarms")

PAGE = 100
KINDS = tuple(kind.slug for kind in FindingKind)
CLASSES = tuple(c.value for c in FindingClass)
STATES = ("raised", "accepted", "released", "self_released", "cancelled", "ended")


class Note(BaseModel):
    """What a person may add to an act."""

    model_config = ConfigDict(extra="forbid")

    note: Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")] | None = None


MaybeNote = Annotated[Note | None, Body()]


@router.get("")
async def list_alarms(
    parts: WithParts,
    state: Annotated[str | None, Query(description="open, past, or a state's name")] = None,
    kind: Annotated[str | None, Query(description="kind as it is named in messages")] = None,
    finding_class: Annotated[
        str | None, Query(alias="class", description="rescue, safety, service, health or warning")
    ] = None,
    elevator: Text = None,
    since: Annotated[str | None, Query(description="earliest onset")] = None,
    after: Annotated[str | None, Query(description="next of the page before")] = None,
    limit: Limit = None,
) -> JSONResponse:
    """List alarms, newest onset first."""
    if state is not None and state not in (*STATES, "open", "past"):
        raise Problem(Code.INVALID, f"state must be open, past or one of {', '.join(STATES)}")
    if kind is not None and kind not in KINDS:
        raise Problem(Code.INVALID, f"kind must be one of {', '.join(KINDS)}")
    if finding_class is not None and finding_class not in CLASSES:
        raise Problem(Code.INVALID, f"class must be one of {', '.join(CLASSES)}")
    cursor = alarm_cursor(after)
    wanted = AlarmFilter(
        state=state if state in STATES else None,
        is_open=True if state == "open" else None,
        is_past=True if state == "past" else None,
        kind=kind,
        finding_class=finding_class,
        elevator=text_filter("elevator", elevator),
        since=to_datetime(instant("since", since)) if since else None,
        after=(to_datetime(cursor[0]), cursor[1]) if cursor else None,
        limit=page(limit, PAGE, parts.settings.page_max),
    )
    alarms = await parts.alarms.list_alarms(wanted)
    last = alarms[-1] if len(alarms) == wanted.limit else None
    following = f"{read(last['onset'])}.{last['alarm_id']}" if last else None
    return JSONResponse({"alarms": alarms, "next": following})


@router.get("/{alarm_id}")
async def get_alarm(alarm_id: UUID, parts: WithParts) -> JSONResponse:
    """Return one alarm with its timeline and deliveries."""
    alarm = await parts.alarms.alarm(alarm_id)
    if alarm is None:
        raise Problem(Code.NOT_FOUND, "no alarm has this id")
    return JSONResponse(alarm)


@router.post("/{alarm_id}/accept")
async def accept_alarm(
    alarm_id: UUID, parts: WithParts, caller: WithCaller, body: MaybeNote = None
) -> JSONResponse:
    """Take the case: it is no longer sent or escalated for want of acceptance."""
    return await _act(parts, caller, alarm_id, Act.ACCEPT, body)


@router.post("/{alarm_id}/release")
async def release_alarm(
    alarm_id: UUID, parts: WithParts, caller: WithCaller, body: MaybeNote = None
) -> JSONResponse:
    """Report that the people are free."""
    return await _act(parts, caller, alarm_id, Act.RELEASE, body)


@router.post("/{alarm_id}/false-alarm")
async def false_alarm(
    alarm_id: UUID, parts: WithParts, caller: WithCaller, body: MaybeNote = None
) -> JSONResponse:
    """Give the verdict that nobody was trapped."""
    return await _act(parts, caller, alarm_id, Act.FALSE_ALARM, body)


async def _act(
    parts: Parts, caller: Caller, alarm_id: UUID, act: Act, body: Note | None
) -> JSONResponse:
    note = body.note if body else None
    try:
        alarm = await parts.alarms.act(alarm_id, act, caller.name, note, parts.clock.now_us())
    except ActRefusedError as error:
        raise Problem(Code.CONFLICT, str(error)) from error
    if alarm is None:
        raise Problem(Code.NOT_FOUND, "no alarm has this id")
    return JSONResponse(alarm)
