"""The field traps of DOMAIN section 3 that concern detection, by their numbers."""

import numpy as np
import pytest

from detectors.bank import Bank
from telemetry.columns import Door, Mode
from telemetry.findings import Change, ClearReason, Confidence
from tests.contract.detector_streams import S, batch_of
from tests.unit.detectors.story import (
    BETWEEN,
    BUTTON,
    LANDING,
    OPEN_AT_LANDING,
    RUNNING,
    TRAPPED_AT_LANDING,
    TRAPPED_BETWEEN,
    RescueLift,
    joined,
    seconds,
    us,
)

FOREVER_S = 7200
NOBODY_SEEN = {**TRAPPED_AT_LANDING, "passenger": 0}


def door_cycles(lift, n, start_s, passenger):
    """Ride to and fro: doors open and close at a landing, the sensor never changes."""
    for i in range(n):
        t = start_s + 20 * i
        lift.at(t, RUNNING, passenger=passenger)
        lift.at(t + 8, OPEN_AT_LANDING, passenger=passenger)
        lift.at(t + 12, NOBODY_SEEN, passenger=passenger)
    return start_s + 20 * n


def test_1_a_motionless_person_does_not_vanish():
    lift = RescueLift()
    lift.at(0, OPEN_AT_LANDING)
    lift.at(4, RUNNING, door=Door.CLOSING)
    lift.at(8, RUNNING, passenger=0)
    lift.every(0.5, 20, 60, TRAPPED_BETWEEN, passenger=0)
    assert lift.raised() == [50]
    assert lift.found[0].confidence is Confidence.CERTAIN


def test_2_a_sensor_stuck_off_does_not_silence_the_lift():
    lift = RescueLift()
    t = door_cycles(lift, 20, 0, passenger=0)
    lift.at(t, RUNNING, passenger=0)
    lift.at(t + 10, TRAPPED_BETWEEN, passenger=0)
    lift.wait_until(FOREVER_S)
    (raised,) = (found for found in lift.found if found.kind is BETWEEN)
    assert seconds(raised.t_us) == t + 40
    assert raised.confidence is Confidence.POSSIBLE
    assert raised.criteria["presence_trusted"] is False


def test_2_a_sensor_that_answers_is_believed_when_it_says_nobody():
    lift = RescueLift()
    t = door_cycles(lift, 10, 0, passenger=0)
    t = door_cycles(lift, 1, t, passenger=1)
    t = door_cycles(lift, 10, t, passenger=0)
    lift.at(t, RUNNING, passenger=0)
    lift.at(t + 10, TRAPPED_BETWEEN, passenger=0)
    lift.wait_until(FOREVER_S)
    assert lift.said() == []


def test_2_a_sensor_stuck_on_is_worth_no_more_than_none():
    lift = RescueLift()
    t = door_cycles(lift, 20, 0, passenger=1)
    lift.at(t, RUNNING)
    lift.at(t + 10, TRAPPED_AT_LANDING)
    lift.alive_until(t + 600)
    assert lift.said() == []
    lift.at(t + 700, RUNNING)
    lift.at(t + 710, TRAPPED_BETWEEN)
    (raised,) = lift.wait_until(t + 1000)
    assert (lift.raised(), raised.confidence) == ([t + 740], Confidence.POSSIBLE)


@pytest.mark.parametrize("mode", list(Mode))
def test_3_a_press_of_the_button_is_told_in_every_mode(mode):
    lift = RescueLift()
    (raised,) = lift.at(0, TRAPPED_BETWEEN, mode=mode, button=1, passenger=0)
    assert (raised.kind, raised.t_us) == (BUTTON, us(0))


def test_4_an_express_run_through_a_blind_zone_is_not_stopped():
    lift = RescueLift()
    lift.every(1, 0, 240, RUNNING, zone=0)
    blind = RescueLift()  # no speed sensor at all
    blind.every(1, 0, 240, RUNNING, zone=0, speed_mps=None)
    assert lift.said() == blind.said() == []


def test_5_a_rider_in_a_parked_car_has_the_longer_window_and_the_button_decides():
    waiting = RescueLift()
    waiting.at(0, TRAPPED_AT_LANDING)
    waiting.at(58, OPEN_AT_LANDING)
    waiting.wait_until(FOREVER_S)
    assert waiting.said() == []
    calling = RescueLift()
    calling.at(0, TRAPPED_AT_LANDING)
    calling.at(5, button=1)
    calling.wait_until(11)
    assert calling.raised() == [10]


def test_6_a_rescue_device_ends_it_by_itself_with_its_duration():
    lift = RescueLift()
    lift.at(0, RUNNING)
    lift.at(10, TRAPPED_BETWEEN, power=1, codes=(41,))
    lift.at(25, RUNNING, speed_mps=0.1, power=1)
    lift.at(40, TRAPPED_AT_LANDING, power=1)
    lift.at(42, OPEN_AT_LANDING, power=1, door=Door.OPENING)
    lift.at(44, OPEN_AT_LANDING, power=1)
    lift.wait_until(50)
    assert lift.said() == [("raised", BETWEEN, 20), ("cleared", BETWEEN, 44)]
    assert lift.found[-1].reason is ClearReason.DOORS_OPENED


def test_6_a_rescue_device_that_is_quicker_than_the_window_raises_nothing():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, power=1)
    lift.at(8, RUNNING, speed_mps=0.1, power=1)
    lift.at(15, TRAPPED_AT_LANDING, power=1)
    lift.at(17, OPEN_AT_LANDING, power=1)
    lift.wait_until(FOREVER_S)
    assert lift.said() == []


@pytest.mark.parametrize("period_s", [0.5, 1, 2, 5, 9])
@pytest.mark.parametrize("presence", [1, None])
def test_7_a_flapping_zone_switch_neither_resets_nor_raises_again(period_s, presence):
    lift = RescueLift()
    lift.all_at_once(
        [
            (
                t / 2,
                joined(TRAPPED_BETWEEN, {"passenger": presence, "zone": int(t / 2 / period_s) % 2}),
            )
            for t in range(2400)
        ]
    )
    raised_s = lift.raised()
    assert len(raised_s) == 1
    assert 30 <= raised_s[0] <= 30 + 2 * period_s
    assert [change for change, _, _ in lift.said()].count("cleared") == 0
    assert len(lift.said()) <= 2


@pytest.mark.parametrize("other", [Door.OPENING, Door.HELD, Door.CLOSING])
@pytest.mark.parametrize("period_s", [1, 2, 5, 9])
def test_7_a_flapping_door_switch_neither_resets_nor_raises_again(other, period_s):
    lift = RescueLift()
    lift.at(0, TRAPPED_AT_LANDING)
    doors = [other if int(t / period_s) % 2 else Door.CLOSED for t in range(1200)]
    lift.all_at_once([(t, {**TRAPPED_AT_LANDING, "door": d}) for t, d in enumerate(doors) if t])
    assert len(lift.raised()) == 1
    assert 60 <= lift.raised()[0] <= 60 + 2 * period_s
    assert [change for change, _, _ in lift.said()] == ["raised"]


def test_7_a_door_switch_that_says_open_for_an_instant_frees_nobody():
    lift = RescueLift()
    flaps = []
    for t in range(600):
        flaps.append((t, {**TRAPPED_AT_LANDING, "passenger": int(t == 0)}))
        flaps.append((t + 0.5, {**OPEN_AT_LANDING, "passenger": 0}))
    lift.all_at_once(flaps)
    assert lift.said() == [("raised", LANDING, 60)]


@pytest.mark.parametrize("half_period_s", [0.5, 1, 2])
def test_7_doors_that_stand_open_while_the_zone_flickers_let_people_out(half_period_s):
    lift = RescueLift()
    lift.at(0, RUNNING)
    flicker = [
        (10 + i * half_period_s, {**OPEN_AT_LANDING, "zone": i % 2, "passenger": i // 8 % 2})
        for i in range(80)
    ]
    lift.all_at_once(flicker)
    lift.at(200, NOBODY_SEEN)
    lift.wait_until(FOREVER_S)
    assert lift.said() == []


def test_7_an_alarm_ends_at_the_first_instant_of_an_opening_with_a_flickering_zone():
    lift = RescueLift()
    lift.at(0, TRAPPED_AT_LANDING)
    lift.alive_until(69)
    lift.at(70, OPEN_AT_LANDING)
    lift.at(70.5, OPEN_AT_LANDING, zone=0)
    lift.at(72, OPEN_AT_LANDING)
    assert lift.wait_until(72.4) == []
    lift.wait_until(72.5)
    assert lift.said() == [("raised", LANDING, 60), ("cleared", LANDING, 70)]


def test_7_after_the_release_a_new_case_needs_its_own_window():
    lift = RescueLift()
    lift.at(0, TRAPPED_AT_LANDING)
    lift.alive_until(69)
    lift.at(70, OPEN_AT_LANDING)
    lift.at(75, TRAPPED_AT_LANDING)
    lift.alive_until(134)
    assert [change for change, _, _ in lift.said()] == ["raised", "cleared"]
    lift.wait_until(135)
    assert lift.raised() == [60, 135]


@pytest.mark.parametrize("gap_s", [100, 3600, 86400])
def test_8_a_telemetry_gap_neither_resets_a_window_nor_clears(gap_s):
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN)
    lift.at(5)  # tells nothing
    (raised,) = lift.at(gap_s, TRAPPED_BETWEEN)
    assert (raised.t_us, raised.last_seen_us) == (us(30), us(0))
    lift.wait_until(2 * gap_s)
    lift.at(3 * gap_s, TRAPPED_BETWEEN)
    assert len(lift.said()) == 1


def test_8_a_frame_after_the_window_comes_too_late_to_prevent():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN)
    lift.at(30.5, OPEN_AT_LANDING)
    lift.wait_until(40)
    assert lift.said() == [("raised", BETWEEN, 30), ("cleared", BETWEEN, 30.5)]
    exact = RescueLift()
    exact.at(0, TRAPPED_BETWEEN)
    exact.at(30, OPEN_AT_LANDING)
    exact.wait_until(40)
    assert exact.said() == []


def test_9_in_a_power_cut_every_lift_keeps_its_own_case_and_clock():
    n = 500
    bank = Bank(n)
    occupied = [i for i in range(n) if i % 3 == 0]
    frames = [
        {**TRAPPED_BETWEEN, "passenger": int(i % 3 == 0), "power": 1, "time_us": us(i / 100)}
        for i in range(n)
    ]
    bank.adopt(bank.step(batch_of(range(n), frames)))
    outcome = bank.step(batch_of([], []), np.full(n, us(60)), range(n))
    (block,) = [b for b in outcome.transitions if b.rule == "entrapment"]
    assert sorted(block["row"]) == occupied
    assert {int(r): int(t) for r, t in zip(block["row"], block["t_us"], strict=True)} == {
        i: us(i / 100) + 10 * S for i in occupied
    }


@pytest.mark.parametrize("late_s", [0, 29, 30])
def test_10_late_evidence_ends_what_a_tick_raised(late_s):
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN)
    (raised,) = lift.wait_until(35)
    (cleared,) = lift.at(late_s, RUNNING)
    assert (raised.change, raised.t_us) == (Change.RAISED, us(30))
    assert (cleared.change, cleared.reason) == (Change.CLEARED, ClearReason.LATE_EVIDENCE)
    assert cleared.t_us == us(late_s)


def test_10_late_frames_that_agree_change_nothing():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN)
    lift.wait_until(35)
    lift.at(10, TRAPPED_BETWEEN)
    lift.at(30, TRAPPED_BETWEEN)
    lift.at(36, RUNNING)
    assert lift.said() == [("raised", BETWEEN, 30)]


def test_10_after_late_evidence_the_next_condition_has_its_own_onset():
    lift = RescueLift()
    lift.at(0, TRAPPED_AT_LANDING, codes=(3,))
    lift.wait_until(100)
    lift.at(40, TRAPPED_AT_LANDING, door=Door.OPENING)
    lift.at(41, TRAPPED_AT_LANDING)
    lift.wait_until(200)
    assert lift.said() == [
        ("raised", LANDING, 60),
        ("cleared", LANDING, 40),
        ("raised", LANDING, 101),
    ]
    assert seconds(lift.found[-1].onset_us) == 41
