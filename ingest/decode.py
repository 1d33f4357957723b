"""Messages to columns and dead letters. Pure, and total: no message raises.

Decides which message is frames and which a status, whose it is, and what becomes a dead letter.
Leaves the payload itself to ``telemetry.wire``, lifts and gateways to ``fleet``, and turns of the
event loop to the pipeline, which decodes slice by slice. Invariant, in frames:
``received = len(decoded) + rejected``; a message that gives no payload at all (bad topic, too
large, not decodable) counts 1, ``[]`` counts 0, a status and a field count nothing.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ingest.dead_letters import DeadLetter, FrameReason, letter_of
from ingest.source import Message
from telemetry import topics
from telemetry.topics import TopicKind
from telemetry.wire import Decoded, FieldReject, Reject, decode_many

SLICE_FRAMES: Final = 1_000
"""Frames decoded at a time, about 2 ms [1]."""
FRAME_BYTES: Final = 200
"""Size of a frame on the wire, roughly [B]: slices are cut without looking into payloads."""
TOPICS_REMEMBERED: Final = 65_536
MAX_GATEWAY_CHARACTERS: Final = 128
MAX_LETTERS: Final = 1_000
"""Dead letters from one message. More are counted, and the whole payload is kept once: otherwise
one payload of a mebibyte would become half a million rows."""

STATUSES: Final = frozenset(("online", "offline"))


@dataclass(frozen=True, slots=True)
class GatewayStatus:
    """What the status topic said: ``online`` or ``offline`` (the last will)."""

    gateway: str
    status: str
    received_us: int


@dataclass(frozen=True, slots=True)
class DecodedBatch:
    """What a sequence of messages held.

    Parameters
    ----------
    decoded
        The usable frames, ``n`` of them; ``message`` is the position in the messages given.
    gateways
        Name of the gateway per message; empty for a message that holds no frames.
    received_us
        Arrival per message, int64 [µs].
    letters
        Dead letters of class ``frame`` and ``field``.
    statuses
        What gateways said about themselves, in order.
    received, rejected
        Frames, see the invariant above.
    rejected_by_reason, flawed_by_reason
        Rejected frames by reason; flawed fields by (key, reason).
    """

    decoded: Decoded
    gateways: list[str]
    received_us: NDArray[np.int64]
    letters: list[DeadLetter] = field(default_factory=list)
    statuses: list[GatewayStatus] = field(default_factory=list)
    received: int = 0
    rejected_by_reason: Counter[str] = field(default_factory=Counter)
    flawed_by_reason: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __len__(self) -> int:
        """Return the number of usable frames, ``n``."""
        return len(self.decoded)

    @property
    def rejected(self) -> int:
        """Frames that gave no row: dead letters of class ``frame``."""
        return self.rejected_by_reason.total()

    @property
    def unknown_keys(self) -> Counter[str]:
        """Keys that no column has, and how often they came."""
        return self.decoded.unknown_keys

    def gateway_of_frames(self) -> list[str]:
        """Return the name of the gateway per frame, length ``n``."""
        gateways = self.gateways
        return [gateways[m] for m in self.decoded.columns["message"].tolist()]


def slices(messages: Sequence[Message], frames: int = SLICE_FRAMES) -> Iterator[Sequence[Message]]:
    """Cut ``messages`` into runs of about ``frames`` frames, judged by size; none is left out."""
    start, weight = 0, 0
    for position, message in enumerate(messages):
        weight += 1 + len(message.payload) // FRAME_BYTES
        if weight >= frames:
            yield messages[start : position + 1]
            start, weight = position + 1, 0
    if start < len(messages):
        yield messages[start:]


def decode(messages: Sequence[Message]) -> DecodedBatch:
    """Decode one slice at once."""
    collected = _Collected(messages)
    for position, message in enumerate(messages):
        collected.sort(position, message)
    return collected.finish()


def join(parts: Sequence[DecodedBatch]) -> DecodedBatch:
    """Put slices together again, in order, as if they had been decoded at once."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return decode(())
    first = np.cumsum([0, *(len(part.gateways) for part in parts)])
    numbered = [
        _shifted(part.decoded, np.arange(len(part.gateways), dtype="i4") + start)
        for part, start in zip(parts, first.tolist(), strict=False)
    ]
    return DecodedBatch(
        _joined(numbered),
        [gateway for part in parts for gateway in part.gateways],
        np.concatenate([part.received_us for part in parts]),
        [letter for part in parts for letter in part.letters],
        [status for part in parts for status in part.statuses],
        sum(part.received for part in parts),
        sum((part.rejected_by_reason for part in parts), Counter[str]()),
        sum((part.flawed_by_reason for part in parts), Counter[tuple[str, str]]()),
    )


class _Collected:
    """The result in the making."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = messages
        self.positions: list[int] = []  # of messages with frames
        self.payloads: list[bytes] = []
        self.gateways = [""] * len(messages)
        self.letters: list[DeadLetter] = []
        self.statuses: list[GatewayStatus] = []
        self.rejected: Counter[str] = Counter()
        self.flawed: Counter[tuple[str, str]] = Counter()

    def sort(self, position: int, message: Message) -> None:
        """Put the message where it belongs by its topic."""
        told = _topic(message.topic)
        if told is None:
            self._reject(message, FrameReason.BAD_TOPIC, "no topic of wire v1")
        elif told.kind is TopicKind.STATUS:
            self._status(told.gateway, message)
        elif message.oversize is not None:
            self._reject(message, FrameReason.TOO_LARGE, f"{message.oversize.size} bytes")
        else:
            self.positions.append(position)
            self.payloads.append(message.payload)
            self.gateways[position] = told.gateway

    def finish(self) -> DecodedBatch:
        """Decode the payloads together."""
        decoded = decode_many(self.payloads)
        if len(self.positions) != len(self.messages):
            decoded = _shifted(decoded, np.array(self.positions, "i4"))
        self._add_rejects(decoded.rejects)
        self._add_flaws(decoded.field_rejects)
        return DecodedBatch(
            decoded,
            self.gateways,
            np.array([message.received_us for message in self.messages], "i8"),
            self.letters,
            self.statuses,
            len(decoded) + self.rejected.total(),
            self.rejected,
            self.flawed,
        )

    def _reject(self, message: Message, reason: FrameReason, detail: str) -> None:
        self.rejected[reason] += 1
        self.letters.append(letter_of(message, -1, reason, message.payload, {"error": detail}))

    def _status(self, gateway: str, message: Message) -> None:
        text = message.payload[:64].decode("utf-8", "replace").strip().lower()
        if text in STATUSES:
            self.statuses.append(GatewayStatus(gateway, text, message.received_us))
        elif text or message.oversize is not None:
            # Not a frame: outside the sum. An empty one only takes back a retained status.
            reason = FrameReason.BAD_STATUS
            self.flawed["status", reason] += 1
            self.letters.append(letter_of(message, -1, reason, message.payload, {}, key="status"))

    def _add_rejects(self, rejects: Sequence[Reject]) -> None:
        per_message: Counter[int] = Counter()
        for reject in rejects:
            self.rejected[reject.reason] += 1
            per_message[reject.message] += 1
            if per_message[reject.message] <= MAX_LETTERS:
                message = self.messages[reject.message]
                detail = {"error": reject.detail} if reject.detail else {}
                self.letters.append(
                    letter_of(message, reject.index, reject.reason, reject.raw, detail)
                )
        self._add_overflow(per_message, "frame")

    def _add_flaws(self, flaws: Sequence[FieldReject]) -> None:
        per_message: Counter[int] = Counter()
        for flaw in flaws:
            self.flawed[flaw.key, flaw.reason] += 1
            per_message[flaw.message] += 1
            if per_message[flaw.message] <= MAX_LETTERS:
                message = self.messages[flaw.message]
                self.letters.append(
                    letter_of(message, flaw.index, flaw.reason, flaw.raw, {}, key=flaw.key)
                )
        self._add_overflow(per_message, "field")

    def _add_overflow(self, per_message: Counter[int], what: str) -> None:
        for position, count in per_message.items():
            if count > MAX_LETTERS:
                message, reason = self.messages[position], FrameReason.MORE_REJECTS
                detail = {"kept": MAX_LETTERS, "all": count}
                key = "" if what == "frame" else "*"
                self.letters.append(
                    letter_of(message, -1, reason, message.payload, detail, key=key)
                )


@lru_cache(maxsize=TOPICS_REMEMBERED)
def _topic(text: str) -> topics.Topic | None:
    """Read a topic that carries something from a gateway with a usable name."""
    told = topics.parse(text)
    if told is None or told.kind is TopicKind.RESCUE:
        return None
    usable = told.gateway.isprintable() and len(told.gateway) <= MAX_GATEWAY_CHARACTERS
    return told if usable else None


def _shifted(decoded: Decoded, position: NDArray[Any]) -> Decoded:
    """Renumber the messages of ``decoded``: message ``i`` becomes ``position[i]``."""
    columns = {**decoded.columns, "message": position[decoded.columns["message"]]}
    return replace(
        decoded,
        columns=columns,
        rejects=[replace(r, message=int(position[r.message])) for r in decoded.rejects],
        field_rejects=[replace(r, message=int(position[r.message])) for r in decoded.field_rejects],
    )


def _joined(parts: Sequence[Decoded]) -> Decoded:
    names = parts[0].columns
    return Decoded(
        [code for part in parts for code in part.elevators],
        [floor for part in parts for floor in part.floors],
        {name: np.concatenate([part.columns[name] for part in parts]) for name in names},
        [reject for part in parts for reject in part.rejects],
        [reject for part in parts for reject in part.field_rejects],
        sum((part.unknown_keys for part in parts), Counter[str]()),
    )
