"""What explains closed doors, who is believed to be inside, and what silence changes: stories."""

import pytest

from telemetry.columns import Door, Mode
from telemetry.findings import ClearReason, Confidence
from tests.unit.detectors.story import (
    BETWEEN,
    LANDING,
    OPEN_AT_LANDING,
    RUNNING,
    TRAPPED_AT_LANDING,
    TRAPPED_BETWEEN,
    RescueLift,
    seconds,
)

HOUR_S = 3600
IN_ORDER = {"codes": (), "safety_circuit": 1, "power": 0, "load_pct": 10.0}
COUPLED = {**TRAPPED_AT_LANDING, **IN_ORDER}


# ------------------------------------------------------------------ explained


@pytest.mark.parametrize(
    ("explains", "window_s"),
    [({"codes": (code,)}, 60) for code in range(1, 9)]
    + [
        ({"safety_circuit": 0}, 60),
        ({"load_pct": 111.0}, 60),
        ({"mode": Mode.SEISMIC}, 60),
        ({"mode": Mode.EMERGENCY_POWER}, 60),
        ({"power": 1}, 10),
        ({"codes": (41,)}, 10),
        ({"button": 1}, 10),
        ({"codes": (90,)}, 10),
    ],
    ids=str,
)
def test_what_explains_closed_doors_asks_for_the_short_window(explains, window_s):
    lift = RescueLift()
    lift.at(0, COUPLED, explains)
    (raised,) = [t for t in lift.alive_until(HOUR_S) if t.kind is LANDING]
    assert seconds(raised.t_us) == window_s
    assert raised.criteria["explained"] is True
    assert raised.confidence is Confidence.CERTAIN


@pytest.mark.parametrize("tells", [{}, {"codes": (0,)}, {"codes": (40,)}, {"load_pct": 110.0}])
def test_a_lift_that_tells_its_faults_and_none_asks_for_four_minutes(tells):
    lift = RescueLift()
    lift.at(0, COUPLED, tells)
    (raised,) = lift.alive_until(HOUR_S)
    assert seconds(raised.t_us) == 240
    assert raised.criteria["explained"] is False
    assert raised.confidence is Confidence.PROBABLE


def test_a_lift_that_tells_no_codes_keeps_the_minute_and_is_only_probable():
    lift = RescueLift()
    lift.at(0, TRAPPED_AT_LANDING)
    (raised,) = lift.alive_until(HOUR_S)
    assert seconds(raised.t_us) == 60
    assert raised.criteria["explained"] is None
    assert raised.confidence is Confidence.PROBABLE


def test_doors_that_began_to_open_and_did_not_explain_it():
    lift = RescueLift()
    lift.at(0, RUNNING, IN_ORDER)
    lift.at(5, COUPLED)
    lift.at(6, COUPLED, door=Door.OPENING)
    lift.at(8, COUPLED)
    (raised,) = lift.alive_until(HOUR_S)
    assert seconds(raised.t_us) == 65  # a gap of two seconds in the class is bridged
    assert raised.criteria["doors_tried"] is True


def test_a_code_that_comes_after_a_minute_completes_the_window_at_once():
    lift = RescueLift()
    lift.at(0, COUPLED)
    lift.alive_until(80)
    (raised,) = lift.at(90, COUPLED, codes=(8,))
    assert seconds(raised.t_us) == 90


def test_between_landings_nothing_needs_to_be_explained():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, IN_ORDER)
    (raised,) = lift.wait_until(HOUR_S)
    assert (seconds(raised.t_us), raised.confidence) == (30, Confidence.CERTAIN)


# ------------------------------------------------------------------ silence


def test_a_connection_that_fails_while_somebody_boards_is_no_entrapment():
    lift = RescueLift()
    lift.at(0, COUPLED, door=Door.CLOSING)
    lift.at(3, COUPLED)
    assert lift.wait_until(HOUR_S) == []
    lift.at(4, RUNNING, IN_ORDER)  # what was buffered comes at last
    assert lift.wait_until(HOUR_S) == []


@pytest.mark.parametrize("silent", [{"codes": (3,)}, {"safety_circuit": 0}, {"power": 1}])
def test_silence_changes_nothing_where_something_explains_it(silent):
    lift = RescueLift()
    lift.at(0, COUPLED, silent)
    lift.wait_until(HOUR_S)
    assert lift.raised() in ([60], [10])


def test_silence_changes_nothing_between_landings():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, IN_ORDER)
    lift.wait_until(HOUR_S)
    assert lift.raised() == [30]


def test_somebody_unseen_since_a_silence_is_told_of_in_the_end():
    lift = RescueLift()
    lift.at(0, COUPLED)
    (raised,) = lift.wait_until(5 * HOUR_S)
    assert (seconds(raised.t_us), raised.confidence) == (4 * HOUR_S, Confidence.POSSIBLE)
    assert raised.values["unheard_us"] == 4 * HOUR_S * 1_000_000


def test_the_first_frame_that_still_shows_somebody_completes_the_window():
    lift = RescueLift()
    lift.at(0, TRAPPED_AT_LANDING)
    lift.wait_until(600)
    (raised,) = lift.at(600, TRAPPED_AT_LANDING)
    assert (seconds(raised.t_us), seconds(raised.onset_us)) == (600, 0)
    assert raised.criteria["seen_since_silence"] is True


def test_one_that_no_longer_shows_anybody_does_not():
    lift = RescueLift()
    lift.at(0, TRAPPED_AT_LANDING)
    lift.at(600, TRAPPED_AT_LANDING, passenger=0)
    lift.alive_until(HOUR_S)
    assert lift.said() == []
    lift.at(HOUR_S, button=1)
    assert lift.raised() == [HOUR_S]


def test_who_moved_a_car_unheard_is_judged_by_the_mode_in_which_he_is_found():
    """The terminal falls silent at a landing and comes back while a mechanic is at work."""
    lift = RescueLift()
    lift.at(0, COUPLED, passenger=0, load_pct=0.0, floor=2)
    lift.at(HOUR_S, COUPLED, zone=0, floor=9, mode=Mode.INSPECTION)
    lift.alive_until(HOUR_S + 600)
    assert not lift.found


@pytest.mark.parametrize("mode", [Mode.NORMAL, None])
def test_whoever_is_found_between_landings_after_a_silence_is_trapped(mode):
    lift = RescueLift()
    lift.at(0, COUPLED, passenger=0, load_pct=0.0, floor=2)
    lift.at(HOUR_S, COUPLED, zone=0, floor=9, mode=mode)
    lift.every(15, HOUR_S + 15, HOUR_S + 60, COUPLED, zone=0, floor=9, mode=mode)
    assert lift.raised() == [HOUR_S + 30]


def test_a_mechanic_who_comes_to_a_car_that_stands_where_it_stood_changes_nothing():
    lift = RescueLift()
    lift.at(0, COUPLED, zone=0, floor=9, passenger=1)
    lift.at(20, COUPLED, zone=0, floor=9, passenger=1)
    lift.at(100, COUPLED, zone=0, floor=9, mode=Mode.INSPECTION)
    assert lift.raised() == [30]


def test_a_heartbeat_of_thirty_seconds_is_no_silence():
    lift = RescueLift()
    for beat_s in range(0, 61, 30):
        lift.at(beat_s, TRAPPED_AT_LANDING)
    assert lift.raised() == [60]


def test_a_longer_heartbeat_needs_its_parameter():
    lift = RescueLift(silent_after_s=180)
    lift.at(0, TRAPPED_AT_LANDING)
    lift.wait_until(HOUR_S)
    assert lift.raised() == [60]


# ------------------------------------------------------------------ witnesses


def rides(lift, start_s, n, **seen):
    """Let the doors cycle ``n`` times, ten seconds each."""
    for k in range(n):
        lift.at(start_s + 10 * k, OPEN_AT_LANDING, IN_ORDER, seen)
        lift.at(start_s + 10 * k + 5, COUPLED, seen)
    return start_s + 10 * n


def test_somebody_whom_the_scale_does_not_feel_is_not_certain():
    lift = RescueLift()
    lift.at(0, COUPLED, load_pct=1.0)
    assert lift.alive_until(2 * HOUR_S) == []
    lift.at(2 * HOUR_S, COUPLED, load_pct=1.0, button=1)
    lift.wait_until(2 * HOUR_S + 10)
    assert lift.raised() == [2 * HOUR_S + 10]
    assert lift.found[-1].confidence is Confidence.POSSIBLE


def test_between_landings_a_scale_that_contradicts_only_lowers_the_confidence():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, load_pct=1.0)
    (raised,) = lift.wait_until(HOUR_S)
    assert (seconds(raised.t_us), raised.confidence) == (30, Confidence.POSSIBLE)
    assert raised.criteria["scale_says_somebody"] is False


def test_a_scale_that_contradicts_does_not_count_against_a_faulty_lift():
    lift = RescueLift()
    lift.at(0, COUPLED, load_pct=0.0, codes=(3,))
    (raised,) = lift.wait_until(HOUR_S)
    assert (seconds(raised.t_us), raised.confidence) == (60, Confidence.POSSIBLE)


def test_an_empty_car_without_a_presence_sensor_is_empty_by_its_scale():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, passenger=None, load_pct=0.0)
    lift.wait_until(HOUR_S)
    assert lift.said() == []
    lift.at(HOUR_S, button=1)
    lift.wait_until(2 * HOUR_S)
    assert lift.raised() == [HOUR_S + 10]


def test_a_load_without_a_presence_sensor_is_somebody_if_the_lift_is_faulty():
    for codes, expected in (((3,), [60]), ((), [])):
        lift = RescueLift()
        lift.at(0, COUPLED, passenger=None, codes=codes)
        lift.alive_until(HOUR_S)
        assert lift.raised() == expected


def test_a_scale_that_never_changes_is_not_believed():
    lift = RescueLift()
    t = rides(lift, 0, 19, load_pct=0.0, passenger=None)
    lift.at(t, TRAPPED_BETWEEN, load_pct=0.0, passenger=None)
    assert lift.wait_until(t + HOUR_S) == []
    dead = RescueLift()
    t = rides(dead, 0, 20, load_pct=0.0, passenger=None)
    dead.at(t, TRAPPED_BETWEEN, load_pct=0.0, passenger=None)
    dead.wait_until(t + HOUR_S)
    assert dead.raised() == [t + 30]


def test_a_sensor_stuck_on_is_known_after_two_long_stays_with_nobody_leaving():
    lift = RescueLift()
    for start_s in range(0, 1000, 200):
        lift.at(start_s, TRAPPED_AT_LANDING)
        lift.alive_until(start_s + 100)
        lift.at(start_s + 110, OPEN_AT_LANDING, passenger=1)
        lift.at(start_s + 120, OPEN_AT_LANDING, passenger=1)
    assert lift.raised() == [60, 260]


@pytest.mark.parametrize(("stay_s", "raised"), [(60, []), (59, [460])])
def test_a_stay_is_long_from_the_window_at_a_landing_on(stay_s, raised):
    lift = RescueLift()
    for start_s in (0, 200):
        lift.at(start_s, TRAPPED_AT_LANDING)
        lift.at(start_s + stay_s, OPEN_AT_LANDING, passenger=1)
        lift.at(start_s + 100, OPEN_AT_LANDING, passenger=1)
    lift.at(400, TRAPPED_AT_LANDING)
    lift.alive_until(600)
    assert lift.raised() == raised


@pytest.mark.parametrize(("openings", "trusted"), [(9, True), (10, False)])
def test_an_opening_after_a_long_stay_counts_as_ten(openings, trusted):
    lift = RescueLift()
    lift.at(0, TRAPPED_AT_LANDING)
    lift.alive_until(100)
    for start_s in range(100, 100 + 20 * (openings + 1), 20):
        lift.at(start_s, OPEN_AT_LANDING, passenger=1)
        lift.at(start_s + 10, TRAPPED_AT_LANDING)
    lift.alive_until(600)
    assert len(lift.raised()) == 1 + trusted


def test_a_load_unseen_by_the_sensor_may_be_somebody_between_landings():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, passenger=0, load_pct=12.0)
    (raised,) = lift.wait_until(HOUR_S)
    assert (seconds(raised.t_us), raised.confidence) == (30, Confidence.POSSIBLE)


# ------------------------------------------------------------------ doors that are never told


def test_somebody_seen_in_a_moving_car_is_inside_whatever_the_doors_say():
    lift = RescueLift()
    lift.at(0, RUNNING, door=None)
    lift.at(10, TRAPPED_BETWEEN, door=None, passenger=0)
    (raised,) = lift.wait_until(HOUR_S)
    assert (seconds(raised.t_us), raised.confidence) == (40, Confidence.CERTAIN)
    assert lift.said() == [("raised", BETWEEN, 40)]


@pytest.mark.parametrize(("stay_s", "expected"), [(4.9, [50]), (5, [])])
def test_without_doors_a_stay_at_a_landing_lets_people_out(stay_s, expected):
    lift = RescueLift()
    lift.at(0, RUNNING, door=None)
    lift.at(10, TRAPPED_AT_LANDING, door=None, passenger=0)
    lift.at(10 + stay_s, RUNNING, door=None, passenger=0)
    lift.at(20, TRAPPED_BETWEEN, door=None, passenger=0)
    lift.wait_until(HOUR_S)
    assert lift.raised() == expected


def test_without_doors_the_alarm_ends_when_the_car_goes_on_from_a_landing():
    lift = RescueLift()
    lift.at(0, TRAPPED_BETWEEN, door=None, passenger=None)
    lift.wait_until(60)
    lift.at(60, RUNNING, door=None, passenger=None, speed_mps=0.3)
    lift.at(70, TRAPPED_AT_LANDING, door=None, passenger=None)
    assert lift.wait_until(100) == []
    (cleared,) = lift.at(200, RUNNING, door=None, passenger=None)
    assert (seconds(cleared.t_us), cleared.reason) == (200, ClearReason.CONDITION_ENDED)


# ------------------------------------------------------------------ onset


def test_the_onset_is_when_the_doors_are_shut():
    lift = RescueLift()
    lift.at(0, OPEN_AT_LANDING, codes=(8,))
    lift.at(10, TRAPPED_AT_LANDING, codes=(8,), door=Door.CLOSING)
    lift.at(13.5, TRAPPED_AT_LANDING, codes=(8,))
    (raised,) = lift.wait_until(HOUR_S)
    assert (seconds(raised.onset_us), seconds(raised.t_us)) == (13.5, 73.5)


def test_it_moves_only_once_however_the_doors_flap():
    lift = RescueLift()
    lift.at(0, OPEN_AT_LANDING, codes=(8,))
    lift.at(10, TRAPPED_AT_LANDING, codes=(8,), door=Door.CLOSING)
    for t in range(12, 80, 2):
        lift.at(t, TRAPPED_AT_LANDING, codes=(8,))
        lift.at(t + 1, TRAPPED_AT_LANDING, codes=(8,), door=Door.CLOSING)
    assert lift.raised() == [72]


def test_doors_that_never_come_to_be_shut_count_from_when_they_began_to_close():
    lift = RescueLift()
    lift.at(0, OPEN_AT_LANDING, codes=(2,))
    lift.at(10, TRAPPED_AT_LANDING, codes=(2,), door=Door.CLOSING)
    (raised,) = lift.wait_until(HOUR_S)
    assert (seconds(raised.onset_us), seconds(raised.t_us)) == (10, 70)
