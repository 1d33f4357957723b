"""Field-by-field reading of payloads that the strict decoder refused.

A frame is rejected only if it is no object, or ``elevator``, ``time`` or ``seq`` is missing or
unusable. Any other field of wrong type or out of range becomes unknown and is reported as a flaw
with its raw value. Slow by design: only bad input comes here.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from telemetry.columns import COLUMNS, Column
from telemetry.wire.decoded import RejectReason
from telemetry.wire.schema import (
    MAX_ELEMENTS,
    MAX_SEQ,
    FrameStruct,
    Instant,
    wire_type,
)

_BY_KEY: Final = {c.key: c for c in COLUMNS}
_REQUIRED: Final = frozenset(("elevator", "time", "seq"))
_LEAP_SECOND: Final = re.compile(r"^(.{16}):60(?:\.\d+)?(Z|z|[+-]\d\d:\d\d)$")
_ERRORS: Final = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)


class UnreadableError(Exception):
    """The payload as a whole gives no elements."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Flaw:
    """A field that could not be used."""

    key: str
    reason: RejectReason
    raw: bytes


@dataclass(frozen=True, slots=True)
class Readable:
    """A frame, and what in it could not be used."""

    frame: Any
    flaws: list[Flaw]
    unknown_keys: list[str]


@dataclass(frozen=True, slots=True)
class Unusable:
    """An element that gives no frame."""

    reason: RejectReason
    detail: str


class Reader:
    """Lenient reading of one format; ``module`` is ``msgspec.json`` or ``msgspec.msgpack``."""

    def __init__(self, module: Any) -> None:
        self._is_json = module is msgspec.json
        self._any = module.decode
        self._raw_list = module.Decoder(list[msgspec.Raw]).decode
        self._raw_map = module.Decoder(dict[str, msgspec.Raw]).decode

    def elements(self, payload: bytes) -> list[Any]:
        """Split a payload into its elements, each still as bytes.

        Raises ``UnreadableError`` if it is not decodable or an envelope of another version.
        """
        elements = self._elements(payload)
        if len(elements) > MAX_ELEMENTS:
            detail = f"{len(elements)} elements, more than {MAX_ELEMENTS}"
            raise UnreadableError(RejectReason.TOO_MANY_FRAMES, detail)
        return elements

    def _elements(self, payload: bytes) -> list[Any]:
        try:
            return self._split(payload)
        except UnreadableError as error:
            tolerated = _tolerate(payload) if self._is_json else None
            if error.reason is not RejectReason.NOT_DECODABLE or tolerated is None:
                raise
            return self._split(tolerated)

    def _split(self, payload: bytes) -> list[Any]:
        try:
            return self._raw_list(payload)
        except msgspec.ValidationError:
            pass  # decodable, but no array
        except _ERRORS as error:
            raise UnreadableError(RejectReason.NOT_DECODABLE, str(error)) from error
        try:
            fields = self._raw_map(payload)
        except msgspec.ValidationError:
            self._check_decodable(payload)
            return [payload]  # decodable, but no object: rejected as an element
        except _ERRORS as error:
            raise UnreadableError(RejectReason.NOT_DECODABLE, str(error)) from error
        if "elevator" in fields or "frames" not in fields:
            return [payload]
        return self._frames_of_envelope(fields)

    def _check_decodable(self, payload: bytes) -> None:
        try:
            self._any(payload)
        except _ERRORS as error:
            raise UnreadableError(RejectReason.NOT_DECODABLE, str(error)) from error

    def _frames_of_envelope(self, fields: dict[str, Any]) -> list[Any]:
        version = self._value(fields["v"]) if "v" in fields else None
        if version != 1 or isinstance(version, bool):
            raise UnreadableError(RejectReason.BAD_VERSION, f"v is {version!r}, not 1")
        try:
            return self._raw_list(fields["frames"])
        except _ERRORS as error:
            raise UnreadableError(RejectReason.NOT_AN_OBJECT, "frames is no array") from error

    def frame(self, raw: bytes) -> Readable | Unusable:
        """Read one element."""
        try:
            fields = self._raw_map(raw)
        except _ERRORS as error:
            return Unusable(RejectReason.NOT_AN_OBJECT, str(error))
        required = self._required(fields)
        if isinstance(required, Unusable):
            return required
        flaws: list[Flaw] = []
        known: dict[str, Any] = {}
        for key, column in _BY_KEY.items():
            if key in fields:
                known[column.name] = self._field(column, fields[key], flaws)
        unknown = [k[:64] for k in fields if k not in _BY_KEY and k not in _REQUIRED]
        return Readable(FrameStruct(*required, **known), flaws, unknown)

    def _required(self, fields: dict[str, Any]) -> tuple[str, Any, int] | Unusable:
        elevator = self._value(fields.get("elevator"))
        if not isinstance(elevator, str) or not 1 <= len(elevator) <= 64:
            return Unusable(RejectReason.BAD_ELEVATOR, _told("elevator", elevator))
        time = _instant(self._value(fields.get("time")))
        if time is None:
            return Unusable(RejectReason.BAD_TIME, _told("time", self._value(fields.get("time"))))
        seq = _whole(self._value(fields.get("seq")))
        if isinstance(seq, bool) or not isinstance(seq, int) or not 0 <= seq <= MAX_SEQ:
            return Unusable(RejectReason.BAD_SEQ, _told("seq", seq))
        return elevator, time, seq

    def _field(self, column: Column, raw: Any, flaws: list[Flaw]) -> Any:
        """Return the usable value of a field, else ``None`` and a flaw."""
        value = self._value(raw)
        try:
            return msgspec.convert(value, type=wire_type(column))
        except _ERRORS:
            reason = (
                RejectReason.OUT_OF_RANGE if _right_type(column, value) else RejectReason.WRONG_TYPE
            )
            flaws.append(Flaw(column.key, reason, bytes(raw)))
        if column.kind == "codes" and isinstance(value, list):
            return _national(column, value)
        return None

    def _value(self, raw: Any) -> Any:
        if raw is None:
            return None
        try:
            return self._any(raw)
        except _ERRORS:
            return _NOTHING


def _tolerate(payload: bytes) -> bytes | None:
    """Rewrite JSON that only the standard library reads, else return ``None``.

    Bare NaN and lone surrogates are the cases: they spoil one field, not the neighbours. NaN
    becomes a text, hence a wrong type; a lone surrogate stays undecodable in its own field.
    """
    try:
        parsed = json.loads(payload, parse_constant=str)
        return json.dumps(parsed, ensure_ascii=False).encode("utf-8", "surrogatepass")
    except _ERRORS:
        return None


class _Nothing:
    """A value that cannot even be decoded on its own."""

    def __repr__(self) -> str:
        return "undecodable"


_NOTHING: Final = _Nothing()


def _told(key: str, value: Any) -> str:
    return f"{key} is missing" if value is None else f"{key} is {repr(value)[:80]}"


def _instant(value: Any) -> Any | None:
    """Return a usable ``time`` value or ``None``. Second 60 is read as 59.999."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str) and (leap := _LEAP_SECOND.match(value)):
        value = f"{leap[1]}:59.999{leap[2]}"
    try:
        return msgspec.convert(_whole(value), type=Instant)
    except _ERRORS:
        return None


def _whole(value: Any) -> Any:
    """Turn 12.0 into 12: some encoders write every number as a float."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def _right_type(column: Column, value: Any) -> bool:
    if isinstance(value, bool):
        return column.kind in ("flag", "count_flag")
    expected = {"real": int | float, "codes": list, "floor": str | int}
    return isinstance(value, expected.get(column.kind, int))


def _national(column: Column, value: list[Any]) -> Any:
    """Keep the codes that are national; the others are a flaw already."""
    kept = []
    for code in value:
        try:
            kept += msgspec.convert([code], type=wire_type(column))
        except _ERRORS:
            continue  # reported as the flaw of the whole field
    return kept or None
