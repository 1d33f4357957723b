"""The state of every lift as a struct of arrays, and the pieces that leave the world.

A *piece* is a stretch of one lift's life in which nothing discrete changes: phase, riders, mode and
power are constant, and the motion is one closed form. Sensors sample pieces; a piece is all they
ever see. Invariant: the pieces of a lift touch each other and never overlap.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulator.world.motion import Floats, Trips, brake, sample
from telemetry.columns import Door, Mode, Power

Rows = NDArray[np.int64]
Pieces = Mapping[str, NDArray[Any]]
"""One array of shape (k,) for each name in ``FIELDS``, and ``lift``, ``lo_us``, ``hi_us``: the
stretch ``[lo_us, hi_us)`` of a piece that began at ``start_us``."""


class Phase(IntEnum):
    """What a lift does."""

    IDLE = 0
    MOVING = 1
    ARRIVED = 2
    """Levelled, doors not yet opening."""
    OPENING = 3
    LEAVING = 4
    """Doors open, riders get out."""
    BOARDING = 5
    CLOSING = 6
    CLOSED = 7
    """Doors closed, about to decide where to go."""
    BRAKING = 8
    """Emergency stop."""
    STUCK = 9
    """Stands with people inside who cannot get out, or with the mechanic."""
    RESCUE = 10
    """Moves slowly to the nearest landing: by hand, rescue device or correction run."""
    PARKED = 11
    """Closed at a landing with a rider who presses nothing."""
    DARK = 12
    """Without mains, closed, nobody inside."""
    DARK_OPEN = 13
    """Without mains, doors open at a landing."""
    AJAR = 14
    """Runs with its doors open: an ordinary trip but for that."""
    CREEP = 15
    """Leaves a landing by itself with its doors open."""
    HANGING = 16
    """Stands outside the door zone with its doors open."""
    HELD_OPEN = 17
    """Stands at a landing with its doors open and does not close them."""
    SILENT = 18
    """Closed at a landing, nobody inside, takes no calls."""
    SLIPPING = 19
    """The drive turns, the car does not move."""
    SINKING = 20
    """Closed at a landing, nobody inside, sinks slowly."""
    CORRECTING = 21
    """Runs closed to the landing from which it sank, or to the lowest to find its position."""
    RELEVELLING = 22
    """Corrects its height by a few mm at a landing, with its doors open."""


_ALL: Final = np.arange(len(Phase))
_OPEN: Final = (
    Phase.LEAVING, Phase.BOARDING, Phase.DARK_OPEN, Phase.AJAR, Phase.CREEP, Phase.HANGING,
    Phase.HELD_OPEN, Phase.RELEVELLING,
)  # fmt: skip
DOOR: Final = np.select(
    [np.isin(_ALL, _OPEN), _ALL == Phase.OPENING, _ALL == Phase.CLOSING],
    [Door.OPEN, Door.OPENING, Door.CLOSING],
    Door.CLOSED,
)
"""Door status by phase."""
RUNNING: Final = np.isin(_ALL, [
    Phase.MOVING, Phase.BRAKING, Phase.RESCUE, Phase.AJAR, Phase.CREEP, Phase.SLIPPING,
    Phase.CORRECTING,
])  # fmt: skip
"""Phases in which the car moves, or its drive turns."""
MOVES: Final = RUNNING & (_ALL != Phase.SLIPPING)
"""Phases in which the car moves, which an accelerometer can tell."""
QUIET: Final = np.isin(_ALL, [
    Phase.IDLE, Phase.DARK, Phase.DARK_OPEN, Phase.SILENT, Phase.SINKING,
])  # fmt: skip
"""Phases in which a heartbeat is enough."""
HELD: Final = np.isin(_ALL, [
    Phase.BRAKING, Phase.STUCK, Phase.CREEP, Phase.HANGING, Phase.HELD_OPEN, Phase.SILENT,
    Phase.SLIPPING, Phase.SINKING, Phase.CORRECTING,
])  # fmt: skip
"""Phases that incidents begin and end; ordinary life goes on without these lifts."""
_ORDINARY: Final = np.isin(_ALL, [
    Phase.IDLE, Phase.MOVING, Phase.ARRIVED, Phase.OPENING, Phase.LEAVING, Phase.BOARDING,
    Phase.CLOSING, Phase.CLOSED, Phase.AJAR, Phase.RELEVELLING,
])  # fmt: skip


class Motion(IntEnum):
    """Which closed form gives the height."""

    NONE = 0
    TRIP = 1
    BRAKE = 2


FIELDS: Final[Mapping[str, str]] = {
    "phase": "i1",
    "start_us": "i8",  # of the piece
    "floor": "i8",  # landing at which it stands or which it left last
    "height_m": "f8",  # at the start of the motion
    "motion": "i1",  # Motion
    "move_us": "i8",  # start of the motion
    "sign": "i1",  # +1 up, -1 down, 0 at rest
    "distance_m": "f8",
    "jerk_mps3": "f8",
    "jerk_s": "f8",
    "steady_s": "f8",
    "cruise_s": "f8",
    "speed_mps": "f8",  # at the start of an emergency stop
    "deceleration_mps2": "f8",
    "riders": "i8",
    "stirred_us": "i8",  # when people in the car last moved about
    "mode": "i1",
    "power": "i1",
    "safety_circuit": "i1",
    "button": "i1",
    "codes": "i8",
    "shaking_mmps2": "i8",  # vibration added by a fault, peak to peak
    "runs": "i8",
    "door_cycles": "i8",
    "travelled_m": "f8",  # before the present motion
    "running_us": "i8",  # before the present motion
}
"""Fields of a piece, with dtypes."""


class State:
    """All lifts; each field of ``FIELDS`` is an attribute-like array of shape (n_lifts,)."""

    def __init__(self, n_lifts: int, start_us: int) -> None:
        self.fields: dict[str, NDArray[Any]] = {k: np.zeros(n_lifts, d) for k, d in FIELDS.items()}
        self.fields["start_us"][:] = start_us
        self.fields["mode"][:] = Mode.NORMAL
        self.fields["safety_circuit"][:] = 1
        self.fields["stirred_us"][:] = start_us - 3_600_000_000

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return the array of a field; writing into it changes the state."""
        return self.fields[name]

    def serving(self) -> NDArray[np.bool_]:
        """Tell which lifts take calls, shape (n_lifts,); the others are out of service."""
        ordinary = _ORDINARY[self["phase"]] & (self["mode"] == Mode.NORMAL)
        return ordinary & (self["power"] == Power.MAINS)

    def pieces(self, rows: Rows, lo_us: NDArray[Any], hi_us: NDArray[Any] | int) -> Pieces:
        """Copy the present pieces of ``rows``, cut to ``[lo_us, hi_us)``."""
        taken = {name: values[rows] for name, values in self.fields.items()}
        taken["lift"] = rows
        taken["lo_us"] = lo_us
        taken["hi_us"] = np.broadcast_to(np.asarray(hi_us, "i8"), rows.shape)
        return taken

    def start_trips(self, rows: Rows, trips: Trips, sign: NDArray[Any], t_us: Rows) -> None:
        """Let ``rows`` begin trips at ``t_us``."""
        self["motion"][rows] = Motion.TRIP
        self["move_us"][rows] = t_us
        self["sign"][rows] = sign
        self["distance_m"][rows] = trips.distance_m
        self["jerk_mps3"][rows] = trips.jerk_mps3
        self["jerk_s"][rows] = trips.jerk_s
        self["steady_s"][rows] = trips.steady_s
        self["cruise_s"][rows] = trips.cruise_s

    def stop(self, rows: Rows, t_us: Rows) -> None:
        """End the motion of ``rows`` where they are at ``t_us``."""
        height_m, _, _ = kinematics(self.pieces(rows, t_us, t_us), t_us)
        self["travelled_m"][rows] += np.abs(height_m - self["height_m"][rows])
        moving = self["motion"][rows] != Motion.NONE
        self["running_us"][rows] += np.where(moving, t_us - self["move_us"][rows], 0)
        self["height_m"][rows] = height_m
        self["motion"][rows] = Motion.NONE
        self["sign"][rows] = 0


MOTION_FIELDS: Final = (
    "height_m", "motion", "move_us", "sign", "distance_m", "jerk_mps3", "jerk_s", "steady_s",
    "cruise_s", "speed_mps", "deceleration_mps2",
)  # fmt: skip
"""What ``kinematics`` needs of pieces."""


def kinematics(pieces: Pieces, t_us: NDArray[Any]) -> tuple[Floats, Floats, Floats]:
    """Return height [m], velocity and acceleration (up positive) of each piece at ``t_us``."""
    elapsed_s = (t_us - pieces["move_us"]) / 1e6
    motion = pieces["motion"]
    trips = Trips(
        *(pieces[k] for k in ("distance_m", "jerk_mps3", "jerk_s", "steady_s", "cruise_s"))
    )
    way, speed, acceleration = sample(trips, elapsed_s)
    braking = motion == Motion.BRAKE
    if braking.any():
        deceleration = np.where(braking, pieces["deceleration_mps2"], 1.0)
        stopping = brake(pieces["speed_mps"], deceleration, elapsed_s)
        way, speed, acceleration = (
            np.where(braking, b, a)
            for a, b in zip((way, speed, acceleration), stopping, strict=True)
        )
    moved = np.where(motion == Motion.NONE, 0.0, pieces["sign"])
    return pieces["height_m"] + moved * way, moved * speed, moved * acceleration
