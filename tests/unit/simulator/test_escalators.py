"""Escalators and walks: each fault shows as its truth says, and look-alikes have none."""

from collections import Counter

import numpy as np
import pytest

from simulator.faults.catalogue import ESCALATOR_CAUSES, ESCALATOR_LOOK_ALIKES, Fault
from simulator.faults.causes import Cause
from simulator.faults.escalators import UnitRates, draw_for_units
from simulator.fleet import Fleet, FleetSpec
from simulator.frames import MISSING, Frames
from simulator.truth import TruthEvent
from telemetry.columns import CODE_BIT, Direction, EscalatorMode, Power, Unit
from telemetry.findings import FindingKind

START_US = 1_774_314_000_000_000
SECOND_US = 1_000_000
AT_US = START_US + 100 * SECOND_US
END_US = START_US + 600 * SECOND_US


def lived(*script: Fault, units: int = 2, step_us: int = 600 * SECOND_US) -> tuple[Frames, Fleet]:
    """Return the frames of escalators behind one quiet lift, and their fleet."""
    spec = FleetSpec(START_US, 1, escalators=units, walks=1, quiet=(0,), script=script)
    fleet = Fleet(spec, 3)
    parts = [fleet.frames_until(t) for t in range(START_US + step_us, END_US + 1, step_us)]
    frames = Frames.concat(parts)
    return frames.take(frames["lift"] > 0), fleet


def during(frames: Frames, unit: int, from_us: int, to_us: int) -> Frames:
    t_us = frames["time_us"]
    return frames.take((frames["lift"] == unit) & (t_us >= from_us) & (t_us < to_us))


def truth(fleet: Fleet, *, restart: bool = False) -> list[TruthEvent]:
    """Return what is true of a fleet: that a restart is prevented, or all else."""
    prevented = FindingKind.ESCALATOR_RESTART_PREVENTED
    return [event for event in fleet.truth() if (event.kind is prevented) is restart]


def scripted(cause: Cause, unit: int = 1, **given) -> Fault:
    return Fault(unit, cause, AT_US, people=0, **({"lasts_us": 200 * SECOND_US} | given))


def test_ordinary_life_has_neither_truth_nor_stops_that_are_none():
    frames, fleet = lived(units=40)
    assert fleet.truth() == []
    assert fleet.look_alikes() == []
    assert set(frames["unit"].tolist()) == {Unit.ESCALATOR, Unit.WALK}
    moves = frames["car"] == 1
    assert ((frames["speed_mps"] > 0) == moves).all()
    assert ((frames["direction"] != Direction.NONE) == moves).all()
    assert (frames["speed_mps"] <= 505).all()
    # some creep when nobody comes, and their handrails creep too
    creeps = frames.take(moves & (frames["speed_mps"] < 300))
    assert 0 < len(creeps) < len(frames) / 4
    assert (creeps["handrail_left_pct"] < 45_000).all()
    assert (frames["door"] == MISSING).all()


def test_units_never_turn_round_without_a_stop_or_a_fault():
    frames, _ = lived(units=40)
    for unit in range(1, 42):
        own = during(frames, unit, START_US, END_US)
        ways = own["direction"][own["car"] == 1]
        assert len(set(ways.tolist())) == 1


def test_sequence_numbers_are_gapless_and_every_unit_begins_at_the_start():
    frames, _ = lived(*(scripted(c, 1 + k) for k, c in enumerate(ESCALATOR_CAUSES)), units=8)
    for unit in range(1, 10):
        own = during(frames, unit, START_US, END_US)
        assert own["seq"].tolist() == list(range(len(own)))
        assert own["time_us"][0] == START_US
        assert (np.diff(own["time_us"]) > 0).all()


KINDS = {
    Cause.ESCALATOR_OVERSPEED: FindingKind.ESCALATOR_OVERSPEED,
    Cause.ESCALATOR_REVERSAL: FindingKind.ESCALATOR_REVERSAL,
    Cause.HANDRAIL_DEVIATION: FindingKind.HANDRAIL_DEVIATION,
    Cause.STEP_MISSING: FindingKind.STEP_MISSING,
    Cause.EMERGENCY_STOP: FindingKind.ESCALATOR_EMERGENCY_STOP,
    Cause.COVER_OPEN: FindingKind.ESCALATOR_COVER_OPEN,
    Cause.ESCALATOR_SAFETY_CIRCUIT: FindingKind.ESCALATOR_SAFETY_CIRCUIT,
    Cause.AREA_POWER_CUT: FindingKind.MAINS_OFF,
}


@pytest.mark.parametrize("cause", KINDS)
def test_each_cause_has_its_truth(cause):
    frames, fleet = lived(scripted(cause))
    [event] = truth(fleet)
    assert event.kind is KINDS[cause]
    assert event.cause == cause
    assert event.code == fleet.codes[1]
    assert event.onset_us == AT_US
    assert event.end_us is not None
    assert event.terminal == "stairs"
    first = during(frames, 1, AT_US, AT_US + 1)
    assert len(first) == 1, "the onset is a frame"
    assert fleet.look_alikes() == []
    for column in event.effects:
        assert (frames[column] != MISSING).all()


def test_overspeed_shows_and_a_governor_ends_it():
    frames, fleet = lived(
        scripted(Cause.ESCALATOR_OVERSPEED), scripted(Cause.ESCALATOR_OVERSPEED, 2, size=125)
    )
    slow, fast = truth(fleet)
    own = during(frames, 1, slow.onset_us, slow.end_us)
    assert (own["speed_mps"] >= 550).all()
    assert (own["speed_mps"] < 600).all()
    assert fast.end_us == fast.onset_us + 2 * SECOND_US
    after = during(frames, 2, fast.end_us, AT_US + 200 * SECOND_US)
    assert (after["speed_mps"] == 0).all()
    assert (after["codes"] & 1 << CODE_BIT[62] != 0).all()


def test_a_reversal_turns_running_steps_back_without_a_stop():
    frames, fleet = lived(scripted(Cause.ESCALATOR_REVERSAL))
    [event] = truth(fleet)
    before = during(frames, 1, AT_US - 20 * SECOND_US, AT_US)
    own = during(frames, 1, AT_US, event.end_us)
    after = during(frames, 1, event.end_us, AT_US + 200 * SECOND_US)
    assert (before["car"] == 1).all()
    assert set(before["direction"].tolist()) | set(own["direction"].tolist()) == {1, 2}
    assert len(set(before["direction"].tolist())) == len(set(own["direction"].tolist())) == 1
    assert (after["car"] == 0).all()
    assert (after["codes"] & 1 << CODE_BIT[63] != 0).all()


def test_one_handrail_falls_behind_the_steps():
    frames, _ = lived(scripted(Cause.HANDRAIL_DEVIATION, 1), scripted(Cause.HANDRAIL_DEVIATION, 2))
    for unit, slow, right in (
        (1, "handrail_right_pct", "handrail_left_pct"),
        (2, "handrail_left_pct", "handrail_right_pct"),
    ):
        own = during(frames, unit, AT_US, AT_US + 200 * SECOND_US)
        assert (own[slow] <= 82_000).all()
        assert (own[right] >= 98_000).all()
        assert (own["car"] == 1).all()


def test_a_missing_step_is_a_gap_once_a_round_of_the_band():
    frames, _ = lived(scripted(Cause.STEP_MISSING, lasts_us=400 * SECOND_US))
    own = during(frames, 1, AT_US, AT_US + 200 * SECOND_US)
    gaps = own["time_us"][own["step_frequency_hz"] < 1_000]
    assert (gaps - AT_US).tolist() == [k * 64 * SECOND_US for k in range(4)]
    after = during(frames, 1, AT_US + 200 * SECOND_US, AT_US + 400 * SECOND_US)
    assert (after["codes"] & 1 << CODE_BIT[64] != 0).all()


@pytest.mark.parametrize(
    ("cause", "column", "value"),
    [
        (Cause.EMERGENCY_STOP, "emergency_stop", 1),
        (Cause.COVER_OPEN, "cover_open", 1),
        (Cause.ESCALATOR_SAFETY_CIRCUIT, "safety_circuit", 0),
        (Cause.AREA_POWER_CUT, "power", Power.BATTERY),
    ],
)
def test_a_unit_stands_while_it_lasts(cause, column, value):
    frames, fleet = lived(scripted(cause))
    [event] = truth(fleet)
    own = during(frames, 1, event.onset_us, event.end_us)
    assert (own["car"] == 0).all()
    assert (own[column] == value).all()
    others = during(frames, 2, START_US, END_US)
    assert (others[column] != value).all()
    rest = np.r_[
        during(frames, 1, START_US, event.onset_us)[column],
        during(frames, 1, event.end_us, END_US)[column],
    ]
    assert (rest != value).all()


@pytest.mark.parametrize("cause", ESCALATOR_CAUSES)
def test_a_restart_is_prevented_for_as_long_as_the_code_says_so(cause):
    frames, fleet = lived(scripted(cause, size=125 * (cause is Cause.ESCALATOR_OVERSPEED)))
    prevented = truth(fleet, restart=True)
    told = frames["codes"] >> CODE_BIT[65] & 1 == 1
    assert len(prevented) == told.any()
    for event in prevented:
        own = during(frames, 1, event.onset_us, event.end_us)
        assert (own["codes"] >> CODE_BIT[65] & 1 == 1).all()
        assert len(own) == np.count_nonzero(told)
        assert event.effects == ("codes",)


@pytest.mark.parametrize("cause", ESCALATOR_LOOK_ALIKES)
def test_look_alikes_are_recorded_and_are_no_truth(cause):
    frames, fleet = lived(scripted(cause))
    assert fleet.truth() == []
    [alike] = fleet.look_alikes()
    assert (alike.lift, alike.cause, alike.from_us) == (1, cause, AT_US)
    before = during(frames, 1, START_US, alike.from_us)
    own = during(frames, 1, alike.from_us, alike.to_us)
    if cause is Cause.INSPECTION:
        assert (own["mode"] == EscalatorMode.INSPECTION).all()
        assert (own["cover_open"] == 1).all()
    if cause is Cause.COMMANDED_REVERSAL:
        ways = [set(f["direction"].tolist()) - {Direction.NONE} for f in (before, own)]
        assert ways[0] | ways[1] == {Direction.UP, Direction.DOWN}
        assert len(ways[0]) == len(ways[1]) == 1
        assert own["car"][0] == own["car"][-1] == 0


def test_of_two_faults_at_a_time_the_later_one_waits():
    _, fleet = lived(
        scripted(Cause.EMERGENCY_STOP, lasts_us=60 * SECOND_US),
        scripted(Cause.COVER_OPEN, lasts_us=60 * SECOND_US),
    )
    first, second = truth(fleet)
    assert second.onset_us == first.end_us + SECOND_US


def test_truth_is_told_when_it_has_come():
    spec = FleetSpec(START_US, 1, escalators=1, script=(scripted(Cause.COVER_OPEN),))
    fleet = Fleet(spec, 1)
    fleet.frames_until(AT_US)
    assert fleet.truth() == []
    fleet.frames_until(AT_US + SECOND_US)
    [event] = fleet.truth()
    assert event.end_us is None


@pytest.mark.parametrize("step_us", [7 * SECOND_US, 1_000_007, 333_000])
def test_the_size_of_the_steps_changes_nothing(step_us):
    script = tuple(
        scripted(c, 1 + k)
        for k, c in enumerate((*ESCALATOR_CAUSES, *ESCALATOR_LOOK_ALIKES, Cause.AREA_POWER_CUT))
    )
    digests, truths = set(), []
    for step in (600 * SECOND_US, step_us):
        spec = FleetSpec(START_US, 1, escalators=12, quiet=(0,), script=script)
        fleet = Fleet(spec, 3)
        t_us = START_US
        while t_us < END_US:
            t_us = min(t_us + step, END_US)
            fleet.frames_until(t_us)
        digests.add(fleet.digest.hexdigest())
        truths.append((fleet.truth(), fleet.look_alikes()))
    assert len(digests) == 1
    assert truths[0] == truths[1]


def test_a_cause_of_lifts_cannot_happen_to_them():
    with pytest.raises(ValueError, match="unit 1 is no lift: door_lock cannot happen to it"):
        lived(scripted(Cause.DOOR_LOCK))
    with pytest.raises(ValueError, match="for unit 9: no such unit"):
        lived(scripted(Cause.COVER_OPEN, 9))


def test_drawn_faults_come_at_their_rates():
    month_us = 30 * 24 * 3600 * SECOND_US
    drawn = draw_for_units(range(5, 1_005), 1, START_US, month_us, UnitRates(), multiplier=3)
    assert all(5 <= f.lift < 1_005 for f in drawn)
    assert all(START_US < f.at_us < START_US + month_us for f in drawn)
    counts = Counter(f.cause for f in drawn)
    assert set(counts) == {*ESCALATOR_CAUSES, *ESCALATOR_LOOK_ALIKES}
    years = 1_000 * 3 * 30 / 365
    assert counts[Cause.EMERGENCY_STOP] == pytest.approx(6 * years, rel=0.1)
    assert counts[Cause.INSPECTION] == pytest.approx(24 * years, rel=0.1)
    assert (
        draw_for_units(range(5, 1_005), 1, START_US, month_us, UnitRates(), multiplier=3) == drawn
    )
