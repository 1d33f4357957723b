"""The clock never goes back and never stands still; jumps and large set-backs are noticed."""

import asyncio

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from service.clock import Jump, ManualClock, SystemClock
from service.clock_watch import watch_clock
from service.times import MAX_US, MIN_US, read, rfc3339, to_datetime, to_us

S_NS = 1_000_000_000
START_NS = 1_800_000_000 * S_NS


class Machine:
    """A wall clock that can be set, and one that cannot."""

    def __init__(self) -> None:
        self.wall_ns, self.monotonic_ns = START_NS, 5 * S_NS

    def passes(self, real_s: float, set_by_s: float = 0) -> None:
        self.monotonic_ns += int(real_s * S_NS)
        self.wall_ns += int((real_s + set_by_s) * S_NS)

    def clock(self) -> SystemClock:
        return SystemClock(lambda: self.wall_ns, lambda: self.monotonic_ns)


def test_it_follows_the_wall_clock():
    machine = Machine()
    clock = machine.clock()
    machine.passes(3.5)
    assert clock.now_us() == machine.wall_ns // 1000
    assert clock.ahead_us() == 0


def test_a_jump_ahead_is_followed_at_once():
    machine = Machine()
    clock = machine.clock()
    machine.passes(1, set_by_s=3600)
    assert clock.now_us() == machine.wall_ns // 1000


def test_a_jump_ahead_is_remembered_with_its_size():
    machine = Machine()
    clock = machine.clock()
    assert clock.jump is None
    machine.passes(3600)  # nobody asked for an hour: no jump
    machine.passes(1, set_by_s=4)  # nor is a small correction
    clock.now_us()
    assert clock.jump is None
    machine.passes(2, set_by_s=3600)
    assert clock.jump is None  # noticed by whoever asks for the time
    now_us = clock.now_us()
    assert clock.jump == Jump(now_us, 3_600_000_000)
    machine.passes(100)
    clock.now_us()
    assert clock.jump == Jump(now_us, 3_600_000_000)


def test_a_set_back_that_is_undone_is_no_jump():
    machine = Machine()
    clock = machine.clock()
    machine.passes(1, set_by_s=-3600)
    clock.now_us()
    machine.passes(1, set_by_s=3600)
    clock.now_us()
    assert clock.jump is None


async def test_a_jump_is_told_once():
    machine = Machine()
    clock = machine.clock()
    with structlog.testing.capture_logs() as said:
        watching = asyncio.create_task(watch_clock(clock, every_s=0))
        for _ in range(3):
            machine.passes(1, set_by_s=100)
            for _ in range(5):
                await asyncio.sleep(0)
        watching.cancel()
    assert [(line["event"], line["log_level"]) for line in said] == [("clock_jumped", "error")] * 3
    assert said[0]["by_s"] == 100


@pytest.mark.parametrize("back_s", [61, 1e6])
async def test_a_clock_set_back_by_more_than_a_minute_ends_the_watch(back_s):
    machine = Machine()
    clock = machine.clock()
    with structlog.testing.capture_logs() as said:
        watching = asyncio.create_task(watch_clock(clock, every_s=0))
        machine.passes(1, set_by_s=-59)
        for _ in range(5):
            await asyncio.sleep(0)
        assert not watching.done()
        machine.passes(0, set_by_s=59 - back_s)
        async with asyncio.timeout(1):
            error = await watching
    assert [(line["event"], line["log_level"]) for line in said] == [("clock_set_back", "error")]
    assert f"set back by {round(back_s)} s" in str(error)


def test_a_clock_set_back_is_caught_up_with_without_standing_still():
    machine = Machine()
    clock = machine.clock()
    machine.passes(0, set_by_s=-60)
    before_us = clock.now_us()
    assert clock.ahead_us() == 60_000_000
    machine.passes(100)
    assert clock.now_us() - before_us == 90_000_000
    assert clock.ahead_us() == 50_000_000
    machine.passes(500)
    assert clock.ahead_us() == 0


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(-1000, 1000)), max_size=30))
def test_it_never_goes_back(steps):
    machine = Machine()
    clock = machine.clock()
    last_us = clock.now_us()
    for real_s, set_by_s in steps:
        machine.passes(real_s, set_by_s)
        now_us = clock.now_us()
        assert now_us >= last_us
        assert now_us - last_us >= int(real_s * 1e6 * 0.9) - 2
        last_us = now_us


def test_the_real_one_tells_the_time():
    clock = SystemClock()
    assert clock.now_us() > 1_700_000_000_000_000
    assert clock.now_us() <= clock.now_us()


def test_a_manual_clock_moves_only_when_told():
    clock = ManualClock(5)
    assert clock.now_us() == clock.now_us() == 5
    assert clock.advance(1.5) == 1_500_005
    assert clock.jump is None
    clock.set(2_000_000_000_000_001)
    assert clock.now_us() == 2_000_000_000_000_001
    clock.jump_ahead(60)
    assert clock.jump == Jump(clock.now_us(), 60_000_000)


@given(st.integers(MIN_US, MAX_US))
def test_instants_keep_every_microsecond(t_us):
    assert to_us(to_datetime(t_us)) == t_us
    assert read(rfc3339(t_us)) == t_us


def test_instants_are_read_as_on_the_wire():
    assert read("1000") == read("1970-01-01T00:00:01Z") == read("1970-01-01T08:00:01+08:00")
    for bad in ("", "x", "1970-01-01T00:00:01", "9" * 30, "-", "0001-01-01T00:00:00+14:00", "²"):
        assert read(bad) is None
    assert rfc3339(1_500_000) == "1970-01-01T00:00:01.500Z"
    assert rfc3339(1) == "1970-01-01T00:00:00.000001Z"
