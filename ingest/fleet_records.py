"""What the fleet takes and gives: lift records, frames on their way to a lane, rejects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from numpy.typing import NDArray

from telemetry.batch import FrameBatch
from telemetry.columns import UNKNOWN

Array = NDArray[Any]


class FleetRejectReason(StrEnum):
    """Why a frame that could be decoded is not taken; also the metric label."""

    BAD_ELEVATOR = "bad_elevator"
    """The code is not 1 to 64 printable characters."""
    BAD_GATEWAY = "bad_gateway"
    """The name of the gateway in the topic is not 1 to 64 printable characters."""
    TOO_MANY_UNKNOWN = "too_many_unknown"
    """The gateway has as many unconfirmed lifts as it may have."""
    FOREIGN_GATEWAY = "foreign_gateway"
    """The lift is bound to another gateway. Replayable after re-binding."""


@dataclass(frozen=True, slots=True)
class FleetReject:
    """A frame that is not taken; ``index`` is its position in the decoded frames."""

    index: int
    reason: FleetRejectReason


@dataclass(frozen=True, slots=True)
class LiftRecord:
    """One lift, escalator or walk as the registry holds it. ``unit`` -1 = as the frames say."""

    elevator_id: int
    code: str
    unit: int = UNKNOWN
    confirmed: bool = False
    gateway_id: int | None = None
    gateway_registered: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)
    sticker: str | None = None
    building: str | None = None
    address: str | None = None
    district: str | None = None
    maintainer: str | None = None
    use_unit: str | None = None
    insurer: str | None = None
    policy: str | None = None
    model: str | None = None
    rated_speed_mps: float | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Names to register before routing: gateways, and (code, gateway name) of lifts."""

    gateways: list[str]
    lifts: list[tuple[str, str]]

    def __bool__(self) -> bool:
        """Tell whether anything is missing."""
        return bool(self.gateways or self.lifts)


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Frames of one lane, in receipt order, with floors still as text.

    ``index`` are their positions in the decoded frames, ``slots`` their lifts in the fleet.
    """

    lane: int
    frames: FrameBatch
    floors: list[str | None]
    index: Array
    slots: Array


@dataclass(frozen=True, slots=True)
class Routed:
    """Decoded frames by lane, and those that have no lift to go to."""

    parts: list[Arrivals]
    rejects: list[FleetReject]


@dataclass(frozen=True, slots=True)
class Resolved:
    """Frames of one lane that their gateway may send, complete but for time and order.

    ``bindings`` are (elevator_id, gateway_id), ``floors`` (elevator_id, key, label); both are to be
    stored in the batch's transaction and adopted after it. ``floors_dropped`` counts labels that
    became unknown because their lift has too many or because they cannot be printed.
    """

    lane: int
    frames: FrameBatch
    index: Array
    rejects: list[FleetReject]
    bindings: list[tuple[int, int]]
    floors: list[tuple[int, int, str]]
    floors_dropped: int
