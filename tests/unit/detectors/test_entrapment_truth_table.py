"""Each line of the truth table of docs/detectors.md, as a story of one lift."""

import pytest

from telemetry.columns import Door, Mode, Unit
from telemetry.findings import Change, ClearReason, Confidence
from tests.unit.detectors.story import (
    BETWEEN,
    LANDING,
    OPEN_AT_LANDING,
    RUNNING,
    TRAPPED_AT_LANDING,
    TRAPPED_BETWEEN,
    Lift,
    RescueLift,
    seconds,
    us,
)

FOREVER_S = 3600


# ------------------------------------------------------------------ stopped


@pytest.mark.parametrize("speed_mps", [0.05, -0.05, 0.06, 2.5, -2.5])
@pytest.mark.parametrize("car", [0, 1, None])
def test_a_speed_of_5_cm_a_second_or_more_is_moving_whatever_the_car_says(speed_mps, car):
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, car=car, speed_mps=speed_mps)
    lift.wait_until(FOREVER_S)
    assert lift.said() == []


@pytest.mark.parametrize("speed_mps", [0.0, 0.049, -0.049, None])
def test_car_0_below_that_speed_or_without_one_is_stopped(speed_mps):
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, car=0, speed_mps=speed_mps)
    lift.wait_until(FOREVER_S)
    assert lift.said() == [("raised", BETWEEN, 30)]


def test_car_unknown_with_a_known_speed_is_stopped():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, car=None, speed_mps=0.0)
    lift.wait_until(FOREVER_S)
    assert lift.said() == [("raised", BETWEEN, 30)]


def test_car_and_speed_unknown_is_not_stopped():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, car=None, speed_mps=None)
    lift.wait_until(FOREVER_S)
    assert lift.said() == []


@pytest.mark.parametrize(
    ("state", "kind", "expected_s"),
    [(TRAPPED_BETWEEN, BETWEEN, 90), (TRAPPED_AT_LANDING, LANDING, 180)],
)
def test_car_1_below_that_speed_counts_only_after_three_windows(state, kind, expected_s):
    lift = RescueLift()
    lift.at(0, state, car=1, speed_mps=0.0)
    lift.alive_until(expected_s - 0.000001)
    assert lift.said() == []
    (raised,) = lift.wait_until(expected_s)
    assert lift.said() == [("raised", kind, expected_s)]
    assert raised.confidence is Confidence.PROBABLE
    assert raised.criteria["stopped"] is None


def test_car_1_with_the_button_counts_after_three_short_windows():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, car=1, button=1)
    lift.wait_until(FOREVER_S)
    assert lift.raised() == [30]


def test_car_1_without_a_speed_is_not_stopped():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, car=1, speed_mps=None)
    lift.wait_until(FOREVER_S)
    assert lift.said() == []


def test_a_speed_from_before_the_car_stopped_is_forgotten():
    lift = RescueLift()
    lift.at(0, RUNNING)
    lift.at(10, car=0)
    lift.wait_until(FOREVER_S)
    assert lift.raised() == [40]


def test_a_speed_from_before_the_car_started_is_forgotten():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN)
    lift.at(10, car=1)
    lift.wait_until(FOREVER_S)
    assert lift.said() == []


# ------------------------------------------------------------------ inside


@pytest.mark.parametrize("door", [Door.CLOSING, Door.CLOSED])
def test_presence_is_latched_while_the_doors_are_closing_or_closed(door):
    lift = RescueLift()
    lift.at(0, RUNNING, door=door)
    lift.at(5, RUNNING, door=Door.CLOSED, passenger=0)
    lift.at(10, TRAPPED_AT_LANDING, passenger=0, codes=(3,))
    (raised,) = lift.wait_until(FOREVER_S)
    assert lift.said() == [("raised", LANDING, 70)]
    assert raised.confidence is Confidence.CERTAIN
    assert raised.criteria["inside_latched"] is True


def test_presence_while_the_doors_are_open_is_not_latched():
    lift = RescueLift()
    lift.at(0, OPEN_AT_LANDING, passenger=1)
    lift.at(5, OPEN_AT_LANDING, passenger=0)
    lift.at(10, TRAPPED_AT_LANDING, passenger=0)
    lift.at(20, TRAPPED_BETWEEN, passenger=0)
    lift.wait_until(FOREVER_S)
    assert lift.said() == []


def test_a_later_false_does_not_release_the_latch():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN)
    lift.every(1, 1, 29, TRAPPED_BETWEEN, passenger=0)
    assert lift.said() == []
    lift.wait_until(30)
    assert lift.said() == [("raised", BETWEEN, 30)]


def test_the_latch_is_released_only_by_open_doors_in_the_zone():
    lift = RescueLift()
    lift.at(0, RUNNING)
    lift.at(1, RUNNING, door=Door.OPEN, passenger=0)  # open outside the zone
    lift.at(5, TRAPPED_AT_LANDING, door=Door.OPENING, passenger=0)  # only opening
    lift.at(9, TRAPPED_AT_LANDING, passenger=0)
    lift.wait_until(71)
    assert lift.raised() == [69]
    freed = RescueLift()
    freed.at(0, RUNNING)
    freed.at(5, OPEN_AT_LANDING, passenger=0)
    freed.at(9, TRAPPED_AT_LANDING, passenger=0)
    freed.wait_until(FOREVER_S)
    assert freed.said() == []


def test_presence_never_reported_is_unknown():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, passenger=None)
    (raised,) = lift.wait_until(FOREVER_S)
    assert lift.said() == [("raised", BETWEEN, 30)]
    assert raised.confidence is Confidence.POSSIBLE
    assert raised.criteria["inside"] is None


def test_nobody_inside_is_no_entrapment():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, passenger=0)
    lift.at(1000, TRAPPED_AT_LANDING, passenger=0, button=1)
    lift.wait_until(FOREVER_S)
    assert lift.said() == []


@pytest.mark.parametrize("door", [None, Door.UNKNOWN, Door.HELD, Door.LOCKED])
def test_somebody_never_seen_behind_closed_doors_is_possibly_inside(door):
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, door=door)
    (raised,) = lift.wait_until(FOREVER_S)
    assert raised.confidence is Confidence.POSSIBLE


@pytest.mark.parametrize("door", [Door.OPENING, Door.OPEN])
def test_somebody_seen_only_at_open_doors_is_not_latched_inside(door):
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, door=door)
    lift.wait_until(FOREVER_S)
    assert lift.said() == []


def test_a_count_is_presence_and_gives_the_number_of_people():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, passenger=4)
    (raised,) = lift.wait_until(FOREVER_S)
    assert raised.values["people"] == 4
    one_or_some = RescueLift()
    one_or_some.at(0, TRAPPED_BETWEEN, passenger=1)
    assert one_or_some.wait_until(FOREVER_S)[0].values["people"] is None


# ------------------------------------------------------------------ the two classes


def test_between_landings_needs_the_zone_known_false():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, zone=None)
    lift.wait_until(FOREVER_S)
    assert lift.said() == []


@pytest.mark.parametrize("door", list(Door))
def test_between_landings_does_not_ask_for_the_doors(door):
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN)
    lift.at(1, TRAPPED_BETWEEN, door=door)
    lift.wait_until(FOREVER_S)
    assert lift.said() == [("raised", BETWEEN, 30)]


@pytest.mark.parametrize("door", [Door.CLOSING, Door.CLOSED, Door.LOCKED, Door.HELD])
def test_at_a_landing_with_doors_known_and_not_opening(door):
    lift = RescueLift()
    lift.at(0, RUNNING)
    lift.at(10, TRAPPED_AT_LANDING, door=door)
    lift.alive_until(FOREVER_S)
    assert lift.said() == [("raised", LANDING, 70)]


@pytest.mark.parametrize("door", [Door.OPENING, Door.OPEN])
def test_at_a_landing_with_doors_opening_or_open_nobody_is_trapped(door):
    lift = RescueLift()
    lift.at(0, RUNNING)
    lift.at(10, TRAPPED_AT_LANDING, door=door)
    lift.wait_until(FOREVER_S)
    assert lift.said() == []


def test_at_a_landing_with_doors_never_told_nobody_is_known_to_be_trapped():
    lift = RescueLift()
    lift.at(0, TRAPPED_AT_LANDING, door=None, button=1)
    lift.wait_until(FOREVER_S)
    assert lift.said() == []


def test_at_a_landing_inside_unknown_counts_only_with_the_button():
    lift = RescueLift()
    lift.at(0, TRAPPED_AT_LANDING, passenger=None)
    lift.wait_until(600)
    assert lift.said() == []
    lift.at(600, button=1)
    (raised,) = lift.wait_until(FOREVER_S)
    assert lift.said() == [("raised", LANDING, 610)]
    assert seconds(raised.onset_us) == 600
    assert raised.confidence is Confidence.POSSIBLE


@pytest.mark.parametrize("unit", [Unit.ESCALATOR, Unit.WALK])
def test_escalators_and_walks_never_meet_lift_rules(unit):
    lift = Lift()
    lift.at(0, TRAPPED_BETWEEN, unit=unit, button=1, codes=(41, 90))
    lift.at(100, TRAPPED_AT_LANDING, unit=unit)
    lift.wait_until(FOREVER_S)
    # their own mains are off, by a rule of theirs
    assert {t.rule for t in lift.found} == {"escalator_mains_off"}


# ------------------------------------------------------------------ modes


@pytest.mark.parametrize("mode", [Mode.INSPECTION, Mode.FIRE_RECALL, Mode.FIREFIGHTER])
def test_inspection_and_fire_modes_in_the_first_stopped_frame_suppress(mode):
    lift = RescueLift()
    lift.at(0, RUNNING)
    lift.at(10, TRAPPED_BETWEEN, mode=mode)
    lift.at(20, TRAPPED_BETWEEN, mode=Mode.NORMAL)
    lift.wait_until(FOREVER_S)
    assert lift.said() == []


@pytest.mark.parametrize(
    "mode", [None, Mode.NORMAL, Mode.EMERGENCY_POWER, Mode.SEISMIC, Mode.UNKNOWN]
)
def test_other_modes_and_a_missing_one_do_not_suppress(mode):
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, mode=mode)
    lift.wait_until(FOREVER_S)
    assert lift.raised() == [30]


def test_out_of_service_suppresses_unless_a_person_is_latched():
    empty = RescueLift()
    empty.at(0, TRAPPED_BETWEEN, mode=Mode.STOPPED, passenger=None)
    empty.wait_until(FOREVER_S)
    assert empty.said() == []
    occupied = RescueLift()
    occupied.at(0, TRAPPED_BETWEEN, mode=Mode.STOPPED)
    occupied.wait_until(FOREVER_S)
    assert occupied.raised() == [30]


@pytest.mark.parametrize(
    ("mode", "explains", "confidence"),
    [
        (Mode.NORMAL, {}, Confidence.CERTAIN),
        (None, {}, Confidence.PROBABLE),
        (Mode.UNKNOWN, {}, Confidence.PROBABLE),
        (None, {"button": 1}, Confidence.CERTAIN),
        (None, {"safety_circuit": 0}, Confidence.CERTAIN),
        (Mode.UNKNOWN, {"power": 1}, Confidence.CERTAIN),
        (None, {"codes": (5,)}, Confidence.CERTAIN),
    ],
)
def test_where_nobody_tells_the_mode_a_mechanic_looks_the_same(mode, explains, confidence):
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, explains, mode=mode)
    lift.wait_until(FOREVER_S)
    raised = next(t for t in lift.found if t.kind is BETWEEN)
    assert raised.confidence is confidence


@pytest.mark.parametrize("mode", [0, 2, 3, 4])
def test_a_later_change_of_mode_neither_resets_nor_clears(mode):
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN)
    lift.at(15, TRAPPED_BETWEEN, mode=mode)
    lift.wait_until(31)
    lift.at(100, TRAPPED_BETWEEN, mode=Mode.NORMAL)
    lift.at(200, TRAPPED_BETWEEN, mode=mode)
    lift.wait_until(FOREVER_S)
    assert lift.said() == [("raised", BETWEEN, 30)]


def test_after_an_opening_the_mode_is_taken_anew():
    mechanic = RescueLift()
    mechanic.at(0, OPEN_AT_LANDING)
    mechanic.at(10, TRAPPED_AT_LANDING, mode=Mode.INSPECTION)
    mechanic.wait_until(FOREVER_S)
    assert mechanic.said() == []
    passenger = RescueLift()
    passenger.at(0, OPEN_AT_LANDING, mode=Mode.INSPECTION)
    passenger.at(10, TRAPPED_AT_LANDING, mode=Mode.NORMAL)
    passenger.alive_until(FOREVER_S)
    assert passenger.raised() == [70]


# ------------------------------------------------------------------ one alarm, its end


def test_while_one_class_is_active_the_other_only_updates_it():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN)
    lift.at(40, TRAPPED_AT_LANDING)
    lift.wait_until(FOREVER_S)
    assert lift.said() == [("raised", BETWEEN, 30), ("updated", LANDING, 50)]
    updated = lift.found[-1]
    assert (updated.kind, updated.onset_us) == (BETWEEN, us(0))


def test_doors_open_in_the_zone_end_it_at_the_instant_of_opening():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN)
    lift.at(40, TRAPPED_AT_LANDING)
    lift.at(45, OPEN_AT_LANDING)
    (cleared,) = lift.at(47, OPEN_AT_LANDING)
    assert cleared.change is Change.CLEARED
    assert cleared.reason is ClearReason.DOORS_OPENED
    assert (cleared.onset_us, cleared.t_us) == (us(0), us(45))


def test_nothing_else_ends_it():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN)
    lift.at(31, TRAPPED_BETWEEN, passenger=0)
    lift.at(40, RUNNING, passenger=0)
    lift.at(50, TRAPPED_BETWEEN, door=Door.OPEN, passenger=0)
    lift.at(60, mode=Mode.INSPECTION, power=0, button=0, codes=())
    lift.at(70, TRAPPED_AT_LANDING, door=Door.OPENING, passenger=0)
    lift.wait_until(FOREVER_S)
    assert [change for change, _, _ in lift.said()] == ["raised"]
