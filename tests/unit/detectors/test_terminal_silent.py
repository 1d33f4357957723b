"""Silence of a terminal, as stories: when it is told, what ends it, and what does not count."""

import numpy as np
import pytest

from detectors.bank import Bank
from detectors.contract import NO_DUE_US, Deaf
from detectors.health.terminal_silent import TerminalSilentDetector
from telemetry.batch import FrameBatch
from telemetry.findings import Change, ClearReason, FindingKind
from tests.unit.detectors.story import Lift, seconds, us

KIND = FindingKind.TERMINAL_SILENT
HOUR_S = 3600


def lift(**overrides) -> Lift:
    return Lift(TerminalSilentDetector(), **overrides)


def told(one: Lift) -> list[tuple[str, float]]:
    return [(t.change.name.lower(), seconds(t.t_us)) for t in one.found]


def test_one_and_a_half_heartbeats_are_a_silence_and_less_is_none():
    one = lift()
    one.every(30, 0, 121, car=0)
    one.at(165, car=0)
    one.wait_until(165 + 44.999)
    assert one.found == []
    one.wait_until(210)
    [raised] = one.found
    assert (raised.t_us, raised.onset_us, raised.last_seen_us) == (us(210), us(165), us(165))
    assert raised.thresholds["window_us"] == 45_000_000
    assert raised.criteria == {"silent": True, "maintenance": False, "again": False}


def test_it_is_told_once_more_after_an_hour_and_then_no_more():
    one = lift()
    one.at(0, car=0)
    one.wait_until(60)
    one.wait_until(HOUR_S - 1)
    one.wait_until(HOUR_S)
    one.wait_until(9 * HOUR_S)
    assert told(one) == [("raised", 45), ("updated", HOUR_S)]
    assert one.found[-1].criteria["maintenance"]
    assert one.bank.next_due_us() == NO_DUE_US


@pytest.mark.parametrize("frame", [{}, {"floor": 3}, {"unit": 1}, {"door": 0}])
def test_any_frame_ends_it_whatever_it_tells(frame):
    one = lift()
    one.at(0, car=0)
    one.wait_until(60)
    one.at(100, frame)
    assert told(one) == [("raised", 45), ("cleared", 100)]
    assert one.found[-1].reason is ClearReason.CONDITION_ENDED
    assert one.found[-1].onset_us == us(0)


def test_a_frame_finds_what_no_tick_has_told():
    one = lift(silent_again_s=0)
    one.all_at_once([(0, {"car": 0}), (100, {"car": 0}), (120, {}), (2 * HOUR_S, {})])
    assert told(one) == [
        ("raised", 45), ("cleared", 100), ("raised", 165), ("updated", 120 + HOUR_S),
        ("cleared", 2 * HOUR_S),
    ]  # fmt: skip


@pytest.mark.parametrize("at_s", [0, 10, 45])
def test_history_of_before_the_raise_is_late_evidence(at_s):
    one = lift()
    one.at(0, car=0)
    one.wait_until(300)
    one.at(at_s, car=0)
    one.at(at_s + 30, car=0)
    assert told(one) == [("raised", 45), ("cleared", at_s)]
    assert one.found[-1].reason is ClearReason.LATE_EVIDENCE


def test_history_that_leaves_a_gap_ends_it_where_the_gap_ended():
    one = lift()
    one.at(0, car=0)
    one.wait_until(300)
    one.at(46, car=0)
    assert told(one) == [("raised", 45), ("cleared", 46)]
    assert one.found[-1].reason is ClearReason.CONDITION_ENDED


def test_each_unit_has_its_own_interval():
    slow = lift(heartbeat_s=300)
    slow.at(0, car=0)
    slow.wait_until(449)
    assert slow.found == []
    slow.wait_until(450)
    assert told(slow) == [("raised", 450)]
    patient = lift(heartbeat_s=3000, silent_maintenance_s=60)
    patient.at(0, car=0)
    patient.wait_until(HOUR_S * 2)
    assert told(patient) == [("raised", 4500), ("updated", 4500)]  # both at once, not before


# ------------------------------------------------------------------ a line that loses frames


def test_a_line_that_loses_a_heartbeat_now_and_then_is_told_once():
    one = lift()
    one.every(30, 0, 300, car=0)
    one.every(60, 330, 4000, car=0)
    one.every(30, 4000, 4200, car=0)
    assert told(one) == [("raised", 270 + 45), ("cleared", 330)]


def test_a_terminal_that_dies_on_such_a_line_is_told_after_five_intervals():
    one = lift()
    one.at(0, car=0)
    one.at(60, car=0)
    one.at(90, car=0)
    one.wait_until(90 + 149.9)
    assert told(one) == [("raised", 45), ("cleared", 60)]
    [raised] = one.wait_until(90 + 150)
    assert (seconds(raised.t_us), seconds(raised.onset_us)) == (240, 90)
    assert raised.criteria["again"]
    assert raised.thresholds["window_us"] == 150_000_000
    one.wait_until(90 + HOUR_S)
    one.at(90 + HOUR_S + 10, car=0)
    assert told(one)[-2:] == [("updated", 90 + HOUR_S), ("cleared", 90 + HOUR_S + 10)]


def test_an_hour_without_a_silence_makes_the_limit_short_again():
    one = lift()
    one.every(60, 0, 121, car=0)  # over at 120, the second one untold
    one.every(30, 120, 120 + HOUR_S, car=0)
    one.at(120 + HOUR_S, car=0)
    one.wait_until(120 + HOUR_S + 45)
    assert told(one) == [("raised", 45), ("cleared", 60), ("raised", 120 + HOUR_S + 45)]
    assert not one.found[-1].criteria["again"]


def test_what_history_refutes_was_no_silence_before_the_next():
    one = lift()
    one.at(0, car=0)
    one.wait_until(300)
    one.every(30, 30, 301, car=0)
    one.wait_until(345)
    assert told(one) == [("raised", 45), ("cleared", 30), ("raised", 345)]


def test_the_limit_after_a_silence_is_never_shorter_than_before_it():
    one = lift(silent_again_intervals=1)
    one.every(60, 0, 121, car=0)
    assert told(one) == [("raised", 45), ("cleared", 60), ("raised", 105), ("cleared", 120)]


def test_a_time_in_which_nobody_listened_is_no_silence_before_the_next():
    bank = deaf_bank()
    since_us = us(60)
    back = FrameBatch.make(2, row=[0, 1], time_us=us(100), received_us=us(100))
    deaf = Deaf(np.array([since_us - us(0), 0]), since_us)
    bank.adopt(bank.step(back, deaf=deaf))
    assert tick(bank, 146, (0, 0)) == [(0, "raised", 145)]
    assert tick(bank, 251, (0, 0)) == [(1, "raised", 250)]


def test_an_escalator_is_a_unit_as_any_other():
    one = lift()
    one.at(0, unit=1, car=1)
    one.wait_until(50)
    assert told(one) == [("raised", 45)]


def test_who_was_never_heard_is_not_silent():
    assert lift().wait_until(10 * HOUR_S) == []


# ------------------------------------------------------------------ what does not count


def deaf_bank() -> Bank:
    bank = Bank(2, detectors=(TerminalSilentDetector(),))
    start = FrameBatch.make(2, row=[0, 1], time_us=us(0), received_us=us(1))
    bank.adopt(bank.step(start))
    return bank


def tick(bank: Bank, now_s: float, deaf_s: tuple[float, float]) -> list[tuple[int, str, float]]:
    now_us, deaf_us = np.full(2, us(now_s)), np.array([round(s * 1e6) for s in deaf_s])
    due = bank.due_rows(now_us, deaf_us)
    outcome = bank.step(FrameBatch.empty(), now_us, due, Deaf(deaf_us, 0))
    bank.adopt(outcome)
    return said(outcome)


def said(outcome) -> list[tuple[int, str, float]]:
    return [
        (int(row), Change(change).name.lower(), seconds(t_us))
        for block in outcome.transitions
        for row, change, t_us in zip(block["row"], block["change"], block["t_us"], strict=True)
    ]


def test_time_in_which_nobody_listened_does_not_count():
    bank = deaf_bank()
    assert tick(bank, 90, (60, 45.001)) == []
    assert bank.due_rows(np.full(2, us(90)), np.array([60_000_000, 45_001_000])).tolist() == []
    assert tick(bank, 90, (60, 45)) == [(1, "raised", 45)]
    assert tick(bank, 105, (60, 45)) == [(0, "raised", 45)]


def test_a_frame_after_a_time_in_which_nobody_listened_finds_no_silence():
    bank = deaf_bank()
    back = FrameBatch.make(2, row=[0, 1], time_us=us(100), received_us=us(101))
    since_us = us(60)
    heads_us = np.array([since_us - us(1), 0])  # nobody listened to the first for 59 s
    assert said(bank.step(back, deaf=Deaf(heads_us, since_us))) == [
        (1, "raised", 45),
        (1, "cleared", 100),
    ]


def test_between_frames_of_one_batch_the_same_counts():
    bank = deaf_bank()
    frames = FrameBatch.make(
        2, row=[0, 0], time_us=[us(10), us(100)], received_us=[us(10), us(100)]
    )
    assert said(bank.step(frames)) == [(0, "raised", 55), (0, "cleared", 100)]
    assert said(bank.step(frames, deaf=Deaf(np.zeros(2, "i8"), us(55) - 1))) == [
        (0, "raised", 55),
        (0, "cleared", 100),
    ]
    assert said(bank.step(frames, deaf=Deaf(np.zeros(2, "i8"), us(55)))) == []


def test_a_frame_that_the_broker_held_for_us_begins_no_silence_when_it_comes():
    bank = deaf_bank()
    held, fresh = us(10), us(100)
    frames = FrameBatch.make(2, row=[0, 0], time_us=[held, fresh], received_us=[us(95), fresh])
    assert said(bank.step(frames, deaf=Deaf(np.zeros(2, "i8"), us(94)))) == []
