"""Room for the records of a fleet that grows: nothing is copied when it does.

Records lie in blocks of ``BLOCK_ROWS``. A block is address space until its rows come, and the next
one is added when it is full, so the longest pause of growth is that of the new rows. Decides
nothing about what the records hold.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

BLOCK_ROWS: Final = 131_072
"""More than the lifts of most cities, so that mostly there is one block."""


class Room:
    """Records of ``width`` bytes by dense row.

    Parameters
    ----------
    fresh
        What a new row holds, shape (width,).
    """

    def __init__(self, fresh: NDArray[np.uint8]) -> None:
        self._fresh = fresh
        self._blocks: list[NDArray[np.uint8]] = []
        self._n_rows = 0

    def grow(self, n_rows: int) -> None:
        """Make room for more rows; fewer than now is no change."""
        if n_rows <= self._n_rows:
            return
        while len(self._blocks) * BLOCK_ROWS < n_rows:
            self._blocks.append(np.empty((BLOCK_ROWS, len(self._fresh)), np.uint8))
        for number, block in enumerate(self._blocks):
            begin = number * BLOCK_ROWS
            block[max(self._n_rows - begin, 0) : max(n_rows - begin, 0)] = self._fresh
        self._n_rows = n_rows

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return a copy of some rows, shape (k, width)."""
        if len(self._blocks) == 1:
            return self._blocks[0][: self._n_rows][rows]
        taken = np.empty((len(rows), len(self._fresh)), np.uint8)
        for block, here, inside in self._parts(rows):
            taken[here] = block[inside]
        return taken

    def put(self, rows: NDArray[np.int64], records: NDArray[np.uint8]) -> None:
        """Write some rows."""
        for block, here, inside in self._parts(rows):
            block[inside] = records[here]

    def _parts(
        self, rows: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64] | slice, NDArray[np.int64]]]:
        """Yield each block, which of the rows lie in it, and where."""
        if len(self._blocks) == 1:
            yield self._blocks[0], slice(None), rows
            return
        number = rows // BLOCK_ROWS
        for n in np.unique(number).tolist():
            here = np.flatnonzero(number == n)
            yield self._blocks[n], here, rows[here] - n * BLOCK_ROWS


class Beside:
    """Records of ``width`` bytes that only some of the rows have.

    Parameters
    ----------
    width
        Bytes of a record.
    """

    def __init__(self, width: int) -> None:
        self._room = Room(np.zeros(width, np.uint8))
        self._place_of = np.empty(0, np.int32)  # of each row; -1 = it has none
        self._n_places = 0
        self._free = np.empty(0, np.int32)

    def __len__(self) -> int:
        """Return how many rows have one."""
        return self._n_places - len(self._free)

    def grow(self, n_rows: int) -> None:
        """Make room for more rows, which have none."""
        if n_rows > len(self._place_of):
            longer = np.full(max(BLOCK_ROWS, 2 * n_rows), -1, np.int32)
            longer[: len(self._place_of)] = self._place_of
            self._place_of = longer

    def take(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Return which of the rows have a record, ascending, and a copy of those."""
        places = self._place_of[rows]
        at = np.flatnonzero(places >= 0)
        return at, self._room.take(places[at].astype(np.int64))

    def put(
        self, rows: NDArray[np.int64], at: NDArray[np.int64], records: NDArray[np.uint8]
    ) -> None:
        """Write the records of rows ``rows[at]``; the other rows have none from now on."""
        places = self._place_of[rows]
        wanted = np.zeros(len(rows), np.bool_)
        wanted[at] = True
        gone, new = (places >= 0) & ~wanted, (places < 0) & wanted
        self._free = np.concatenate([self._free, places[gone]])
        places[gone] = -1
        places[new] = self._new(int(np.count_nonzero(new)))
        self._place_of[rows] = places
        self._room.put(places[at].astype(np.int64), records)

    def _new(self, count: int) -> NDArray[np.int32]:
        """Return places that nobody has."""
        missing = count - len(self._free)
        if missing > 0:
            more = np.arange(self._n_places, self._n_places + missing, dtype=np.int32)
            self._n_places += missing
            self._room.grow(self._n_places)
            self._free = np.concatenate([self._free, more])
        new, self._free = self._free[:count], self._free[count:]
        return new
