"""How busy a lift usually is, hour by hour of a week, in one byte an hour.

A *slot* is one of the 168 hours of a week by local time; it holds the usual number of runs in it as
a square root, so that rare and many runs are kept equally well, and 0 for "not known yet". A slot
learns once a week, and the first time only half of what it saw: a lift is thought less busy than it
is until it has shown it more than once. Decides nothing about findings.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

SLOTS: Final = 168
PER_DAY: Final = 24
DAY_BEGINS: Final = 4
"""Hour at which a day of use begins: nobody is up any more, or yet (practice)."""
FIRST_SHARE: Final = 0.5
SHARE: Final = 0.25
"""What the first and each later week count for (practice): four weeks make three quarters."""
_STEPS: Final = 16.0
"""Steps of the square root: up to 252 runs in an hour."""
_TOP: Final = 255


def usual(code: NDArray[Any]) -> NDArray[np.float64]:
    """Return the usual runs in slots; nothing known counts as none."""
    root = np.maximum(code.astype(np.float64) - 1, 0.0) / _STEPS
    return root * root


def learnt(code: NDArray[Any], runs: NDArray[Any]) -> NDArray[np.uint8]:
    """Return slots after another week with ``runs`` in each."""
    before = usual(code)
    share = np.where(code == 0, FIRST_SHARE, SHARE)
    after = before + share * (runs - before)
    return np.minimum(np.rint(np.sqrt(after) * _STEPS) + 1, _TOP).astype(np.uint8)


def until_expected_us(
    pattern: NDArray[np.uint8],
    slot: NDArray[np.int64],
    into_us: NDArray[np.int64],
    slot_us: NDArray[Any],
    runs: NDArray[Any],
) -> NDArray[np.int64]:
    """Return how long it takes until ``runs`` are expected, -1 if not before the day is over.

    Parameters
    ----------
    pattern
        Slots of each lift, shape (k, 168).
    slot, into_us
        Slot of the beginning, and how far it is into it [µs], shape (k,).
    slot_us, runs
        Length of a slot [µs]; how many runs, at least 0, scalars or shape (k,).
    """
    k = len(slot)
    ahead = np.arange(PER_DAY)
    slots = (slot[:, None] + ahead) % SLOTS
    rest = PER_DAY - (slot - DAY_BEGINS) % PER_DAY
    rate = usual(pattern[np.arange(k)[:, None], slots])
    rate[ahead >= rest[:, None]] = 0.0
    begin_us = ahead * np.broadcast_to(slot_us, k)[:, None] - into_us[:, None]
    begin_us[:, 0] = 0
    length_us = np.broadcast_to(np.broadcast_to(slot_us, k)[:, None], slots.shape).copy()
    length_us[:, 0] -= into_us
    share = length_us / np.broadcast_to(slot_us, k)[:, None]
    through = np.cumsum(rate * share, axis=1)
    enough = through >= np.broadcast_to(runs, k)[:, None]
    found = np.asarray(enough.any(axis=1))
    at, rows = enough.argmax(axis=1), np.arange(k)
    before = np.where(at > 0, through[rows, np.maximum(at - 1, 0)], 0.0)
    pace = np.where(found, rate[rows, at], 1.0)
    more_us = (runs - before) / pace * np.broadcast_to(slot_us, k)
    return np.where(found, begin_us[rows, at] + np.rint(more_us), -1).astype(np.int64)
