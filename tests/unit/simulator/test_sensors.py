"""What each type of terminal tells, and how well: against a twin that knows everything.

Two fleets of one seed that differ only in their terminals live the same life, so a coupled twin
says what was really there.
"""

from collections.abc import Iterator

import numpy as np
import pytest

from simulator.faults.catalogue import SECOND_US, Fault
from simulator.faults.causes import Cause
from simulator.fleet import Fleet, FleetSpec, TerminalChoice
from simulator.frames import MISSING, Frames
from simulator.terminals import barometric, retrofit
from simulator.terminals.landings import Landings, last_flag
from simulator.terminals.memory import LastWay, Since
from simulator.terminals.noise import MPA_PER_MM, PRESSURE_MPA, REST_MMPS2, RIDE_MMPS2
from simulator.terminals.sensors import PIR_HOLD_US
from simulator.world.buildings import Mix, Presence, Terminal, draw_plan
from telemetry.columns import Door

START_US = 1_774_314_000_000_000
N = 24
REAL = Mix(tower=0)


def lived(
    terminal: Terminal, presence: Presence = Presence.PIR, seconds: int = 1200, **given
) -> tuple[Fleet, Frames]:
    """Return a busy fleet of one type of terminal, and its frames by (lift, time)."""
    everyone = tuple(range(given.get("n_lifts", N)))
    given = {"n_lifts": N, "mix": REAL, "rate_pct": 300, **given}
    fleet = Fleet(FleetSpec(START_US, terminals=(TerminalChoice(everyone, terminal, presence),),
                            **given), 3)  # fmt: skip
    frames = fleet.frames_until(START_US + seconds * SECOND_US)
    return fleet, frames.take(np.lexsort((frames["time_us"], frames["lift"])))


@pytest.fixture(scope="module")
def truth() -> Frames:
    return lived(Terminal.COUPLED)[1]


@pytest.fixture(scope="module")
def switches() -> tuple[Fleet, Frames]:
    return lived(Terminal.RETROFIT)


@pytest.fixture(scope="module")
def box() -> tuple[Fleet, Frames]:
    return lived(Terminal.BAROMETRIC)


def test_twins_live_the_same_life(truth, switches, box):
    for frames in (switches[1], box[1]):
        for name in ("lift", "time_us", "seq"):
            assert (frames[name] == truth[name]).all()


# --- retrofitted --------------------------------------------------------------------------------


def test_a_retrofitted_door_contact_knows_shut_and_not_shut(truth, switches):
    door = switches[1]["door"]
    assert set(np.unique(door)) == {Door.CLOSED, Door.OPENING, Door.OPEN}
    assert ((door == Door.CLOSED) == (truth["door"] == Door.CLOSED)).all()
    assert (truth["door"][door == Door.OPENING] != Door.CLOSED).all()
    assert (door[truth["door"] == Door.CLOSING] == Door.OPEN).all()


def test_opening_is_told_for_a_fixed_time_after_the_contact_broke(switches):
    frames = switches[1]
    shut = frames["door"] == Door.CLOSED
    broke = np.flatnonzero(~shut[1:] & shut[:-1]) + 1
    assert len(broke) > 50
    for at in broke[:-1]:
        since_us = frames["time_us"][at : at + 8] - frames["time_us"][at]
        same = (frames["lift"][at : at + 8] == frames["lift"][at]) & ~np.logical_or.accumulate(
            shut[at : at + 8]
        )
        opening = frames["door"][at : at + 8] == Door.OPENING
        assert (opening == (since_us < retrofit.OPENING_US))[same].all()


def test_a_retrofitted_speed_is_told_where_landings_are_passed_and_is_about_right(truth, switches):
    speed = switches[1]["speed_mps"]
    told = speed != MISSING
    assert (switches[1]["car"][told] == 1).all()
    rides = (switches[1]["car"] == 1).sum()
    assert 0.1 < told.sum() / rides < 0.8
    cruising = told & np.r_[False, np.abs(np.diff(truth["speed_mps"])) < 20]
    ratio = speed[cruising] / truth["speed_mps"][cruising]
    # the fitter's 5 %, and a whole number of milliseconds for 100 mm
    assert np.abs(ratio - 1).max() < 0.10
    assert np.abs(ratio - 1).max() > 0.02


def test_a_retrofitted_zone_is_the_flag(truth, switches):
    assert (switches[1]["zone"] == truth["zone"]).all()
    standing = truth["car"] == 0
    assert (switches[1]["floor"] == truth["floor"])[standing].mean() > 0.99


def test_a_miscounted_floor_stays_wrong_until_the_lowest_landing(monkeypatch, truth):
    monkeypatch.setattr(retrofit, "MISS_PPM", 50_000)
    frames = lived(Terminal.RETROFIT)[1]
    standing = (truth["car"] == 0) & (truth["zone"] == 1)
    wrong = standing & (frames["floor"] != truth["floor"])
    assert 0.02 < wrong.sum() / standing.sum() < 0.7
    assert not wrong[truth["floor"] == 0].any()
    assert (frames["floor"] >= 0).all()
    corrected = 0
    for lift in range(N):
        own = truth["lift"] == lift
        floors, bad = truth["floor"][own & standing], wrong[own & standing]
        corrected += sum(
            bool(bad[i - 1]) and floors[i] == 0 and not bad[i] for i in range(1, len(floors))
        )
    assert corrected > 3


# --- barometric ---------------------------------------------------------------------------------


def test_a_barometer_has_the_noise_of_one_reading(truth, box):
    error_mm = box[1]["height_m"] - truth["height_m"]
    quiet = (truth["car"] == 0) & (truth["door"] != Door.OPENING)
    own = [error_mm[quiet & (truth["lift"] == lift)].std() for lift in range(N)]
    assert np.median(own) == pytest.approx(PRESSURE_MPA / MPA_PER_MM, rel=0.1)


def test_the_day_drifts_no_faster_than_it_may():
    every_us = 600 * SECOND_US
    unit = np.arange(50)
    drift = barometric.Drift(1, unit)
    t_us = START_US + np.arange(0, 3 * 86_400 * SECOND_US, every_us)
    courses = np.array([drift(unit, np.full(50, t)) for t in t_us]) / 1000  # Pa
    assert np.abs(courses).max() <= 15
    a_day_pa = np.abs(courses[144:] - courses[:-144]).max()
    assert 15 < a_day_pa <= 30
    assert np.abs(np.diff(courses, axis=0)).max() <= 30 / 144 + 0.01


def test_doors_that_part_make_pulses(truth, box):
    error_mm = np.abs(box[1]["height_m"] - truth["height_m"])
    parting = (truth["door"] == Door.OPENING) & (np.r_[0, truth["door"][:-1]] == Door.CLOSED)
    assert error_mm[parting].mean() > 2 * error_mm[truth["door"] == Door.OPEN].mean()


def test_a_box_believes_in_a_stop_when_it_has_been_quiet(truth, box):
    frames = box[1]
    late = (frames["car"] == 1) & (truth["car"] == 0)
    assert not ((frames["car"] == 0) & (truth["car"] == 1)).any()
    same = truth["lift"][1:] == truth["lift"][:-1]
    stops = np.flatnonzero((truth["car"][1:] == 0) & (truth["car"][:-1] == 1) & same) + 1
    since_us = np.full(len(frames), 2**62)
    for at in stops:
        after = np.flatnonzero(frames["lift"][at : at + 5] == frames["lift"][at]) + at
        since_us[after] = frames["time_us"][after] - frames["time_us"][at]
    assert late.sum() > 20
    assert (late == ((since_us < barometric.QUIET_US) & (truth["car"] == 0))).all()
    assert (frames["speed_mps"][frames["car"] == 0] == 0).all()
    assert ((frames["direction"] > 0) == (frames["car"] == 1)).all()


def test_a_box_knows_floor_and_zone_at_landings_and_takes_near_for_levelled(truth, box):
    frames = box[1]
    standing = truth["car"] == 0
    assert (frames["zone"][standing] == 1).all()
    assert (frames["floor"] == truth["floor"])[standing].all()
    # on the way it sees landings for longer than the switches do
    running = truth["car"] == 1
    assert frames["zone"][running].mean() > 1.5 * truth["zone"][running].mean()


def test_a_car_that_hangs_between_landings_is_seen_unless_it_is_near_one():
    everyone = tuple(range(60))
    script = tuple(
        Fault(lift, Cause.CONTROLLER_STOP, START_US + SECOND_US, people=1) for lift in everyone
    )
    given = {"n_lifts": 60, "script": script, "quiet": everyone, "seconds": 300}
    really = lived(Terminal.COUPLED, **given)[1]
    seen = lived(Terminal.BAROMETRIC, **given)[1]
    hangs = (really["car"] == 0) & (really["zone"] == 0) & (seen["car"] == 0)
    plan = draw_plan(60, 3, REAL)
    away_m, agrees = [], []
    for lift in np.unique(really["lift"][hangs]):
        at = np.flatnonzero(hangs & (really["lift"] == lift))[0]
        away_m.append(np.abs(plan.landings_m[lift] - really["height_m"][at] / 1000).min())
        agrees.append(seen["zone"][at] == 0)
    away_m, agrees = np.array(away_m), np.array(agrees)
    assert len(away_m) > 40
    assert agrees[away_m > 0.75].all()
    assert not agrees[away_m < 0.1].any()


# --- all ----------------------------------------------------------------------------------------


def test_accelerometers_have_the_noise_that_was_measured(truth):
    pull = truth["acceleration_mps2"]
    # a door's second after the last trip is enough: nothing shakes
    assert pull[truth["car"] == 0].std() == pytest.approx(REST_MMPS2, rel=0.05)
    cruising = (truth["car"] == 1) & np.r_[False, np.abs(np.diff(truth["speed_mps"])) < 20]
    cruising &= np.r_[np.abs(np.diff(truth["speed_mps"])) < 20, False]
    assert pull[cruising].std() == pytest.approx(RIDE_MMPS2, rel=0.15)


def test_vibration_is_told_of_runs_and_below_its_limits(truth):
    running = truth["car"] == 1
    for name, low, high in (
        ("vibration_mps2", 85, 248), ("vibration_horizontal_mps2", 72, 144),
    ):  # fmt: skip
        told = truth[name]
        assert (told[~running] == MISSING).all()
        assert (told[running] >= low).all()
        assert (told[running] <= high).all()
        assert told[running].std() > 5


def test_a_load_is_told_in_whole_percent_about_the_true_one(truth):
    load = truth["load_pct"]
    assert (load % 1000 == 0).all()
    assert (load >= 0).all()
    empty = (truth["passenger"] == 0) & (truth["door"] == Door.OPEN)
    assert load[empty].max() <= 1000


def test_an_infrared_sensor_loses_who_does_not_move_and_a_camera_does_not():
    script = (Fault(0, Cause.CONTROLLER_STOP, START_US + SECOND_US, people=1),)
    given = {"n_lifts": 1, "script": script, "quiet": (0,), "seconds": 200}
    blind = lived(Terminal.COUPLED, Presence.PIR, **given)[1]
    camera = lived(Terminal.COUPLED, Presence.COUNT, **given)[1]
    absent = lived(Terminal.COUPLED, Presence.ABSENT, **given)[1]
    stuck = (blind["car"] == 0) & (blind["zone"] == 0)
    assert stuck.sum() > 60
    closing = blind["door"] == Door.CLOSING
    seen = blind["passenger"] == 1
    assert seen[closing].any()
    gone_us = blind["time_us"][seen].max() - blind["time_us"][closing].max()
    assert PIR_HOLD_US - SECOND_US <= gone_us < PIR_HOLD_US + 2 * SECOND_US
    assert not seen[stuck].any()
    assert (camera["passenger"][stuck] >= 1).mean() > 0.97
    assert (absent["passenger"] == MISSING).all()


def test_a_camera_miscounts_rarely_and_never_sees_somebody_where_nobody_is():
    fleet, frames = lived(Terminal.COUPLED, Presence.COUNT)
    capacity = fleet.plan.capacity[frames["lift"]]
    people = np.rint(frames["load_pct"] / 100_000 * capacity).astype(int)
    wrong = frames["passenger"] != people
    assert 0 < wrong[people > 0].mean() < 0.03
    assert np.abs(frames["passenger"] - people).max() == 1
    assert not wrong[people == 0].any()


# --- parts --------------------------------------------------------------------------------------


def test_landings_are_found_as_by_looking_at_all_of_them():
    plan = draw_plan(60, 5)
    landings = Landings(plan.landings_m)
    rng = np.random.default_rng(1)
    lift = rng.integers(0, 60, 20_000)
    known = np.where(np.isfinite(plan.landings_m), plan.landings_m, 0.0).max(axis=1)
    height_m = rng.uniform(-1.0, known[lift] + 1.0)
    height_m[::10] = plan.landings_m[lift, 0][::10]
    away_m = np.abs(plan.landings_m[lift] - height_m[:, np.newaxis])
    nearest, how_far_m = landings.nearest(lift, height_m)
    assert (nearest == np.argmin(away_m, axis=1)).all()
    assert (how_far_m == away_m.min(axis=1)).all()
    below = (plan.landings_m[lift] <= height_m[:, np.newaxis]).sum(axis=1) - 1
    assert (landings.below(lift, height_m) == np.maximum(below, 0)).all()
    above = (plan.landings_m[lift] < height_m[:, np.newaxis]).sum(axis=1)
    assert (landings.above(lift, height_m) == above).all()


def test_the_last_flag_depends_on_where_a_car_comes_from():
    landings = Landings(np.array([[0.0, 4.0, 7.0, 10.0]]))
    lift, between_m = np.zeros(2, "i8"), np.array([5.0, 5.0])
    assert last_flag(landings, lift, between_m, np.array([1, -1]), 0.15).tolist() == [1, 2]
    entering_m = np.array([6.9, 4.1])
    assert last_flag(landings, lift, entering_m, np.array([1, -1]), 0.15).tolist() == [2, 1]


def pieces(rng: np.random.Generator, cuts: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield calls of pieces in the order (lift, time): lift, condition, sign, begin."""
    for call in range(cuts):
        counts = rng.integers(0, 5, 4)
        lift = np.repeat(np.arange(4), counts)
        within = np.concatenate([np.arange(c) for c in counts]) if len(lift) else lift
        yield (
            lift, rng.integers(0, 2, len(lift)) == 1, rng.integers(-1, 2, len(lift)),
            call * 100 + within,
        )  # fmt: skip


def test_memory_is_that_of_a_loop():
    since, last = Since(4, -7, holds=True), LastWay(4)
    holds, began, way = [True] * 4, [-7] * 4, [1] * 4
    for lift, condition, sign, lo_us in pieces(np.random.default_rng(2), 40):
        want_since, want_way = [], []
        for row, so, s, lo in zip(lift, condition, sign, lo_us, strict=True):
            if so and not holds[row]:
                began[row] = lo
            holds[row] = so
            way[row] = s or way[row]
            want_since.append(began[row])
            want_way.append(way[row])
        assert since(lift, condition, lo_us).tolist() == want_since
        assert last(lift, sign).tolist() == want_way
