"""One lift may have thousands of frames waiting, from one payload, without standing still."""

import pytest

from ingest.assemble.params import NEVER, AssembleParams
from ingest.assemble.stream import Head, Item, Line, Oddity

N = 10_000
ARRIVED_US = 1_000_000_000


def put(line: Line, frames: list[tuple[int, int]]) -> None:
    for seq, time_us in frames:
        line.take(Item(seq, time_us, ARRIVED_US, 0))


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("far", "step"), [(1_000_000, 2), (3, 2)], ids=["far ahead", "each fills one gap"]
)
def test_frames_that_fill_gaps_cost_no_look_at_all_that_wait(far, step):
    line = Line(Head(), Oddity(), AssembleParams())
    put(line, [(1, 1)])
    put(line, [(far + step * k, 2 + k) for k in range(N)])
    put(line, [(2 + (k if far > 3 else step * k), 10**6 + k) for k in range(N)])
    waiting = line.oddity().waiting
    if far > 3:
        assert (line.head.seq, len(waiting)) == (N + 1, N)
    else:
        assert (line.head.seq, len(waiting)) == (2 * N + 1, 0)
        assert line.oddity().oldest_us == NEVER
