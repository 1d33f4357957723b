"""Slow wear and periodic tests of the alarm: what they do to frames, and their truth."""

from dataclasses import replace

import numpy as np
import pytest

from simulator.faults.catalogue import SECOND_US, WEAR, Fault
from simulator.faults.causes import Cause
from simulator.fleet import Fleet, FleetSpec, TerminalChoice
from simulator.frames import MISSING, Frames
from simulator.terminals.alarm_tests import TestPlan
from simulator.world.buildings import Mix, Presence, Terminal
from telemetry.columns import COLUMN_NAMES, Door
from telemetry.findings import FindingKind as Kind

START_US = 1_774_314_000_000_000
MINUTE_US = 60 * SECOND_US
FROM_US, TO_US = START_US + 10 * MINUTE_US, START_US + 30 * MINUTE_US
END_US = START_US + 40 * MINUTE_US
OFFICE = Mix(housing=0, office=1, tower=0, hospital=0, shop=0, metro=0)


def lived(*script: Fault, terminal: Terminal = Terminal.COUPLED, **given) -> tuple[Fleet, Frames]:
    fleet = Fleet(
        FleetSpec(
            START_US, 3, mix=OFFICE, rate_pct=300, script=script,
            terminals=(TerminalChoice((0, 1, 2), terminal, Presence.COUNT),), **given,
        ),
        3,
    )  # fmt: skip
    return fleet, fleet.frames_until(END_US)


def worn(cause: Cause) -> Fault:
    return Fault(1, cause, FROM_US, people=0, lasts_us=TO_US - FROM_US)


def opening_s(frames: Frames, low_us: int, high_us: int) -> float:
    """How long doors take to open on average."""
    own = frames.take(frames["lift"] == 1)
    door, t_us = own["door"], own["time_us"]
    begins = np.flatnonzero((door[1:] == Door.OPENING) & (door[:-1] == Door.CLOSED)) + 1
    begins = begins[(t_us[begins] >= low_us) & (t_us[begins] < high_us)]
    opened = [t_us[i:][door[i:] == Door.OPEN][0] - t_us[i] for i in begins]
    return float(np.mean(opened)) / SECOND_US


def test_worn_doors_move_more_and_more_slowly_until_repaired():
    _, frames = lived(worn(Cause.DOOR_WEAR))
    new = opening_s(frames, START_US, FROM_US)
    half = opening_s(frames, FROM_US + 9 * MINUTE_US, FROM_US + 11 * MINUTE_US)
    end = opening_s(frames, TO_US - 2 * MINUTE_US, TO_US)
    assert half == pytest.approx(1.4 * new, rel=0.05)
    assert end == pytest.approx(1.8 * new, rel=0.05)
    assert opening_s(frames, TO_US, END_US - MINUTE_US) == pytest.approx(new, rel=0.01)


def test_worn_guides_shake_and_a_worn_drive_is_slower():
    for cause, name, grows in (
        (Cause.GUIDE_WEAR, "vibration_mps2", 1.2),
        (Cause.DRIVE_WEAR, "speed_mps", 0.8),
    ):
        _, frames = lived(worn(cause))
        own = frames.take((frames["lift"] == 1) & (frames["car"] == 1))
        value, t_us = own[name], own["time_us"]
        new = value[t_us < FROM_US].max()
        end = value[(t_us >= TO_US - 3 * MINUTE_US) & (t_us < TO_US)].max()
        assert end > grows * new if grows > 1 else end < grows * new


def test_worn_levelling_stays_within_the_norm():
    fleet, frames = lived(worn(Cause.LEVELLING_WEAR))
    own = frames.take((frames["lift"] == 1) & (frames["car"] == 0) & (frames["door"] != Door.OPEN))
    landings_mm = fleet.plan.landings_m[1][np.isfinite(fleet.plan.landings_m[1])] * 1000
    off = own["height_m"][:, None] - landings_mm
    off = off[np.arange(len(own)), np.abs(off).argmin(axis=1)]
    late = own["time_us"] >= TO_US - 3 * MINUTE_US
    during = late & (own["time_us"] < TO_US)
    assert off[own["time_us"] < FROM_US].mean() == pytest.approx(0, abs=1)
    assert off[during].mean() == pytest.approx(5, abs=1.5)


@pytest.mark.parametrize("cause", WEAR)
def test_wear_is_true_from_its_first_step_to_the_repair_and_touches_nobody_else(cause):
    fleet, frames = lived(worn(cause))
    [event] = [e for e in fleet.truth() if e.kind is Kind.DEGRADING]
    assert (event.lift, event.onset_us, event.end_us) == (1, FROM_US, TO_US)
    assert event.effects
    _, twin = lived()
    before = frames["time_us"] < FROM_US
    for name in ("lift", "time_us", *COLUMN_NAMES):
        assert (frames[name][before] == twin[name][twin["time_us"] < FROM_US]).all(), name


def test_a_contact_does_not_show_how_long_doors_move():
    fleet, _ = lived(worn(Cause.DOOR_WEAR), terminal=Terminal.RETROFIT)
    [event] = [e for e in fleet.truth() if e.kind is Kind.DEGRADING]
    assert event.effects == ()


# ------------------------------------------------------------------ tests of the alarm

EVERY = TestPlan(every_us=5 * MINUTE_US, within_us=12 * MINUTE_US)


def test_tests_are_told_and_true_at_their_interval():
    fleet, frames = lived(alarm_tests=EVERY)
    for lift in range(3):
        tests = [e for e in fleet.truth() if e.lift == lift and e.kind is Kind.ALARM_BUTTON]
        assert len(tests) == 8
        assert {e.cause for e in tests} == {"alarm_test"}
        assert set(np.diff([e.onset_us for e in tests]).tolist()) == {5 * MINUTE_US}
        own = frames.take(frames["lift"] == lift)
        tested = own["alarm_test"] == 1
        assert (own["button"][tested] == 1).all()
        assert (own["button"][~tested] == 0).all()
        for event in tests:
            during = (own["time_us"] >= event.onset_us) & (own["time_us"] < event.end_us)
            assert tested[during].any()
            assert tested[during].all()
        assert tested.sum() <= 8 * 8
    assert not [e for e in fleet.truth() if e.kind is Kind.TEST_OVERDUE]


def test_without_an_interval_nothing_is_told_of_tests_and_nothing_else_differs():
    _, plain = lived()
    assert (plain["alarm_test"] == MISSING).all()
    _, tested = lived(alarm_tests=EVERY)
    kept = np.isin(tested["time_us"] * 4 + tested["lift"], plain["time_us"] * 4 + plain["lift"])
    spared = {"alarm_test", "button"}
    for name in (n for n in COLUMN_NAMES if n not in spared):
        assert (tested[name][kept] == plain[name]).all(), name


def test_who_has_no_button_tells_no_test():
    fleet, frames = lived(terminal=Terminal.BAROMETRIC, alarm_tests=EVERY)
    assert (frames["alarm_test"] == MISSING).all()
    assert not [e for e in fleet.truth() if e.kind is Kind.ALARM_BUTTON]


@pytest.mark.parametrize("cause", [Cause.ALARM_TEST_MISSED, Cause.TERMINAL_SILENT])
def test_missed_tests_are_overdue_until_the_next(cause):
    fault = replace(worn(cause), at_us=FROM_US, lasts_us=20 * MINUTE_US)
    fleet, _ = lived(fault, alarm_tests=EVERY)
    tests = [e.onset_us for e in fleet.truth() if e.lift == 1 and e.kind is Kind.ALARM_BUTTON]
    last = max(t for t in tests if t < FROM_US)
    [event] = [e for e in fleet.truth() if e.kind is Kind.TEST_OVERDUE]
    assert (event.lift, event.onset_us) == (1, last + 12 * MINUTE_US)
    assert event.end_us == min(t for t in tests if t > FROM_US)


def test_steps_change_nothing():
    fault = worn(Cause.ALARM_TEST_MISSED)
    whole, _ = lived(fault, worn(Cause.DOOR_WEAR), alarm_tests=EVERY)
    steps = Fleet(whole.spec, 3)
    while steps.now_us < END_US:
        steps.frames_until(min(steps.now_us + 7_300_000, END_US))
    assert steps.digest.hexdigest() == whole.digest.hexdigest()
    assert steps.truth() == whole.truth()
