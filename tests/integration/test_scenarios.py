"""The whole library through the detectors, and what it must cover.

Pure, yet it joins simulator and detectors, hence not among the unit tests. The same conditions are
judged against the running service in ``tests/acceptance/test_scenarios.py``.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from service.simulate.judging import judged, kinds_found
from simulator.faults.catalogue import ESCALATOR_LOOK_ALIKES, LOOK_ALIKES, MODES
from simulator.faults.causes import Cause
from simulator.scenarios.fleet_table import TERMINALS
from simulator.scenarios.judge import sentence
from simulator.scenarios.language import Scenario
from simulator.scenarios.reader import ScenarioFile, load, names
from telemetry.findings import FindingKind

BIG = {"city-weekday": (80, 40), "ordinary-life": (80, 40), "earthquake": (400, 20),
       "four-weeks": (40, 60)}  # fmt: skip
"""Scenarios for scale: lifts and minutes of their small runs here."""
LIBRARY = names()
MINUTE_US = 60_000_000


def scenarios() -> Iterator[Scenario]:
    return (load(name).scenario for name in LIBRARY)


def wanted(name: str) -> ScenarioFile:
    file = load(name, kinds_found())
    if name not in BIG:
        return file
    lifts, minutes = BIG[name]

    def smaller(scenario: Scenario) -> Scenario:
        fleet = replace(scenario.fleet, lifts=lifts, escalators=4, walks=0)
        lasts_us = minutes * MINUTE_US
        happens = tuple(one for one in scenario.happens if one.at_us < lasts_us)
        return replace(scenario, fleet=fleet, lasts_us=lasts_us, happens=happens)

    return file.changed(smaller, kinds_found())


@pytest.mark.parametrize("name", LIBRARY)
def test_it_happens_and_is_found_as_the_scenario_says(name):
    file = wanted(name)
    verdict = judged(file)
    assert [sentence(file, d) for d in verdict.differences] == []
    assert verdict.of_run["frames"] > 0


def test_there_are_enough_and_each_says_something():
    assert len(LIBRARY) >= 25
    titles = [scenario.title for scenario in scenarios()]
    assert len(set(titles)) == len(titles)
    for name in set(LIBRARY) - set(BIG):
        scenario = load(name).scenario
        said = scenario.truth or scenario.seems or scenario.expect or scenario.expect_each
        assert said or scenario.other_truth == "none", name


def test_the_big_ones_are_as_big_as_promised():
    city = load("city-weekday").scenario
    assert city.fleet.lifts == 10_000
    assert city.lasts_us == 24 * 60 * MINUTE_US
    assert (city.drawn.faults, city.drawn.look_alikes, city.network.like) == (200, 20, "field")
    assert load("earthquake").scenario.earthquakes


def test_every_cause_strikes_somewhere():
    struck = {one.what for scenario in scenarios() for one in scenario.happens}
    for scenario in scenarios():
        struck |= {Cause.CLOCK_WRONG} if scenario.network.clocks else set()
        struck |= {Cause.GATEWAY_OFFLINE} if scenario.network.outages else set()
        struck |= {Cause.ALARM_TEST} if scenario.fleet.alarm_tests_every_us else set()
        struck |= {Cause.AREA_POWER_CUT} if scenario.power_cuts else set()
    assert set(Cause) - struck == set()


def test_every_look_alike_is_recorded_somewhere():
    seen = {one.what for scenario in scenarios() for one in scenario.seems}
    assert {*LOOK_ALIKES, *ESCALATOR_LOOK_ALIKES, Cause.TERMINAL_REBOOT} - seen == set()
    assert {*MODES} <= {one.what for scenario in scenarios() for one in scenario.happens}


def test_every_kind_of_finding_is_true_somewhere():
    true = {one.what for scenario in scenarios() for one in scenario.truth}
    assert {kind.slug for kind in FindingKind} - true == set()


def test_every_kind_that_is_found_is_expected_somewhere():
    expected = {one.alarm for scenario in scenarios() for one in scenario.expect}
    assert kinds_found() - expected == set()


def test_every_terminal_and_every_trouble_of_the_network_is_somewhere():
    fleets = [scenario.fleet for scenario in scenarios()]
    terminals = {t for fleet in fleets for t in fleet.terminal or {}}
    terminals |= {b.terminal for fleet in fleets for b in fleet.but if b.terminal}
    assert set(TERMINALS) - terminals == set()
    networks = [scenario.network for scenario in scenarios()]
    assert any(n.outages for n in networks)
    assert any(n.clocks for n in networks)
    assert any(n.restarts for n in networks)
    assert any(n.duplicate_ppm for n in networks)
    assert any(n.reorder_ppm for n in networks)
    assert any(n.broken_ppm for n in networks)
