"""Every cause of lifts: the frames show what the truth says, from its onset to its end.

Each cause strikes two quiet lifts of one building, one with a coupled and one with a retrofitted
terminal. What a coupled terminal tells at each true event is checked frame by frame: so from the
onset on, not just before it, and no more from the end on.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from simulator.faults.catalogue import (
    ENTRAPPING,
    ESCALATOR_CAUSES,
    ESCALATOR_LOOK_ALIKES,
    LOOK_ALIKES,
    MAKES,
    OF_OTHERS,
    SECOND_US,
    TIMED,
    WEAR,
    Fault,
)
from simulator.faults.causes import Cause
from simulator.faults.evidence import SHOWN_BY
from simulator.fleet import Fleet, FleetSpec, TerminalChoice
from simulator.frames import MISSING, Frames
from simulator.truth import TruthEvent
from simulator.world.buildings import Mix, Plan, Presence, Terminal
from simulator.world.cases import CODES
from simulator.world.courses import COURSES
from simulator.world.knowledge import TELLS
from telemetry.columns import CODE_BIT, Door, Mode, Power
from telemetry.findings import FindingKind as Kind

START_US = 1_774_314_000_000_000
AT_US = START_US + 5 * SECOND_US
END_US = START_US + 1500 * SECOND_US
CAUSES = sorted(set(COURSES) - {*WEAR})
COUPLED, RETROFIT = 0, 1
TRAPS = (Kind.ENTRAPMENT_BETWEEN_LANDINGS, Kind.ENTRAPMENT_AT_LANDING)
PEOPLE = 2


def fault(lift: int, cause: Cause, **more) -> Fault:
    lasts_s = 900 if cause is Cause.FREQUENT_RESETS else 90
    given = {
        "people": PEOPLE,
        "presses_us": (3 * SECOND_US, 20 * SECOND_US),
        "release_after_us": 60 * SECOND_US,
        "lasts_us": lasts_s * SECOND_US,
    }
    return Fault(lift, cause, AT_US, **(given | more))


class Lived:
    """Two lifts that a cause struck, and everything about them."""

    def __init__(self, cause: Cause, rate_pct: int = 0, **more) -> None:
        self.cause = cause
        script = tuple(fault(lift, cause, **more) for lift in (COUPLED, RETROFIT))
        housing = Mix(housing=1, office=0, tower=0, hospital=0, shop=0, metro=0)
        self.fleet = Fleet(
            FleetSpec(
                START_US, 2, mix=housing, script=script, rate_pct=rate_pct,
                quiet=() if rate_pct else (0, 1),
                terminals=(
                    TerminalChoice((COUPLED,), Terminal.COUPLED, Presence.COUNT),
                    TerminalChoice((RETROFIT,), Terminal.RETROFIT, Presence.PIR),
                ),
            ),
            3,
        )  # fmt: skip
        self.frames = self.fleet.frames_until(END_US)
        self.truth = self.fleet.truth()
        self.plan = self.fleet.plan

    def of(self, lift: int) -> Frames:
        return self.frames.take(self.frames["lift"] == lift)

    def events(self, kind: Kind, lift: int = COUPLED) -> list[TruthEvent]:
        return [e for e in self.truth if e.kind is kind and e.lift == lift]


@pytest.fixture(scope="module")
def lives() -> dict[Cause, Lived]:
    return {cause: Lived(cause) for cause in CAUSES}


def has_code(frames: Frames, code: int) -> np.ndarray:
    return (frames["codes"] & (1 << CODE_BIT[code])) != 0


def off_landing_mm(frames: Frames, plan: Plan, lift: int) -> np.ndarray:
    away = np.abs(plan.landings_m[lift] * 1000 - frames["height_m"][:, None])
    return away.min(axis=1)


@dataclass
class Shown:
    """How a coupled terminal shows a kind, and at which edges exactly."""

    so: Callable[[Frames, Plan, int], np.ndarray]
    before: bool = True
    after: bool = True


def overspeed(f: Frames, plan: Plan, lift: int) -> np.ndarray:
    return f["speed_mps"] > plan.rated_mps[lift] * 1150 - 20


def beyond(f: Frames, plan: Plan, lift: int) -> np.ndarray:
    top = plan.landings_m[lift, plan.n_landings[lift] - 1] * 1000
    return (f["height_m"] > top + 95) | (f["height_m"] < -95)


SHOWS = {
    Kind.ENTRAPMENT_BETWEEN_LANDINGS: Shown(
        lambda f, *_: (f["zone"] == 0) | (f["door"] != Door.OPEN), before=False
    ),
    Kind.ENTRAPMENT_AT_LANDING: Shown(
        lambda f, *_: (
            (f["door"] != Door.OPEN) & (f["zone"] == 1)
            & ((f["car"] == 0) | (f["speed_mps"] <= 30))
        ),
        before=False,
    ),
    Kind.OVERSPEED: Shown(overspeed, before=False, after=False),
    Kind.UNINTENDED_MOVEMENT: Shown(lambda f, *_: (f["door"] == Door.OPEN) & (f["zone"] == 0)),
    Kind.DOORS_OPEN_WHILE_RUNNING: Shown(lambda f, *_: (f["door"] == Door.OPEN) & (f["car"] == 1)),
    Kind.OVER_TRAVEL_TOP: Shown(lambda f, *_: has_code(f, 1), after=False),
    Kind.OVER_TRAVEL_BOTTOM: Shown(lambda f, *_: has_code(f, 1), after=False),
    Kind.STOPPED_OUTSIDE_ZONE: Shown(
        lambda f, *_: (f["zone"] == 0) & (f["car"] == 0) & (f["passenger"] == 0)
    ),
    Kind.DOOR_FAILS_TO_OPEN: Shown(
        lambda f, *_: (f["zone"] == 1) & (f["car"] == 0) & (f["door"] == Door.CLOSED)
        & has_code(f, 3)
    ),
    Kind.DOOR_FAILS_TO_CLOSE: Shown(lambda f, *_: (f["door"] == Door.OPEN) & has_code(f, 2)),
    Kind.DOOR_HELD_OPEN: Shown(lambda f, *_: f["door"] == Door.OPEN),
    Kind.REPEATED_REOPENING: Shown(
        lambda f, *_: (f["car"] == 0) & (f["door"] != Door.CLOSED), before=False
    ),
    Kind.FREQUENT_RELEVELLING: Shown(
        lambda f, *_: (f["zone"] == 1) & (f["door"] == Door.CLOSED), before=False, after=False
    ),
    Kind.LEVELLING_INACCURACY: Shown(
        lambda f, p, lift: (off_landing_mm(f, p, lift) >= 30) & (f["car"] == 0)
    ),
    Kind.MOTOR_RUN_TIME: Shown(
        lambda f, *_: ((f["car"] == 1) & (f["speed_mps"] <= 30)) | has_code(f, 6)
    ),
    Kind.EXCESSIVE_VIBRATION: Shown(
        lambda f, *_: (f["car"] == 0) | (f["vibration_mps2"] > 300), before=False, after=False
    ),
    Kind.MAINS_OFF: Shown(lambda f, *_: (f["power"] == Power.BATTERY) & has_code(f, 41)),
    Kind.SAFETY_CIRCUIT_OPEN: Shown(lambda f, *_: f["safety_circuit"] == 0),
    Kind.FLOOR_POSITION_LOST: Shown(lambda f, *_: has_code(f, 7)),
    Kind.FREQUENT_RESETS: Shown(lambda f, *_: f["runs"] >= 0, before=False, after=False),
    Kind.LONG_IDLE: Shown(
        lambda f, *_: (f["car"] == 0) & (f["door"] == Door.CLOSED), before=False, after=False
    ),
    Kind.COUNTER_IMPLAUSIBLE: Shown(lambda f, *_: f["runs"] >= 100_000, after=False),
    Kind.RESTART_PREVENTED: Shown(lambda f, *_: has_code(f, 8)),
    Kind.SPECIAL_MODE: Shown(lambda f, *_: f["mode"] != Mode.NORMAL),
}  # fmt: skip


def check_interval(own: Frames, event: TruthEvent, plan: Plan) -> None:
    shown = SHOWS[event.kind]
    so = shown.so(own, plan, event.lift)
    times = own["time_us"]
    end_us = END_US if event.end_us is None else event.end_us
    first = int(np.searchsorted(times, event.onset_us))
    assert times[first] == event.onset_us, "a frame is told at the very onset"
    during = (times >= event.onset_us) & (times < end_us)
    assert so[during].all()
    if shown.before:
        assert not so[first - 1]
    if event.end_us is not None:
        last = int(np.searchsorted(times, event.end_us))
        assert times[last] == event.end_us, "a frame is told at the very end"
        if shown.after:
            assert not so[last]


@pytest.mark.parametrize("cause", CAUSES)
def test_frames_show_what_truth_says(lives, cause):
    lived = lives[cause]
    for event in lived.truth:
        if event.lift == COUPLED and event.kind in SHOWS:
            check_interval(lived.of(COUPLED), event, lived.plan)


@pytest.mark.parametrize("cause", CAUSES)
def test_a_cause_makes_true_what_the_catalogue_says(lives, cause):
    kinds = {e.kind for e in lives[cause].truth if e.cause == cause and e.kind in SHOWN_BY}
    assert kinds <= set(MAKES[cause])
    if MAKES[cause] and cause is not Cause.EARTHQUAKE:
        assert kinds, "it struck"


@pytest.mark.parametrize("cause", CAUSES)
def test_effects_are_told_columns_that_suffice(lives, cause):
    for event in lives[cause].truth:
        if event.kind not in SHOWN_BY:
            continue
        terminal = Terminal(event.lift)  # the coupled one is lift 0
        assert event.terminal == terminal.slug
        assert set(event.effects) <= TELLS[terminal]
        own = lives[cause].of(event.lift)
        end_us = event.end_us if event.end_us and event.end_us > event.onset_us else END_US
        during = own.take((own["time_us"] >= event.onset_us) & (own["time_us"] < end_us))
        for column in event.effects:
            told = during[column] != MISSING
            # a retrofitted terminal tells a speed only when it passes a landing
            assert told.any() or (column == "speed_mps" and terminal is Terminal.RETROFIT), column
        if terminal is Terminal.COUPLED:
            assert event.effects, "a controller knows it"


@pytest.mark.parametrize("cause", CAUSES)
def test_retrofitted_terminals_show_doors_and_stops(lives, cause):
    for event in lives[cause].truth:
        if event.lift != RETROFIT or event.end_us is None:
            continue
        own, slack_us = lives[cause].of(RETROFIT), 4 * SECOND_US
        times = own["time_us"]
        during = own.take((times >= event.onset_us + slack_us) & (times < event.end_us - slack_us))
        match event.kind:
            case Kind.ENTRAPMENT_BETWEEN_LANDINGS | Kind.STOPPED_OUTSIDE_ZONE:
                standing = during.take(during["car"] == 0)
                assert len(standing)
                assert (standing["zone"][:-20] == 0).all()
            case Kind.ENTRAPMENT_AT_LANDING | Kind.DOOR_FAILS_TO_OPEN:
                assert (during["door"] == Door.CLOSED).all()
                assert (during["zone"] == 1).all()
            case Kind.DOOR_FAILS_TO_CLOSE | Kind.DOOR_HELD_OPEN:
                assert (during["door"] == Door.OPEN).all()
            case Kind.DOORS_OPEN_WHILE_RUNNING:
                assert (during["car"] == 1).all()
                assert (during["door"] != Door.CLOSED).all()
            case Kind.MOTOR_RUN_TIME | Kind.OVER_TRAVEL_TOP | Kind.MAINS_OFF:
                assert not set(event.effects) & {"codes", "power", "height_m", "car"}


@pytest.mark.parametrize("people", [0, 2])
def test_a_barometer_cannot_show_a_car_that_stands_little_outside_the_zone(people):
    lifts = range(60)
    cause = Cause.CONTROLLER_STOP if people else Cause.EMPTY_STOP
    script = tuple(fault(i, cause, people=people, lasts_us=600 * SECOND_US) for i in lifts)
    choice = TerminalChoice(tuple(lifts), Terminal.BAROMETRIC, Presence.PIR)
    spec = FleetSpec(START_US, len(lifts), script=script, rate_pct=300, terminals=(choice,))
    fleet = Fleet(spec, 5)
    frames = fleet.frames_until(END_US)
    outside = (Kind.ENTRAPMENT_BETWEEN_LANDINGS, Kind.STOPPED_OUTSIDE_ZONE)
    hidden, seen = 0, 0
    for event in (e for e in fleet.truth() if e.kind in outside and e.cause == cause):
        end_us = event.end_us or END_US
        times, own = frames["time_us"], frames["lift"] == event.lift
        standing = frames.take(
            own & (times > event.onset_us + 5 * SECOND_US) & (times < end_us - 5 * SECOND_US)
            & (frames["car"] == 0)
        )  # fmt: skip
        if not len(standing):
            continue
        assert bool(event.effects) is not (standing["zone"] == 1).all()
        hidden += not event.effects
        seen += bool(event.effects)
    assert hidden
    assert seen


@pytest.mark.parametrize("cause", [c for c in CAUSES if c in CODES])
def test_the_controller_reports_its_national_code(lives, cause):
    told = has_code(lives[cause].of(COUPLED), CODES[cause])
    assert told.any()
    assert not told[-1], "and no more when it is over"


@pytest.mark.parametrize("cause", CAUSES)
def test_lifts_serve_again_afterwards(cause):
    lived = Lived(cause, rate_pct=300)
    own = lived.of(COUPLED)
    late = own.take(own["time_us"] > END_US - 600 * SECOND_US)
    assert (late["car"] == 1).any()
    assert set(late["mode"].tolist()) == {Mode.NORMAL}
    assert (late["safety_circuit"] == 1).all()


@pytest.mark.parametrize("cause", ENTRAPPING)
def test_the_trapped_press_the_button_and_are_counted(lives, cause):
    [trap] = [e for e in lives[cause].truth if e.kind in TRAPS and e.lift == COUPLED]
    [pressed] = lives[cause].events(Kind.ALARM_BUTTON)
    assert pressed.presses == (trap.onset_us + 3 * SECOND_US, trap.onset_us + 20 * SECOND_US)
    assert trap.people >= PEOPLE
    button = lives[cause].of(COUPLED)
    assert (has_code(button, 90) == (button["button"] == 1)).all()
    assert not trap.self_released
    freed = Lived(cause, self_freed=True)
    [trap] = [e for e in freed.truth if e.kind in TRAPS and e.lift == COUPLED]
    assert trap.self_released


def test_an_overspeeding_car_is_slow_enough_before_and_after(lives):
    lived = lives[Cause.OVERSPEED]
    [event] = lived.events(Kind.OVERSPEED)
    own = lived.of(COUPLED)
    apart = (own["time_us"] < event.onset_us) | (own["time_us"] > event.end_us)
    assert own["speed_mps"][apart].max() <= lived.plan.rated_mps[COUPLED] * 1150 + 20
    assert own["speed_mps"].max() > lived.plan.rated_mps[COUPLED] * 1200


def test_an_overloaded_car_weighs_too_much(lives):
    [trap] = lives[Cause.OVERLOAD].events(Kind.ENTRAPMENT_AT_LANDING)
    own = lives[Cause.OVERLOAD].of(COUPLED)
    at = own["time_us"] == trap.onset_us
    assert own["load_pct"][at][0] > 100_000
    assert trap.people > lives[Cause.OVERLOAD].plan.capacity[COUPLED]


@pytest.mark.parametrize("cause", [Cause.OVER_TRAVEL_TOP, Cause.OVER_TRAVEL_BOTTOM])
def test_over_travel_ends_within_300_mm(lives, cause):
    lived = lives[cause]
    height = lived.of(COUPLED)["height_m"]
    top = lived.plan.landings_m[COUPLED, lived.plan.n_landings[COUPLED] - 1] * 1000
    over = max(height.max() - top, -height.min())
    assert 240 <= over <= 300


def test_unintended_movement_is_stopped_within_1200_mm(lives):
    own = lives[Cause.UNINTENDED_MOVEMENT].of(COUPLED)
    hanging = own.take((own["car"] == 0) & (own["door"] == Door.OPEN) & (own["zone"] == 0))
    off = off_landing_mm(hanging, lives[Cause.UNINTENDED_MOVEMENT].plan, COUPLED)
    assert (off > 150).all()
    assert (off <= 1200).all()


def test_the_fifth_reopening_makes_it_repeated(lives):
    [event] = lives[Cause.REPEATED_REOPENING].events(Kind.REPEATED_REOPENING)
    own = lives[Cause.REPEATED_REOPENING].of(COUPLED)
    upto = own.take(own["time_us"] <= event.onset_us)
    door = upto["door"][upto["time_us"] >= AT_US]
    opened = (door[1:] == Door.OPEN) & (door[:-1] != Door.OPEN)
    assert opened.sum() == 6  # once for the stop, five times again


def test_the_fifth_reset_makes_them_frequent(lives):
    [event] = lives[Cause.FREQUENT_RESETS].events(Kind.FREQUENT_RESETS)
    own = lives[Cause.FREQUENT_RESETS].of(COUPLED)
    down = own["mode"] == Mode.STOPPED
    starts = own["time_us"][np.flatnonzero(down & ~np.r_[False, down[:-1]])]
    assert starts[4] == event.onset_us
    assert len(starts) == 6


def test_the_fifth_run_back_to_the_landing_makes_relevelling_frequent(lives):
    [event] = lives[Cause.FREQUENT_RELEVELLING].events(Kind.FREQUENT_RELEVELLING)
    own = lives[Cause.FREQUENT_RELEVELLING].of(COUPLED)
    runs = own["car"] == 1
    starts = own["time_us"][np.flatnonzero(runs & ~np.r_[False, runs[:-1]])]
    assert starts[4] == event.onset_us
    assert len(starts) == 8


@pytest.mark.parametrize("cause", [c for c in LOOK_ALIKES if c not in OF_OTHERS])
def test_look_alikes_are_recorded_and_no_entrapments(lives, cause):
    lived = lives[cause]
    assert {s.lift for s in lived.fleet.look_alikes() if s.cause == cause} == {COUPLED, RETROFIT}
    assert all(s.to_us is not None and s.to_us > s.from_us for s in lived.fleet.look_alikes())
    assert not any(e.kind in TRAPS for e in lived.truth)


def test_a_power_cut_with_an_empty_car_is_a_look_alike(lives):
    lived = lives[Cause.AREA_POWER_CUT]
    seen = [s for s in lived.fleet.look_alikes() if s.cause == Cause.AREA_POWER_CUT]
    assert [(s.lift, s.from_us) for s in seen] == [(0, AT_US), (1, AT_US)]
    assert not any(e.kind in TRAPS for e in lived.truth)


def test_every_finding_of_lifts_has_a_cause_and_every_cause_a_course():
    of_lifts = {kind for kind in Kind if kind < Kind.TERMINAL_SILENT}
    assert set(SHOWN_BY) == of_lifts
    by_terminals = {Kind.TEST_OVERDUE}
    assert of_lifts - by_terminals <= {kind for cause in COURSES for kind in MAKES[cause]}
    assert set(MAKES) == set(Cause)
    lifts_only = set(Cause) - OF_OTHERS
    assert set(COURSES) == lifts_only
    assert not lifts_only & {*ESCALATOR_CAUSES, *ESCALATOR_LOOK_ALIKES} - {Cause.INSPECTION}
    assert {c for c, course in COURSES.items() if course.begin} == set(TIMED)


def test_a_cause_of_others_is_refused_by_the_world_of_lifts():
    with pytest.raises(ValueError, match="none of lifts"):
        Fleet(FleetSpec(START_US, 1, script=(fault(0, Cause.HANDRAIL_DEVIATION),)), 1)
