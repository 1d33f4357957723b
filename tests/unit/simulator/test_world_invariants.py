"""What must hold at every sampled instant of random worlds, and of their truth."""

import numpy as np
import pytest

from simulator.fleet import Fleet, FleetSpec
from simulator.frames import MISSING, Frames
from simulator.scenarios.presets import random_fleet
from simulator.world.buildings import Building, Mix, Plan, Presence, Terminal
from simulator.world.knowledge import TELLS
from telemetry.columns import COLUMN_NAMES, Door, Mode, Power
from telemetry.findings import FINDINGS, FindingKind

START_US = 1_774_314_000_000_000
DURATION_S = 180
SEEDS = range(40)
SOMETIMES = {"speed_mps", "vibration_mps2", "vibration_horizontal_mps2"}
"""What terminals tell only while the car runs; a coupled one always knows the speed."""
OFF_MM = 25
"""How far a car may stand from its landing: levelling error and change of load."""


class Lived:
    """A random fleet and everything it told."""

    def __init__(self, seed: int) -> None:
        self.fleet = random_fleet(seed, START_US, DURATION_S)
        self.frames = self.fleet.frames_until(START_US + DURATION_S * 1_000_000)
        self.plan: Plan = self.fleet.plan
        self.lifts = self.frames.take(self.frames["lift"] < len(self.plan))
        self.truth = self.fleet.truth()

    def of(self, lift: int) -> Frames:
        return self.frames.take(self.frames["lift"] == lift)


@pytest.fixture(scope="module", params=SEEDS)
def lived(request) -> Lived:
    return Lived(request.param)


def test_sequence_numbers_are_gapless_and_times_grow(lived):
    for lift in range(len(lived.fleet.codes)):
        own = lived.of(lift)
        assert own["seq"].tolist() == list(range(len(own)))
        assert (np.diff(own["time_us"]) > 0).all()
        assert (own["time_us"] % 1000 == 0).all()


def test_frames_come_in_time_order_from_start_to_end(lived):
    times = lived.frames["time_us"]
    assert (np.diff(times) >= 0).all()
    assert times[0] == START_US
    assert times[-1] < START_US + DURATION_S * 1_000_000


def test_no_car_runs_with_doors_that_are_not_closed(lived):
    running = lived.lifts["car"] == 1
    assert (lived.lifts["door"][running] == Door.CLOSED).all()


def test_doors_open_only_in_the_zone(lived):
    ajar = np.isin(lived.lifts["door"], [Door.OPENING, Door.OPEN, Door.CLOSING])
    height = lived.lifts["height_m"]
    told = ajar & (height != MISSING)
    away = np.abs(lived.plan.landings_m[lived.lifts["lift"][told]] * 1000 - height[told, None])
    assert (away.min(axis=1) <= 150).all()


def test_the_car_stays_in_its_shaft_below_its_rated_speed(lived):
    told = lived.lifts.take(lived.lifts["height_m"] != MISSING)
    lift = told["lift"]
    top = lived.plan.landings_m[lift, lived.plan.n_landings[lift] - 1] * 1000
    assert (told["height_m"] >= -OFF_MM).all()
    assert (told["height_m"] <= top + OFF_MM).all()
    # an encoder of 5 mm/s, cut off at 3.2 standard deviations
    assert (told["speed_mps"] <= lived.plan.rated_mps[lift] * 1000 + 17).all()
    standing = told["car"] == 0
    # a car that corrects its height with open doors is not said to run
    assert (told["speed_mps"][standing] < 50).all()
    assert (told["speed_mps"][standing & (told["door"] != Door.OPEN)] == 0).all()


def test_height_never_jumps(lived):
    for lift in np.flatnonzero(lived.plan.terminal == Terminal.COUPLED):
        own = lived.of(int(lift))
        seconds = np.diff(own["time_us"]) / 1e6
        allowed = lived.plan.rated_mps[lift] * 1000 * seconds + 2
        assert (np.abs(np.diff(own["height_m"])) <= allowed).all()


def test_counters_never_go_back(lived):
    for lift in range(len(lived.plan)):
        own = lived.of(lift)
        for counter in ("runs", "door_cycles", "distance_m"):
            assert (np.diff(own[counter]) >= 0).all(), counter


def test_people_are_conserved(lived):
    people = lived.fleet.people()
    gone = people["left"] + people["walked"]
    assert people["arrived"] == gone + people["waiting"] + people["riding"]


def test_direction_and_running_agree(lived):
    assert ((lived.lifts["direction"] > 0) == (lived.lifts["car"] == 1)).all()


def test_a_terminal_tells_only_what_it_can_know(lived):
    for terminal in Terminal:
        own = lived.lifts.take(lived.plan.terminal[lived.lifts["lift"]] == terminal)
        for name in set(COLUMN_NAMES) - TELLS[terminal]:
            assert (own[name] == MISSING).all(), name
        always = TELLS[terminal] - {"passenger"} - SOMETIMES
        for name in always | {"speed_mps"} if terminal is Terminal.COUPLED else always:
            assert (own[name] != MISSING).all(), name
    presence = lived.plan.presence[lived.lifts["lift"]]
    assert ((lived.lifts["passenger"] == MISSING) == (presence == Presence.ABSENT)).all()
    assert set(lived.lifts["passenger"][presence == Presence.PIR].tolist()) <= {0, 1}


def test_truth_is_what_the_frames_show(lived):
    for event in lived.truth:
        if event.kind >= FindingKind.TERMINAL_SILENT:
            continue  # of sensors: test_sensor_faults
        own = lived.of(event.lift)
        end_us = event.end_us or START_US + DURATION_S * 1_000_000
        during = own.take((own["time_us"] >= event.onset_us) & (own["time_us"] < end_us))
        if not event.life_safety:
            continue
        if event.kind is FindingKind.ALARM_BUTTON:
            assert during["button"][0] == 1
            continue
        assert event.people >= 1
        # nobody can leave: the doors are never open, and at the onset the car stands
        assert not np.isin(during["door"], [Door.OPEN]).any()
        assert own["time_us"][own["time_us"] >= event.onset_us][0] == event.onset_us
        assert during["car"][0] == 0
        in_zone = event.kind is FindingKind.ENTRAPMENT_AT_LANDING
        assert during["zone"][0] == int(in_zone)
        if event.end_us is not None:
            after = own.take(own["time_us"] >= event.end_us)
            # one contact cannot tell how far doors are open
            retrofit = lived.plan.terminal[event.lift] == Terminal.RETROFIT
            assert after["door"][0] in ((Door.OPENING, Door.OPEN) if retrofit else (Door.OPEN,))
            assert after["zone"][0] == 1


def test_the_button_is_pressed_exactly_when_truth_says_so(lived):
    pressed = lived.lifts.take(lived.lifts["button"] == 1)
    onsets = {(e.lift, t) for e in lived.truth for t in e.presses}
    shown = {
        (int(lift), int(first))
        for lift in np.unique(pressed["lift"])
        for first in _rising(lived.of(int(lift)))
    }
    assert shown == onsets


def _only(kind: Building, **more: int) -> Mix:
    """Return a mix of one kind of building with coupled terminals."""
    weights = {b.name.lower(): int(b is kind) for b in Building}
    return Mix(**weights, coupled=1, retrofit=0, **more)


def _rising(own: Frames) -> list[int]:
    button = own["button"]
    return own["time_us"][np.flatnonzero((button == 1) & (np.r_[0, button[:-1]] == 0))].tolist()


def test_all_causes_and_kinds_occur_in_random_fleets():
    seen = set()
    for seed in range(200):
        fleet = random_fleet(seed, START_US, DURATION_S)
        fleet.frames_until(START_US + DURATION_S * 1_000_000)
        seen |= {(event.kind.slug, event.cause) for event in fleet.truth()}
    causes = {cause for _, cause in seen}
    assert {"door_lock", "controller_stop", "safety_circuit", "mains_cut"} <= causes
    assert {"area_power_cut", "button_play"} <= causes
    trapped = {f.kind.slug for f in FINDINGS.values() if f.life_safety}
    assert trapped <= {kind for kind, _ in seen}


def test_powerless_lifts_say_so():
    told = set()
    for seed in range(60):
        fleet = random_fleet(seed, START_US, DURATION_S)
        frames = fleet.frames_until(START_US + DURATION_S * 1_000_000)
        for event in fleet.truth():
            if event.cause in {"mains_cut", "area_power_cut"}:
                own = frames.take(
                    (frames["lift"] == event.lift) & (frames["time_us"] == event.onset_us)
                )
                told |= set(own["power"].tolist())
    assert told == {Power.BATTERY, MISSING}


def test_towers_have_express_runs_of_more_than_a_minute():
    noon_us = START_US + 3 * 3_600_000_000
    spec = FleetSpec(noon_us, 4, mix=_only(Building.TOWER), rate_pct=300)
    fleet = Fleet(spec, 3)
    frames = fleet.frames_until(noon_us + 600_000_000)
    assert (fleet.plan.kind == Building.TOWER).all()
    own = frames.take(frames["lift"] == 0)
    stretches = np.split(own["zone"], np.flatnonzero(np.diff(own["zone"])) + 1)
    assert max(len(s) for s in stretches if s[0] == 0) > 60
    assert not fleet.truth()


def test_inspection_mode_is_told():
    from simulator.scenarios.presets import demo_script

    demo = demo_script(8, 1, START_US)
    frames = demo.fleet.frames_until(START_US + 60_000_000)
    own = frames.take(frames["lift"] == 5)
    stuck = own.take((own["zone"] == 0) & (own["car"] == 0))
    assert len(stuck) > 10
    assert (stuck["mode"] == Mode.INSPECTION).all()
    assert own["mode"][-1] in (Mode.NORMAL, Mode.INSPECTION)
    assert {e.kind for e in demo.fleet.truth() if e.lift == 5} == {FindingKind.SPECIAL_MODE}
