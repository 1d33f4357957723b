"""The alarm button: promise 9, as stories of one lift."""

import numpy as np
import pytest

from telemetry.batch import FrameBatch
from telemetry.columns import Door, Unit
from telemetry.findings import Change, ClearReason, Confidence
from tests.unit.detectors.story import (
    BUTTON,
    LANDING,
    OPEN_AT_LANDING,
    RUNNING,
    TRAPPED_AT_LANDING,
    RescueLift,
    S,
    us,
)


def presses(lift):
    return [t.values["presses"] for t in lift.found if t.change is Change.RAISED]


def test_the_first_frame_with_the_button_raises_without_a_window():
    lift = RescueLift()
    (raised,) = lift.at(0, RUNNING, button=1)
    assert (raised.kind, raised.change, raised.confidence) == (
        BUTTON,
        Change.RAISED,
        Confidence.CERTAIN,
    )
    assert raised.t_us == raised.onset_us == raised.last_seen_us == us(0)
    assert raised.values["presses"] == 1


def test_holding_it_down_is_one_press():
    lift = RescueLift()
    lift.every(0.5, 0, 60, RUNNING, button=1)
    assert lift.said(BUTTON) == [("raised", BUTTON, 0)]


def test_a_frame_without_the_key_neither_presses_nor_lets_go():
    lift = RescueLift()
    lift.at(0, button=1)
    lift.at(1, RUNNING)
    lift.at(2, button=1)
    lift.wait_until(1000)
    assert lift.said(BUTTON) == [("raised", BUTTON, 0)]


def test_letting_go_clears_the_finding_and_the_next_press_raises_it_again():
    lift = RescueLift()
    for t in (0, 10, 20):
        lift.at(t, RUNNING, button=1)
        assert lift.at(t + 1, RUNNING, button=0) == []
        (cleared,) = lift.wait_until(t + 1.1)
        assert (cleared.change, cleared.reason) == (Change.CLEARED, ClearReason.CONDITION_ENDED)
        assert (cleared.onset_us, cleared.t_us) == (us(t), us(t + 1))
    assert lift.raised(BUTTON) == [0, 10, 20]
    assert presses(lift) == [1, 2, 3]


def test_presses_within_one_batch_and_one_instant_all_count_if_nothing_bounces():
    lift = RescueLift(button_bounce_s=0)
    for button in (1, 0, 1, 0, 1):
        lift.at(5, button=button)
    assert [c for c, _, _ in lift.said(BUTTON)] == [
        "raised", "cleared", "raised", "cleared", "raised",
    ]  # fmt: skip


def test_code_90_is_the_same_press_told_by_other_means():
    lift = RescueLift()
    lift.at(0, RUNNING, codes=(90, 4))
    lift.at(1, RUNNING, codes=(90,), button=1)
    lift.at(2, RUNNING, codes=(), button=1)
    lift.at(3, RUNNING, codes=(4,), button=0)
    lift.wait_until(4)
    assert lift.said(BUTTON) == [("raised", BUTTON, 0), ("cleared", BUTTON, 3)]


def test_a_button_told_false_ends_what_an_earlier_list_of_codes_said():
    lift = RescueLift()
    lift.at(0, codes=(90,))
    lift.at(1, button=0)
    lift.wait_until(2)
    assert [c for c, _, _ in lift.said(BUTTON)] == ["raised", "cleared"]


@pytest.mark.parametrize(("passenger", "people"), [(0, None), (1, None), (2, 2), (3, 3)])
def test_a_press_tells_how_many_people_were_counted_inside(passenger, people):
    lift = RescueLift()
    (pressed,) = lift.at(0, car=0, passenger=passenger, button=1)
    assert pressed.values.get("people") == people


def test_doors_that_let_people_out_are_told_once_after_a_press():
    lift = RescueLift()
    lift.at(0, RUNNING, button=1)
    lift.at(1, RUNNING, button=0)
    lift.at(10, OPEN_AT_LANDING, button=0)
    (updated,) = lift.at(12, OPEN_AT_LANDING)
    assert (updated.change, updated.t_us, updated.onset_us) == (Change.UPDATED, us(10), us(0))
    assert updated.criteria["doors_opened_in_zone"] is True
    lift.at(20, TRAPPED_AT_LANDING, passenger=0)
    lift.at(25, OPEN_AT_LANDING)
    lift.wait_until(100)
    assert [c for c, _, _ in lift.said(BUTTON)] == ["raised", "cleared", "updated"]


def test_presses_and_letting_go_do_not_claim_that_doors_opened():
    lift = RescueLift()
    lift.at(0, RUNNING, button=1)
    lift.at(1, RUNNING, button=0)
    lift.wait_until(2)
    assert [t.criteria["doors_opened_in_zone"] for t in lift.found] == [False, False]


def test_after_the_doors_opened_the_next_press_is_the_first_of_a_new_series():
    lift = RescueLift()
    for t in (0, 100):
        lift.at(t, RUNNING, button=1)
        lift.at(t + 1, RUNNING, button=0)
        lift.at(t + 2, RUNNING, button=1)
        lift.at(t + 3, RUNNING, button=0)
        lift.at(t + 10, OPEN_AT_LANDING)
        lift.at(t + 20, TRAPPED_AT_LANDING, passenger=0)
    assert presses(lift) == [1, 2, 1, 2]


def test_a_press_at_open_doors_is_answered_at_once():
    lift = RescueLift()
    lift.at(0, OPEN_AT_LANDING)
    lift.at(30, OPEN_AT_LANDING, button=1)
    assert lift.said(BUTTON) == [("raised", BUTTON, 30), ("updated", BUTTON, 30)]


@pytest.mark.parametrize("door", [Door.CLOSED, Door.OPENING, Door.LOCKED, Door.HELD])
def test_other_doors_or_open_ones_outside_the_zone_are_no_answer(door):
    lift = RescueLift()
    lift.at(0, RUNNING, button=1)
    lift.at(5, TRAPPED_AT_LANDING, door=door)
    lift.at(10, OPEN_AT_LANDING, zone=0)
    lift.wait_until(1000)
    assert lift.said(BUTTON) == [("raised", BUTTON, 0)]


def test_an_instant_of_open_doors_is_no_answer():
    lift = RescueLift()
    lift.at(0, TRAPPED_AT_LANDING, button=1)
    lift.at(5, OPEN_AT_LANDING)
    lift.at(5.5, TRAPPED_AT_LANDING)
    lift.wait_until(30)
    assert lift.said(BUTTON) == [("raised", BUTTON, 0)]
    assert lift.raised() == [10]


def test_a_tick_tells_the_answer_and_says_when_the_doors_opened():
    lift = RescueLift()
    lift.at(0, RUNNING, button=1)
    lift.at(5, OPEN_AT_LANDING)
    assert lift.wait_until(5.999) == []
    lift.wait_until(6)
    assert lift.said(BUTTON)[-1] == ("updated", BUTTON, 5)


def test_the_button_and_the_entrapment_are_two_findings():
    lift = RescueLift()
    lift.at(0, TRAPPED_AT_LANDING, button=1)
    lift.wait_until(10)
    assert lift.said(BUTTON) == [("raised", BUTTON, 0)]
    assert lift.said() == [("raised", LANDING, 10)]


@pytest.mark.parametrize("unit", [Unit.ESCALATOR, Unit.WALK])
def test_escalators_and_walks_have_no_alarm_button(unit):
    lift = RescueLift()
    lift.at(0, button=1, codes=(90,), unit=unit)
    assert lift.found == []


# ------------------------------------------------------------------ bounces, bursts, tests


def test_a_contact_that_bounces_is_one_press_and_told_at_once():
    lift = RescueLift()
    (raised,) = lift.at(10, RUNNING, button=1)
    assert raised.t_us == us(10)
    for k in range(5):
        lift.at(10.01 + k / 50, RUNNING, button=0)
        lift.at(10.02 + k / 50, RUNNING, button=1)
    lift.at(15, RUNNING, button=0)
    lift.wait_until(20)
    assert lift.said(BUTTON) == [("raised", BUTTON, 10), ("cleared", BUTTON, 15)]


@pytest.mark.parametrize(("apart_s", "presses_told"), [(0.1, 1), (0.101, 2)])
def test_a_finger_that_lets_go_for_longer_presses_anew(apart_s, presses_told):
    lift = RescueLift()
    lift.at(0, RUNNING, button=1)
    lift.at(1, RUNNING, button=0)
    lift.at(1 + apart_s, RUNNING, button=1)
    assert len(lift.raised(BUTTON)) == presses_told


def test_a_late_press_after_a_tick_let_go_is_a_press():
    lift = RescueLift()
    lift.at(0, RUNNING, button=1)
    lift.at(1, RUNNING, button=0)
    lift.wait_until(5)
    lift.at(1.05, RUNNING, button=1)  # it came late: rather one press too many than one too few
    assert lift.raised(BUTTON) == [0, 1.05]


@pytest.mark.parametrize(
    ("state", "is_burst"),
    [(OPEN_AT_LANDING, True), (RUNNING, True), (TRAPPED_AT_LANDING, False)],
)
def test_a_burst_is_marked_and_every_press_of_it_told(state, is_burst):
    lift = RescueLift()
    for k in range(7):
        lift.at(4 * k, state, button=1)
        lift.at(4 * k + 2, state, button=0)
    told = [t for t in lift.found if t.kind is BUTTON and t.change is Change.RAISED]
    assert len(told) == 7
    assert [t.criteria["burst"] for t in told] == [False] * 4 + [is_burst] * 3
    sure = Confidence.PROBABLE if is_burst else Confidence.CERTAIN
    assert {t.confidence for t in told[4:]} == {sure}


def test_presses_with_long_pauses_are_no_burst():
    lift = RescueLift()
    for k in range(7):
        lift.at(11 * k, RUNNING, button=1)
        lift.at(11 * k + 1, RUNNING, button=0)
    assert not any(t.criteria["burst"] for t in lift.found)


def test_a_press_of_a_test_is_marked_and_the_next_one_is_in_earnest():
    lift = RescueLift()
    (test,) = lift.at(0, RUNNING, button=1, alarm_test=1)
    lift.at(1, RUNNING, button=0)
    (earnest,) = [t for t in lift.at(10, RUNNING, button=1) if t.change is Change.RAISED]
    assert (test.criteria["test"], earnest.criteria["test"]) == (True, False)


@pytest.mark.parametrize(
    ("told", "confidence"),
    [
        ({"button": 1}, Confidence.CERTAIN),
        ({"button": 1, "codes": (90,)}, Confidence.CERTAIN),
        ({"button": 1, "codes": ()}, Confidence.PROBABLE),
        ({"codes": (90,)}, Confidence.PROBABLE),
        ({"button": 0, "codes": (90,)}, Confidence.POSSIBLE),
    ],
    ids=str,
)
def test_button_and_code_are_merged(told, confidence):
    lift = RescueLift()
    (raised,) = lift.at(0, RUNNING, told)
    assert raised.confidence is confidence


def test_presses_of_a_button_that_nobody_mends_are_counted_up_to_a_limit_and_stay_there():
    lift, most, n = RescueLift(), 2**15 - 1, 2**16 + 20
    nth = np.arange(n)
    frames = FrameBatch.make(n, row=nth * 0, time_us=us(0) + nth * 20 * S, button=(nth + 1) % 2)
    lift.bank.adopt(lift.bank.step(frames))
    lift.at(20 * n, button=1)
    lift.at(20 * (n + 1), button=0)
    lift.at(20 * (n + 2), button=1)
    assert presses(lift) == [most + 1] * 2
