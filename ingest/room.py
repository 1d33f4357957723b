"""Arrays over lifts with room for lifts to come, so that one lift more copies nothing.

Room is address space, not memory, until lifts come. Pure.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROOM_ROWS: Final = 131_072
"""Lifts for which room is reserved at first."""


def with_rows(array: NDArray[Any], n_rows: int, fresh: ArrayLike) -> NDArray[Any]:
    """Return ``array`` with its first axis ``n_rows`` long, the new rows set to ``fresh``.

    The result shares memory with ``array`` while there is room behind it; so only the holder of an
    array may lengthen it, and must hold the result from then on. Without room all is copied, into
    at least twice as much.
    """
    held = len(array)
    if n_rows <= held:
        return array
    store = _store_of(array)
    if store is None or len(store) < n_rows:
        store = np.empty((max(ROOM_ROWS, 2 * held, n_rows), *array.shape[1:]), array.dtype)
        store[:held] = array
    longer = store[:n_rows]
    longer[held:] = fresh
    return longer


def _store_of(array: NDArray[Any]) -> NDArray[Any] | None:
    """Return the array at whose beginning ``array`` lies, if there is one of its kind."""
    store = array.base
    if (
        isinstance(store, np.ndarray)
        and store.dtype == array.dtype
        and store.shape[1:] == array.shape[1:]
        and store.ctypes.data == array.ctypes.data
        and store.flags.writeable
    ):
        return store
    return None
