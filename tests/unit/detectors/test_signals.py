"""What a unit's frames told, held along the strip."""

import numpy as np
import pytest

from detectors.segments import NEVER_US, Segments, times
from detectors.signals import (
    ESCALATOR_COLUMNS,
    LIFT_COLUMNS,
    Heard,
    Strip,
    from_lift,
    held_dtype,
    never_heard,
)
from telemetry.columns import COLUMN, UNKNOWN
from tests.contract.detector_streams import batch_of, codes_mask

S = 1_000_000


def carried(columns, m, **known):
    made = np.zeros(m, held_dtype(columns))
    for name, value in {**never_heard(columns), **known}.items():
        made[name] = value
    return made


def heard(*frames, before=None, rows=None, unit="lift"):
    """Frames of one lift a second apart, or of the rows given, after what was carried in."""
    rows = rows or [0] * len(frames)
    m = max(rows, default=0) + 1
    made = [{"time_us": S * i, **frame} for i, frame in enumerate(frames)]
    batch = batch_of(rows, made)
    seg = Segments.of(batch["row"], m)
    t_us, end_us = times(seg, np.full(m, -S), batch["time_us"], np.full(m, NEVER_US))
    strip, lifts = Strip(batch, seg, t_us, end_us), from_lift(batch)
    mine, columns = (lifts, LIFT_COLUMNS) if unit == "lift" else (~lifts, ESCALATOR_COLUMNS)
    return Heard(strip, mine, carried(columns, m, **(before or {})), columns)


def test_a_column_is_held_until_it_is_told_anew():
    lift = heard({"door": 2}, {}, {"door": 4}, {"door": 0}, {"car": 1})
    assert lift.held("door").tolist() == [UNKNOWN, 2, 2, 4, 4, 4]
    assert lift.told("door").tolist() == [True, False, True, False, False]
    assert lift.told_at("door").tolist() == [False, True, False, True, False, False]
    assert lift.prior("door").tolist() == [UNKNOWN, UNKNOWN, 2, 2, 4, 4]


def test_what_was_carried_in_goes_on():
    lift = heard({"car": 1}, {"zone": 0}, before={"zone": 1, "speed_mps": 1.5})
    assert lift.held("zone").tolist() == [1, 1, 0]
    assert lift.after()["zone"].tolist() == [0]
    assert lift.after()["car"].tolist() == [1]


def test_rows_are_apart():
    lift = heard({"zone": 1}, {}, {}, {"zone": 0}, rows=[0, 0, 1, 1])
    assert lift.held("zone").tolist() == [UNKNOWN, 1, 1, UNKNOWN, UNKNOWN, 0]
    assert lift.after()["zone"].tolist() == [1, 0]


def test_lifts_and_escalators_are_heard_apart():
    frames = ({"car": 1, "unit": 0}, {"car": 0, "unit": 1}, {"car": 0, "unit": 2}, {"zone": 1})
    lift, escalator = heard(*frames), heard(*frames, unit="escalator")
    assert lift.held("car").tolist() == [UNKNOWN, 1, 1, 1, 1]
    assert escalator.held("car").tolist() == [UNKNOWN, UNKNOWN, 0, 0, 0]
    assert lift.line.told.tolist() == [False, True, False, False, True]
    assert escalator.line.told.tolist() == [False, False, True, True, False]
    assert lift.seen_us.tolist() == [NEVER_US, 0, 0, 0, 3 * S]
    assert escalator.after()["seen_us"].tolist() == [2 * S]


def test_a_frame_that_tells_only_its_unit_tells_nothing():
    lift = heard({"unit": 0}, {"door": 0})
    assert not lift.line.told.any()
    assert lift.after()["seen_us"].tolist() == [NEVER_US]


def test_a_speed_is_forgotten_when_the_car_turns_without_telling_one():
    lift = heard({"car": 1, "speed_mps": 1.5}, {"car": 1}, {"car": 0}, {"car": 0, "speed_mps": 0.0})
    np.testing.assert_array_equal(lift.held("speed_mps"), np.float32([np.nan, 1.5, 1.5, np.nan, 0]))
    turned = heard({"car": 0}, before={"car": 1, "speed_mps": 2.0}).after()
    np.testing.assert_array_equal(turned["speed_mps"], [np.nan])
    told_at_once = heard({"car": 1, "speed_mps": 1.0}, {"car": 0, "speed_mps": 0.5})
    np.testing.assert_array_equal(told_at_once.held("speed_mps"), np.float32([np.nan, 1, 0.5]))


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (({"codes": (41,)}, {}, {"codes": ()}), [-1, 1, 1, 0]),
        (({"codes": (41,)}, {"power": 0}, {"power": 1}), [-1, 1, 0, 0]),
        (({"codes": (41,), "power": 0}, {"button": 0}), [-1, 1, 1]),
        (({"power": 0}, {"codes": (41,)}, {"power": 1}), [-1, -1, 1, 1]),
        (({"codes": (41,)}, {"power": 0}, {"codes": (41,)}), [-1, 1, 0, 1]),
        (({"codes": (4,)}, {"power": 0}), [-1, 0, 0]),
    ],
)
def test_code_41_lasts_until_a_list_or_mains_deny_it(frames, expected):
    assert heard(*frames).code(41).tolist() == expected


def test_a_denied_code_stays_denied_in_the_next_batch():
    first = heard({"codes": (41, 90, 4)}, {"power": 0})
    after = first.after()
    assert after["codes"].tolist() == [codes_mask((90, 4))]
    second = heard({}, before={"codes": after["codes"]})
    assert [second.code(c)[-1] for c in (41, 90, 4, 5)] == [0, 1, 1, 0]
    third = heard({"button": 0}, before={"codes": after["codes"]}).after()
    assert third["codes"].tolist() == [codes_mask((4,))]


def test_codes_never_told_are_unknown_and_stay_so():
    lift = heard({"power": 0, "button": 0})
    assert lift.code(41).tolist() == [-1, -1]
    assert lift.after()["codes"].tolist() == [UNKNOWN]


def test_every_column_of_a_frame_is_held_for_somebody():
    assert {*LIFT_COLUMNS, *ESCALATOR_COLUMNS, "unit"} == set(COLUMN)


def test_a_batch_without_frames_carries_everything_on():
    seg = Segments.of(np.empty(0, "i4"), 2)
    batch = batch_of([], [])
    t_us, end_us = times(seg, np.array([5, 6]), batch["time_us"], np.array([9, 9]))
    before = carried(LIFT_COLUMNS, 2, zone=1, seen_us=4)
    lift = Heard(Strip(batch, seg, t_us, end_us), from_lift(batch), before, LIFT_COLUMNS)
    for name, values in lift.after().items():
        np.testing.assert_array_equal(values, before[name])
