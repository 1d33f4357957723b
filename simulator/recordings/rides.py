"""Rides of a real lift, labelled by hand, as the frames that a terminal would have sent.

The log says when rides began and ended and in which direction. What lies between is filled in
soberly: doors open at every stop; after a long pause the person had got out and comes back; floors
are counted from an estimate by the duration of each ride, since the log has none. Speed and height
are not known and not told. All times keep their own clock.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from simulator.frames import MISSING, Frames
from simulator.recordings.tape import TapeSource, plain_lift
from telemetry.columns import Direction, Door, Mode

HEADER: Final = ("start_ms", "end_ms", "direction")
_WAY: Final = {"up": 1, "down": -1}

LEVELLED_MS: Final = 400
OPENING_MS: Final = 1_500
CLOSING_MS: Final = 2_000
START_MS: Final = 500
SHORTEST_OPEN_MS: Final = 500
LONG_PAUSE_MS: Final = 30_000
"""From this pause on the person left the car in between."""
STAYS_OPEN_MS: Final = 5_000
RUNNING_MS: Final = 1_000
HEARTBEAT_MS: Final = 30_000
_SHORTEST_PAUSE_MS: Final = LEVELLED_MS + OPENING_MS + SHORTEST_OPEN_MS + CLOSING_MS + START_MS

FIRST_LANDING_MS: Final = 8_200
NEXT_LANDING_MS: Final = 2_500
"""Estimate of the landings of a ride: start, stop and levelling, then this much for each. Fitted to
the shortest rides of the log, which last about 10.7 and 13.3 s."""


class RideLogError(Exception):
    """A ride log that cannot be used; one line with file, line and remedy."""


@dataclass(frozen=True, slots=True)
class Ride:
    """One ride: from the first movement to standstill, Unix epoch [ms]; ``way`` is +1 or -1."""

    start_ms: int
    end_ms: int
    way: int

    @property
    def landings(self) -> int:
        """Return the estimated number of landings travelled, with the sign of the direction."""
        further = round((self.end_ms - self.start_ms - FIRST_LANDING_MS) / NEXT_LANDING_MS)
        return self.way * max(further, 1)


def read_rides(path: Path) -> list[Ride]:
    """Read a ride log, a CSV with the columns ``HEADER``. Raises ``RideLogError``."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RideLogError(f"{path}: {error.strerror}; give the path of a ride log") from error
    except UnicodeDecodeError as error:
        raise RideLogError(f"{path}: is no text in UTF-8; give a CSV file") from error
    lines = csv.reader(text.splitlines())
    header = next(lines, None)
    if header is None or tuple(h.strip() for h in header) != HEADER:
        raise RideLogError(f"{path}:1: the first line must be {','.join(HEADER)}")
    rides: list[Ride] = []
    for number, fields in enumerate(lines, start=2):
        if fields:
            rides.append(_ride(f"{path}:{number}", fields, rides[-1] if rides else None))
    if not rides:
        raise RideLogError(f"{path}: holds no rides; add lines start_ms,end_ms,up|down")
    return rides


def _ride(where: str, fields: list[str], before: Ride | None) -> Ride:
    if len(fields) != len(HEADER):
        raise RideLogError(f"{where}: has {len(fields)} fields, want {','.join(HEADER)}")
    try:
        start_ms, end_ms = int(fields[0]), int(fields[1])
    except ValueError as error:
        raise RideLogError(
            f"{where}: start and end must be whole milliseconds since 1970 ({error})"
        ) from error
    way = _WAY.get(fields[2].strip())
    if way is None:
        raise RideLogError(f"{where}: direction is {fields[2]!r}, want up or down")
    if not 0 <= start_ms < end_ms < 2**53:
        raise RideLogError(f"{where}: the ride must end after its start, at plausible times")
    if before is not None and start_ms - before.end_ms < _SHORTEST_PAUSE_MS:
        raise RideLogError(
            f"{where}: starts {start_ms - before.end_ms} ms after the ride before it ended; sort "
            f"the log, and leave at least {_SHORTEST_PAUSE_MS} ms for the doors"
        )
    return Ride(start_ms, end_ms, way)


class _Tape:
    """Frames in the making: each ``tell`` is one frame."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, ...]] = []

    def tell(
        self, at_ms: int, floor: int, door: Door, passenger: int, *, way: int = 0, zone: int = 1
    ) -> None:
        direction = {0: Direction.NONE, 1: Direction.UP, -1: Direction.DOWN}[way]
        self.rows.append((at_ms, int(way != 0), int(direction), zone, floor, int(door), passenger))

    def stand(self, from_ms: int, to_ms: int, floor: int, door: Door, passenger: int) -> None:
        """Tell a state that lasts, with heartbeats."""
        for at_ms in range(from_ms, to_ms, HEARTBEAT_MS):
            self.tell(at_ms, floor, door, passenger)


def frames_of(rides: list[Ride]) -> tuple[Frames, list[str]]:
    """Turn rides into the frames of one lift and its floor labels.

    Returns
    -------
    frames
        In time order, ``seq`` from 1, lift 0; the first frame of a ride has the ride's start,
        the first one after it the ride's end.
    labels
        Display text of each counted floor.
    """
    floors = np.concatenate([[0], np.cumsum([ride.landings for ride in rides])])
    floors -= floors.min()
    tape = _Tape()
    _come_back(tape, rides[0].start_ms - 2 * HEARTBEAT_MS, rides[0].start_ms, int(floors[0]))
    for i, ride in enumerate(rides):
        _ride_frames(tape, ride, int(floors[i]), int(floors[i + 1]))
        next_ms = rides[i + 1].start_ms if i + 1 < len(rides) else None
        _stop(tape, ride.end_ms, next_ms, int(floors[i + 1]))
    at_ms, car, direction, zone, floor, door, passenger = np.array(tape.rows).T
    frames = Frames.make(
        len(at_ms), lift=0, time_us=at_ms * 1000, seq=np.arange(1, len(at_ms) + 1),
        mode=Mode.NORMAL, car=car, direction=direction, zone=zone, floor=floor, door=door,
        passenger=passenger, speed_mps=MISSING,
    )  # fmt: skip
    return frames, [str(n + 1) for n in range(int(floors.max()) + 1)]


def _ride_frames(tape: _Tape, ride: Ride, floor: int, target: int) -> None:
    tape.tell(ride.start_ms, floor, Door.CLOSED, 1, way=ride.way)
    lasts_ms = ride.end_ms - ride.start_ms
    for at_ms in range(ride.start_ms + RUNNING_MS, ride.end_ms, RUNNING_MS):
        passed = floor + (target - floor) * (at_ms - ride.start_ms) // lasts_ms
        tape.tell(at_ms, passed, Door.CLOSED, 1, way=ride.way, zone=0)


def _stop(tape: _Tape, end_ms: int, next_ms: int | None, floor: int) -> None:
    """Tell a stop: doors open, then the next ride, or a pause with the person outside."""
    tape.tell(end_ms, floor, Door.CLOSED, 1)
    opening_ms = end_ms + LEVELLED_MS
    open_ms = opening_ms + OPENING_MS
    tape.tell(opening_ms, floor, Door.OPENING, 1)
    if next_ms is not None and next_ms - end_ms < LONG_PAUSE_MS:
        _board(tape, open_ms, next_ms, floor)
        return
    tape.tell(open_ms, floor, Door.OPEN, 1)
    tape.tell(open_ms + STAYS_OPEN_MS // 2, floor, Door.OPEN, 0)
    closing_ms = open_ms + STAYS_OPEN_MS
    tape.tell(closing_ms, floor, Door.CLOSING, 0)
    closed_ms = closing_ms + CLOSING_MS
    if next_ms is None:
        tape.stand(closed_ms, closed_ms + 2 * HEARTBEAT_MS + 1, floor, Door.CLOSED, 0)
    else:
        _come_back(tape, closed_ms, next_ms, floor)


def _come_back(tape: _Tape, from_ms: int, next_ms: int, floor: int) -> None:
    """Tell an empty car that is opened for the person who will ride at ``next_ms``."""
    opening_ms = next_ms - START_MS - CLOSING_MS - STAYS_OPEN_MS - OPENING_MS
    tape.stand(from_ms, opening_ms, floor, Door.CLOSED, 0)
    tape.tell(opening_ms, floor, Door.OPENING, 0)
    tape.tell(opening_ms + OPENING_MS, floor, Door.OPEN, 0)
    _board(tape, opening_ms + OPENING_MS + STAYS_OPEN_MS // 2, next_ms, floor)


def _board(tape: _Tape, open_ms: int, next_ms: int, floor: int) -> None:
    """Tell open doors with the person inside, and how they close before the ride."""
    tape.tell(open_ms, floor, Door.OPEN, 1)
    closed_ms = next_ms - START_MS
    tape.tell(closed_ms - CLOSING_MS, floor, Door.CLOSING, 1)
    tape.tell(closed_ms, floor, Door.CLOSED, 1)


class RideLogSource(TapeSource):
    """A ride log as the frames of one lift, with the clock of the log.

    Parameters
    ----------
    rides
        What was logged.
    code, gateway
        Registration code and name of the gateway.
    """

    def __init__(self, rides: list[Ride], code: str = "RIDES", gateway: str = "rides") -> None:
        frames, labels = frames_of(rides)
        super().__init__(frames, [plain_lift(code, gateway, "retrofit")], [labels])
