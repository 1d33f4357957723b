"""The board of causes, and what a source's state means on it."""

from dataclasses import replace

import pytest

from ingest.source import SourceState
from service.clock import ManualClock
from service.readiness import TEXTS, Board, Cause, show_source

WELL = SourceState(
    connected=True, since_us=1, subscribed=True, paused=False, caught_up=True, unresponsive=False,
    waiting_messages=0, waiting_bytes=0, unacked=0, window_full=False, window_messages=None,
    session_present=True, taken_over=False, problem=None,
)  # fmt: skip


def test_a_fresh_board_is_not_ready():
    board = Board(ManualClock())
    assert board.causes() == {Cause.STARTING}
    board.clear(Cause.STARTING)
    assert board.standing() == ()


def test_a_cause_keeps_its_beginning_and_renews_its_detail():
    clock = ManualClock(1)
    board = Board(clock, ())
    board.set(Cause.DATABASE, "first")
    clock.advance(5)
    board.set(Cause.DATABASE, "second")
    board.set(Cause.BROKER)
    first, second = board.standing()
    assert (first.cause, first.since_us, first.detail) == (Cause.DATABASE, 1, "second")
    assert second.cause is Cause.BROKER
    board.clear(Cause.DATABASE)
    board.set(Cause.DATABASE)
    assert board.standing()[1].since_us == 5_000_001


@pytest.mark.parametrize(
    ("changed", "causes"),
    [
        ({}, set()),
        ({"connected": False}, {Cause.BROKER}),
        ({"unresponsive": True}, {Cause.BROKER}),
        ({"subscribed": False}, {Cause.NOT_SUBSCRIBED}),
        ({"connected": False, "subscribed": False}, {Cause.BROKER}),
        ({"paused": True}, set()),
    ],
)
def test_what_a_source_means(changed, causes):
    board = Board(ManualClock(), ())
    show_source(board, replace(WELL, problem="why", **changed))
    assert board.causes() == causes
    assert all(s.detail == "why" for s in board.standing())
    show_source(board, WELL)
    assert not board.causes()


def test_every_cause_has_words_in_both_languages():
    assert set(TEXTS) == set(Cause)
    assert all(zh and en for zh, en in TEXTS.values())
