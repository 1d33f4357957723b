"""What a step of the bank leads to, until it is adopted; and slices of one step put together.

Decides nothing: the bank makes it, whoever commits hands it back.
"""

from dataclasses import dataclass

import numpy as np

from detectors.records import Stored
from detectors.segments import Ints
from telemetry.transitions import Transitions


@dataclass(frozen=True, slots=True)
class DetectorFailure:
    """A detector raised an exception on one lift; that lift keeps its old state in it."""

    row: int
    detector: str
    error: str


@dataclass(frozen=True, slots=True)
class BankOutcome:
    """What a step found, and the state to adopt once it is committed.

    Parameters
    ----------
    rows
        Dense rows that were stepped, ascending, shape (m,).
    transitions
        Blocks with dense rows; those of one lift in the order of the detectors.
    failed
        Lifts at fault.
    stored
        Their new state, in slices whose rows follow one another, ``m`` in all.
    due_us
        Next stream time at which a tick matters to each, and the same on the clock of silence,
        shape (2, m) [µs].
    """

    rows: Ints
    transitions: list[Transitions]
    failed: list[DetectorFailure]
    stored: list[Stored]
    due_us: Ints


def joined(parts: list[BankOutcome]) -> BankOutcome:
    """Return what slices of a step found as one; each has rows above those before it."""
    return BankOutcome(
        np.concatenate([part.rows for part in parts]),
        [block for part in parts for block in part.transitions],
        [failure for part in parts for failure in part.failed],
        [stored for part in parts for stored in part.stored],
        np.concatenate([part.due_us for part in parts], axis=1),
    )
