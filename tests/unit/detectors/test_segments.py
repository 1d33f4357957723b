"""The grouped vector helpers against plain loops."""

from random import Random

import numpy as np
import pytest

from detectors.segments import NEVER_US, Segments, Timeline


def random_rows(rng, m, n):
    return np.sort(np.array([rng.randrange(m) for _ in range(n)], np.int64))


def elements(seg):
    """Indices of each row's elements, head first."""
    return [range(h, last + 1) for h, last in zip(seg.head_at, seg.last_at, strict=True)]


@pytest.fixture(params=range(20))
def case(request):
    rng = Random(request.param)
    m = rng.choice((0, 1, 2, 5))
    row = random_rows(rng, m, rng.choice((0, 1, 5, 30)) if m else 0)
    seg = Segments.of(row, m)
    marks = np.array([rng.random() < 0.3 for _ in range(len(seg))], np.bool_)
    other = np.array([rng.random() < 0.3 for _ in range(len(seg))], np.bool_)
    return seg, row, marks, other


def test_a_strip_holds_each_head_before_the_frames_of_its_row(case):
    seg, row, _, _ = case
    strip = seg.join(np.arange(len(seg.head_at)) * 1000, np.arange(len(row)))
    expected = []
    for r in range(len(seg.head_at)):
        expected += [r * 1000, *np.flatnonzero(row == r)]
    assert strip.tolist() == expected
    assert seg.row.tolist() == [r for r, part in enumerate(elements(seg)) for _ in part]
    assert np.flatnonzero(seg.at_frames(np.ones(len(row), np.bool_))).tolist() == (
        seg.frame_at.tolist()
    )


def test_last_hold_latch_rises_changes_first_and_counts_equal_plain_loops(case):
    seg, _, marks, other = case
    values = np.cumsum(marks) % 3
    carried = np.arange(len(seg.head_at))
    got = {
        "last": seg.last(marks),
        "hold": seg.hold(values, marks),
        "latch": seg.latch(marks, other),
        "rises": seg.rises(marks),
        "changes": seg.changes(values),
        "first": seg.first(marks),
        "count": seg.count_since(marks, other & ~seg.is_head, carried),
    }
    expected = {name: np.zeros(len(seg), np.int64) for name in got}
    for r, part in enumerate(elements(seg)):
        last, latched, seen, count = part[0], False, False, int(carried[r])
        for i in part:
            last = i if marks[i] else last
            latched = (latched or bool(marks[i])) and not other[i]
            count = 0 if other[i] and i != part[0] else count
            count += int(marks[i])
            expected["last"][i] = last
            expected["hold"][i] = values[last]
            expected["latch"][i] = latched
            expected["rises"][i] = i != part[0] and marks[i] and not marks[i - 1]
            expected["changes"][i] = i != part[0] and values[i] != values[i - 1]
            expected["first"][i] = marks[i] and not seen
            expected["count"][i] = count
            seen = seen or bool(marks[i])
    for name, array in got.items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


def timeline(times_us, told, now_us, carried_us=0):
    seg = Segments.of(np.zeros(len(times_us), np.int64), 1)
    return Timeline.of(
        seg,
        np.array([carried_us]),
        np.array(times_us, np.int64),
        np.array([now_us]),
        seg.at_frames(np.array(told, np.bool_)),
    )


def test_a_deadline_is_reached_before_the_next_frame_and_not_at_it():
    line = timeline([10, 20], [True, True], NEVER_US)
    for deadline, expected in ((9, 0), (10, 1), (19, 1), (20, 2)):
        reached = line.reached(np.full(3, deadline))
        assert int(np.flatnonzero(reached)[0]) == expected, deadline
    assert not line.reached(np.full(3, 21)).any()


def test_a_frame_that_tells_nothing_does_not_confirm():
    line = timeline([10, 20], [True, False], NEVER_US)
    assert not line.reached(np.full(3, 20)).any()


def test_a_tick_reaches_its_own_time_but_only_beyond_the_last_frame():
    line = timeline([10, 20], [True, False], 25)
    assert line.reached(np.full(3, 25)).tolist() == [False, False, True]
    assert line.by_tick(np.full(3, 25)).tolist() == [False, False, True]
    assert not line.reached(np.full(3, 26)).any()
    assert not line.by_tick(np.full(3, 26)).any()
    assert not line.by_tick(np.full(3, 19)).any()
    assert not timeline([10, 20], [True, False], 20).reached(np.full(3, 20)).any()


def test_a_time_behind_its_row_is_raised_to_it_and_other_rows_are_left_alone():
    seg = Segments.of(np.array([0, 0, 1]), 2)
    line = Timeline.of(
        seg,
        np.array([100, NEVER_US]),
        np.array([50, 120, 7]),
        np.full(2, NEVER_US),
        seg.at_frames(np.ones(3, np.bool_)),
    )
    assert line.t_us.tolist() == [100, 100, 120, NEVER_US, 7]
