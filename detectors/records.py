"""The record that holds the state of one lift: what it told, and the own fields of every detector.

Decides where each field lies. Fields of all detectors are laid out together, the largest first, so
that none is out of alignment and none is padded; a detector sees its own through a dtype of the
same size. What the fields mean is the detectors'.

Invariant: equal states are equal bytes, padding included, so records are copied byte by byte.
"""

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from detectors.contract import Detector, layout_text
from detectors.segments import NEVER_US
from detectors.signals import ESCALATOR_COLUMNS, LIFT_COLUMNS, held_dtype, never_heard

Records: TypeAlias = NDArray[Any]
"""Structured array of ``Layout.dtype``, one record per lift."""

_WORD: Final = 8
"""Records are as long as a multiple of this [bytes]."""


class Layout:
    """The record of one lift: ``heard``, and one view for each detector by its name."""

    def __init__(self, detectors: tuple[Detector, ...]) -> None:
        heard = np.dtype(
            [
                ("time_us", "i8"),
                ("lift", _packed(held_dtype(LIFT_COLUMNS))),
                ("escalator", _packed(held_dtype(ESCALATOR_COLUMNS))),
            ],
            align=True,
        )
        own = {d.name: {f.name: np.dtype((f.dtype, f.shape)) for f in d.layout} for d in detectors}
        offsets, size = _placed(own, heard.itemsize)
        views = [_view(own[d.name], offsets[d.name], size) for d in detectors]
        self.dtype = np.dtype(
            {
                "names": ["heard", *own],
                "formats": [heard, *views],
                "offsets": [0] * (1 + len(views)),
                "itemsize": size,
            }
        )
        self.text = ";".join(["heard/1" + _spelt(heard), *map(layout_text, detectors)])
        """What the bytes mean; equal text, equal meaning."""
        self.fresh = _fresh(self.dtype, detectors)
        """The record of a lift that was never heard, shape (1,)."""


def _packed(fields: list[Any]) -> np.dtype[Any]:
    return np.dtype(sorted(fields, key=lambda f: -np.dtype(f[1]).itemsize), align=True)


def _placed(
    own: dict[str, dict[str, np.dtype[Any]]], begin: int
) -> tuple[dict[str, dict[str, int]], int]:
    """Return the offset of each field of each detector, and the size of the record [bytes]."""
    fields = [(d, name, dtype) for d, named in own.items() for name, dtype in named.items()]
    offsets: dict[str, dict[str, int]] = {d: {} for d in own}
    at = begin
    for d, name, dtype in sorted(fields, key=lambda f: -f[2].base.itemsize):
        offsets[d][name] = at
        at += dtype.itemsize
    return offsets, -(-at // _WORD) * _WORD


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
