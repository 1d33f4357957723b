"""What an uninterrupted run would have found is what was found, also of a clock that leads."""

import numpy as np
import pytest

from ingest import assemble
from ingest.assemble import AssembleParams
from service.core import LaneCore
from service.soak.backtest import Backtest, uninterrupted
from telemetry.batch import FrameBatch
from telemetry.columns import Mode
from telemetry.findings import FindingKind

SECOND_US = 1_000_000
START_US = 1_763_798_400_000_000


def core() -> LaneCore:
    made = LaneCore(AssembleParams(), {})
    made.grow(np.array([7]), assemble.NOTHING_STORED)
    return made


@pytest.mark.parametrize("lag_us", [-800_000, -1, 0, 30_000, 900_000])
def test_a_tick_at_the_end_finds_the_same(lag_us: int) -> None:
    """The window completes by a tick that is the last thing the service did."""
    time_us = START_US + np.arange(4) * SECOND_US
    frames = FrameBatch.make(
        4, row=0, elevator_id=7, gateway_id=1, seq=np.arange(4), time_us=time_us,
        device_time_us=time_us, received_us=time_us + lag_us, mode=Mode.INSPECTION,
    )  # fmt: skip
    live, transitions = core(), []
    for at in range(4):
        now_us = int(frames["received_us"][at])
        advanced = live.advance(frames.take(np.array([at])), now_us, caught_up=True)
        live.adopt(advanced)
        transitions += advanced.transitions
    raised_us = START_US + 5 * SECOND_US
    now_us = raised_us + lag_us + AssembleParams().reorder_window_us
    last = live.advance(FrameBatch.empty(), now_us, caught_up=True)
    stored = [*transitions, *last.transitions]
    assert [(t.kind, t.t_us) for t in stored] == [(FindingKind.SPECIAL_MODE, raised_us)]
    found = Backtest(
        stored=stored,
        derived=uninterrupted(core(), frames, now_us),
        last_frame_us={7: int(time_us[-1])},
    )
    assert found.faults() == []
