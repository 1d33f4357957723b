"""Which acknowledgements are due, the unread buffer, and the broker's window."""

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ingest.mqtt_buffer import UnreadBuffer
from ingest.mqtt_window import MAX_WINDOW, REPEATS, AckLedger, WindowWatch
from ingest.source import NO_TOKEN, Message


def message(receipt: int, size: int = 1) -> Message:
    return Message("t", b"x" * size, 0, receipt << 16 | (receipt * 7) % 65_536 if receipt else 0)


@given(st.integers(1, 60), st.randoms(use_true_random=False))
def test_acks_in_any_order_leave_in_receipt_order(count: int, rng: random.Random) -> None:
    ledger = AckLedger()
    owed = [message(receipt) for receipt in range(1, count + 1)]
    shuffled = [*owed, *rng.sample(owed, count // 2)]
    rng.shuffle(shuffled)
    sent: list[int] = []
    given_back: set[int] = set()
    for one in shuffled:
        ready, _ = ledger.settle([one])
        given_back.add(one.token >> 16)
        sent += ready
        gap = next(r for r in range(1, count + 2) if r not in given_back)
        assert len(sent) == gap - 1
    assert sent == [m.token & 0xFFFF for m in owed]
    assert ledger.head == count + 1


def test_ack_given_twice_never_acknowledges_a_later_message_with_the_same_packet_id() -> None:
    ledger = AckLedger()
    first, second = Message("t", b"", 0, 1 << 16 | 5), Message("t", b"", 0, 2 << 16 | 5)
    assert ledger.settle([first]) == ([5], 0)
    assert ledger.settle([first]) == ([], 1)
    assert ledger.settle([second, first, second]) == ([5], 2)


def test_new_connection_makes_old_acks_void_even_early_ones() -> None:
    ledger = AckLedger()
    ledger.settle([message(2)])
    ledger.start(5)
    assert ledger.settle([message(1), message(2), message(4)]) == ([], 3)
    assert ledger.settle([message(5), message(0)]) == ([message(5).token & 0xFFFF], 0)
    assert message(0).token == NO_TOKEN


def test_window_that_is_refilled_at_once_again_and_again_is_found() -> None:
    watch = WindowWatch(None)
    for step in range(REPEATS + 1):
        assert watch.window is None
        watch.note(20, step * 0.01)
    assert (watch.window, watch.is_found) == (20, True)
    assert watch.is_full(20)
    assert watch.full_at_s == REPEATS * 0.01
    assert not watch.is_full(19)
    watch.note(21, 1.0)
    assert (watch.window, watch.is_found) == (None, False)


def test_fleet_in_step_is_no_window() -> None:
    watch = WindowWatch(None)
    for second in range(100):
        watch.note(50, float(second))
    assert watch.window is None
    assert not watch.is_full(50)
    assert watch.is_full(MAX_WINDOW)


def test_steady_traffic_is_no_window() -> None:
    watch, rng = WindowWatch(None), random.Random(4)
    for step in range(20_000):
        watch.note(rng.randint(30, 50), step * 0.02)
    assert watch.window is None


def test_window_that_was_set_stays() -> None:
    watch = WindowWatch(10)
    watch.note(30, 0.0)
    assert (watch.window, watch.is_found, watch.full_at_s) == (10, False, 0.0)


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(1, 9), st.integers(1, 80))
def test_buffer_gives_everything_once_in_order(
    sizes: list[int], max_messages: int, max_bytes: int
) -> None:
    buffer = UnreadBuffer(10, 100)
    put = [message(i + 1, size) for i, size in enumerate(sizes)]
    for some in (put[i : i + 5] for i in range(0, len(put), 5)):
        buffer.add(some, sum(len(m.payload) for m in some))
    assert buffer.size_bytes == sum(sizes)
    got: list[Message] = []
    fullness = [buffer.is_full]
    while len(buffer):
        part = buffer.take(max_messages, max_bytes)
        assert 1 <= len(part) <= max_messages
        assert len(part) == 1 or sum(len(m.payload) for m in part) <= max_bytes
        got += part
        fullness.append(buffer.is_full)
    assert got == put
    assert buffer.size_bytes == 0
    assert not buffer.is_full
    assert all(a or not b for a, b in pairwise(fullness))
    assert buffer.take(5, 5) == []


def test_full_buffer_is_full_until_half_empty() -> None:
    buffer = UnreadBuffer(10, 1_000)
    buffer.add([message(i) for i in range(1, 11)], 10)
    assert buffer.is_full
    buffer.take(5, 1_000)
    assert buffer.is_full
    buffer.take(1, 1_000)
    assert not buffer.is_full
    buffer.add([message(1, 996)], 996)
    assert buffer.is_full
