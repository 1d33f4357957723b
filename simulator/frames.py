"""``Frames``: what terminals told, as integers in wire units.

Everything after the sensors (network, digest, encoding, truth) sees these integers and never the
floats they came from, so equal worlds give equal bytes. Real quantities are in thousandths of the
unit of ``telemetry.columns`` (mm/s, mm, thousandths of a percent). ``MISSING`` = not told.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telemetry.columns import COLUMN_NAMES, COLUMNS

MISSING: Final = -(2**31)
"""Not told by this terminal."""

NO_TIME_US: Final = -(10**18)
"""A device time that no frame may have: whoever reads it refuses the frame."""

KEYS: Final = ("lift", "time_us", "device_time_us", "seq", "arrival_us")
"""Index of the unit in its fleet; true time; time by the terminal's clock; sequence number; when
the frame reached the broker (as it leaves the terminal: when it is sent, mostly the true time)."""

REFUSED: Final = "refused"
"""Keys whose value was told and could not be used, as bits of ``telemetry.columns.QUALITY_BIT``;
only frames that were stored once have it, and no digest reads it."""

NAMES: Final = (*KEYS, *COLUMN_NAMES, REFUSED)
TOLD: Final = tuple(name for name in NAMES if name not in {"arrival_us", REFUSED})
"""What a terminal tells, in the order in which the digest reads it."""
_WIDE: Final = (*KEYS, *(c.name for c in COLUMNS if c.dtype == "i8"))
_DIGESTED: Final = {name: "<i8" if name in _WIDE else "<i4" for name in TOLD}
"""How wide the digest reads each column."""


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames as columns of equal length ``n``; a column not held is ``MISSING`` throughout.

    Keys, counters and codes are int64, everything else int64 or int32.

    Parameters
    ----------
    columns
        ``KEYS`` and any of ``telemetry.columns.COLUMN_NAMES`` and ``REFUSED``; ``floor`` is the
        index of a label of its lift.
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
        given.setdefault("arrival_us", given["time_us"])
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

    def usable(self) -> Self:
        """Return those with a time, which is all but a few of a bad clock."""
        told = self.columns["device_time_us"] != NO_TIME_US
        return self if told.all() else self.take(told)

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
    """SHA-256 over frames in their order: one number that two runs must agree on.

    Each column has a hash of its own, so nothing need be packed; how frames are cut into calls does
    not matter. The digest is the hash of those.
    """

    def __init__(self) -> None:
        self._by_column = {name: hashlib.sha256() for name in TOLD}
        self.frames = 0

    def update(self, frames: Frames) -> None:
        """Add frames."""
        n = len(frames)
        missing = b""
        for name, sha in self._by_column.items():
            column = frames.columns.get(name)
            if column is not None:
                sha.update(np.ascontiguousarray(column, _DIGESTED[name]).data)
            elif _DIGESTED[name] == "<i4":
                missing = missing or np.full(n, MISSING, "<i4").tobytes()
                sha.update(missing)
            else:
                sha.update(np.full(n, MISSING, "<i8").data)
        self.frames += n

    def hexdigest(self) -> str:
        """Return the digest so far."""
        whole = hashlib.sha256()
        for name, sha in self._by_column.items():
            whole.update(name.encode() + sha.digest())
        return whole.hexdigest()
