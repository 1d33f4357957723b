"""Faults of sensors: in the frames exactly within their intervals, and in the truth.

A fleet with a fault and its twin without one live the same life; whatever differs is the fault.
"""

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from simulator.faults.catalogue import MAKES, SECOND_US, Fault
from simulator.faults.causes import Cause
from simulator.faults.draw import YEAR_US
from simulator.faults.sensors import (
    FAULT_RATES,
    LOOK_ALIKE_RATES,
    SENSOR_FAULTS,
    SensorFault,
    draw_sensor_faults,
)
from simulator.fleet import Fleet, FleetSpec, TerminalChoice
from simulator.frames import MISSING, Frames
from simulator.terminals.health import FALSIFIED
from simulator.terminals.losses import LOSSES
from simulator.world.buildings import Mix, Presence, Terminal
from simulator.world.knowledge import effects
from telemetry.columns import COLUMN_NAMES, Door, Power
from telemetry.findings import FindingKind

START_US = 1_774_314_000_000_000
FROM_US = START_US + 200 * SECOND_US
TO_US = START_US + 500 * SECOND_US
END_US = START_US + 700 * SECOND_US
SICK = 2
CHANGES_CADENCE = {
    Cause.TERMINAL_SILENT, Cause.TERMINAL_REBOOT, Cause.ZONE_FLAPPING, Cause.ZONE_SWITCH_FLAPPING,
    Cause.DOOR_SWITCH_FLAPPING, *LOSSES,
}  # fmt: skip
ORDINARY = sorted(SENSOR_FAULTS - CHANGES_CADENCE)


def spec_of(terminal: Terminal, presence: Presence = Presence.PIR, **given) -> FleetSpec:
    return FleetSpec(
        START_US, 4, mix=Mix(tower=0), rate_pct=500,
        terminals=(TerminalChoice(tuple(range(4)), terminal, presence),), **given,
    )  # fmt: skip


@cache  # the twin without faults is asked for again and again
def lived(terminal: Terminal, *faults: SensorFault, presence: Presence = Presence.PIR) -> Frames:
    fleet = Fleet(spec_of(terminal, presence, sensor_faults=faults), 5)
    return fleet.frames_until(END_US)


def of(frames: Frames, lift: int) -> Frames:
    return frames.take(frames["lift"] == lift)


def fault(what: Cause, **given) -> SensorFault:
    return replace(SensorFault(SICK, what, FROM_US, TO_US), **given)


def inside(frames: Frames) -> np.ndarray:
    return (frames["time_us"] >= FROM_US) & (frames["time_us"] < TO_US)


@pytest.mark.parametrize("terminal", list(Terminal))
@pytest.mark.parametrize("what", sorted(SENSOR_FAULTS))
def test_others_and_other_times_are_untouched(what, terminal):
    sick, well = lived(terminal, fault(what)), lived(terminal)
    for lift in set(range(4)) - {SICK}:
        for name in COLUMN_NAMES:
            assert (of(sick, lift)[name] == of(well, lift)[name]).all(), name
    own, twin = of(sick, SICK), of(well, SICK)
    # a restarted terminal knows nothing at first; sequence numbers tell how many frames were sent
    blind_us = own["time_us"][own["time_us"] >= TO_US][:2].tolist()
    blind_us = blind_us if what is Cause.TERMINAL_REBOOT else []
    own = own.take(~inside(own) & ~np.isin(own["time_us"], blind_us))
    twin = twin.take(~inside(twin) & ~np.isin(twin["time_us"], blind_us))
    for name in ("time_us", *COLUMN_NAMES):
        assert (own[name] == twin[name]).all(), name


@pytest.mark.parametrize("terminal", list(Terminal))
@pytest.mark.parametrize("what", ORDINARY)
def test_within_its_interval_a_fault_changes_what_its_truth_says(what, terminal):
    sick = of(lived(terminal, fault(what)), SICK)
    well = of(lived(terminal), SICK)
    during = inside(sick)
    assert (sick["time_us"] == well["time_us"]).all()
    changed = {n for n in COLUMN_NAMES if (sick[n] != well[n])[during].any()}
    fleet = Fleet(spec_of(terminal, sensor_faults=(fault(what),)), 5)
    fleet.frames_until(END_US)
    events = [e for e in fleet.truth() if e.kind >= FindingKind.TERMINAL_SILENT]
    [event] = [e for e in events if e.kind is MAKES[what][0]]
    assert changed == set(event.effects)
    assert set(event.effects) <= set(effects(terminal, Presence.PIR, FALSIFIED[what]))
    assert (event.onset_us, event.end_us) == (FROM_US, TO_US)
    assert (event.terminal, event.lift, event.people) == (terminal.slug, SICK, 0)


@pytest.mark.parametrize("terminal", list(Terminal))
def test_a_box_that_calls_a_riding_car_still_contradicts_itself(terminal):
    fleet = Fleet(spec_of(terminal, sensor_faults=(fault(Cause.ACCELEROMETER_DEAD),)), 5)
    fleet.frames_until(END_US)
    kinds = [e.kind for e in fleet.truth() if e.cause == Cause.ACCELEROMETER_DEAD]
    contradicts = [] if terminal is Terminal.COUPLED else [FindingKind.IMPLAUSIBLE_FRAMES]
    assert kinds == [FindingKind.ACCELEROMETER_DEAD, *contradicts]


def test_a_stuck_presence_sensor_tells_one_value():
    for what, value in ((Cause.PRESENCE_STUCK_ON, 1), (Cause.PRESENCE_STUCK_OFF, 0)):
        for presence in (Presence.PIR, Presence.COUNT):
            own = of(lived(Terminal.COUPLED, fault(what), presence=presence), SICK)
            assert set(own["passenger"][inside(own)].tolist()) == {value}
    own = of(lived(Terminal.COUPLED, fault(what), presence=Presence.ABSENT), SICK)
    assert (own["passenger"] == MISSING).all()


@pytest.mark.parametrize(
    ("what", "name"),
    [
        (Cause.DOOR_SWITCH_STUCK, "door"),
        (Cause.ZONE_SWITCH_STUCK, "zone"),
        (Cause.FLOOR_FROZEN, "floor"),
    ],
)
def test_what_sticks_keeps_what_was_told_last(what, name):
    own = of(lived(Terminal.RETROFIT, fault(what)), SICK)
    during = inside(own)
    before = np.flatnonzero(during)[0] - 1
    assert (own[name][during] == own[name][before]).all()


def test_what_sticks_from_the_beginning_keeps_its_first_value():
    own = of(lived(Terminal.COUPLED, fault(Cause.FLOOR_FROZEN, from_us=START_US)), SICK)
    assert (own["floor"][own["time_us"] < TO_US] == own["floor"][0]).all()


@pytest.mark.parametrize("what", [Cause.ZONE_SWITCH_FLAPPING, Cause.ZONE_FLAPPING])
def test_a_flapping_zone_switch_is_wrong_in_every_other_frame_and_keeps_its_terminal_awake(what):
    own = of(lived(Terminal.COUPLED, fault(what)), SICK)
    well = of(lived(Terminal.COUPLED), SICK)
    during = inside(own)
    assert np.diff(own["time_us"][during]).max() <= SECOND_US
    both = np.isin(own["time_us"], well["time_us"]) & during
    twin = well.take(np.isin(well["time_us"], own["time_us"][both]))
    wrong = (own["zone"][both] != twin["zone"]).mean()
    assert 0.2 < wrong < 0.6


def test_a_flapping_zone_switch_of_an_idle_car_is_told_every_second():
    flaps = fault(Cause.ZONE_FLAPPING)
    fleet = Fleet(spec_of(Terminal.COUPLED, sensor_faults=(flaps,), quiet=(SICK,)), 5)
    own = of(fleet.frames_until(END_US), SICK)
    during = inside(own)
    assert own["zone"][during].tolist() == [1, 0] * 150
    assert np.diff(own["time_us"][during]).tolist() == [SECOND_US] * 299
    assert np.diff(own["time_us"][~during]).max() > 29 * SECOND_US


def test_a_flapping_door_switch_says_open_on_the_way():
    own = of(lived(Terminal.RETROFIT, fault(Cause.DOOR_SWITCH_FLAPPING)), SICK)
    open_running = (own["car"] == 1) & (own["door"] == Door.OPEN)
    assert open_running.sum() > 10
    assert inside(own)[open_running].all()


def test_a_dead_accelerometer_has_no_variance_and_its_terminal_takes_the_car_for_standing():
    for terminal in Terminal:
        own = of(lived(terminal, fault(Cause.ACCELEROMETER_DEAD)), SICK)
        during = inside(own)
        assert (own["acceleration_mps2"][during] == 0).all()
        assert own["acceleration_mps2"][~during].std() > 1
        assert own["car"][during].any() == (terminal is Terminal.COUPLED)


def test_a_wrong_speed_is_off_by_its_factor():
    for size, factor in ((0, 1.5), (50, 0.5)):
        own = of(lived(Terminal.COUPLED, fault(Cause.SPEED_WRONG, size=size)), SICK)
        well = of(lived(Terminal.COUPLED), SICK)
        during = inside(own)
        assert np.abs(own["speed_mps"] - well["speed_mps"] * factor)[during].max() <= 1


def test_a_silent_terminal_tells_nothing_and_numbers_on():
    own = of(lived(Terminal.COUPLED, fault(Cause.TERMINAL_SILENT)), SICK)
    assert not inside(own).any()
    assert own["seq"].tolist() == list(range(len(own)))


def test_a_restarted_terminal_numbers_anew_and_knows_nothing_at_first():
    reboot = fault(Cause.TERMINAL_REBOOT, to_us=FROM_US + 12 * SECOND_US)
    for step_us in (700 * SECOND_US, 700_000):
        fleet = Fleet(spec_of(Terminal.COUPLED, sensor_faults=(reboot,)), 5)
        parts = []
        while fleet.now_us < END_US:
            parts.append(fleet.frames_until(min(fleet.now_us + step_us, END_US)))
        own = of(Frames.concat(parts), SICK)
        after = own.take(own["time_us"] >= reboot.to_us)
        before = own.take(own["time_us"] < FROM_US)
        assert len(before) + len(after) == len(own)
        assert after["seq"].tolist() == list(range(len(after)))
        known = np.array([(after[name] != MISSING).any() for name in COLUMN_NAMES])
        assert known.any()
        for name in COLUMN_NAMES:
            assert (after[name][:2] == MISSING).all(), name
        assert (after["car"][2:] != MISSING).all()
        [event] = [e for e in fleet.truth() if e.kind >= FindingKind.TERMINAL_SILENT]
        assert (event.kind, event.cause) == (FindingKind.TERMINAL_SILENT, "terminal_reboot")
        assert (event.onset_us, event.end_us) == (FROM_US, reboot.to_us)
        [seen] = fleet.look_alikes()
        assert (seen.cause, seen.from_us, seen.to_us) == ("terminal_reboot", FROM_US, reboot.to_us)


def test_a_terminal_on_battery_says_so_if_it_knows():
    for terminal in Terminal:
        own = of(lived(terminal, fault(Cause.TERMINAL_BATTERY)), SICK)
        if terminal is Terminal.COUPLED:
            assert (own["terminal_power"] == MISSING).all()
        else:
            assert ((own["terminal_power"] == Power.BATTERY) == inside(own)).all()


def test_an_area_power_cut_takes_the_supply_of_terminals_too():
    cut = Fault(SICK, Cause.AREA_POWER_CUT, FROM_US, lasts_us=TO_US - FROM_US)
    for terminal in (Terminal.RETROFIT, Terminal.COUPLED):
        fleet = Fleet(spec_of(terminal, script=(cut,)), 5)
        own = of(fleet.frames_until(END_US), SICK)
        found = [e for e in fleet.truth() if e.kind is FindingKind.TERMINAL_ON_BATTERY]
        if terminal is Terminal.COUPLED:
            assert not found
            continue
        assert [(e.cause, e.onset_us, e.end_us) for e in found] == [
            ("area_power_cut", FROM_US, TO_US)
        ]
        assert ((own["terminal_power"] == Power.BATTERY) == inside(own)).all()


def test_faults_of_sensors_may_stand_in_the_script():
    script = (Fault(SICK, Cause.PRESENCE_STUCK_ON, FROM_US, lasts_us=TO_US - FROM_US),)
    fleet = Fleet(spec_of(Terminal.COUPLED, script=script), 5)
    own = of(fleet.frames_until(END_US), SICK)
    assert (own["passenger"][inside(own)] == 1).all()
    [event] = [e for e in fleet.truth() if e.kind is FindingKind.PRESENCE_SENSOR_STUCK]
    assert event.effects == ("passenger",)
    assert [s.cause for s in fleet.look_alikes()] == ["presence_stuck_on"]


def test_truth_is_what_has_happened_so_far():
    fleet = Fleet(spec_of(Terminal.COUPLED, sensor_faults=(fault(Cause.FLOOR_FROZEN),)), 5)
    seen = []
    for until_us in (FROM_US, FROM_US + SECOND_US, TO_US - 1, TO_US):
        fleet.frames_until(until_us)
        seen.append([e.end_us for e in fleet.truth() if e.kind is FindingKind.FLOOR_FROZEN])
    assert seen == [[], [None], [None], [TO_US]]


def test_a_fault_that_its_terminal_cannot_show_has_no_effects():
    for terminal, what in (
        (Terminal.BAROMETRIC, Cause.DOOR_SWITCH_STUCK), (Terminal.COUPLED, Cause.TERMINAL_BATTERY),
    ):  # fmt: skip
        fleet = Fleet(spec_of(terminal, sensor_faults=(fault(what),)), 5)
        fleet.frames_until(END_US)
        [event] = [e for e in fleet.truth() if e.kind >= FindingKind.TERMINAL_SILENT]
        assert event.effects == ()


def test_steps_do_not_matter_to_faulty_terminals():
    everything = tuple(
        replace(fault(what), unit=i % 12, from_us=FROM_US + i * 7_000_000)
        for i, what in enumerate(sorted(SENSOR_FAULTS))
    )
    mix = Mix(tower=0, coupled=1, retrofit=1, barometric=1, absent=20)
    spec = FleetSpec(START_US, 12, mix=mix, rate_pct=400, sensor_faults=everything)

    def run(step_us: int) -> str:
        fleet = Fleet(spec, 1)
        while fleet.now_us < END_US:
            fleet.frames_until(min(fleet.now_us + step_us, END_US))
        return fleet.digest.hexdigest()

    assert run(700 * SECOND_US) == run(61 * SECOND_US) == run(2_300_000)


def test_a_share_of_a_fleet_has_its_own_faults():
    everything = tuple(SensorFault(lift, Cause.FLOOR_FROZEN, FROM_US, TO_US) for lift in range(12))
    whole_spec = FleetSpec(START_US, 12, rate_pct=400, sensor_faults=everything)
    whole = Fleet(whole_spec, 1)
    frames = whole.frames_until(END_US)
    truth = []
    for k in range(2):
        share = Fleet(replace(whole_spec, share=(k, 2)), 1)
        own = share.frames_until(END_US)
        twin = frames.take(np.isin(frames["lift"], list(share.lifts)))
        for name in ("lift", "seq", *COLUMN_NAMES):
            assert (own[name] == twin[name]).all(), name
        truth += share.truth()
    assert sorted(truth, key=lambda e: (e.onset_us, e.lift, e.kind)) == whole.truth()


def test_drawn_faults_come_at_their_rates_and_are_the_same_in_a_larger_fleet():
    drawn = draw_sensor_faults(400, 1, START_US, YEAR_US, FAULT_RATES, 10)
    counts = Counter(f.what for f in drawn)
    for cause, per_thousand in FAULT_RATES.items():
        assert counts[cause] == pytest.approx(4 * per_thousand, rel=0.25), cause
    assert drawn == sorted(drawn, key=lambda f: (f.from_us, f.unit, f.what))
    assert all(START_US < f.from_us < START_US + YEAR_US for f in drawn)
    larger = draw_sensor_faults(500, 1, START_US, YEAR_US, FAULT_RATES, 10)
    assert [f for f in larger if f.unit < 400] == drawn
    alike = draw_sensor_faults(400, 1, START_US, YEAR_US, LOOK_ALIKE_RATES)
    assert {f.what for f in alike} <= set(LOOK_ALIKE_RATES)
    assert draw_sensor_faults(400, 1, START_US, YEAR_US, FAULT_RATES, 0) == []


def test_what_is_no_fault_of_a_sensor_is_refused():
    with pytest.raises(ValueError, match="door_lock of unit 0 is no fault of a sensor"):
        SensorFault(0, Cause.DOOR_LOCK, 0, 1)
    with pytest.raises(ValueError, match="ends before it begins"):
        SensorFault(0, Cause.FLOOR_FROZEN, 1, 1)
    with pytest.raises(ValueError, match="floor_frozen is for lift 9 of 4 lifts"):
        Fleet(spec_of(Terminal.COUPLED, sensor_faults=(
            SensorFault(9, Cause.FLOOR_FROZEN, 0, 1),)), 5)  # fmt: skip
