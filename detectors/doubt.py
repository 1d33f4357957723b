"""Doubt: a finding that rests on a sensor known to be faulty counts for less.

Decides, after all detectors were stepped, which transitions depend on a suspect column, and lowers
the confidence of those by one class. What was suspect is told with the transition. It never
suppresses, delays or silences anything; it touches nothing but confidence.

A lift's suspicions are one bit for each health finding that is active on it. Only transitions are
looked at, which are rare, so a quiet batch costs nothing. A health finding counts from when it is
raised until its end could be known (``known_us``): an end is dated back by its bridge, and what was
raised meanwhile was not more certain for it. So no split into batches changes a confidence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.contract import Detector
from detectors.segments import Bools, Ints
from telemetry.columns import COLUMN_NAMES, column_mask
from telemetry.findings import Change, Confidence, FindingKind
from telemetry.transitions import Transitions

DOUBTS: Final[Mapping[FindingKind, tuple[str, ...]]] = MappingProxyType({
    FindingKind.PRESENCE_SENSOR_STUCK: ("passenger",),
    FindingKind.DOOR_SWITCH_FAULT: ("door",),
    FindingKind.ZONE_SWITCH_FAULT: ("zone",),
    FindingKind.FLOOR_FROZEN: ("floor",),
    FindingKind.ACCELEROMETER_DEAD: (
        "acceleration_mps2", "vibration_mps2", "vibration_horizontal_mps2",
    ),
    FindingKind.SPEED_IMPLAUSIBLE: ("speed_mps",),
    FindingKind.IMPLAUSIBLE_FRAMES: ("car", "door", "floor", "speed_mps"),
})  # fmt: skip
"""Columns that each health finding makes suspect, as long as it is active."""
DOUBT_DTYPE: Final = "u2"
"""Of a lift's suspicions: bit ``i`` = the finding at index ``i`` of ``DOUBTS`` is active."""


class _Carried(NamedTuple):
    """Suspicions before the step."""

    rows: Ints
    mask: NDArray[Any]


class _Turns(NamedTuple):
    """Beginnings and ends of one health finding, in the order in which they became known."""

    row: Ints
    nth: Ints
    known_us: Ints
    begins: Bools


_ORDER: Final = ("row", "nth", "known_us")
_MASKS: Final = tuple(column_mask(names) for names in DOUBTS.values())


def doubted(
    rows: Ints, before: NDArray[Any], pieces: Sequence[tuple[Detector, Transitions]]
) -> tuple[NDArray[Any], list[Transitions]]:
    """Return the suspicions after a step, and its transitions with lowered confidence.

    Parameters
    ----------
    rows
        Dense rows of the lifts stepped, ascending, shape (m,).
    before
        Their suspicions, shape (m,), ``DOUBT_DTYPE``.
    pieces
        Detectors, each with transitions of its own, dense rows.
    """
    turns = [_turns(int(kind), pieces) for kind in DOUBTS]
    if not before.any() and not any(len(t.row) for t in turns):
        return before, [found for _, found in pieces]
    after = before.copy()
    for bit, turn in enumerate(turns):
        is_last = np.append(turn.row[1:] != turn.row[:-1], True)[: len(turn.row)]
        at = np.searchsorted(rows, turn.row)
        on, off = at[is_last & turn.begins], at[is_last & ~turn.begins]
        after[on] |= 1 << bit
        after[off] &= ~np.array(1 << bit, DOUBT_DTYPE)
    carried = _Carried(rows, before)
    return after, [_lowered(detector, found, carried, turns) for detector, found in pieces]


def dependence(detector: Detector, found: Transitions) -> int:
    """Return as bits the columns on which a detector's findings rest.

    Those that it declares (``depends``); else those that it shows among the values it used.
    """
    declared: tuple[str, ...] | None = getattr(detector, "depends", None)
    shown = [name for name in found.values if name in COLUMN_NAMES]
    return column_mask(shown if declared is None else declared)


def _turns(kind: int, pieces: Sequence[tuple[Detector, Transitions]]) -> _Turns:
    parts = [
        (*(found[name][mine] for name in _ORDER), found["change"][mine] == Change.RAISED)
        for detector, found in pieces
        if FindingKind(kind) in detector.kinds
        for mine in [(found["kind"] == kind) & (found["change"] != Change.UPDATED)]
    ]
    if not parts:
        none = np.empty(0, np.int64)
        return _Turns(none, none, none, np.empty(0, np.bool_))
    row, nth, known_us, begins = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((known_us, nth, row))
    return _Turns(row[order].astype(np.int64), nth[order], known_us[order], begins[order])


def _lowered(
    detector: Detector, found: Transitions, before: _Carried, turns: Sequence[_Turns]
) -> Transitions:
    rests_on = dependence(detector, found)
    if not rests_on or all(kind in DOUBTS for kind in detector.kinds):
        return found
    suspect = np.zeros(len(found), np.int64)
    mask = before.mask[np.searchsorted(before.rows, found["row"])]
    for bit, turn in enumerate(turns):
        if _MASKS[bit] & rests_on:
            active = _active(found, mask >> bit & 1 == 1, turn)
            suspect |= np.where(active, _MASKS[bit] & rests_on, 0)
    told = found["change"] != Change.CLEARED
    suspect[~told] = 0
    if not suspect.any():
        return found
    confidence = found["confidence"] + (suspect != 0)
    columns = {
        **found.columns,
        "suspect": suspect,
        "confidence": np.minimum(confidence, int(Confidence.POSSIBLE)).astype("i1"),
    }
    return replace(found, columns=columns)


def _active(found: Transitions, active: Bools, turn: _Turns) -> Bools:
    """Tell at which transitions a health finding is active, by what was carried and its turns.

    A turn counts from the frame on that made it known, and at that frame from its own time on.
    """
    if not len(turn.row):
        return active
    turns, asked = len(turn.row), len(found)
    row = np.concatenate([turn.row, found["row"]])
    nth = np.concatenate([turn.nth, found["nth"]])
    time_us = np.concatenate([turn.known_us, found["t_us"]])
    order = np.lexsort((np.arange(turns + asked), time_us, nth, row))
    newest = np.maximum.accumulate(np.where(order < turns, np.arange(turns + asked), -1))
    at = np.empty(turns + asked, np.int64)
    at[order] = np.where(newest < 0, -1, order[newest])
    at = at[turns:]
    hit = (at >= 0) & (turn.row[at] == found["row"])
    return np.where(hit, turn.begins[at], active)
