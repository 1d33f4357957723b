"""Arrays with room: one row more copies nothing, and no row changes by growing."""

import numpy as np

from ingest.room import ROOM_ROWS, with_rows

PAIR = np.dtype([("a", "i8"), ("b", "?")])


def test_rows_are_added_in_place_while_there_is_room():
    rows = with_rows(np.empty(0, PAIR), 3, np.array((7, True), PAIR))
    first = rows.ctypes.data
    rows["a"][1] = 8
    longer = with_rows(rows, 5, np.array((9, False), PAIR))
    assert longer.ctypes.data == first
    assert longer["a"].tolist() == [7, 8, 7, 9, 9]
    assert longer["b"].tolist() == [True, True, True, False, False]
    assert with_rows(longer, 2, 0) is longer


def test_without_room_there_is_twice_as_much():
    rows = with_rows(np.zeros((0, 2), "i4"), ROOM_ROWS, 1)
    longer = with_rows(rows, ROOM_ROWS + 1, [2, 3])
    assert longer.ctypes.data != rows.ctypes.data
    assert longer[-2:].tolist() == [[1, 1], [2, 3]]
    assert len(longer.base) == 2 * ROOM_ROWS


def test_a_part_of_something_else_is_never_written_into():
    whole = np.arange(10)
    part = whole[2:4]
    assert with_rows(part, 6, -1).tolist() == [2, 3, -1, -1, -1, -1]
    assert whole.tolist() == list(range(10))
    seen = whole[:4].view("u8")
    with_rows(seen, 6, 0)
    assert whole.tolist() == list(range(10))
