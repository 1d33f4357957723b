"""The wall clock jumps, or lies behind the state: no window is completed at once, none hangs."""

from types import SimpleNamespace
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry

from ingest import assemble
from ingest.assemble import AssembleParams
from ingest.decode import decode
from ingest.fleet import Fleet
from ingest.source import Message
from service.clock import ManualClock
from service.core import LaneCore
from service.intake import CLOCK_JUMP_SUSPENDS_S, Intake, IntakeTimes
from service.metrics import Metrics
from service.work import Work
from telemetry.batch import FrameBatch
from telemetry.findings import Change

SECOND_US = 1_000_000
WINDOW_S = 30


class Source:
    """Nothing comes, and the broker holds nothing."""

    state = SimpleNamespace(waiting_messages=0, caught_up=True)

    async def read(self, *_: Any) -> list[Message]:
        raise TimeoutError


async def nothing_to_register(*_: Any) -> None:
    return


def intake_of(clock: ManualClock) -> Intake:
    parts: list[Any] = [Source(), Fleet(), SimpleNamespace(register=nothing_to_register), clock]
    return Intake(*parts, Metrics(CollectorRegistry(), "0"), IntakeTimes(0.02, 8_000, 1, 2_000))


def trapped(now_us: int) -> LaneCore:
    """Return a lane whose one lift stands between two landings with somebody in it, since now."""
    core = LaneCore(AssembleParams(), {"between_landings_window_s": WINDOW_S})
    core.grow(np.array([1]), assemble.NOTHING_STORED)
    frames = FrameBatch.make(
        1, row=0, elevator_id=1, gateway_id=1, seq=1, time_us=now_us, device_time_us=now_us,
        received_us=now_us, car=0, zone=0, door=2, passenger=1, speed_mps=0.0,
    )  # fmt: skip
    core.adopt(core.advance(frames, now_us, caught_up=True))
    return core


def tick(core: LaneCore, work: Work) -> list[Change]:
    advanced = core.advance(FrameBatch.empty(), work.until_us, caught_up=work.moves_quiet_lifts)
    core.adopt(advanced)
    return [t.change for t in advanced.transitions if t.rule == "entrapment"]


async def test_a_jump_of_the_clock_completes_no_window():
    clock = ManualClock()
    intake, core = intake_of(clock), trapped(clock.now_us())
    clock.advance(1)
    assert tick(core, await intake.next_work()) == []
    clock.jump_ahead(3600)
    for _ in range(int(CLOCK_JUMP_SUSPENDS_S)):
        assert tick(core, await intake.next_work()) == []
        clock.advance(1)
    assert tick(core, await intake.next_work()) == [Change.RAISED]  # no frame ever came


async def test_without_a_jump_a_tick_completes_the_window():
    clock = ManualClock()
    intake, core = intake_of(clock), trapped(clock.now_us())
    clock.advance(WINDOW_S + 1.9)
    assert tick(core, await intake.next_work()) == []
    clock.advance(0.1)
    assert tick(core, await intake.next_work()) == [Change.RAISED]


async def test_after_a_jump_the_present_is_not_taken_for_history():
    clock = ManualClock()
    intake = intake_of(clock)
    clock.jump_ahead(3600)
    message = Message("hoistway/v1/g/frames", b"[]", clock.now_us())
    work = await intake.make_work([message], clock.now_us(), caught_up=True)
    assert work.caught_up  # alarms of frames are not held back
    assert work.moves_quiet_lifts
    assert not work.tick_after().moves_quiet_lifts
    clock.advance(CLOCK_JUMP_SUSPENDS_S)
    assert (await intake.make_work([message], 0, caught_up=True)).tick_after().moves_quiet_lifts


def test_a_source_behind_moves_nothing_either():
    assert not Work([], decode(()), {}, 1, False).moves_quiet_lifts
    assert Work([], decode(()), {}, 1, True).moves_quiet_lifts


def test_a_window_is_completed_on_a_clock_that_was_set_back():
    clock = ManualClock()
    began_us = clock.now_us()
    core = trapped(began_us)
    passed_us, hour_us = 10 * SECOND_US, 3600 * SECOND_US
    core.set_clock_back(hour_us)
    assert core.take_snapshot(4096)
    now_us = began_us + passed_us - hour_us
    for second in range(21, 23):
        at_us = now_us + second * SECOND_US
        advanced = core.advance(FrameBatch.empty(), at_us, caught_up=True)
        changes = [t.change for t in advanced.transitions]
        assert changes == ([Change.RAISED] if second == 22 else [])
