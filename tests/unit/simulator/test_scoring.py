"""The score on cases made by hand: attribution, weights, doubles, delays, candidates, bars."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.scoring.alarms import Seen, SeenAlarm, alarms_of
from simulator.scoring.attribution import Blame, attribute
from simulator.scoring.differences import by_kind, differences
from simulator.scoring.document import differences_document, document, kinds_document
from simulator.scoring.plot import PlotError, plot
from simulator.scoring.score import (
    YEAR_US,
    Asked,
    Multipliers,
    Observed,
    Score,
    score,
    spread,
)
from simulator.source import RegistryRow
from simulator.truth import LookAlike, TruthEvent
from telemetry.columns import Unit
from telemetry.findings import Change, ClearReason, Confidence, FindingKind
from telemetry.transitions import Transition

BETWEEN = FindingKind.ENTRAPMENT_BETWEEN_LANDINGS
LANDING = FindingKind.ENTRAPMENT_AT_LANDING
BUTTON = FindingKind.ALARM_BUTTON
DETECTED = frozenset((BETWEEN, LANDING, BUTTON))
S = 1_000_000
DAY_US = 86_400 * S


def event(kind=BETWEEN, onset_s=100.0, end_s: float | None = 900, code="A", **more) -> TruthEvent:
    end_us = None if end_s is None else round(end_s * S)
    cause = more.pop("cause", "controller_stop")
    return TruthEvent(0, code, kind, cause, round(onset_s * S), 1, end_us, **more)


def alarm(kind=BETWEEN, onset_s=100.0, code="A", window_s=30.0, **more) -> SeenAlarm:
    onset_us, window_us = round(onset_s * S), round(window_s * S)
    more.setdefault("detected_us", onset_us + window_us)
    more.setdefault("known_us", onset_us + window_us + S // 10)
    return SeenAlarm(f"{code}{onset_s}", code, kind, onset_us, window_us=window_us, **more)


def unit(code: str, model: str = "coupled") -> RegistryRow:
    return RegistryRow(code, "", 0, "", "", "", "", "", "", "", model, 1.0, "g", {})


def scored(alarms, truth, likes=(), codes="ABCDEFGH", days=1, **more) -> Score:
    registry = [unit(code, "coupled" if code < "E" else "retrofit") for code in codes]
    observed = Observed(alarms, truth, likes, registry, 0, days * DAY_US)
    return score(observed, Asked(DETECTED, **more))


@given(st.lists(st.tuples(st.sampled_from("ABCD"), st.sampled_from([BETWEEN, BUTTON]),
                          st.integers(0, 50)), unique=True))  # fmt: skip
def test_perfect_alarms_give_a_perfect_score(cases):
    truth = [event(k, 1000 * n, 1000 * n + 100, code) for code, k, n in cases]
    found = scored([alarm(e.kind, e.onset_us / S, e.code) for e in truth], truth)
    for group in (*found.kinds.values(), *found.families.values()):
        assert not group.missed
        assert not group.false
        assert not group.doubles
        assert not group.wrong_class
        if group.hits:
            assert group.recall is not None
            assert group.recall.value == 1
            assert group.precision_weighted is not None
            assert group.precision_weighted.value == 1
            assert group.delay is not None
            assert group.delay.max_s == 0


def test_stairs_are_no_lifts_when_false_alarms_are_counted_per_lift_year():
    stairs = replace(unit("S", "stairs"), unit=int(Unit.ESCALATOR))
    found = score(Observed([], [], [], [unit("A"), stairs], 0, DAY_US), Asked(DETECTED))
    assert found.lift_years == pytest.approx(DAY_US / YEAR_US)
    assert {model for _, model in found.terminals} == {"coupled"}


def test_every_figure_of_a_small_case():
    truth = [
        event(), event(code="B"), event(LANDING, code="C"), event(code="D", end_s=110),
        event(FindingKind.OVERSPEED, code="E"),
    ]  # fmt: skip
    alarms = [
        alarm(), alarm(onset_s=300), alarm(code="C", onset_s=102), alarm(code="F", onset_s=5000)
    ]  # fmt: skip
    found = scored(alarms, truth, needed_us={BETWEEN: 32 * S, LANDING: 62 * S})
    family = found.families["entrapment"]
    assert (family.required, len(family.hits), len(family.missed)) == (3, 2, 1)
    assert [e.code for e in family.optional] == ["D"]
    assert [d.alarm.onset_us for d in family.doubles] == [300 * S]
    assert [h.event.code for h in family.wrong_class] == ["C"]
    assert [one.alarm.code for one in family.false] == ["F"]
    assert family.recall is not None
    assert family.recall.value == pytest.approx(2 / 3)
    assert family.precision is not None
    assert family.precision.value == pytest.approx(2 / 4)
    assert found.undetected == {FindingKind.OVERSPEED: 1}
    assert found.lift_years == pytest.approx(8 * DAY_US / YEAR_US)
    assert family.false_per_lift_year is not None
    assert family.false_per_lift_year.value == pytest.approx(1 / found.lift_years)
    assert found.terminals[BETWEEN, "coupled"].required == 2
    assert len(found.terminals[BETWEEN, "retrofit"].false) == 1
    assert found.kinds[LANDING].wrong_class


def test_a_button_that_its_terminal_does_not_hear_is_optional():
    press = event(BUTTON, 100, 105, terminal="barometric", effects=())
    assert scored([], [press]).kinds[BUTTON].optional == (press,)


def test_what_its_terminal_cannot_show_is_optional():
    blind = event(terminal="retrofit", effects=())
    shown = event(code="B", terminal="retrofit", effects=("zone",))
    family = scored([], [blind, shown]).families["entrapment"]
    assert [e.code for e in family.optional] == ["A"]
    assert [e.code for e in family.missed] == ["B"]


def test_an_optional_event_that_was_found_does_not_help_recall():
    short = event(end_s=110)
    family = scored([alarm(window_s=8)], [short], needed_us=32 * S).families["entrapment"]
    assert family.recall is None
    assert family.precision is not None
    assert family.precision.value == 1


def test_false_alarms_are_blamed_on_what_was_going_on():
    likes = [
        LookAlike(0, "A", "parked_rider", 100 * S, 200 * S),
        LookAlike(1, "B", "cleaner", 100 * S, None),
    ]
    truth = [event(FindingKind.ZONE_SWITCH_FAULT, 100, 400, "C", cause="zone_switch_stuck"),
             event(FindingKind.MAINS_OFF, 150, 160, "A")]  # fmt: skip
    false = [
        alarm(onset_s=120), alarm(onset_s=315), alarm(onset_s=321),
        alarm(code="B", onset_s=9e3), alarm(code="C", onset_s=150), alarm(code="D"),
        alarm(onset_s=60),
    ]  # fmt: skip
    blamed = attribute(false, truth, likes)
    assert [(one.blame, one.cause) for one in blamed] == [
        (Blame.LOOK_ALIKE, "parked_rider"),
        (Blame.LOOK_ALIKE, "parked_rider"),  # up to two minutes after it
        (Blame.BACKGROUND, ""),
        (Blame.LOOK_ALIKE, "cleaner"),  # it still lasts
        (Blame.CONSEQUENCE, "zone_switch_stuck"),
        (Blame.BACKGROUND, ""),
        (Blame.BACKGROUND, ""),  # raised before it began
    ]


def test_every_look_alike_is_named_with_what_it_was_taken_for():
    likes = [
        LookAlike(0, "A", "parked_rider", 100 * S, 200 * S),
        LookAlike(1, "B", "parked_rider", 100 * S, 200 * S),
        LookAlike(2, "C", "cleaner", 100 * S, None),
    ]
    truth = [event(FindingKind.MAINS_OFF, 150, 160, "D")]
    alarms = [alarm(onset_s=120), alarm(LANDING, code="B"), alarm(BUTTON, code="A"),
              alarm(code="D", onset_s=155), alarm(code="E")]  # fmt: skip
    told = document(scored(alarms, truth, likes))["look_alikes"]
    assert told == {
        "cleaner": {"came": 1, "taken_for": {}},
        "parked_rider": {
            "came": 2,
            "taken_for": {BETWEEN.slug: 1, LANDING.slug: 1, BUTTON.slug: 1},
        },
    }


def test_weights_bring_figures_back_to_the_field():
    truth = [event(code=code) for code in "ABCD"]
    likes = [LookAlike(0, "E", "parked_rider", 0, 500 * S)]
    alarms = [alarm(code=code) for code in "ABCDE"]
    family = scored(alarms, truth, likes, multipliers=Multipliers(200, 20)).families["entrapment"]
    assert family.precision is not None
    assert family.precision.value == pytest.approx(4 / 5)
    weighted = family.precision_weighted
    assert weighted is not None
    assert weighted.value == pytest.approx((4 / 200) / (4 / 200 + 1 / 20))
    assert weighted.interval.low < weighted.value < weighted.interval.high
    rate = family.false_per_lift_year_weighted
    assert rate is not None
    assert rate.value * family.lift_years == pytest.approx(1 / 20)
    # nobody saw an alarm of ordinary life, yet one day of eight lifts does not rule it out
    assert rate.interval.high * family.lift_years > 3.6


def test_two_faults_that_coincide_count_little_at_the_rates_of_the_field():
    silent = event(FindingKind.TERMINAL_SILENT, 50, 500, "B", cause="terminal_silent")
    truth = [event(), event(code="B"), event(code="C"), silent]
    family = scored([alarm(), alarm(code="C")], truth, multipliers=Multipliers(100)).families[
        "entrapment"
    ]
    assert family.missed_because() == {"terminal_silent": 1}
    assert family.recall is not None
    assert family.recall.value == pytest.approx(2 / 3)
    weighted = family.recall_weighted
    assert weighted is not None
    assert weighted.value == pytest.approx(2 / (2 + 1 / 100))
    assert 0 < weighted.interval.low < weighted.value < weighted.interval.high <= 1


def test_a_false_alarm_in_a_coincidence_counts_as_rarely_as_it_comes():
    likes = [LookAlike(0, code, "cleaner", 0, 500 * S) for code in "AB"]
    held = event(FindingKind.DOOR_HELD_OPEN, 50, 400, "B", cause="door_held_open")
    mode = event(FindingKind.SPECIAL_MODE, 50, 400, "A", cause="cleaner")  # no other cause
    offline = event(FindingKind.TERMINAL_SILENT, 50, 400, "C", cause="gateway_offline")
    dark = event(FindingKind.MAINS_OFF, 50, 400, "C", cause="mains_cut")
    asked = {"likes": likes, "multipliers": Multipliers(200, 20)}
    family = scored([alarm(code=c) for c in "ABC"], [held, mode, offline, dark], **asked).families[
        "entrapment"
    ]
    assert [sorted(one.beside) for one in family.false[:2]] == [[], ["door_held_open"]]
    rate = family.false_per_lift_year_weighted
    assert rate is not None
    weights = 1 / 20, 1 / (20 * 200), 1 / 200
    assert rate.value * family.lift_years == pytest.approx(sum(weights))


def test_the_background_weighs_one_whatever_the_multipliers():
    family = scored([alarm()], [], multipliers=Multipliers(200, 20)).families["entrapment"]
    rates = family.false_per_lift_year, family.false_per_lift_year_weighted
    assert rates[0] is not None
    assert rates[0] == rates[1]


def test_a_wrong_clock_spoils_the_onset_and_nothing_else():
    late = replace(alarm(onset_s=7300), clock_off_us=7200 * S)
    found = scored([late], [event()]).kinds[BETWEEN]
    assert len(found.hits) == 1
    assert found.hits[0].onset_error_us == 7200 * S
    assert found.hits[0].delay_us == 0


def test_a_window_shortened_by_a_press_is_not_complete_before_it():
    called = {"criteria": {"button_pressed": True}}
    late = alarm(window_s=10, detected_us=149 * S, known_us=149 * S + 1, evidence=called)
    press = event(BUTTON, 148.5, 150, presses=(round(148.5 * S),))
    [hit] = scored([late], [event(), press]).kinds[BETWEEN].hits
    assert hit.delay_us == S // 2
    [unexplained] = scored([replace(late, evidence={})], [event(), press]).kinds[BETWEEN].hits
    assert unexplained.delay_us == 39 * S


def test_quantiles_are_nearest_ranks():
    times = spread([*range(0, 100 * S, S), None])
    assert times == (100, 49.0, 98.0, 99.0)
    assert spread([None]) is None
    assert spread([3 * S]) == (1, 3.0, 3.0, 3.0)


def transition(change, t_s, onset_s=100, kind=BETWEEN, reason=ClearReason.NONE, **values):
    return Seen(
        Transition(
            7, t_s * S, onset_s * S, kind, kind, change, reason, Confidence.CERTAIN, t_s * S,
            "rule", "1", {"inside": True}, values, {"window_us": 30 * S},
        ),
        t_s * S + 5,
    )  # fmt: skip


def test_transitions_become_alarms():
    found = alarms_of(
        [
            transition(Change.RAISED, 130),
            transition(Change.UPDATED, 150),
            transition(Change.CLEARED, 200, reason=ClearReason.DOORS_OPENED),
            transition(Change.RAISED, 330, 300),
            transition(Change.CLEARED, 340, 300, reason=ClearReason.LATE_EVIDENCE),
        ],
        {7: "A"},
    )
    assert [(a.onset_us, a.detected_us, a.ended_us, a.refuted) for a in found] == [
        (100 * S, 130 * S, 200 * S, False),
        (300 * S, 330 * S, 340 * S, True),
    ]
    assert found[0].known_us == 130 * S + 5
    assert found[0].window_us == 30 * S
    assert found[0].says("inside")


def test_a_window_in_which_events_are_counted_delays_nothing():
    found = alarms_of([transition(Change.RAISED, 100, 100)], {7: "A"})
    assert found[0].window_us == 0


def test_further_presses_of_one_event_are_no_doubles():
    presses = [
        transition(Change.RAISED, 100, 100, BUTTON, presses=1),
        transition(Change.CLEARED, 102, 100, BUTTON),
        transition(Change.RAISED, 120, 120, BUTTON, presses=2),
        transition(Change.UPDATED, 160, 120, BUTTON, presses=2),
        transition(Change.RAISED, 900, 900, BUTTON, presses=1),
    ]
    alarms = alarms_of(presses, {7: "A"})
    assert [a.onset_us for a in alarms] == [100 * S, 120 * S, 900 * S]
    group = scored(alarms, [event(BUTTON, 100, 125)]).kinds[BUTTON]
    assert len(group.hits) == 1
    assert not group.doubles
    assert [one.alarm.onset_us for one in group.false] == [900 * S]


def test_an_alarm_raised_in_an_event_may_tell_an_earlier_onset():
    # the car stood shut in with somebody for half a minute before the controller gave up
    early = alarm(onset_s=68, detected_us=128 * S, ended_us=900 * S)
    [hit] = scored([early], [event()]).kinds[BETWEEN].hits
    assert hit.onset_error_us == -32 * S
    assert scored([replace(early, ended_us=99 * S)], [event()]).kinds[BETWEEN].missed
    assert scored([replace(early, detected_us=90 * S)], [event()]).kinds[BETWEEN].missed


def test_differences_are_paired_case_by_case():
    same, moved = alarm(code="A"), alarm(code="B")
    earlier = replace(moved, detected_us=120 * S)
    shifted, other = alarm(code="C", onset_s=150), alarm(LANDING, code="D")
    current = [same, moved, alarm(code="C"), alarm(code="D"), alarm(code="E")]
    candidate = [same, earlier, shifted, other, alarm(code="F"), alarm(code="A", onset_s=900)]
    found = differences(current, [*candidate])
    assert found.equal == 1
    assert [a.code for a in found.only_current] == ["E"]
    assert [(a.code, a.onset_us) for a in found.only_candidate] == [("A", 900 * S), ("F", 100 * S)]
    assert [p.candidate.detected_us for p in found.other_time] == [120 * S]
    assert [p.candidate.onset_us for p in found.other_onset] == [150 * S]
    assert [p.candidate.kind for p in found.other_class] == [LANDING]
    assert len(found) == 6
    assert json.loads(json.dumps(differences_document(found)))["equal"] == 1
    assert len(differences(current, current)) == 0


def test_differences_are_counted_by_kind():
    ended = replace(alarm(code="A"), ended_us=500 * S)
    doubtful = replace(alarm(code="B"), confidence=Confidence.POSSIBLE)
    earlier = replace(alarm(code="C"), detected_us=121 * S)
    current = [alarm(code=code) for code in "ABCDE"]
    candidate = [ended, doubtful, earlier, alarm(code="D"), alarm(LANDING, code="F")]
    found = differences(current, candidate)
    assert [p.current.code for p in found.other_end] == ["A"]
    assert [p.current.code for p in found.other_confidence] == ["B"]
    between, landing = by_kind(found)[BETWEEN], by_kind(found)[LANDING]
    assert (between.current, between.candidate, between.changed, between.equal) == (5, 4, 3, 1)
    assert (between.only_current, landing.only_candidate) == (1, 1)
    late_us = 121 * S - alarm().detected_us
    assert sorted(between.delays_us) == sorted([0, 0, 0, late_us])
    told = json.loads(json.dumps(kinds_document(found)))
    assert told["entrapment_between_landings"]["later_us"]["min"] == late_us
    assert told["entrapment_at_landing"]["later_us"] is None


def test_a_score_is_json_and_a_picture(tmp_path):
    found = scored([alarm(), alarm(code="F")], [event(), event(code="B")])
    told = json.loads(json.dumps(document(found)))
    assert told["families"]["entrapment"]["recall"]["value"] == 0.5
    assert told["kinds"]["entrapment_between_landings"]["cases"]["missed"][0]["elevator"] == "B"
    for name in ("a.png", "a.svg"):
        plot(found, tmp_path / name, "a title")
        assert (tmp_path / name).stat().st_size > 5_000
    with pytest.raises(PlotError, match="ends with"):
        plot(found, tmp_path / "a.jpeg", "")
    with pytest.raises(PlotError, match="No such file"):
        plot(found, tmp_path / "nowhere" / "a.png", "")
