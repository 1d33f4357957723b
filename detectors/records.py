"""The record that holds the state of one lift: what it told, and the own fields of every detector.

Decides where each field lies, and how a record is stored. Fields of all detectors are laid out
together, the largest first, so that none is out of alignment and none is padded; a detector sees
its own through a dtype of the same size. What the fields mean is the detectors'.

Most of a record are windows (``windows.window_fields``), and on most of them nothing is up. So a
*stored* record holds the fixed fields and only the windows that are not idle, in ``SLOTS`` slots;
the few lifts on which more is up are *crowded*, and their windows are kept whole beside.

Invariant: equal states are equal bytes, padding included, so records are copied byte by byte.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from detectors.contract import Detector, layout_text
from detectors.doubt import DOUBT_DTYPE
from detectors.segments import NEVER_US
from detectors.signals import ESCALATOR_COLUMNS, LIFT_COLUMNS, held_dtype, never_heard

Records: TypeAlias = NDArray[Any]
"""Structured array of ``Layout.dtype``, one record per lift."""

SLOTS: Final = 8
"""Windows that are not idle and fit into a stored record; a lift in trouble has three to six."""
_WORD: Final = 8
"""Records are as long as a multiple of this [bytes]."""
_NO_WINDOW: Final = 255
_PARTS: Final = ("onset_us", "aux_us", "phase")
"""Fields of a window, after its prefix."""
_SLOT: Final = np.dtype(
    [
        ("onset_us", "i8", (SLOTS,)),
        ("aux_us", "i8", (SLOTS,)),
        ("which", "u1", (SLOTS,)),
        ("phase", "u1", (SLOTS,)),
    ]
)


@dataclass(frozen=True, slots=True)
class Stored:
    """Records as they are stored.

    Parameters
    ----------
    rows
        Fixed fields and slots, shape (m, ``Layout.stored_bytes``).
    crowded
        Which of them have more windows up than slots, ascending, shape (c,).
    windows
        All windows of those, shape (c, ``Layout.window_bytes``).
    """

    rows: NDArray[np.uint8]
    crowded: NDArray[np.int64]
    windows: NDArray[np.uint8]


class Layout:
    """The record of one lift: ``heard``, one view for each detector by its name, ``windows``."""

    def __init__(self, detectors: tuple[Detector, ...]) -> None:
        heard = np.dtype(
            [
                ("time_us", "i8"),
                ("lift", _packed(held_dtype(LIFT_COLUMNS))),
                ("escalator", _packed(held_dtype(ESCALATOR_COLUMNS))),
                ("doubt", DOUBT_DTYPE),
            ],
            align=True,
        )
        own = {d.name: {f.name: np.dtype((f.dtype, f.shape)) for f in d.layout} for d in detectors}
        windows = [(d.name, prefix) for d in detectors for prefix in _prefixes(own[d.name])]
        offsets, self._fixed = _fixed_offsets(own, set(windows), heard.itemsize)
        block = np.dtype([(p, "u1" if p == "phase" else "i8", (len(windows),)) for p in _PARTS])
        for number, (name, prefix) in enumerate(windows):
            for part in _PARTS:
                of_part, at = block.fields[part][:2]  # pyright: ignore[reportOptionalSubscript]
                step = of_part.base.itemsize
                offsets[name][prefix + part] = self._fixed + at + number * step
        size = _in_words(self._fixed + block.itemsize)
        views = [_view(own[d.name], offsets[d.name], size) for d in detectors]
        self.dtype = np.dtype(
            {
                "names": ["heard", *own, "windows"],
                "formats": [heard, *views, block],
                "offsets": [0] * (1 + len(views)) + [self._fixed],
                "itemsize": size,
            }
        )
        self.window_bytes = size - self._fixed
        self.stored_bytes = _in_words(self._fixed + _SLOT.itemsize)
        self.text = ";".join([f"heard/2/{SLOTS}{_spelt(heard)}", *map(layout_text, detectors)])
        """What the bytes mean; equal text, equal meaning."""
        self._fresh = _fresh(self.dtype, detectors)
        self.fresh = self.pack(self._fresh).rows[0]
        """The stored record of a lift that was never heard."""

    def pack(self, records: Records) -> Stored:
        """Return records as they are stored."""
        raw, m = as_bytes(records), len(records)
        stored = np.zeros((m, self.stored_bytes), np.uint8)
        stored[:, : self._fixed] = raw[:, : self._fixed]
        slots = self._slots(stored)
        slots["which"] = _NO_WINDOW
        windows = records["windows"]
        row, window = np.nonzero(windows["phase"])
        counts = np.bincount(row, minlength=m)
        slot = np.arange(len(row)) - (np.cumsum(counts) - counts)[row]
        crowded = np.flatnonzero(counts > SLOTS)
        fits = (counts <= SLOTS)[row]
        row, window, slot = row[fits], window[fits], slot[fits]
        slots["which"][row, slot] = window
        for part in _PARTS:
            slots[part][row, slot] = windows[part][row, window]
        return Stored(stored, crowded, raw[crowded][:, self._fixed :])

    def unpack(self, stored: Stored) -> Records:
        """Return what ``pack`` was given, shape (m,)."""
        m = len(stored.rows)
        raw = np.empty((m, self.dtype.itemsize), np.uint8)
        raw[:, : self._fixed] = stored.rows[:, : self._fixed]
        raw[:, self._fixed :] = as_bytes(self._fresh)[0, self._fixed :]
        raw[stored.crowded, self._fixed :] = stored.windows
        records = raw.view(self.dtype).reshape(m)
        slots, windows = self._slots(stored.rows), records["windows"]
        row, slot = np.nonzero(slots["which"] != _NO_WINDOW)
        window = slots["which"][row, slot]
        for part in _PARTS:
            windows[part][row, window] = slots[part][row, slot]
        return records

    def _slots(self, stored: NDArray[np.uint8]) -> NDArray[Any]:
        """Return the slots of stored records, shape (m,); a view."""
        dtype = np.dtype(
            {
                "names": ["slots"],
                "formats": [_SLOT],
                "offsets": [self._fixed],
                "itemsize": self.stored_bytes,
            }
        )
        return stored.view(dtype).reshape(len(stored))["slots"]


def _packed(fields: list[Any]) -> np.dtype[Any]:
    return np.dtype(sorted(fields, key=lambda f: -np.dtype(f[1]).itemsize), align=True)


def _prefixes(fields: dict[str, np.dtype[Any]]) -> Iterator[str]:
    """Yield the prefixes of the windows among a detector's fields."""
    for name in fields:
        prefix = name.removesuffix("phase")
        if name != prefix and all(prefix + part in fields for part in _PARTS):
            yield prefix


def _fixed_offsets(
    own: dict[str, dict[str, np.dtype[Any]]], windows: set[tuple[str, str]], begin: int
) -> tuple[dict[str, dict[str, int]], int]:
    """Return the offset of each field that is of no window, and where they end [bytes]."""
    of_windows = {(d, prefix + part) for d, prefix in windows for part in _PARTS}
    fields = [
        (d, name, dtype)
        for d, named in own.items()
        for name, dtype in named.items()
        if (d, name) not in of_windows
    ]
    offsets: dict[str, dict[str, int]] = {d: {} for d in own}
    at = begin
    for d, name, dtype in sorted(fields, key=lambda f: -f[2].base.itemsize):
        offsets[d][name] = at
        at += dtype.itemsize
    return offsets, _in_words(at)


def _in_words(size: int) -> int:
    return -(-size // _WORD) * _WORD


def _view(fields: dict[str, np.dtype[Any]], offsets: dict[str, int], size: int) -> np.dtype[Any]:
    return np.dtype(
        {
            "names": list(fields),
            "formats": list(fields.values()),
            "offsets": [offsets[name] for name in fields],
            "itemsize": size,
        }
    )


def _spelt(dtype: np.dtype[Any]) -> str:
    return "".join(str(dtype.descr).split())


def _fresh(dtype: np.dtype[Any], detectors: tuple[Detector, ...]) -> Records:
    fresh = np.zeros(dtype.itemsize, np.uint8).view(dtype)
    fresh["heard"]["time_us"] = NEVER_US
    for unit, columns in (("lift", LIFT_COLUMNS), ("escalator", ESCALATOR_COLUMNS)):
        for name, value in never_heard(columns).items():
            fresh["heard"][unit][name] = value
    for d in detectors:
        for f in d.layout:
            fresh[d.name][f.name] = f.initial
    return fresh


def copied(records: Records) -> Records:
    """Copy records byte by byte."""
    return as_bytes(records).copy().view(records.dtype).reshape(len(records))


def as_bytes(records: Records) -> NDArray[np.uint8]:
    """Return records as rows of bytes, shape (k, size); not a copy."""
    return records.view(np.uint8).reshape(len(records), records.dtype.itemsize)
