"""Scenario files: what they say is read, and what cannot be names file, line and remedy."""

import dataclasses
import re
from importlib.resources import files

import pytest

from simulator.faults.catalogue import ENTRAPPING, LOOK_ALIKES
from simulator.faults.causes import Cause
from simulator.faults.sensors import FAULT_RATES, LOOK_ALIKE_RATES
from simulator.scenarios.build import build
from simulator.scenarios.errors import ScenarioError
from simulator.scenarios.reader import load, names, read
from simulator.scenarios.values import DAY_US, spoken
from simulator.world.buildings import Presence, Terminal

S = 1_000_000
GOOD = """\
title = "Two people are trapped"
starts = "2026-03-24T08:30:00+08:00"
lasts = "5 min"

[fleet]
lifts = 3
escalators = 1
building = { housing = 3, office = 1 }
terminal = "coupled"
traffic = "50 %"
landings = 12
speed = "1.75 m/s"
lifts_per_building = 2

[[fleet.but]]
lifts = [2]
presence = "absent"
quiet = true

[[happens]]
at = "1 min 30 s"
lift = [1, 3]
what = "mains_cut"
people = 2
presses = ["5 s", "1 min"]
freed_after = "2 min"

[[power_cut]]
at = "2 min"
district = "Hankou"

[network]
like = "noisy"
duplicates = "2.5 %"
[[network.outage]]
lift = 1
from = "1 min"
to = "2 min"
[[network.clock]]
lift = 2
from = "30 s"
shows = "1970-01-01T00:00:00+00:00"

[[truth]]
what = "entrapment_between_landings"
lift = 1
between = ["90 s", "3 min"]

[[expect]]
alarm = "entrapment_between_landings"
lift = 1
between = ["100 s", "200 s"]
"""


def test_a_file_becomes_a_fleet():
    scenario = read(GOOD, "good.toml").scenario
    built = build(scenario)
    spec, network = built.fleet, built.network
    assert scenario.title == "Two people are trapped"
    assert built.start_us == 1_774_312_200 * S
    assert built.end_us - built.start_us == 300 * S
    assert (spec.n_lifts, spec.escalators, spec.rate_pct, spec.quiet) == (3, 1, 50, (1,))
    assert (spec.mix.housing, spec.mix.office, spec.mix.tower) == (3, 1, 0)
    assert (spec.mix.coupled, spec.mix.retrofit) == (1, 0)
    assert spec.terminals[0].presence is Presence.ABSENT
    assert spec.terminals[0].terminal is None
    assert {f.lift for f in spec.script} == {0, 2}
    fault = spec.script[0]
    assert fault.cause is Cause.MAINS_CUT
    assert fault.at_us == built.start_us + 90 * S
    assert (fault.people, fault.presses_us) == (2, (5 * S, 60 * S))
    assert fault.release_after_us == 120 * S
    assert spec.mass_events[0].district == "Hankou"
    assert (network.duplicate_ppm, network.reorder_ppm) == (25_000, 5_000)
    assert network.outages[0].to_us - network.outages[0].from_us == 60 * S
    assert network.clocks[0].from_us + network.clocks[0].offset_us == 0
    fleet = built.source().fleet
    assert fleet.plan.n_landings.tolist() == [12] * 3
    assert fleet.plan.rated_mps.tolist() == [1.75] * 3
    assert fleet.plan.building.tolist() == [0, 0, 1]
    assert fleet.plan.terminal.tolist() == [Terminal.COUPLED] * 3
    assert fleet.plan.presence[1] == Presence.ABSENT


def test_what_is_drawn_befalls_lifts_sensors_and_escalators():
    text = GOOD.replace("lifts = 3", "lifts = 100") + "[drawn]\n"
    nothing = build(read(text, "x.toml").scenario).fleet
    drawn = build(read(text + "faults_times = 300000\n", "x.toml").scenario).fleet
    seeming = build(read(text + "look_alikes_times = 300000\n", "x.toml").scenario).fleet
    scripted = len(nothing.script)
    assert (scripted, nothing.sensor_faults) == (2, ())
    causes = {f.cause for f in drawn.script[scripted:]}
    assert causes & set(ENTRAPPING)
    assert not causes & set(LOOK_ALIKES)
    assert any(f.lift >= 100 for f in drawn.script[scripted:])
    assert {f.what for f in drawn.sensor_faults} <= set(FAULT_RATES)
    assert {f.cause for f in seeming.script[scripted:]} & set(LOOK_ALIKES)
    assert {f.what for f in seeming.sensor_faults} <= set(LOOK_ALIKE_RATES)
    fleet = build(read(text + "faults_times = 300000\n", "x.toml").scenario).source().fleet
    fleet.frames_until(drawn.start_us + 300 * S)
    assert len(fleet.truth()) > 20


def test_a_start_can_be_given_instead():
    assert build(read(GOOD, "good.toml").scenario, 5 * S).start_us == 5 * S


def line_with(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


# what is exchanged in GOOD, by what; where the error is; what it says
BAD = [
    ('lasts = "5 min"', 'last = "5 min"', "last = ",
     'last is no key of the scenario: did you mean "lasts"?'),
    ('lasts = "5 min"\n', "", "title", "has no lasts: write lasts = "),
    ('lasts = "5 min"', "lasts = 300", "lasts", 'lasts is 300: write it with its unit, as "90 s"'),
    ('lasts = "5 min"', 'lasts = "5 minutes"', "lasts", 'lasts is "5 minutes": write it with'),
    ('lasts = "5 min"', 'lasts = "0 s"', "lasts", "write a duration from 1 s to "),
    ('lasts = "5 min"', 'lasts = "1.0005 s"', "lasts", "write whole milliseconds"),
    ('title = "Two people are trapped"', 'title = ""', "title", "write a sentence in quotes"),
    ("+08:00", "", "starts", "write it with its offset"),
    ("+08:00", "+05:30", "starts", "write an offset of whole hours"),
    ("lifts = 3", "lifts = 0", "lifts", "lifts is 0: write a whole number from 1 to 1000000"),
    ("lifts = 3", "lifts = 2.5", "lifts", "lifts is 2.5: write a whole number"),
    ("lifts = 3", "lifts = true", "lifts", "lifts is true: write a whole number"),
    ("lifts = 3", "lifts = 1", "lifts = [2]", "lifts is 2, and the fleet has 1: number from 1"),
    ("housing = 3", "hosing = 3", "hosing", 'hosing is no such name: did you mean "housing"?'),
    ("{ housing = 3, office = 1 }", "{ housing = 0 }", "building", "has no weight above 0"),
    ("{ housing = 3, office = 1 }", '"castle"', "building", 'building is "castle": known are'),
    ('"50 %"', '"50"', "traffic", 'traffic is "50": write a value from "0 %" to "2000 %"'),
    ("landings = 12", "landings = 0", "landings", "landings is 0: write a whole number from 2"),
    ("lifts_per_building = 2", "lifts_per_building = 9", "lifts_per_building", "from 1 to 8"),
    ('"1.75 m/s"', '"0 m/s"', "speed", 'speed is "0 m/s": write a value from "0.25 m/s" to'),
    ('"1.75 m/s"', '"1.8 m/s"', "speed", "write a multiple of 0.25 m/s"),
    ('"1.75 m/s"', "1.75", "speed", 'speed is 1.75: write a value from "0.25 m/s"'),
    ('presence = "absent"\nquiet = true\n', "", "[[fleet.but]]", "changes nothing: set"),
    ("[[fleet.but]]", "[fleet.but]", "[fleet.but]", "write it as [[fleet.but]]"),
    ("quiet = true", "quiet = 1", "quiet", "quiet is 1: write true or false"),
    ('"1 min 30 s"', '"1 h"', "at =", "at is not in the run, which lasts 5 min"),
    ("lift = [1, 3]", "lift = [1, 4]", "lift = [1, 4]", "lift is 4, and the fleet has 3"),
    ("lift = [1, 3]\n", "", "[[happens]]", "strikes nothing: write lift, escalator or walk"),
    ("lift = [1, 3]", "escalator = 1", "what", "what is mains_cut, a cause of lifts"),
    ("lift = [1, 3]", "walk = 1", "walk", "walk is 1, and the fleet has no walks"),
    ('"mains_cut"', '"mains_cutt"', "what", 'what is "mains_cutt": did you mean "mains_cut"?'),
    ('"mains_cut"', '"step_missing"', "what", "what is step_missing, a cause of escalators"),
    ('"mains_cut"', '"clock_wrong"', "what", "describe the clock in [[network.clock]]"),
    ("people = 2", "people = -1", "people =", "people is -1: write a whole number from 0 to 64"),
    ("people = 2", "peple = 2", "peple", 'peple is no key of [[happens]]: did you mean "people"?'),
    ("freed_after", "by_themselves = true#", "by_themselves", "says not when: write freed_after"),
    ('"Hankou"', '"Hankow"', "district", 'district is no district of the city: did you mean'),
    ('"2.5 %"', '"101 %"', "duplicates", 'write a share from "0 %" to "100 %"'),
    ('to = "2 min"', 'to = "1 min"', "to =", "to is not after from: exchange them"),
    ("shows = ", 'off_by = "3 h"\nshows = ', "[[network.clock]]", "needs one of off_by and shows"),
    ('["90 s", "3 min"]', '["3 min", "90 s"]', "between =", 'ends before it begins: write ["90 s"'),
    ('["90 s", "3 min"]', '["90 s"]', "between =", 'write two times, as ["40 s", "75 s"]'),
    ('["90 s", "3 min"]', '["9 min", "10 min"]', "between =", "between is not in the run"),
    ('what = "entrapment_between_landings"', 'what = "entrapment"', 'what = "entrapment"',
     'what is "entrapment": did you mean'),
    ('alarm = "entrapment_between_landings"', 'alarm = "overspeed"', 'alarm = "overspeed"',
     "alarm is overspeed, which no detector finds yet: state it under [[truth]] instead"),
    ('alarm = "entrapment_between_landings"', 'alarm = "step_missing"', "[[expect]]",
     "is about no one unit: write escalator or walk = <number> for step_missing"),
    ("100 s", "100 s", None, None),
    ("lifts = 3", "lifts = 3\nlifts = 4", "lifts = 4", "cannot overwrite a value"),
    ('title = "Two', "title = Two", "title", "invalid value: this is no valid TOML"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "at", "says"), BAD, ids=[f"{b[1]:.30}" for b in BAD])
def test_what_cannot_be_names_file_line_and_remedy(old, new, at, says):
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    found = {"entrapment_between_landings", "step_missing"}
    if at is None:
        read(text, "x.toml", found)
        return
    with pytest.raises(ScenarioError) as caught:
        read(text, "x.toml", found)
    where, _, what = str(caught.value).partition(": ")
    assert says in what
    assert where == f"x.toml:{line_with(text, at)}"
    assert "\n" not in what


def test_reversed_ends_and_what_lasts_on():
    for more, says in (
        ('ends_between = ["1 s", "2 s"]', "ends_between lies before between"),
        ('ends_between = ["4 min", "5 min"]\nstill_lasts = true', "contradicts ends_between"),
    ):
        with pytest.raises(ScenarioError, match=says):
            read(GOOD + more, "x.toml")


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(ScenarioError, match=r"none\.toml: No such file"):
        load(str(tmp_path / "none.toml"))
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"a = 1\nb = \xff")
    with pytest.raises(ScenarioError, match=r"binary\.toml:2: is no UTF-8"):
        load(str(binary))


def test_windows_line_ends_change_no_line(tmp_path):
    path = tmp_path / "windows.toml"
    path.write_bytes(GOOD.replace("\n", "\r\n").replace("people = 2", "people = 2.5").encode())
    with pytest.raises(
        ScenarioError, match=rf"windows\.toml:{line_with(GOOD, 'people =')}: people"
    ):
        load(str(path))


def test_an_unknown_name_says_the_nearest():
    with pytest.raises(ScenarioError, match='did you mean "mains-cut-with-rescue-device"'):
        load("mains-cut-with-rescue-devices")


def test_a_change_is_checked_again():
    wanted = read(GOOD, "x.toml")
    with pytest.raises(
        ScenarioError, match=r"x\.toml:\d+: at is not in the run, which lasts 1 min"
    ):
        wanted.changed(lambda s: dataclasses.replace(s, lasts_us=60 * S))


def test_durations_are_spoken_as_they_are_read():
    assert [spoken(us) for us in (90 * S, 120 * S, 7200 * S, DAY_US, 250_000, 0)] == [
        "90 s", "2 min", "2 h", "1 d", "0.25 s", "0 s",
    ]  # fmt: skip


def test_the_library_is_package_data():
    folder = files("simulator.scenarios") / "library"
    assert names() == sorted(p.name.removesuffix(".toml") for p in folder.iterdir())
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in names())
