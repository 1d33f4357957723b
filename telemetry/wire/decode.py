"""Bytes to columns: strict for whole payloads first, lenient only where that failed.

Pure and total: no input raises. Frames of many payloads are turned into columns together, because
the cost per NumPy call is paid per column and not per frame.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from telemetry.columns import (
    CODE_BIT,
    COLUMNS,
    QUALITY_BIT,
    UNKNOWN,
    Column,
    EscalatorMode,
    Unit,
)
from telemetry.wire import lenient
from telemetry.wire.decoded import Decoded, FieldReject, Reject, RejectReason
from telemetry.wire.schema import FrameStruct, StrictEnvelope

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)

DECODING_ERRORS: Final = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)
"""Everything that a payload from outside can make msgspec raise."""


class _Format:
    """The decoders of one format, JSON or MessagePack."""

    def __init__(self, module: Any) -> None:
        self.one = module.Decoder(FrameStruct).decode
        self.many = module.Decoder(list[FrameStruct]).decode
        self.envelope = module.Decoder(StrictEnvelope).decode
        self.lenient = lenient.Reader(module)


JSON: Final = _Format(msgspec.json)
MSGPACK: Final = _Format(msgspec.msgpack)
_JSON_STARTS: Final = frozenset((b"{", b"[", b" ", b"\t", b"\r", b"\n"))
_ENVELOPE_HINT: Final = b"frames"


def decode(payload: bytes) -> Decoded:
    """Decode one payload. See ``decode_many``."""
    return decode_many([payload])


def decode_many(payloads: Sequence[bytes]) -> Decoded:
    """Decode payloads into the columns of all their frames, in order.

    Parameters
    ----------
    payloads
        Raw payloads, JSON or MessagePack told apart by the first byte.

    Returns
    -------
    Decoded
        Columns of the usable frames; rejects for the rest. ``message`` is the position in
        ``payloads``. Never raises.
    """
    collected = _Collected()
    for message, payload in enumerate(payloads):
        _decode_payload(message, payload, collected)
    return collected.columns()


def element(payload: bytes, index: int) -> bytes:
    """Return the exact bytes of element ``index`` of a payload that ``decode`` could split.

    Index -1, or a payload that gives no such element, returns the payload itself.
    """
    if index < 0:
        return payload
    elements = _elements(payload)
    return elements[index] if index < len(elements) else payload


# Elements of one payload are asked for one after the other, and it may hold thousands of them.
@lru_cache(maxsize=4)
def _elements(payload: bytes) -> tuple[bytes, ...]:
    try:
        return tuple(bytes(raw) for raw in _form(payload).lenient.elements(payload))
    except lenient.UnreadableError:
        return ()


class _Collected:
    """Frames and rejects in the making."""

    def __init__(self) -> None:
        self.frames: list[Any] = []
        self.message: list[int] = []
        self.index: list[int] = []
        self.quality: dict[int, int] = {}  # position -> bits, for the few that have any
        self.rejects: list[Reject] = []
        self.field_rejects: list[FieldReject] = []
        self.unknown_keys: Counter[str] = Counter()

    def add(self, message: int, frames: Sequence[Any]) -> None:
        self.frames.extend(frames)
        self.message.extend([message] * len(frames))
        self.index.extend(range(len(frames)))

    def columns(self) -> Decoded:
        """Turn the frames into columns."""
        n = len(self.frames)
        quality = np.zeros(n, "i8")
        for position, bits in self.quality.items():
            quality[position] = bits
        columns: dict[str, NDArray[Any]] = {
            "message": np.array(self.message, "i4"),
            "index": np.array(self.index, "i4"),
        }
        told = zip(*map(msgspec.structs.astuple, self.frames), strict=True)
        by_field: list[tuple[Any, ...]] = list(told) if n else [()] * (3 + len(COLUMNS))
        elevators, times, seqs = by_field[:3]
        columns["time_us"] = np.array([_instant_us(t) for t in times], "i8")
        columns["seq"] = np.array(seqs, "i8")
        floors: list[str | None] = [None] * n
        for column, values in zip(COLUMNS, by_field[3:], strict=True):
            if column.kind == "floor":
                floors = [None if v is None else str(v) for v in values]
            else:
                columns[column.name] = _column(column, values)
        _forbid_lift_modes(columns, quality)
        columns["quality"] = quality
        return Decoded(
            list(elevators), floors, columns, self.rejects, self.field_rejects, self.unknown_keys
        )


def _decode_payload(message: int, payload: bytes, collected: _Collected) -> None:
    """Add what ``payload`` holds to ``collected``."""
    if not payload:
        reason = RejectReason.NOT_DECODABLE
        collected.rejects.append(Reject(message, -1, reason, payload, "empty payload"))
        return
    form = _form(payload)
    try:
        collected.add(message, _strict(form, payload))
    except DECODING_ERRORS:
        _decode_leniently(form, message, payload, collected)


def _form(payload: bytes) -> _Format:
    return JSON if payload[:1] in _JSON_STARTS else MSGPACK


def _strict(form: _Format, payload: bytes) -> list[Any]:
    """Decode a payload in which everything is right, else raise."""
    first = payload.lstrip()[:1] if form is JSON else payload[:1]
    if first == b"[" or (form is MSGPACK and _is_msgpack_array(payload[0])):
        return form.many(payload)
    # A hint only: a frame may well hold the word, and then the strict frame decoder is asked too.
    if _ENVELOPE_HINT in payload:
        try:
            return form.envelope(payload).frames
        except msgspec.ValidationError:
            return [form.one(payload)]
    return [form.one(payload)]


def _is_msgpack_array(first: int) -> bool:
    return 0x90 <= first <= 0x9F or first in (0xDC, 0xDD)


def _decode_leniently(form: _Format, message: int, payload: bytes, collected: _Collected) -> None:
    """Read a payload that is not wholly right: element by element, field by field."""
    try:
        elements = form.lenient.elements(payload)
    except lenient.UnreadableError as error:
        collected.rejects.append(Reject(message, -1, error.reason, payload, error.detail))
        return
    for index, raw in enumerate(elements):
        _decode_element(form, message, index, bytes(raw), collected)


def _decode_element(
    form: _Format, message: int, index: int, raw: bytes, collected: _Collected
) -> None:
    read = form.lenient.frame(raw)
    if isinstance(read, lenient.Unusable):
        collected.rejects.append(Reject(message, index, read.reason, raw, read.detail))
        return
    bits = 0
    for flaw in read.flaws:
        bits |= 1 << QUALITY_BIT[flaw.key]
        collected.field_rejects.append(FieldReject(message, index, flaw.key, flaw.reason, flaw.raw))
    if bits:
        collected.quality[len(collected.frames)] = bits
    collected.unknown_keys.update(read.unknown_keys)
    collected.frames.append(read.frame)
    collected.message.append(message)
    collected.index.append(index)


def _instant_us(told: int | datetime) -> int:
    return told * 1000 if isinstance(told, int) else (told - EPOCH) // MICROSECOND


def _column(column: Column, values: Sequence[Any]) -> NDArray[Any]:
    """Turn wire values, ``None`` = unknown, into an array of the column's dtype."""
    unknown = column.unknown
    missing = values.count(None)
    if missing == len(values):
        return np.full(len(values), unknown, column.dtype)
    if column.kind == "codes":
        return np.array([UNKNOWN if v is None else codes_mask(v) for v in values], column.dtype)
    if column.words:
        number = {word: i for i, word in enumerate(column.words)}
        values = [number.get(v, v) for v in values]
    if missing:
        values = [unknown if v is None else v for v in values]
    return np.array(values, column.dtype)


def codes_mask(codes: Sequence[str | int]) -> int:
    """Return the ``codes`` bits of national codes given as texts or numbers. 00 sets bit 0."""
    mask = 0
    for code in codes:
        mask |= 1 << CODE_BIT[int(code)]
    return mask


def _forbid_lift_modes(columns: dict[str, NDArray[Any]], quality: NDArray[Any]) -> None:
    """Make lift modes of escalators and walks unknown: their enumeration ends earlier."""
    mode = columns["mode"]
    wrong = (columns["unit"] > Unit.LIFT) & (mode > EscalatorMode.UNKNOWN)
    if wrong.any():
        columns["mode"] = np.where(wrong, UNKNOWN, mode).astype(mode.dtype)
        quality[wrong] |= 1 << QUALITY_BIT["mode"]
