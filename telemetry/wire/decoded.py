"""What decoding yields: columns of the usable frames, and a reject for everything else."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from numpy.typing import NDArray


class RejectReason(StrEnum):
    """Why a payload, a frame or a field could not be used; also the metric label."""

    NOT_DECODABLE = "not_decodable"
    """The payload is neither JSON nor MessagePack."""
    BAD_VERSION = "bad_version"
    """An envelope with another version than 1."""
    TOO_MANY_FRAMES = "too_many_frames"
    """More elements in one payload than frames can fit into the largest payload."""
    NOT_AN_OBJECT = "not_an_object"
    """An element that is no object."""
    BAD_ELEVATOR = "bad_elevator"
    """``elevator`` is missing or no text of 1 to 64 printable characters."""
    BAD_TIME = "bad_time"
    """``time`` is missing or neither RFC 3339 with offset nor epoch milliseconds."""
    BAD_SEQ = "bad_seq"
    """``seq`` is missing or no integer from 0 to 2**63 - 1."""
    WRONG_TYPE = "wrong_type"
    """A field of another type: the field is unknown, the frame is kept."""
    OUT_OF_RANGE = "out_of_range"
    """A field outside its valid range: the field is unknown, the frame is kept."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A payload (``index`` -1) or one of its elements that gives no frame.

    ``raw`` holds the exact bytes of the payload or element, ``detail`` what was wrong.
    """

    message: int
    index: int
    reason: RejectReason
    raw: bytes
    detail: str = ""


@dataclass(frozen=True, slots=True)
class FieldReject:
    """One field that became unknown in a frame that is kept. ``raw`` is the field's value."""

    message: int
    index: int
    key: str
    reason: RejectReason
    raw: bytes


@dataclass(frozen=True, slots=True)
class Decoded:
    """Usable frames as columns of equal length ``n``, in payload order.

    Parameters
    ----------
    elevators
        Codes as told, length ``n``, not validated beyond being a non-empty text.
    floors
        Display texts, ``None`` = unknown, length ``n``.
    columns
        ``time_us`` (device time), ``seq``, ``quality`` int64; ``message`` and ``index`` int32
        (which payload, which element in it); every column of ``COLUMNS`` but ``floor``.
    """

    elevators: list[str]
    floors: list[str | None]
    columns: Mapping[str, NDArray[Any]]
    rejects: list[Reject] = field(default_factory=list)
    field_rejects: list[FieldReject] = field(default_factory=list)
    unknown_keys: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        """Return the number of usable frames, ``n``."""
        return len(self.elevators)

    @property
    def received(self) -> int:
        """Frames received: usable ones and rejects (a payload that does not parse counts 1)."""
        return len(self.elevators) + len(self.rejects)
