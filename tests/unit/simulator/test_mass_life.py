"""Mass events as a fleet lives them: proportions, people, recovery, and truth beside frames."""

from collections.abc import Iterator

import numpy as np
import pytest

from simulator.faults.mass import Earthquake, MassEvent, PowerCut, Rescue
from simulator.fleet import Fleet, FleetSpec
from simulator.frames import MISSING, Frames
from simulator.geography import City
from simulator.terminals.sensors import Cadence
from simulator.truth import TruthEvent
from simulator.world.buildings import Mix
from telemetry.columns import Door, Mode, Power
from telemetry.findings import FINDINGS, FindingKind

EIGHT_US = 1_774_310_400_000_000
"""08:00 of a Tuesday at UTC+8."""
MINUTE_US = 60_000_000
AT_US = EIGHT_US + 10 * MINUTE_US
LIFTS = 900
CITY = City(("North", "South"), 4)


class Lived:
    """A city through a mass event: frames of coupled terminals, and counts of people."""

    def __init__(self, event: MassEvent, minutes: int) -> None:
        spec = FleetSpec(
            EIGHT_US, LIFTS, escalators=4, city=CITY, mass_events=(event,),
            mix=Mix(tower=0, coupled=1, retrofit=0, barometric=0, pir=0),
            cadence=Cadence(10_000_000, MINUTE_US),
        )  # fmt: skip
        self.fleet = Fleet(spec, 5)
        self.people: list[dict[str, int]] = []
        parts = []
        for k in range(minutes // 10):
            parts.append(self.fleet.frames_until(EIGHT_US + (k + 1) * 10 * MINUTE_US))
            self.people.append(self.fleet.people())
        self.frames = Frames.concat(parts)
        self.truth = self.fleet.truth()
        self.trapped = [e for e in self.truth if FINDINGS[e.kind].family == "entrapment"]
        self.north = np.flatnonzero(self.fleet.geography.district[:LIFTS] == 0)

    def last(self, column: str, before_us: int) -> np.ndarray:
        """Return what each lift told last before an instant."""
        told = self.frames["time_us"] < before_us
        values = np.full(len(self.fleet.codes), MISSING)
        values[self.frames["lift"][told]] = self.frames[column][told]
        return values[:LIFTS]


@pytest.fixture(scope="module")
def quake() -> Lived:
    event = Earthquake(
        AT_US, {"North": 7}, mechanics=60, mechanics_come_minutes=10, reset_minutes=(4, 6)
    )
    return Lived(event, 120)


@pytest.fixture(scope="module")
def cut() -> Lived:
    return Lived(PowerCut(AT_US, "North", minutes=(45, 50), rescue=Rescue(10)), 140)


@pytest.fixture(params=["quake", "cut"])
def lived(request) -> Iterator[Lived]:
    return request.getfixturevalue(request.param)


def test_all_lifts_of_the_district_stop_and_no_other(quake):
    mode = quake.last("mode", AT_US + 3 * MINUTE_US)
    assert set(np.flatnonzero(mode == Mode.SEISMIC)) == set(quake.north)
    car = quake.last("car", AT_US + 3 * MINUTE_US)
    assert (car[quake.north] == 0).all()


def test_a_few_of_those_that_stop_hold_people(quake):
    # 346 of 63,000 in Osaka in 2018, 0.55 %, at about a quarter of the trips of this intensity
    assert 0.003 < len(quake.trapped) / len(quake.north) < 0.06
    assert {e.lift for e in quake.trapped} <= set(quake.north.tolist())
    assert {e.cause for e in quake.truth} == {"earthquake"}


def test_a_power_cut_holds_those_who_ride(cut):
    before = cut.last("car", AT_US)[cut.north] == 1
    rode = cut.last("passenger", AT_US)[cut.north] > 0
    assert len(cut.trapped) == pytest.approx((before & rode).sum(), rel=0.5)


def test_nobody_gets_lost(lived):
    for people in lived.people:
        gone = people["left"] + people["walked"]
        assert people["arrived"] == gone + people["waiting"] + people["riding"]


def test_recovery_is_complete(lived):
    end_us = lived.fleet.now_us
    assert all(e.end_us is not None for e in lived.truth)
    assert (lived.last("mode", end_us) == Mode.NORMAL).all()
    assert (lived.last("power", end_us) == Power.MAINS).all()
    assert (lived.last("safety_circuit", end_us) == 1).all()
    late = lived.frames.take(lived.frames["time_us"] > end_us - 20 * MINUTE_US)
    runs = np.unique(late["lift"][late["car"] == 1])
    assert np.isin(lived.north, runs).mean() > 0.9


def test_people_trapped_wait_for_a_team_or_for_the_mains(quake, cut):
    for event in quake.trapped:
        assert not event.self_released
        assert event.end_us - event.onset_us > 5 * MINUTE_US
    by = {
        released: [e for e in cut.trapped if e.self_released is released]
        for released in (False, True)
    }
    assert by[False]
    assert by[True]
    quick = [e for e in by[True] if e.end_us - e.onset_us < MINUTE_US]
    assert 0.1 < len(quick) / len(cut.trapped) < 0.5, "those with a rescue device"


def test_frames_show_what_truth_says(lived):
    for event in lived.trapped:
        own = _during(lived.frames, event)
        assert not np.isin(own["door"], [Door.OPEN]).any()
        assert own["time_us"][0] == event.onset_us
        assert (own["car"][0], own["passenger"][0] > 0) == (0, True)
        assert own["zone"][0] == (event.kind is FindingKind.ENTRAPMENT_AT_LANDING)


@pytest.mark.parametrize(
    ("name", "kind", "column", "value"),
    [
        ("cut", FindingKind.MAINS_OFF, "power", Power.BATTERY),
        ("quake", FindingKind.SAFETY_CIRCUIT_OPEN, "safety_circuit", 0),
    ],
)
def test_truth_lasts_as_long_as_the_column_shows_it(name, kind, column, value, request):
    lived = request.getfixturevalue(name)
    events = [e for e in lived.truth if e.kind is kind]
    assert events
    shown = lived.frames.take(lived.frames[column] == value)
    assert {e.lift for e in events} == set(shown["lift"].tolist())
    for event in events:
        own = shown["time_us"][shown["lift"] == event.lift]
        assert own[0] == event.onset_us
        assert own[-1] < event.end_us
        assert (_during(lived.frames, event)[column] == value).all()


def test_escalators_of_the_feeder_stand_as_well(cut):
    stairs = np.arange(LIFTS, LIFTS + 4)
    struck = stairs[cut.fleet.geography.district[stairs] == 0]
    assert {e.lift for e in cut.truth if e.lift >= LIFTS} == set(struck.tolist())


def _during(frames: Frames, event: TruthEvent) -> Frames:
    t_us = frames["time_us"]
    return frames.take(
        (frames["lift"] == event.lift) & (t_us >= event.onset_us) & (t_us < event.end_us)
    )
