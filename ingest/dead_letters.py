"""What a dead letter is, and how one is made of a message. Pure.

Identity: topic, SHA-256 of the whole payload, index of the element in it, class, key, reason. The
raw bytes are those of the payload (index -1), the element or the field's value, so that an element
can be replayed alone. Texts are made fit for any store: no NUL, no lone surrogate.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Literal

from ingest.source import HEAD_BYTES, MAX_RAW_BYTES, Message
from telemetry.wire import element


class FrameReason(StrEnum):
    """Reasons beside those of ``telemetry.wire.RejectReason``; also metric labels."""

    BAD_TOPIC = "bad_topic"
    """No topic of wire v1, or a gateway without a printable name of at most 128 characters."""
    TOO_LARGE = "too_large"
    """A payload above the limit; the head is kept, with size and digest."""
    BAD_STATUS = "bad_status"
    """A status that is neither ``online`` nor ``offline``; no frame, so outside the sum."""
    MORE_REJECTS = "more_rejects"
    """The payload of which only the first rejects are kept one by one; outside the sum."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Something that could not be decoded or stored.

    ``cls`` is ``frame`` for what counts as rejected, ``field`` for a field of a stored frame and
    for what is no frame. ``size`` is the size of the whole thing [B], of which ``raw`` is at least
    the head.
    """

    cls: Literal["frame", "field"]
    reason: str
    topic: str
    sha256: bytes
    index: int
    key: str
    size: int
    raw: bytes
    detail: Mapping[str, Any]
    received_us: int


def letter_of(
    message: Message,
    index: int,
    reason: str,
    raw: bytes,
    detail: Mapping[str, Any],
    *,
    key: str = "",
) -> DeadLetter:
    """Make a dead letter of ``raw``, the payload of ``message`` or a part of it.

    ``index`` -1 is the payload as a whole. With a ``key`` it is of class ``field``.
    """
    over = message.oversize
    size = over.size if over is not None else len(raw)
    return DeadLetter(
        cls="field" if key else "frame",
        reason=str(reason),
        topic=storable(message.topic),
        sha256=over.sha256 if over is not None else _digest(message.payload),
        index=index,
        key=key,
        size=size,
        raw=raw if size <= MAX_RAW_BYTES else raw[:HEAD_BYTES],
        detail={k: storable(v) if isinstance(v, str) else v for k, v in detail.items()},
        received_us=message.received_us,
    )


def frame_letter(
    message: Message, index: int, reason: str, detail: Mapping[str, Any] | None = None
) -> DeadLetter:
    """Make a dead letter of frame ``index`` of a message that was decoded.

    For what is found out after decoding: a foreign gateway, a conflicting frame, a row that the
    database refuses.
    """
    return letter_of(message, index, reason, element(message.payload, index), detail or {})


# Rejects of one payload come together, and a payload may hold thousands of them.
@lru_cache(maxsize=4)
def _digest(payload: bytes) -> bytes:
    return hashlib.sha256(payload).digest()


def storable(text: str) -> str:
    """Return ``text`` without what PostgreSQL's text and JSON cannot hold."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
