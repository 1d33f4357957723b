"""Room for a fleet: rows keep what they hold when it grows beyond a block."""

import numpy as np
import pytest

from detectors.bank import Bank
from detectors.room import BLOCK_ROWS, Beside, Room
from tests.contract.detector_streams import START_US, batch_of

FRESH = np.array([7, 8, 9], "u1")


def test_rows_of_several_blocks_are_put_and_taken_in_any_order():
    room, rows = Room(FRESH), np.array([BLOCK_ROWS, 2, 2 * BLOCK_ROWS + 5, BLOCK_ROWS - 1])
    room.grow(3)
    room.grow(2 * BLOCK_ROWS + 7)
    assert (room.take(rows) == FRESH).all()
    put = np.arange(12, dtype=np.uint8).reshape(4, 3)
    room.put(rows, put)
    assert room.take(rows[::-1]).tolist() == put[::-1].tolist()
    room.grow(3 * BLOCK_ROWS)
    assert room.take(rows).tolist() == put.tolist()
    assert (room.take(rows + 20) == FRESH).all()
    assert room.take(rows[:0]).shape == (0, 3)


def test_growth_leaves_a_block_where_it_is():
    room = Room(FRESH)
    room.grow(10)
    first = room._blocks[0]
    room.grow(BLOCK_ROWS + 1)
    assert room._blocks[0] is first


@pytest.mark.parametrize("seed", range(5))
def test_rows_have_records_beside_them_until_they_have_none(seed):
    rng, beside, wanted = np.random.default_rng(seed), Beside(3), {}
    for n_rows in (5, 5, 20, 20, 20, 60):
        beside.grow(n_rows)
        rows = rng.choice(n_rows, rng.integers(1, n_rows + 1), replace=False)
        at = np.flatnonzero(rng.random(len(rows)) < 0.5)
        records = rng.integers(0, 256, (len(at), 3)).astype("u1")
        beside.put(rows, at, records)
        wanted = {row: kept for row, kept in wanted.items() if row not in rows.tolist()}
        wanted |= dict(zip(rows[at].tolist(), records.tolist(), strict=True))
        has, found = beside.take(np.arange(n_rows))
        assert dict(zip(has.tolist(), found.tolist(), strict=True)) == wanted
        assert len(beside) == len(wanted)


def same(one, other):
    """Whether two snapshots are equal, byte by byte."""
    assert one.keys() == other.keys()
    return all(one[name].tobytes() == other[name].tobytes() for name in one)


def test_a_bank_beyond_its_room_keeps_every_state():
    bank = Bank(BLOCK_ROWS - 1)
    frame = {"time_us": START_US, "zone": 1}
    bank.adopt(bank.step(batch_of([0, BLOCK_ROWS - 2], [frame, frame])))
    before = bank.snapshot([0, BLOCK_ROWS - 2])
    bank.grow(BLOCK_ROWS + 1)
    assert bank.n_rows == BLOCK_ROWS + 1
    assert same(bank.snapshot([0, BLOCK_ROWS - 2]), before)
    assert same(bank.snapshot([BLOCK_ROWS]), Bank(1).snapshot([0]))
