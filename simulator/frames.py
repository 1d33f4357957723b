"""``Frames``: what terminals told, as integers in wire units.

Everything after the sensors (network, digest, encoding, truth) sees these integers and never the
floats they came from, so equal worlds give equal bytes. Real quantities are in thousandths of the
unit of ``telemetry.columns`` (mm/s, mm, thousandths of a percent). ``MISSING`` = not told.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telemetry.columns import COLUMN, COLUMN_NAMES
from telemetry.wire import WireFrame
from telemetry.wire.encode import wire_frames

MISSING: Final = -(2**31)
"""Not told by this terminal."""

KEYS: Final = ("lift", "time_us", "device_time_us", "seq")
"""Index of the lift in its fleet; true time; time by the terminal's clock; sequence number."""

NAMES: Final = (*KEYS, *COLUMN_NAMES)
_THOUSANDTHS: Final = frozenset(n for n in COLUMN_NAMES if COLUMN[n].kind == "real")


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames as int64 columns of equal length ``n``; a column not held is ``MISSING`` throughout.

    Parameters
    ----------
    columns
        ``KEYS`` and any of ``telemetry.columns.COLUMN_NAMES``; ``floor`` is the index of a label
        of its lift.
    """

    columns: Mapping[str, NDArray[np.int64]]

    def __len__(self) -> int:
        """Return the number of frames, ``n``."""
        return len(self.columns["seq"])

    def __getitem__(self, name: str) -> NDArray[np.int64]:
        """Return a column, shape (n,)."""
        held = self.columns.get(name)
        return np.full(len(self), MISSING) if held is None else held

    @classmethod
    def make(cls, n: int, **given: ArrayLike) -> Self:
        """Build ``n`` frames; scalars are spread. Raises ``KeyError`` for an unknown name."""
        unknown = given.keys() - set(NAMES)
        if unknown:
            raise KeyError(f"no such columns: {sorted(unknown)}")
        given.setdefault("device_time_us", given["time_us"])
        return cls({k: np.broadcast_to(np.asarray(v, "i8"), (n,)) for k, v in given.items()})

    @classmethod
    def empty(cls) -> Self:
        """Return no frames."""
        return cls({name: np.empty(0, "i8") for name in KEYS})

    @classmethod
    def concat(cls, parts: Iterable[Self]) -> Self:
        """Join frames one after another."""
        held = [p for p in parts if len(p)]
        if not held:
            return cls.empty()
        if len(held) == 1:
            return held[0]
        names = [n for n in NAMES if any(n in p.columns for p in held)]
        return cls({n: np.concatenate([p[n] for p in held]) for n in names})

    def take(self, index: NDArray[Any] | slice) -> Self:
        """Return the frames at ``index`` (integers, mask or slice), in that order."""
        return type(self)({n: v[index] for n, v in self.columns.items()})

    def replace(self, **given: NDArray[np.int64]) -> Self:
        """Return the frames with some columns exchanged or added."""
        return type(self)({**self.columns, **given})

    def in_time_order(self) -> Self:
        """Return them sorted by (time, lift, seq), the order in which terminals send."""
        order = np.lexsort((self.columns["seq"], self.columns["lift"], self.columns["time_us"]))
        return self.take(order)


class Digest:
    """SHA-256 over frames in their order: one number that two runs must agree on."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self.frames = 0

    def update(self, frames: Frames) -> None:
        """Add frames; how they are cut into calls does not matter."""
        table = np.empty((len(frames), len(NAMES)), "<i8")
        table.fill(MISSING)
        for i, name in enumerate(NAMES):
            if name in frames.columns:
                table[:, i] = frames.columns[name]
        self._sha.update(table.tobytes())
        self.frames += len(frames)

    def hexdigest(self) -> str:
        """Return the digest so far."""
        return self._sha.hexdigest()


def to_wire(
    frames: Frames, codes: Sequence[str], labels: Sequence[Sequence[str]]
) -> list[WireFrame]:
    """Turn frames into wire objects.

    Parameters
    ----------
    frames
        Frames of any lifts.
    codes
        Registration code of each lift of the fleet.
    labels
        Floor labels of each lift of the fleet.
    """
    lifts: list[int] = frames["lift"].tolist()
    told: dict[str, NDArray[Any]] = {"time_us": frames["device_time_us"], "seq": frames["seq"]}
    for name in COLUMN_NAMES:
        if name in frames.columns and name != "floor":
            told[name] = _wire_column(name, frames.columns[name])
    told_floors: list[int] = frames["floor"].tolist()
    floors = [
        None if floor == MISSING else labels[lift][floor]
        for lift, floor in zip(lifts, told_floors, strict=True)
    ]
    return wire_frames([codes[lift] for lift in lifts], told, floors)


def _wire_column(name: str, values: NDArray[np.int64]) -> NDArray[Any]:
    missing = values == MISSING
    if name in _THOUSANDTHS:
        return np.where(missing, np.nan, values / 1000.0)
    return np.where(missing, COLUMN[name].unknown, values)
