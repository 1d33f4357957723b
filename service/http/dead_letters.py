"""``/v1/dead-letters``: what could not be taken, and trying it again.

Replaying submits the stored bytes under the gateway that sent them, through the same way as any
payload; so a frame refused as ``foreign_gateway`` is taken after its lift was bound anew, and one
that is still bad raises the count of the same dead letter.
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse

from service.http.auth import GuardedRoute, WithCaller, WithParts
from service.http.frames import document, submit
from service.http.paging import MAX_ID, Limit, Text, instant, page, text_filter
from service.http.parts import DeadLetter, Parts
from service.http.problems import Code, Problem
from telemetry.topics import TopicKind, parse

router = APIRouter(route_class=GuardedRoute, prefix="/v1/dead-letters")

PAGE = 100
LetterId = Annotated[int, Path(ge=1, le=MAX_ID)]


@router.get("")
async def list_dead_letters(
    parts: WithParts,
    reason: Text = None,
    class_: Annotated[Literal["frame", "field"] | None, Query(alias="class")] = None,
    topic: Text = None,
    since: Annotated[str | None, Query(description="last seen since then")] = None,
    before: Annotated[int, Query(ge=1, le=MAX_ID)] = MAX_ID,
    limit: Limit = None,
) -> JSONResponse:
    """List dead letters, newest first."""
    size = page(limit, PAGE, parts.settings.page_max)
    letters = await parts.dead_letters.list_dead_letters(
        before,
        size,
        reason=text_filter("reason", reason),
        class_=class_,
        topic=text_filter("topic", topic),
        since_us=instant("since", since) if since else None,
    )
    following = letters[-1]["id"] if len(letters) == size else None
    return JSONResponse({"dead_letters": letters, "next": following})


@router.get("/{letter_id}")
async def get_dead_letter(letter_id: LetterId, parts: WithParts) -> JSONResponse:
    """Return one dead letter with its bytes, as text where they are text and in base64."""
    return JSONResponse((await _letter(parts, letter_id)).document)


@router.post("/{letter_id}/replay")
async def replay_dead_letter(
    letter_id: LetterId, parts: WithParts, caller: WithCaller
) -> JSONResponse:
    """Submit a dead letter again as the gateway that sent it."""
    letter = await _letter(parts, letter_id)
    topic = parse(letter.topic)
    if not letter.of_frame:
        raise Problem(Code.CONFLICT, "its frame was stored; only one field was unusable")
    if topic is None or topic.kind is not TopicKind.FRAMES:
        raise Problem(Code.CONFLICT, "its topic names no gateway")
    if letter.size > len(letter.raw):
        raise Problem(Code.CONFLICT, "only the head of its payload was kept")
    result = await submit(parts, topic.gateway, letter.raw)
    await parts.dead_letters.mark_replayed(letter_id, caller.name, parts.clock.now_us())
    return JSONResponse(document(result))


async def _letter(parts: Parts, letter_id: int) -> DeadLetter:
    letter = await parts.dead_letters.dead_letter(letter_id)
    if letter is None:
        raise Problem(Code.NOT_FOUND, "no dead letter has this id")
    return letter
