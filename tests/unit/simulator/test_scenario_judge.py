"""The judge on hand-made runs: alarms early, late, missing, extra, of a wrong lift; false truth."""

from dataclasses import replace

import pytest

from simulator.scenarios.judge import Differs, Happened, RaisedAlarm, judge, sentence
from simulator.scenarios.reader import ScenarioFile, read
from simulator.truth import LookAlike, TruthEvent
from telemetry.findings import FindingKind

S = 1_000_000
START = 1_774_314_000 * S
BETWEEN = FindingKind.ENTRAPMENT_BETWEEN_LANDINGS
LANDING = FindingKind.ENTRAPMENT_AT_LANDING
HEAD = """\
title = "A test"
lasts = "10 min"
[fleet]
lifts = 3
escalators = 2
"""
EXPECT = """
[[expect]]
alarm = "entrapment_between_landings"
lift = 2
between = ["100 s", "140 s"]
"""
TRUTH = """
[[truth]]
what = "entrapment_between_landings"
lift = 2
between = ["90 s", "110 s"]
people = 2
because_of = "mains_cut"
ends_between = ["200 s", "300 s"]
"""


def wanted(*parts: str) -> ScenarioFile:
    return read(HEAD + "".join(parts), "t.toml")


def alarm(at_s=120.0, kind=BETWEEN, unit=1, onset_s=None, ended_s=None) -> RaisedAlarm:
    def us(s):
        return START + round(s * S)

    onset_us = us(at_s - 30 if onset_s is None else onset_s)
    return RaisedAlarm(unit, kind, us(at_s), onset_us, None if ended_s is None else us(ended_s))


def event(at_s=100, end_s: int | None = 250, unit=1, kind=BETWEEN, people=2, cause="mains_cut"):
    end_us = None if end_s is None else START + end_s * S
    return TruthEvent(unit, f"L{unit}", kind, cause, START + at_s * S, people, end_us)


def run(*alarms, truth=(), look_alikes=()) -> Happened:
    return Happened(START, START + 600 * S, alarms, truth, look_alikes)


def differs(file: ScenarioFile, happened: Happened) -> list[Differs]:
    return [d.how for d in judge(file, happened)]


def test_an_alarm_in_time_passes():
    assert judge(wanted(EXPECT), run(alarm())) == []
    assert judge(wanted(EXPECT), run(alarm(100))) == []
    assert judge(wanted(EXPECT), run(alarm(140))) == []


@pytest.mark.parametrize(
    ("alarms", "how", "says"),
    [
        ((), [Differs.MISSING], "on lift 2 was not raised between 100 s and 140 s"),
        ((alarm(99.9),), [Differs.TOO_EARLY], "was raised at 99.9 s, not between"),
        ((alarm(141),), [Differs.TOO_LATE], "was raised at 141 s, not between"),
        ((alarm(unit=0),), [Differs.WRONG_UNIT], "was raised on unit 1 instead"),
        ((alarm(kind=LANDING),), [Differs.MISSING, Differs.EXTRA], "entrapment_at_landing on unit"),
        ((alarm(), alarm(130)), [Differs.EXTRA], "on unit 2 at 130 s is expected by nobody"),
        ((alarm(), alarm(50, unit=0)), [Differs.EXTRA], "on unit 1 at 50 s is expected by nobody"),
    ],
)
def test_every_difference_is_named(alarms, how, says):
    file = wanted(EXPECT)
    found = judge(file, run(*alarms))
    assert [d.how for d in found] == how
    lines = [sentence(file, d) for d in found]
    assert says in lines[-1]
    place = "t.toml: extra: " if how[-1] is Differs.EXTRA else f"t.toml:7: {how[-1]}: "
    assert lines[-1].startswith(place)


def test_two_expectations_take_two_alarms():
    file = wanted(EXPECT, EXPECT.replace("140 s", "400 s"))
    assert judge(file, run(alarm(), alarm(300))) == []
    assert judge(file, run(alarm(300), alarm())) == []
    assert differs(file, run(alarm())) == [Differs.MISSING]


def test_onset_and_end_are_looked_at_if_they_are_wanted():
    onset = wanted(EXPECT, 'onset_between = ["89 s", "91 s"]\n')
    assert judge(onset, run(alarm())) == []
    assert differs(onset, run(alarm(onset_s=80))) == [Differs.WRONG_ONSET]
    ends = wanted(EXPECT, 'ends_between = ["200 s", "300 s"]\n')
    assert judge(ends, run(alarm(ended_s=250))) == []
    assert differs(ends, run(alarm(ended_s=310))) == [Differs.WRONG_END]
    assert differs(ends, run(alarm())) == [Differs.WRONG_END]
    lasts = wanted(EXPECT, "still_lasts = true\n")
    assert judge(lasts, run(alarm())) == []
    assert differs(lasts, run(alarm(ended_s=250))) == [Differs.WRONG_END]


def test_an_alarm_that_the_truth_explains_is_no_other_alarm():
    more = (alarm(), alarm(300, unit=0))
    file = wanted(EXPECT)
    assert differs(file, run(*more)) == [Differs.EXTRA]
    assert judge(file, run(*more, truth=[event(270, 400, unit=0)])) == []
    assert judge(file, run(*more, truth=[event(270, 400, unit=0, kind=LANDING)])) == [], "a family"
    for other in (
        event(270, 400, unit=2),
        event(100, 200, unit=0),
        event(304, 400, unit=0),
        event(270, 400, unit=0, kind=FindingKind.OVERSPEED),
    ):
        assert differs(file, run(*more, truth=[other])) == [Differs.EXTRA]


def test_every_alarm_needs_a_reason_of_its_own():
    truth = [event(270, 400, unit=0)]
    found = judge(wanted(), run(alarm(20), alarm(300, unit=0), alarm(500, unit=2), truth=truth))
    assert [d.text[:48] for d in found] == [
        "entrapment_between_landings on unit 2 at 20 s is",
        "entrapment_between_landings on unit 3 at 500 s i",
    ]


def test_the_truth_of_a_lift_whose_clock_is_wrong_explains_its_alarms():
    late = replace(alarm(300 + 3600, unit=0), clock_off_us=3600 * S)
    truth = [event(270, 400, unit=0)]
    assert judge(wanted(), run(late, truth=truth)) == []
    assert differs(wanted(), run(replace(late, clock_off_us=0), truth=truth)) == [Differs.EXTRA]


def test_other_alarms_may_be_forbidden_or_allowed():
    more, truth = (alarm(), alarm(300, unit=0)), [event(270, 400, unit=0)]
    strict = read('other_alarms = "none"\n' + HEAD + EXPECT, "t")
    assert differs(strict, run(*more, truth=truth)) == [Differs.EXTRA]
    assert judge(read('other_alarms = "allowed"\n' + HEAD + EXPECT, "t"), run(*more)) == []
    assert (
        judge(read('other_alarms = "true"\n' + HEAD + EXPECT, "t"), run(*more, truth=truth)) == []
    )


def test_an_escalator_is_a_unit_after_the_lifts():
    file = read(
        HEAD + '[[expect]]\nalarm = "step_missing"\nescalator = 2\nbetween = ["1 s", "9 s"]', "t"
    )
    assert judge(file, run(alarm(5, FindingKind.STEP_MISSING, unit=4))) == []
    assert differs(file, run(alarm(5, FindingKind.STEP_MISSING, unit=3))) == [Differs.WRONG_UNIT]


def test_the_truth_is_looked_at_part_by_part():
    file = wanted(TRUTH)
    assert judge(file, run(truth=[event(), event(300, unit=0)])) == []
    for other in (
        event(80), event(unit=0), event(kind=LANDING), event(people=1), event(cause="overload"),
        event(end_s=199), event(end_s=None),
    ):  # fmt: skip
        assert differs(file, run(truth=[other])) == [Differs.NOT_TRUE]
    [said] = judge(file, run(truth=[event(80)]))
    assert "entrapment_between_landings (mains_cut) on unit 2 from 80 s to 250 s" in said.text
    assert "nothing happened there" in judge(file, run())[0].text


def test_what_still_lasts_and_who_freed_whom():
    lasts = wanted(TRUTH.replace('ends_between = ["200 s", "300 s"]', "still_lasts = true"))
    assert judge(lasts, run(truth=[event(end_s=None)])) == []
    assert differs(lasts, run(truth=[event()])) == [Differs.NOT_TRUE]
    themselves = wanted(TRUTH, "by_themselves = true")
    assert differs(themselves, run(truth=[event()])) == [Differs.NOT_TRUE]


def test_other_truth_may_be_forbidden():
    file = read('other_truth = "none"\n' + HEAD + TRUTH, "t")
    assert judge(file, run(truth=[event()])) == []
    assert differs(file, run(truth=[event(), event(400)])) == [Differs.TRUE_BESIDES]


def test_look_alikes_are_records():
    file = wanted('[[seems]]\nwhat = "cleaner"\nlift = 1\nbetween = ["10 s", "20 s"]\n')
    cleaner = LookAlike(0, "L0", "cleaner", START + 15 * S)
    assert judge(file, run(look_alikes=[cleaner])) == []
    late = LookAlike(0, "L0", "cleaner", START + 21 * S)
    assert differs(file, run(look_alikes=[late])) == [Differs.NO_LOOK_ALIKE]


def test_each_true_event_gets_its_alarm():
    file = read(
        HEAD + '[[expect_each]]\n'
        'truth = ["entrapment_between_landings", "entrapment_at_landing"]\n'
        'alarm_within = "40 s"\nif_it_lasts = "45 s"\n',
        "t",
    )  # fmt: skip
    long, short = event(100, 250), event(300, 320, unit=0)
    assert judge(file, run(alarm(135), truth=[long, short])) == []
    assert judge(file, run(alarm(135, LANDING), truth=[long])) == [], "a class of the same family"
    assert differs(file, run(truth=[long, short])) == [Differs.MISSED]
    assert differs(file, run(alarm(141), truth=[long])) == [Differs.MISSED]
    assert differs(file, run(truth=[event(500, None)])) == [Differs.MISSED]
    assert judge(file, run(truth=[event(560, None)])) == [], "cut off by the end of the run"
