"""The record that holds the state of one lift: what it told, and the own fields of every detector.

Decides where each field lies and how a record is stored. The fields of all
*groups* (what was heard, then each detector) are laid out together, the largest first, so that none
is out of alignment and none is padded. What the fields mean is the groups'.

Most of the state are windows (``windows.window_fields``), and on most of them nothing is up. So a
*stored* record holds only the windows that are not idle, in ``SLOTS`` slots. *Rare* fields, those
of escalators and those that say so, are not in it either. The few units on which more is up, or on
which a rare field is not initial, are *whole*: all their windows and rare fields are kept beside.
Truth values are stored as bits.

How a step sees it is ``opened``. Invariant: equal states are equal bytes, padding included.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.contract import Detector, layout_text
from detectors.doubt import DOUBT_DTYPE
from detectors.segments import NEVER_US
from detectors.signals import ESCALATOR_COLUMNS, LIFT_COLUMNS, held_dtype, never_heard

HEARD: Final = "heard"
LIFT: Final = "heard of a lift"
ESCALATOR: Final = "heard of an escalator"
"""Groups of what frames told; the others are named by their detectors."""
SLOTS: Final = 4
"""Windows that are not idle and fit into a stored record: with a thousand times the field's faults,
one lift in a thousand has more at a time."""
NO_WINDOW: Final = 255
IDLE_FIELDS: Final = {"onset_us": NEVER_US, "aux_us": NEVER_US, "phase": 0}
"""Fields of a window, after its prefix, while nothing is up."""
WINDOW_PARTS: Final = tuple(IDLE_FIELDS)
SLOTS_NAME: Final = "slots"
BITS_NAME: Final = "bits"
"""Fields of the record that hold no field of a group."""
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
        Plain fields, bits and slots, shape (m, ``Layout.stored_bytes``).
    whole_at
        Which of them are whole, ascending, shape (c,).
    whole
        Windows and rare fields of those, shape (c, ``Layout.whole_bytes``).
    """

    rows: NDArray[np.uint8]
    whole_at: NDArray[np.int64]
    whole: NDArray[np.uint8]


class How(Enum):
    """How a field is stored."""

    PLAIN = "a field of the record"
    BITS = "bits of the record"
    RARE = "a field of the whole ones"
    WINDOW = "a part of a window"


class Place(NamedTuple):
    """Where a field lies."""

    how: How
    dtype: np.dtype[Any]
    name: str  # of the field, or of the part
    number: int = 0  # of the window, or of the first bit

    @property
    def bits(self) -> int | slice:
        """Which bits it is."""
        shape = self.dtype.shape
        return slice(self.number, self.number + shape[0]) if shape else self.number


class Layout:
    """Where everything lies in the record of one lift."""

    def __init__(self, detectors: tuple[Detector, ...]) -> None:
        groups = {
            HEARD: _typed([("time_us", "i8"), ("doubt", DOUBT_DTYPE)]),
            LIFT: _typed(held_dtype(LIFT_COLUMNS)),
            ESCALATOR: _typed(held_dtype(ESCALATOR_COLUMNS)),
        }
        told = "".join(f"{g}({_spelt(fields)})" for g, fields in groups.items())
        rare = {(HEARD, "doubt"), *((ESCALATOR, name) for name in groups[ESCALATOR])}
        for d in detectors:
            groups[d.name] = {f.name: np.dtype((f.dtype, f.shape)) for f in d.layout}
            of_few = getattr(d, "hears_escalators", False)
            rare |= {(d.name, f.name) for f in d.layout if of_few or f.rare}
        self.windows = tuple((g, p) for g, fields in groups.items() for p in _prefixes(fields))
        self.places = _placed(groups, self.windows, rare)
        self.record, self.whole = _dtypes(self.places, len(self.windows))
        self.rare = tuple(
            (group, name, place)
            for group, places in self.places.items()
            for name, place in places.items()
            if place.how is How.RARE
        )
        self.stored_bytes, self.whole_bytes = self.record.itemsize, self.whole.itemsize
        self.text = ";".join([f"heard/3/{SLOTS}{told}", *map(layout_text, detectors)])
        """What the bytes mean; equal text, equal meaning."""
        self.fresh, self.fresh_whole = self._fresh(detectors)
        """What is stored of a lift that was never heard, shape (``stored_bytes``,), and would be if
        it were whole."""

    def fields(self, rows: NDArray[np.uint8]) -> NDArray[Any]:
        """Return stored records by field, shape (m,); a view."""
        return rows.view(self.record)[:, 0]

    def _fresh(
        self, detectors: tuple[Detector, ...]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        rows = np.zeros((1, self.stored_bytes), np.uint8)
        fields, whole = self.fields(rows), np.zeros(1, self.whole)
        fields[SLOTS_NAME]["which"] = NO_WINDOW
        for part, value in IDLE_FIELDS.items():
            whole[part] = value
        bits = np.unpackbits(fields[BITS_NAME], axis=1)
        initial: dict[str, dict[str, Any]] = {
            HEARD: {"time_us": NEVER_US, "doubt": 0},
            LIFT: never_heard(LIFT_COLUMNS),
            ESCALATOR: never_heard(ESCALATOR_COLUMNS),
            **{d.name: {f.name: f.initial for f in d.layout} for d in detectors},
        }
        for group, values in initial.items():
            for name, value in values.items():
                place = self.places[group][name]
                if place.how is How.BITS:
                    bits[:, place.bits] = value
                elif place.how is not How.WINDOW:
                    (whole if place.how is How.RARE else fields)[place.name] = value
        fields[BITS_NAME] = np.packbits(bits, axis=1)
        return rows[0], whole.view(np.uint8)


def _typed(fields: list[tuple[str, str]]) -> dict[str, np.dtype[Any]]:
    return {name: np.dtype(dtype) for name, dtype in fields}


def _spelt(fields: dict[str, np.dtype[Any]]) -> str:
    return ",".join(f"{name}:{dtype.str}" for name, dtype in fields.items())


def _prefixes(fields: dict[str, np.dtype[Any]]) -> Iterator[str]:
    """Yield the prefixes of the windows among a group's fields."""
    for name in fields:
        prefix = name.removesuffix("phase")
        if name != prefix and all(prefix + part in fields for part in WINDOW_PARTS):
            yield prefix


def _placed(
    groups: dict[str, dict[str, np.dtype[Any]]],
    windows: tuple[tuple[str, str], ...],
    rare: set[tuple[str, str]],
) -> dict[str, dict[str, Place]]:
    """Return the place of each field."""
    number = {window: n for n, window in enumerate(windows)}
    places: dict[str, dict[str, Place]] = {group: {} for group in groups}
    n_bits = 0
    for group, fields in groups.items():
        for name, dtype in fields.items():
            part = next((p for p in WINDOW_PARTS if name.endswith(p)), "")
            window = group, name.removesuffix(part)
            if part and window in number:
                place = Place(How.WINDOW, dtype, part, number[window])
            elif (group, name) in rare:
                place = Place(How.RARE, dtype, f"{group}: {name}")
            elif dtype.base == np.bool_:
                place = Place(How.BITS, dtype, name, n_bits)
                n_bits += dtype.itemsize
            else:
                place = Place(How.PLAIN, dtype, f"{group}: {name}")
            places[group][name] = place
    return places


def _dtypes(
    places: dict[str, dict[str, Place]], n_windows: int
) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """Return the record, and what is kept beside it of units that are whole."""
    fields = [place for of_group in places.values() for place in of_group.values()]
    n_bits = sum(place.dtype.itemsize for place in fields if place.how is How.BITS)
    plain, rare = (
        sorted(
            ((p.name, p.dtype) for p in fields if p.how is how), key=lambda f: -f[1].base.itemsize
        )
        for how in (How.PLAIN, How.RARE)
    )
    record = [(SLOTS_NAME, _SLOT), *plain, (BITS_NAME, "u1", (-(-n_bits // 8),))]
    windows = [(p, "u1" if p == "phase" else "i8", (max(n_windows, 1),)) for p in WINDOW_PARTS]
    return np.dtype(record, align=True), np.dtype([*windows, *rare])
