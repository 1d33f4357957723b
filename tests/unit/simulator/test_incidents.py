"""Incidents among ordinary traffic: modes, power, commands, and all causes at once."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from simulator.faults.catalogue import ENTRAPPING, SECOND_US, TIMED, Fault
from simulator.faults.causes import Cause
from simulator.fleet import Fleet, FleetSpec, TerminalChoice
from simulator.frames import MISSING, Frames
from simulator.randomness import between, words
from simulator.truth import TruthEvent
from simulator.world.buildings import Mix, Presence, Terminal
from simulator.world.courses import COURSES
from telemetry.columns import Door, Mode
from telemetry.findings import FindingKind as Kind

START_US = 1_774_314_000_000_000
TRAPS = (Kind.ENTRAPMENT_BETWEEN_LANDINGS, Kind.ENTRAPMENT_AT_LANDING)
CAUSES = sorted(COURSES)
COUPLED = TerminalChoice(tuple(range(8)), Terminal.COUPLED, Presence.COUNT)


@pytest.mark.parametrize("at_s", range(60, 600, 45))
def test_fire_recall_opens_in_the_lobby_and_stays(at_s):
    at_us = START_US + at_s * SECOND_US
    script = (Fault(0, Cause.FIRE_RECALL, at_us, lasts_us=300 * SECOND_US),)
    fleet = Fleet(FleetSpec(START_US, 1, mix=Mix(tower=0, office=0), rate_pct=900, script=script,
                            terminals=(replace(COUPLED, lifts=(0,)),)), 5)  # fmt: skip
    own = fleet.frames_until(at_us + 400 * SECOND_US)
    recalled = own.take(own["mode"] == Mode.FIRE_RECALL)
    assert recalled["time_us"][0] == at_us
    stays = recalled.take(recalled["time_us"] > at_us + 150 * SECOND_US)
    assert (stays["door"] == Door.OPEN).all()
    assert (stays["floor"] == 0).all()
    assert (stays["passenger"] == 0).all()
    ended = own["time_us"][own["time_us"] > recalled["time_us"][-1]][0]
    assert ended == at_us + 300 * SECOND_US


@pytest.mark.parametrize("size", [0, 1])
def test_an_earthquake_stops_lifts_at_landings_or_where_they_are(size):
    seen = set()
    for at_s in range(60, 600, 20):
        at_us = START_US + at_s * SECOND_US
        script = (Fault(0, Cause.EARTHQUAKE, at_us, lasts_us=240 * SECOND_US, size=size,
                        release_after_us=100 * SECOND_US),)  # fmt: skip
        coupled = (replace(COUPLED, lifts=(0,)),)
        spec = FleetSpec(
            START_US, 1, mix=Mix(tower=0), rate_pct=1500, script=script, terminals=coupled
        )
        fleet = Fleet(spec, 5)
        frames = fleet.frames_until(at_us + 400 * SECOND_US)
        shaken = frames.take(frames["time_us"] >= at_us)
        assert shaken["mode"][0] == Mode.SEISMIC
        assert shaken["mode"][-1] == Mode.NORMAL
        seen |= {e.kind for e in fleet.truth() if e.cause == Cause.EARTHQUAKE}
        still = shaken.take(
            (shaken["time_us"] > at_us + 60 * SECOND_US)
            & (shaken["time_us"] < at_us + 90 * SECOND_US)
        )
        if size == 0:
            assert (still["zone"] == 1).all()
            assert (still["car"] == 0).all()
    if size:
        assert Kind.SAFETY_CIRCUIT_OPEN in seen
        assert seen & {*TRAPS}
    else:
        assert seen == {Kind.SPECIAL_MODE}


def test_a_power_cut_that_ends_while_the_car_still_brakes_traps_nobody():
    for at_s in range(60, 400, 10):
        at_us = START_US + at_s * SECOND_US
        script = (Fault(0, Cause.AREA_POWER_CUT, at_us, lasts_us=SECOND_US // 2),)
        fleet = Fleet(FleetSpec(START_US, 1, rate_pct=1500, script=script), 5)
        fleet.frames_until(at_us + 120 * SECOND_US)
        for event in fleet.truth():
            assert event.end_us is not None
            assert event.kind not in TRAPS or event.end_us - event.onset_us < 60 * SECOND_US


def test_a_command_frees_whoever_is_trapped_by_any_cause():
    for cause in ENTRAPPING:
        script = (Fault(0, cause, START_US + SECOND_US, people=2, lasts_us=90 * SECOND_US),)
        fleet = Fleet(FleetSpec(START_US, 1, mix=Mix(rescue_device_pct=0, tower=0), quiet=(0,),
                                script=script), 3)  # fmt: skip
        fleet.frames_until(START_US + 300 * SECOND_US)
        [trap] = [e for e in fleet.truth() if e.kind in TRAPS]
        assert trap.end_us is None
        fleet.release(0, START_US + 300 * SECOND_US)
        fleet.frames_until(START_US + 400 * SECOND_US)
        [trap] = [e for e in fleet.truth() if e.kind in TRAPS]
        assert trap.end_us is not None
        assert not trap.self_released


def test_a_fault_with_an_exact_time_before_the_start_strikes_at_the_start():
    script = (Fault(0, Cause.COUNTER_JUMP, START_US - 60 * SECOND_US),)
    fleet = Fleet(FleetSpec(START_US, 1, script=script), 3)
    fleet.frames_until(START_US + SECOND_US)
    assert [e.onset_us for e in fleet.truth()] == [START_US]


# --- all causes at once -------------------------------------------------------------------------


def random_script(seed: int, n_lifts: int, lasts_us: int) -> tuple[Fault, ...]:
    """Draw six faults of any cause for each lift, some of them while another lasts."""
    faults = []
    for lift in range(n_lifts):
        for k in range(6):
            w = words(seed, 999, lift, 2 * k)
            v = words(seed, 999, lift, 2 * k + 1)
            cause = CAUSES[int(between(w[0], 0, len(CAUSES) - 1))]
            at_us = START_US + int(between(w[1], 0, lasts_us // 1000)) * 1000
            faults.append(Fault(
                lift, cause, at_us, people=int(between(w[2], 0, 3)),
                presses_us=(int(between(w[3], 1, 60)) * SECOND_US,),
                release_after_us=int(between(v[0], 20, 200)) * SECOND_US,
                lasts_us=int(between(v[1], 5, 300)) * SECOND_US,
                self_freed=bool(between(v[2], 0, 1)),
                size=int(between(v[3], 0, 1)) if cause is Cause.EARTHQUAKE else 0,
            ))  # fmt: skip
    return tuple(faults)


RUN_US = 1200 * SECOND_US


def spec_of(seed: int) -> FleetSpec:
    return FleetSpec(
        START_US, 8, mix=Mix(rescue_device_pct=50), rate_pct=300, terminals=(COUPLED,),
        script=random_script(seed, 8, RUN_US * 2 // 3),
    )  # fmt: skip


class Lived:
    def __init__(self, seed: int) -> None:
        self.fleet = Fleet(spec_of(seed), seed)
        self.frames = self.fleet.frames_until(START_US + RUN_US)
        self.truth = self.fleet.truth()

    def during(self, *kinds: Kind) -> np.ndarray:
        """Return which frames fall in true events of these kinds, up to a second around them."""
        time_us, lift = self.frames["time_us"], self.frames["lift"]
        inside = np.zeros(len(self.frames), bool)
        for event in self.truth:
            if event.kind in kinds:
                end_us = START_US + RUN_US if event.end_us is None else event.end_us
                own = lift == event.lift
                inside |= own & (time_us >= event.onset_us - SECOND_US) & (
                    time_us <= end_us + SECOND_US
                )  # fmt: skip
        return inside


@pytest.fixture(scope="module", params=range(10))
def lived(request) -> Lived:
    return Lived(request.param)


def test_people_are_conserved_whatever_happens(lived):
    people = lived.fleet.people()
    gone = people["left"] + people["walked"]
    assert people["arrived"] == gone + people["waiting"] + people["riding"]


def test_doors_are_open_outside_the_zone_only_by_fault(lived):
    frames = lived.frames
    faulty = lived.during(Kind.DOORS_OPEN_WHILE_RUNNING, Kind.UNINTENDED_MOVEMENT)
    ajar = np.isin(frames["door"], [Door.OPENING, Door.OPEN, Door.CLOSING])
    assert not (ajar & (frames["car"] == 1) & ~faulty).any()
    assert not (ajar & (frames["zone"] == 0) & ~faulty).any()


def test_cars_are_too_fast_or_beyond_their_landings_only_by_fault(lived):
    frames, plan = lived.frames, lived.fleet.plan
    lift = frames["lift"]
    fast = frames["speed_mps"] > plan.rated_mps[lift] * 1150 + 20
    assert not (fast & ~lived.during(Kind.OVERSPEED)).any()
    top = plan.landings_m[lift, plan.n_landings[lift] - 1] * 1000
    beyond = (frames["height_m"] > top + 100) | (frames["height_m"] < -100)
    assert not (beyond & ~lived.during(Kind.OVER_TRAVEL_TOP, Kind.OVER_TRAVEL_BOTTOM)).any()
    assert (frames["height_m"] <= top + 300).all()
    assert (frames["height_m"] >= -300).all()


def test_height_never_jumps_whatever_happens(lived):
    for lift in range(8):
        own = of(lived.frames, lift)
        seconds = np.diff(own["time_us"]) / 1e6
        allowed = lived.fleet.plan.rated_mps[lift] * 1300 * seconds + 3
        assert (np.abs(np.diff(own["height_m"])) <= allowed).all()


def test_counters_go_on_but_for_jumps(lived):
    for lift in range(8):
        own = of(lived.frames, lift)
        for counter in ("door_cycles", "distance_m", "runs"):
            assert (np.diff(own[counter]) >= 0).all()


def of(frames: Frames, lift: int) -> Frames:
    return frames.take(frames["lift"] == lift)


def test_truth_is_consistent(lived):
    for lift in range(8):
        own = [e for e in lived.truth if e.lift == lift]
        assert all(e.end_us is None or e.end_us >= e.onset_us for e in own)
        side_by_side = {Kind.ALARM_BUTTON, Kind.EXCESSIVE_VIBRATION, Kind.DEGRADING}
        for kind in {e.kind for e in own} - side_by_side:
            same = sorted((e for e in own if e.kind is kind), key=onset)
            for earlier, later in pairwise(same):
                assert earlier.end_us is not None
                assert earlier.end_us <= later.onset_us


def onset(event: TruthEvent) -> int:
    return event.onset_us


def test_nobody_who_is_trapped_gets_out(lived):
    for event in lived.truth:
        if event.kind in TRAPS:
            own = of(lived.frames, event.lift)
            end_us = START_US + RUN_US if event.end_us is None else event.end_us
            time_us = own["time_us"]
            inside = own.take((time_us >= event.onset_us) & (time_us < end_us))
            assert np.median(inside["passenger"]) == event.people  # a camera miscounts now and then
            assert (inside["door"] != Door.OPEN).all()


def test_power_and_codes_agree_with_truth(lived):
    battery = lived.frames["power"] == 1
    assert not (battery & ~lived.during(Kind.MAINS_OFF)).any()
    opened = lived.frames["safety_circuit"] == 0
    assert not (opened & ~lived.during(Kind.SAFETY_CIRCUIT_OPEN)).any()
    assert (lived.frames["power"] != MISSING).all()


def test_a_lift_with_a_case_is_out_of_service_for_its_group(lived):
    world = lived.fleet._world
    for lift, case in world.incidents.cases.of.items():
        if case.is_trap:
            assert not world.cars.state.serving()[lift]


@pytest.mark.parametrize("seed", range(3))
def test_steps_of_any_size_give_the_same_frames_and_truth(seed):
    whole = Lived(seed)
    stepped = Fleet(spec_of(seed), seed)
    now_us, k = START_US, 0
    while now_us < START_US + RUN_US:
        k += 1
        now_us = min(now_us + (k * 7919 % 23_000 + 1) * 1_000, START_US + RUN_US)
        stepped.frames_until(now_us)
    assert stepped.digest.hexdigest() == whole.fleet.digest.hexdigest()
    assert stepped.truth() == whole.truth
    assert stepped.look_alikes() == whole.fleet.look_alikes()


def test_every_cause_strikes_somewhere():
    struck = set()
    for seed in range(25):
        lived = Fleet(spec_of(seed), seed)
        lived.frames_until(START_US + RUN_US)
        struck |= {e.cause for e in lived.truth()} | {s.cause for s in lived.look_alikes()}
        struck |= {c.fault.cause for c in lived._world.incidents.cases.of.values()}
    assert set(CAUSES) - struck <= {Cause.OUT_OF_SERVICE, Cause.FIRE_RECALL, Cause.EARTHQUAKE}
    assert set(TIMED) <= set(CAUSES)


def test_a_second_mechanic_who_takes_over_at_once_goes_on_with_the_same_special_mode():
    script = tuple(
        Fault(0, Cause.INSPECTION, START_US + at_s * SECOND_US, lasts_us=200 * SECOND_US)
        for at_s in (60, 61)
    )
    fleet = Fleet(
        FleetSpec(START_US, 1, script=script, terminals=(replace(COUPLED, lifts=(0,)),)), 5
    )
    own = fleet.frames_until(START_US + 1200 * SECOND_US)
    [event] = [e for e in fleet.truth() if e.kind is Kind.SPECIAL_MODE]
    special = own["time_us"][own["mode"] == Mode.INSPECTION]
    assert event.onset_us == special[0]
    assert special[-1] - special[0] > 400 * SECOND_US
    assert event.end_us > special[-1]
    within = (own["time_us"] >= event.onset_us) & (own["time_us"] < event.end_us)
    assert (own["mode"][within] == Mode.INSPECTION).all()
