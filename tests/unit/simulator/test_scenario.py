"""The demo's script keeps its promises for many seeds; drawn faults come at their rates."""

from collections import Counter

import pytest

from simulator.faults.catalogue import Fault
from simulator.faults.causes import Cause
from simulator.faults.draw import ALIKE, ENTRAPMENTS, OTHERS, YEAR_US, draw
from simulator.fleet import Fleet, FleetSpec
from simulator.scenarios.presets import SHORT_WINDOWS, as_record, demo_script
from simulator.world.buildings import Mix, draw_plan, floor_labels
from simulator.world.world import World
from telemetry.columns import Unit
from telemetry.findings import FindingKind

START_US = 1_774_314_000_000_000
SECOND_US = 1_000_000


@pytest.mark.parametrize("seed", range(12))
def test_everybody_in_the_demo_is_trapped_within_half_a_minute_and_freed_in_time(seed):
    demo = demo_script(8 + seed, seed, START_US)
    fleet, freed = demo.fleet, set()
    for k in range(1, 121):
        now_us = START_US + k * SECOND_US // 2
        fleet.frames_until(now_us)
        for event in fleet.truth():
            # raised after at most 10 s, accepted at once, freed some seconds later
            if event.lift not in freed and now_us >= event.onset_us + 14 * SECOND_US:
                freed.add(event.lift)
                fleet.release(event.code, now_us)
    truth = fleet.truth()
    trapped = [e for e in truth if e.family == "entrapment"]
    assert Counter(e.kind for e in trapped) == {
        FindingKind.ENTRAPMENT_AT_LANDING: 2,
        FindingKind.ENTRAPMENT_BETWEEN_LANDINGS: 3,
    }
    assert {e.lift for e in trapped} == set(demo.trapped)
    assert "mains_cut" in {e.cause for e in trapped}
    assert sum(e.kind is FindingKind.ALARM_BUTTON for e in truth) == 2
    for event in trapped:
        assert event.onset_us < START_US + 36 * SECOND_US
        assert event.onset_us < START_US + demo.trapped[event.lift] * SECOND_US
        assert event.end_us is not None
        assert not event.self_released


def test_the_demo_needs_its_lifts():
    with pytest.raises(ValueError, match="at least 8 lifts, not 3"):
        demo_script(3, 1, START_US)


def test_nobody_frees_the_trapped_unless_told():
    fleet = demo_script(8, 1, START_US).fleet
    fleet.frames_until(START_US + 1800 * SECOND_US)
    assert all(e.end_us is None for e in fleet.truth() if e.family == "entrapment")


def test_release_of_a_lift_without_trapped_people_does_nothing():
    one, other = (demo_script(8, 1, START_US).fleet for _ in range(2))
    one.release(7, START_US + 5 * SECOND_US)
    for fleet in (one, other):
        fleet.frames_until(START_US + 20 * SECOND_US)
    assert one.people() == other.people()
    assert one.truth() == other.truth()


def test_a_rescue_device_frees_by_itself():
    def run(rescue_device_pct: int) -> list[object]:
        spec = FleetSpec(
            START_US, 1, mix=Mix(rescue_device_pct=rescue_device_pct), quiet=(0,),
            script=(Fault(0, Cause.MAINS_CUT, START_US + SECOND_US, lasts_us=20 * SECOND_US),),
        )  # fmt: skip
        fleet = Fleet(spec, 1)
        fleet.frames_until(START_US + 120 * SECOND_US)
        [event] = [e for e in fleet.truth() if e.life_safety]
        return [event.end_us is not None, event.self_released]

    assert run(100) == [True, True]
    assert run(0) == [False, False]


def test_an_area_power_cut_traps_only_where_people_ride():
    evening_us = START_US + 10 * 3600 * SECOND_US
    cut_us = evening_us + 300 * SECOND_US
    script = tuple(
        Fault(i, Cause.AREA_POWER_CUT, cut_us, lasts_us=60 * SECOND_US) for i in range(100)
    )
    fleet = Fleet(FleetSpec(evening_us, 100, script=script, rate_pct=300), 1)
    frames = fleet.frames_until(evening_us + 900 * SECOND_US)
    truth = [e for e in fleet.truth() if e.family == "entrapment"]
    assert 5 < len(truth) < 100
    assert {e.cause for e in truth} == {"area_power_cut"}
    assert all(e.end_us and e.self_released for e in truth)
    assert all(cut_us <= e.onset_us < cut_us + 5 * SECOND_US for e in truth)
    told = frames.take(frames["power"] == 1)
    assert told["time_us"].min() == cut_us
    assert told["time_us"].max() < cut_us + 60 * SECOND_US


def test_drawn_faults_come_at_their_rate():
    year_us = YEAR_US
    drawn = draw(300, 1, START_US, year_us)
    counts = Counter(f.cause for f in drawn)
    assert sum(counts[c] for c in ENTRAPMENTS) == pytest.approx(30, rel=0.5)
    assert sum(counts[c] for c in OTHERS) == pytest.approx(580, rel=0.15)
    assert counts[Cause.INSPECTION] == pytest.approx(7200, rel=0.1)
    assert all(START_US <= f.at_us < START_US + year_us for f in drawn)
    assert drawn == sorted(drawn, key=lambda f: (f.at_us, f.lift))
    faults_only = draw(300, 1, START_US, year_us, None, 20, 0)
    assert len(faults_only) == pytest.approx(300 * 20 * 2.025, rel=0.05)
    assert {f.cause for f in faults_only} == {*ENTRAPMENTS, *OTHERS}
    assert {f.cause for f in draw(300, 1, START_US, year_us, None, 0, 1)} == {*ALIKE}
    assert draw(300, 1, START_US, year_us, multiplier=0) == []
    door = sum(n for cause, n in OTHERS.items() if "door" in cause or "reopening" in cause)
    assert 0.5 < door / sum(OTHERS.values()) < 0.8


def test_a_fault_of_no_lift_is_refused():
    with pytest.raises(ValueError, match="lift 5 of 2"):
        World(draw_plan(2, 1), 1, START_US, [Fault(5, Cause.DOOR_LOCK, START_US)])


def test_the_registry_holds_every_unit_once():
    fleet = Fleet(FleetSpec(START_US, 10, escalators=2, walks=1, params=dict(SHORT_WINDOWS)), 1)
    rows = fleet.registry()
    assert len({r.code for r in rows}) == len({r.sticker for r in rows}) == 13
    assert [r.unit for r in rows] == [Unit.LIFT] * 10 + [Unit.ESCALATOR] * 2 + [Unit.WALK]
    assert all(len(r.code) == 20 and r.code.isdigit() for r in rows)
    assert {r.gateway for r in rows} == set(fleet.gateways)
    assert as_record(rows[0])["params"] == dict(SHORT_WINDOWS)
    assert rows[-1].params == {}


def test_escalators_tell_escalator_things():
    fleet = Fleet(FleetSpec(START_US, 1, escalators=1, walks=1), 1)
    frames = fleet.frames_until(START_US + 900 * SECOND_US)
    stairs = frames.take(frames["lift"] > 0)
    assert set(stairs["unit"].tolist()) == {Unit.ESCALATOR, Unit.WALK}
    running = stairs["car"] == 1
    assert running.any()
    assert (stairs["speed_mps"][running] > 180).all()  # creeping when nobody comes
    assert (stairs["speed_mps"][~running] == 0).all()
    assert (stairs["zone"] < 0).all()
    for unit in (1, 2):
        own = stairs.take(stairs["lift"] == unit)
        assert own["seq"].tolist() == list(range(len(own)))


def test_labels_leave_out_unlucky_numbers():
    labels = floor_labels(18)
    assert labels[0] == "B1"
    assert len(set(labels)) == 18
    assert not {"4", "13", "14"} & set(labels)
    assert floor_labels(3) == ("1", "2", "3")
