"""Whether a scenario can be: its units exist, its times lie in the run, its conditions can be met.

The form of values is checked while they are read; this is about how they fit each other. Raises
``Problem`` with the path of the culprit. Which kinds have a detector is told by the caller, as the
simulator knows no detectors.
"""

from collections.abc import Collection
from typing import Final, Protocol

from simulator.faults.catalogue import ESCALATOR_CAUSES, ESCALATOR_LOOK_ALIKES, SENSOR_CAUSES
from simulator.faults.causes import Cause
from simulator.geography import DISTRICTS
from simulator.scenarios.conditions import Expectation, TruthEntry
from simulator.scenarios.errors import Problem
from simulator.scenarios.fleet_table import FleetTable
from simulator.scenarios.language import Happening, Scenario
from simulator.scenarios.lines import Path
from simulator.scenarios.values import nearest, spoken
from telemetry.findings import FINDINGS, FindingKind

_UNITS: Final = ("lift", "escalator", "walk")
_OF_ANY: Final = frozenset((FindingKind.MAINS_OFF, *range(30, 50)))
"""Kinds that lifts and escalators have: mains, and those of terminals and sensors."""
_OF_STAIRS: Final = range(50, 60)
_CAN_STRIKE_STAIRS: Final = frozenset(
    (*ESCALATOR_CAUSES, *ESCALATOR_LOOK_ALIKES, *SENSOR_CAUSES, Cause.AREA_POWER_CUT)
)
_STRIKES_STAIRS_ALONE: Final = frozenset((*ESCALATOR_CAUSES, *ESCALATOR_LOOK_ALIKES)) - {
    Cause.INSPECTION
}


class Located(Protocol):
    """An entry about one unit."""

    @property
    def path(self) -> Path:
        """Where it stands."""
        ...

    @property
    def lift(self) -> int | None:
        """Number of the lift."""
        ...

    @property
    def escalator(self) -> int | None:
        """Number of the escalator."""
        ...

    @property
    def walk(self) -> int | None:
        """Number of the moving walk."""
        ...


def check(scenario: Scenario, found: Collection[str] | None = None) -> None:
    """Raise ``Problem`` for the first thing that cannot be.

    Parameters
    ----------
    scenario
        What was read.
    found
        Kinds (slugs) that a detector finds; ``None`` = any may be expected as alarms.
    """
    _check_fleet(scenario.fleet)
    for one in scenario.happens:
        _check_happening(one, scenario)
    _check_mass(scenario)
    _check_network(scenario)
    for truth in scenario.truth:
        _check_truth(truth, scenario)
    for seems in scenario.seems:
        _check_unit(seems, seems.what, _UNITS, scenario.fleet)
        _check_in_run(seems.between_us[0], scenario, (*seems.path, "between"))
    for expected in scenario.expect:
        _check_expectation(expected, scenario)
        _check_detector(expected.alarm, found, (*expected.path, "alarm"))
    for each in scenario.expect_each:
        for kind in each.kinds:
            _check_detector(kind, found, (*each.path, "truth"))


def unit_of(entry: Located, fleet: FleetTable) -> int:
    """Return the index in the fleet of the unit that an entry is about: lifts come first."""
    if entry.lift is not None:
        return entry.lift - 1
    if entry.escalator is not None:
        return fleet.lifts + entry.escalator - 1
    return fleet.lifts + fleet.escalators + (entry.walk or 1) - 1


def units_of(one: Happening, fleet: FleetTable) -> list[int]:
    """Return the indices of the units that something happens to."""
    stairs = [fleet.lifts + n - 1 for n in one.escalators]
    walks = [fleet.lifts + fleet.escalators + n - 1 for n in one.walks]
    return [*(n - 1 for n in one.lifts), *stairs, *walks]


def _check_number(number: int, count: int, word: str, path: Path) -> None:
    if number <= count:
        return
    there = f"the fleet has {count}" if count else f"the fleet has no {word}s"
    raise Problem(path, f"is {number}, and {there}: number from 1, or set {word}s in [fleet]")


def _check_in_run(t_us: int, scenario: Scenario, path: Path) -> None:
    if t_us >= scenario.lasts_us:
        lasts = spoken(scenario.lasts_us)
        raise Problem(path, f"is not in the run, which lasts {lasts}: name earlier times")


def _check_fleet(fleet: FleetTable) -> None:
    for one in fleet.but:
        for number in one.lifts:
            _check_number(number, fleet.lifts, "lift", (*one.path, "lifts"))
        if one.terminal is None and one.presence is None and not one.quiet:
            raise Problem(one.path, "changes nothing: set terminal, presence or quiet")


def _check_happening(one: Happening, scenario: Scenario) -> None:
    fleet = scenario.fleet
    for numbers, count, word in (
        (one.lifts, fleet.lifts, "lift"),
        (one.escalators, fleet.escalators, "escalator"),
        (one.walks, fleet.walks, "walk"),
    ):
        for number in numbers:
            _check_number(number, count, word, (*one.path, word))
    if not (one.lifts or one.escalators or one.walks):
        raise Problem(one.path, "strikes nothing: write lift, escalator or walk = <number>")
    _check_in_run(one.at_us, scenario, (*one.path, "at"))
    stairs = bool(one.escalators or one.walks)
    if stairs and one.what not in _CAN_STRIKE_STAIRS:
        raise Problem(
            (*one.path, "what"), f"is {one.what}, a cause of lifts: write lift = <number>"
        )
    if one.lifts and one.what in _STRIKES_STAIRS_ALONE:
        remedy = "write escalator or walk = <number>"
        raise Problem((*one.path, "what"), f"is {one.what}, a cause of escalators: {remedy}")
    if one.what is Cause.CLOCK_WRONG:
        remedy = "describe the clock in [[network.clock]]"
        raise Problem((*one.path, "what"), f"is {one.what}, made by the network: {remedy}")
    if one.what is Cause.GATEWAY_OFFLINE:
        remedy = "describe the outage in [[network.outage]]"
        raise Problem((*one.path, "what"), f"is {one.what}, made by the network: {remedy}")
    if one.what is Cause.ALARM_TEST:
        remedy = "set alarm_tests_every in [fleet]"
        raise Problem((*one.path, "what"), f"is {one.what}, made by terminals: {remedy}")
    if one.self_freed and one.freed_us is None:
        raise Problem((*one.path, "by_themselves"), "says not when: write freed_after too")


def _check_mass(scenario: Scenario) -> None:
    districts = scenario.fleet.districts or DISTRICTS
    if len(set(districts)) < len(districts):
        raise Problem((*scenario.fleet.path, "districts"), "has a name twice: leave one out")
    for cut in scenario.power_cuts:
        _check_in_run(cut.at_us, scenario, (*cut.path, "at"))
        if cut.district and cut.district not in districts:
            remedy = nearest(cut.district, districts)
            raise Problem((*cut.path, "district"), f"is no district of the city: {remedy}")
    for quake in scenario.earthquakes:
        _check_in_run(quake.at_us, scenario, (*quake.path, "at"))
        for name in quake.intensity or ():
            if name not in districts:
                remedy = nearest(name, districts)
                raise Problem((*quake.path, "intensity", name), f"is no district: {remedy}")


def _check_network(scenario: Scenario) -> None:
    network, lifts = scenario.network, scenario.fleet.lifts
    for one in (*network.outages, *network.clocks, *network.restarts):
        _check_number(one.lift, lifts, "lift", (*one.path, "lift"))
    for span in (*network.outages, *network.clocks):
        if span.to_us is not None and span.to_us <= span.from_us:
            raise Problem((*span.path, "to"), "is not after from: exchange them")
    for clock in network.clocks:
        if (clock.off_us is None) == (clock.shows is None):
            raise Problem(clock.path, "needs one of off_by and shows: write exactly one")


def _check_truth(one: TruthEntry, scenario: Scenario) -> None:
    _check_unit(one, one.what, _units_of_kind(one.what), scenario.fleet)
    _check_in_run(one.between_us[0], scenario, (*one.path, "between"))
    _check_end(one, one.between_us, scenario)


def _check_expectation(one: Expectation, scenario: Scenario) -> None:
    _check_unit(one, one.alarm, _units_of_kind(one.alarm), scenario.fleet)
    for name, span_us in (("between", one.between_us), ("known_between", one.known_us)):
        if span_us is not None:
            _check_in_run(span_us[0], scenario, (*one.path, name))
    if one.between_us is None and one.known_us is None:
        raise Problem(one.path, "says not when: write between or known_between")
    if one.ends_us is not None and not _ends_by_itself(one.alarm):
        remedy = "leave it out, a person ends this alarm"
        raise Problem((*one.path, "ends_between"), f"cannot be of {one.alarm}: {remedy}")
    _check_end(one, one.between_us or (0, 0), scenario)


def _check_end(
    one: TruthEntry | Expectation, between_us: tuple[int, int], scenario: Scenario
) -> None:
    if one.ends_us is None:
        return
    if one.lasts_on:
        raise Problem((*one.path, "still_lasts"), "contradicts ends_between: leave one out")
    if one.ends_us[1] < between_us[0]:
        remedy = "name a time after between"
        raise Problem((*one.path, "ends_between"), f"lies before between: {remedy}")
    _check_in_run(one.ends_us[0], scenario, (*one.path, "ends_between"))


def _units_of_kind(kind: str) -> tuple[str, ...]:
    number = FindingKind[kind.upper()]
    if number in _OF_ANY:
        return _UNITS
    return _UNITS[1:] if number in _OF_STAIRS else _UNITS[:1]


def _check_unit(one: Located, what: str, allowed: tuple[str, ...], fleet: FleetTable) -> None:
    given = [w for w in _UNITS if getattr(one, w) is not None]
    if len(given) != 1 or given[0] not in allowed:
        wanted = " or ".join(allowed)
        raise Problem(one.path, f"is about no one unit: write {wanted} = <number> for {what}")
    count = {"lift": fleet.lifts, "escalator": fleet.escalators, "walk": fleet.walks}[given[0]]
    _check_number(getattr(one, given[0]), count, given[0], (*one.path, given[0]))


def _ends_by_itself(kind: str) -> bool:
    return FINDINGS[FindingKind[kind.upper()]].ends_with_finding


def _check_detector(kind: str, found: Collection[str] | None, path: Path) -> None:
    if found is not None and kind not in found:
        remedy = "state it under [[truth]] instead"
        raise Problem(path, f"is {kind}, which no detector finds yet: {remedy}")
