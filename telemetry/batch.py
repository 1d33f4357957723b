"""``FrameBatch``: many frames as a struct of arrays.

Holds frames between the decoder, the detectors and the store. It decides nothing; it keeps equal
lengths and the dtypes of ``columns.py``. Arrays are treated as immutable: every operation returns
a new batch, and nobody writes into one that was handed over.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from types import MappingProxyType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from telemetry.columns import COLUMN, COLUMN_NAMES, COLUMNS


class ClockQuality(IntEnum):
    """How far the ``time`` of a frame can be trusted."""

    DEVICE = 0
    """The device time was believed as it came."""
    OFFSET = 1
    """The device time was not believable: ``time`` is device time + the offset of its clock run."""


HEADER: Final[Mapping[str, str]] = MappingProxyType(
    {
        "row": "i4",  # dense index of the lift in its lane, 0 ... n_lifts - 1
        "elevator_id": "i8",  # key of the registry
        "gateway_id": "i4",  # key of the registry
        "time_us": "i8",  # event time, µs since 1970-01-01 UTC
        "seq": "i8",  # sequence number of (gateway, elevator)
        "device_time_us": "i8",  # time as the device told it, µs
        "received_us": "i8",  # arrival, µs
        "clock": "i1",  # ClockQuality
        "late": "?",  # behind its lift's head: stored, never stepped
        "quality": "i8",  # bits of columns whose wire value was unusable (columns.QUALITY_BIT)
    }
)
"""Columns that every frame has, with dtypes."""


@dataclass(frozen=True, slots=True)
class FrameBatch:
    """Frames as columns of equal length ``n``.

    Parameters
    ----------
    columns
        One array of shape (n,) for each name in ``HEADER`` and ``COLUMN_NAMES``.
    """

    columns: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        """Return the number of frames, ``n``."""
        return len(self.columns["time_us"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return the column ``name``, shape (n,)."""
        return self.columns[name]

    @classmethod
    def make(cls, n: int, **given: NDArray[Any] | Sequence[Any] | float | bool) -> Self:
        """Build a batch of ``n`` frames; header defaults are 0, other columns default to unknown.

        Scalars are spread over all frames. Raises ``KeyError`` for a name that is no column and
        ``ValueError`` for a wrong length.
        """
        columns: dict[str, NDArray[Any]] = {}
        for name, dtype in HEADER.items():
            columns[name] = np.broadcast_to(np.asarray(given.pop(name, 0), dtype), (n,))
        for column in COLUMNS:
            values = given.pop(column.name, column.unknown)
            columns[column.name] = np.broadcast_to(np.asarray(values, column.dtype), (n,))
        if given:
            raise KeyError(f"no such columns: {sorted(given)}")
        return cls(columns)

    @classmethod
    def empty(cls) -> "FrameBatch":
        """Return a batch without frames; always the same one, since batches are not changed."""
        return _nothing(cls)

    @classmethod
    def concat(cls, batches: "Iterable[FrameBatch]") -> "FrameBatch":
        """Join batches one after another."""
        parts = list(batches)
        if not parts:
            return cls.empty()
        if len(parts) == 1:
            return parts[0]
        return cls({name: np.concatenate([p.columns[name] for p in parts]) for name in ALL_NAMES})

    def take(self, index: NDArray[Any] | slice) -> Self:
        """Return the frames at ``index`` (integers, a mask or a slice), in that order."""
        return type(self)({name: values[index] for name, values in self.columns.items()})

    def replace(self, **given: NDArray[Any]) -> Self:
        """Return the batch with some columns exchanged."""
        unknown = given.keys() - self.columns.keys()
        if unknown:
            raise KeyError(f"no such columns: {sorted(unknown)}")
        return type(self)({**self.columns, **given})

    def to_rows(self) -> list[dict[str, Any]]:
        """Return the frames as dictionaries of Python scalars, for tests and messages."""
        lists = {name: values.tolist() for name, values in self.columns.items()}
        return [{name: lists[name][i] for name in lists} for i in range(len(self))]


@cache
def _nothing(kind: type[FrameBatch]) -> FrameBatch:
    return kind.make(0)


ALL_NAMES: Final = (*HEADER, *COLUMN_NAMES)


def dtype_of(name: str) -> np.dtype[Any]:
    """Return the dtype of a header or frame column."""
    return np.dtype(HEADER[name] if name in HEADER else COLUMN[name].dtype)
