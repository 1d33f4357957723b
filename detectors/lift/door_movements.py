"""Doors of a stop: since when they are as they are, and how often they opened again.

Doors *open again* if they were closing, or held not fully closed, and then open without having been
closed. They are counted until they are closed or locked, or the car moves.

What it leaves to others: what is too long or too often; ``trend.wear_signs`` measures movements.
What it cannot know: a terminal with one contact never tells that doors are closing
(``tells_closing``), so it shows no doors that open again.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.contract import Field, State
from detectors.lift.car_motion import kept, shut
from detectors.segments import NEVER_US, Bools, Ints
from detectors.signals import Heard
from telemetry.columns import Door

MOVEMENT_FIELDS: Final = (
    Field("door_since_us", "i8", NEVER_US),  # since when the doors are as they are
    Field("reopened", "u2", 0),  # how often they opened again in this stop
    Field("tells_closing", "?", False),  # the terminal has told "closing" before
)
"""State of a detector that asks for movements."""

_MOST: Final = int(np.iinfo("u2").max)


class DoorMovements(NamedTuple):
    """Movements of doors along a strip, shape (n + m,).

    Parameters
    ----------
    since_us
        Since when the doors are as they are; ``NEVER_US`` if never told [µs].
    reopens
        Frames at which they open again instead of closing.
    reopened
        How often they have, in this stop.
    tells_closing
        The terminal has told that doors were closing, now or before.
    """

    since_us: Ints
    reopens: Bools
    reopened: Ints
    tells_closing: Bools


def door_movements(state: State, heard: Heard, moves: Bools) -> DoorMovements:
    """Follow the doors through a batch.

    Parameters
    ----------
    state
        Fields of ``MOVEMENT_FIELDS``, shape (m,).
    heard
        What was told.
    moves
        Elements in which the car moves, shape (n + m,).
    """
    seg, line, door = heard.segments, heard.line, heard.held("door")
    changes = seg.changes(door)
    since_us = line.since(changes, state["door_since_us"])
    over = shut(heard) | moves
    reopens = changes & ~over & heard.said("door", Door.CLOSING, Door.HELD)
    reopens &= heard.says("door", Door.OPENING, Door.OPEN)
    closing = heard.says("door", Door.CLOSING)
    return DoorMovements(
        since_us=since_us,
        reopens=reopens,
        reopened=seg.count_since(reopens, over, state["reopened"]),
        tells_closing=kept(seg, state["tells_closing"], closing, np.zeros_like(closing)),
    )


def movements_after(doors: DoorMovements, at: Ints) -> dict[str, NDArray[Any]]:
    """Return the fields of ``MOVEMENT_FIELDS`` after elements ``at``."""
    return {
        "door_since_us": doors.since_us[at],
        "reopened": np.minimum(doors.reopened[at], _MOST).astype("u2"),
        "tells_closing": doors.tells_closing[at],
    }
