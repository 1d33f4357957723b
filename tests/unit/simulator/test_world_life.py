"""Ordinary life in all kinds of buildings: what holds at every instant, and who is served how."""

from itertools import count

import numpy as np
import pytest

from simulator.faults.catalogue import Fault
from simulator.faults.causes import Cause
from simulator.fleet import Fleet, FleetSpec
from simulator.world import dispatch
from simulator.world.buildings import Building, Mix, draw_plan
from simulator.world.cars import LEVELLING_UM, RELEVELLING_MPS, SAG_UM
from simulator.world.dispatch import Offers, time_to_come_us
from simulator.world.people import PLACES, Person
from simulator.world.state import DOOR, FIELDS, RUNNING, Phase, kinematics
from simulator.world.traffic import HOUR_US
from simulator.world.world import World
from telemetry.columns import Door

SECOND_US = 1_000_000
MIDNIGHT_US = 1_774_281_600_000_000
"""Tuesday, 24 March 2026, 00:00 at UTC+8."""
OFF_M = (SAG_UM[1] + LEVELLING_UM) / 1e6
RUSH_HOUR = {
    Building.HOUSING: 17, Building.OFFICE: 9, Building.TOWER: 12, Building.HOSPITAL: 9,
    Building.SHOP: 18, Building.METRO: 8,
}  # fmt: skip


def only(kind: Building) -> Mix:
    return Mix(**{b.name.lower(): int(b is kind) for b in Building})


def world_at(kind: Building, hour: float, seed: int = 1, n_lifts: int = 24, **more) -> World:
    plan = draw_plan(n_lifts, seed, only(kind))
    return World(plan, seed, MIDNIGHT_US + int(hour * HOUR_US), **more)


class Lived:
    """A world of one kind of building in its rush hour, and all pieces of its life."""

    def __init__(self, kind: Building) -> None:
        self.kind = kind
        self.world = world_at(kind, RUSH_HOUR[kind])
        self.start_us = self.world.now_us
        self.cuts: list[dict[str, int]] = []
        parts = []
        for k in range(40):
            parts += self.world.advance(self.start_us + (k + 1) * 37 * SECOND_US)
            self.cuts.append(census(self.world))
        names = (*FIELDS, "lift", "lo_us", "hi_us")
        self.pieces = {n: np.concatenate([p[n] for p in parts]) for n in names}
        order = np.lexsort((self.pieces["lo_us"], self.pieces["lift"]))
        self.pieces = {n: v[order] for n, v in self.pieces.items()}

    def sampled(self, every_us: int = 200_000):
        """Return pieces and instants, several in each."""
        p = self.pieces
        times = np.maximum((p["hi_us"] - p["lo_us"]) // every_us, 1)
        of = np.repeat(np.arange(len(times)), times)
        nth = np.arange(len(of)) - np.repeat(np.cumsum(times) - times, times)
        return {n: v[of] for n, v in p.items()}, p["lo_us"][of] + nth * every_us


def census(world: World) -> dict[str, int]:
    people = world.cars.people
    return {
        "arrived": int(people.arrived.sum()),
        "left": int(people.left.sum()),
        "walked": int(people.walked.sum()),
        "waiting": int((people.doing == Person.WAITING).sum()),
        "riding": int((people.doing == Person.RIDING).sum()),
    }


def mean_wait_s(world: World) -> float:
    people = world.cars.people
    return float(people.waited_us.sum() / people.boarded.sum() / SECOND_US)


@pytest.fixture(scope="module", params=list(Building), ids=lambda kind: kind.name)
def lived(request) -> Lived:
    return Lived(request.param)


def test_pieces_touch_and_never_overlap(lived):
    p = lived.pieces
    same = p["lift"][1:] == p["lift"][:-1]
    assert (p["lo_us"][1:][same] == p["hi_us"][:-1][same]).all()
    assert (p["lo_us"] <= p["hi_us"]).all()
    assert (p["lo_us"][np.r_[True, ~same]] == lived.start_us).all()
    assert (p["hi_us"][np.r_[~same, True]] == lived.world.now_us).all()


def test_cars_stay_in_their_shafts_within_their_limits(lived):
    p, t_us = lived.sampled()
    plan, lift = lived.world.plan, p["lift"]
    height_m, speed_mps, acceleration = kinematics(p, t_us)
    top_m = plan.landings_m[lift, plan.n_landings[lift] - 1]
    assert (height_m >= -OFF_M).all()
    assert (height_m <= top_m + OFF_M).all()
    assert (np.abs(speed_mps) <= plan.rated_mps[lift] + 1e-9).all()
    assert (np.abs(acceleration) <= plan.acceleration_mps2[lift] + 1e-9).all()
    moving = RUNNING[p["phase"]] | (p["phase"] == Phase.RELEVELLING)
    assert (speed_mps[~moving] == 0).all()


def test_no_trip_overshoots_and_each_ends_at_its_landing(lived):
    p, t_us = lived.sampled()
    running = p["phase"] == Phase.MOVING
    way_m = np.abs(kinematics(p, t_us)[0] - p["height_m"])
    assert (way_m[running] <= p["distance_m"][running] + 1e-9).all()
    plan, q = lived.world.plan, lived.pieces
    off_m = np.abs(q["height_m"] - plan.landings_m[q["lift"], q["floor"]])
    arrived = q["phase"] == Phase.ARRIVED
    assert arrived.sum() > 100
    assert off_m[arrived].max() <= LEVELLING_UM / 1e6 + 1e-9
    assert off_m[arrived].max() > LEVELLING_UM / 2e6


def test_doors_are_closed_while_the_car_runs(lived):
    p, t_us = lived.sampled()
    ajar = DOOR[p["phase"]] != Door.CLOSED
    height_m, speed_mps, _ = kinematics(p, t_us)
    assert not (ajar & RUNNING[p["phase"]]).any()
    assert lived.world.plan.in_zone(p["lift"][ajar], height_m[ajar]).all()
    levels = p["phase"] == Phase.RELEVELLING
    assert (speed_mps[ajar & ~levels] == 0).all()
    assert (np.abs(speed_mps[levels]) <= RELEVELLING_MPS + 1e-9).all()


def test_some_stops_are_relevelled_with_open_doors(lived):
    phase = lived.pieces["phase"]
    stops, levels = ((phase == which).sum() for which in (Phase.ARRIVED, Phase.RELEVELLING))
    assert 0.005 < levels / stops < 0.12
    begun = lived.pieces["distance_m"][phase == Phase.RELEVELLING]
    assert begun.min() >= (SAG_UM[0] - 2 * LEVELLING_UM) / 1e6
    assert begun.max() <= (SAG_UM[1] + 2 * LEVELLING_UM) / 1e6


def test_heights_go_on_from_piece_to_piece(lived):
    p = lived.pieces
    end_m, begin_m = kinematics(p, p["hi_us"])[0], kinematics(p, p["lo_us"])[0]
    same = p["lift"][1:] == p["lift"][:-1]
    jump_m = np.abs(begin_m[1:] - end_m[:-1])[same]
    sags = (p["phase"][1:] == Phase.RELEVELLING)[same]
    # a trip ends at the next whole ms
    assert jump_m[~sags].max() < 1e-5
    assert jump_m[sags].max() <= SAG_UM[1] / 1e6 + 1e-9


def test_counters_grow_and_nobody_is_one_too_many(lived):
    p = lived.pieces
    same = p["lift"][1:] == p["lift"][:-1]
    for counter in ("runs", "door_cycles", "travelled_m", "running_us"):
        assert (np.diff(p[counter])[same] >= 0).all(), counter
        assert p[counter].max() > 0
    assert (p["riders"] >= 0).all()
    assert (p["riders"] <= lived.world.plan.capacity[p["lift"]]).all()
    assert p["riders"].max() > 1


def test_people_are_conserved_at_every_cut(lived):
    for c in lived.cuts:
        assert c["arrived"] == c["left"] + c["walked"] + c["waiting"] + c["riding"]
    assert lived.cuts[-1]["left"] > 20


def test_nobody_starves_in_ordinary_traffic(lived):
    assert census(lived.world)["walked"] == 0
    longest_s = lived.world.cars.people.longest_us.max() / SECOND_US
    trip_s = 300 if lived.kind is Building.TOWER else 60
    assert longest_s < 8 * trip_s
    assert mean_wait_s(lived.world) < trip_s


@pytest.mark.parametrize(
    ("kind", "closes"), [(Building.SHOP, 23), (Building.TOWER, 22), (Building.METRO, 24)]
)
def test_everybody_is_served_when_no_more_come(kind, closes):
    world = world_at(kind, closes - 0.5, rate_pct=400)
    world.advance(MIDNIGHT_US + closes * HOUR_US)
    assert census(world)["arrived"] > 10
    world.advance(world.now_us + 1200 * SECOND_US)
    counted = census(world)
    assert counted["waiting"] == counted["riding"] == 0
    assert counted["arrived"] == counted["left"] + counted["walked"]
    assert (world.cars.state["phase"] == Phase.IDLE).all()


def test_groups_have_one_to_eight_lifts_of_one_kind():
    plan = draw_plan(2_000, 3)
    sizes = np.bincount(plan.building)
    assert set(sizes[:-1].tolist()) - {0} >= {1, 2, 3, 4, 6, 8}
    assert sizes.max() == 8
    for name in ("kind", "rated_mps", "n_landings", "capacity"):
        values = getattr(plan, name)
        first = np.r_[True, plan.building[1:] != plan.building[:-1]]
        assert (values == values[first][np.cumsum(first) - 1]).all(), name
    assert plan.capacity.max() < PLACES


def round_robin():
    turn = count()

    def cost(offers: Offers) -> np.ndarray:
        return (offers.lift + next(turn)) % 8

    return cost


@pytest.mark.parametrize("hour", [9, 12, 18])
def test_people_wait_less_than_if_lifts_took_turns(hour):
    def wait_s(cost) -> float:
        world = world_at(Building.OFFICE, hour, n_lifts=80, cost=cost)
        world.advance(world.now_us + 1800 * SECOND_US)
        return mean_wait_s(world)

    assert wait_s(time_to_come_us) < 0.8 * wait_s(round_robin())


def offers(**given) -> Offers:
    usual = {
        "lift": 0, "floor": 0, "free_us": 0, "heading": 1, "ahead": 0, "behind": 0, "load": 1,
        "capacity": 8, "per_landing_us": 1_000_000, "origin": 0, "goes_up": True, "people": 1,
    }  # fmt: skip
    return Offers(**{n: np.array([v]) for n, v in (usual | given).items()})


@pytest.mark.parametrize(
    ("given", "landings"),
    [
        ({"load": 0, "floor": 7, "origin": 3, "goes_up": False}, 4),
        ({"floor": 2, "origin": 5, "ahead": 6}, 3),
        # it goes up to 8 first, then down to the call
        ({"floor": 2, "origin": 5, "ahead": 6, "goes_up": False}, 6 + 3),
        # up to 8, down to 1, up to 2
        ({"floor": 4, "origin": 2, "ahead": 4, "behind": 3}, 4 + 7 + 1),
        ({"floor": 4, "origin": 2, "heading": -1, "ahead": 1, "goes_up": False}, 2),
    ],
)
def test_the_way_to_a_call_is_that_of_collective_control(given, landings):
    own = given.get("load", 1) * dispatch.STOP_US
    assert time_to_come_us(offers(**given))[0] == landings * SECOND_US + own


def test_a_full_car_is_the_last_choice():
    assert time_to_come_us(offers(load=8))[0] > time_to_come_us(offers(load=7, floor=20))[0]


def group(plan, size: int) -> np.ndarray:
    sizes = np.bincount(plan.building)
    return np.flatnonzero(sizes[plan.building] == size)[:size]


def test_a_quiet_lift_takes_no_part_in_its_group():
    spec = FleetSpec(MIDNIGHT_US + 9 * HOUR_US, 40, mix=only(Building.OFFICE))
    lifts = group(Fleet(spec, 1).plan, 4)
    quiet = int(lifts[1])
    fault = Fault(quiet, Cause.PARKED_RIDER, spec.start_us + 60 * SECOND_US)
    world = World(
        Fleet(spec, 1).plan, 1, spec.start_us, [fault],
        np.where(np.arange(40) == quiet, 0, 100),
    )  # fmt: skip
    world.advance(spec.start_us + 1200 * SECOND_US)
    assert world.cars.people.arrived[quiet] == 1
    assert world.cars.people.left[quiet] == 1
    assert (world.cars.people.arrived[np.delete(lifts, 1)] > 5).all()


@pytest.mark.parametrize("cause", [Cause.OUT_OF_SERVICE, Cause.AREA_POWER_CUT])
def test_people_of_a_lift_that_stops_serving_go_to_another(cause):
    plan = draw_plan(40, 1, only(Building.OFFICE))
    start_us = MIDNIGHT_US + 9 * HOUR_US
    dead = int(group(plan, 4)[0])
    fault = Fault(dead, cause, start_us + 300 * SECOND_US, lasts_us=HOUR_US)
    world = World(plan, 1, start_us, [fault])
    world.advance(start_us + 500 * SECOND_US)
    before = world.cars.people.boarded.copy()
    assert before[dead] > 0
    world.advance(start_us + 1200 * SECOND_US)
    people = world.cars.people
    assert people.boarded[dead] == before[dead]
    assert not people.callers(np.array([dead])).any()
    assert people.walked.sum() == 0


def test_where_no_lift_serves_people_take_the_stairs():
    plan = draw_plan(40, 1, only(Building.SHOP))
    start_us = MIDNIGHT_US + 18 * HOUR_US
    cut = [Fault(i, Cause.AREA_POWER_CUT, start_us + 300 * SECOND_US, lasts_us=HOUR_US)
           for i in range(40)]  # fmt: skip
    world = World(plan, 1, start_us, cut)
    world.advance(start_us + 600 * SECOND_US)
    counted = census(world)
    assert counted["walked"] > 20
    assert counted["waiting"] == 0
    assert counted["arrived"] == counted["left"] + counted["walked"] + counted["riding"]


def test_the_life_of_groups_does_not_depend_on_the_steps():
    def end(step_us: int) -> list[object]:
        world = world_at(Building.OFFICE, 9, rate_pct=200)
        until_us = world.now_us + 300 * SECOND_US
        while world.now_us < until_us:
            world.advance(min(world.now_us + step_us, until_us))
        people, state = world.cars.people, world.cars.state
        names = ("phase", "floor", "height_m", "riders", "runs", "travelled_m")
        return [
            *(state[n].tolist() for n in names), people.waited_us.tolist(),
            people.doing.tolist(), census(world),
        ]  # fmt: skip

    whole = end(300 * SECOND_US)
    assert end(1_700_003) == whole
    assert end(60 * SECOND_US) == whole
