"""The overdue test of the alarm: who is asked for one, when it is overdue, what ends it."""

from telemetry.findings import Change, ClearReason, FindingKind
from tests.unit.detectors.story import Lift, seconds

KIND = FindingKind.TEST_OVERDUE
DAY_S = 86_400
TEST = {"button": 1, "alarm_test": 1}
NO_TEST = {"button": 0, "alarm_test": 0}


def test_three_days_after_the_last_test_it_is_overdue_until_the_next():
    lift = Lift()
    lift.at(0, NO_TEST)
    lift.at(100, TEST)
    lift.at(103, NO_TEST)
    lift.at(2 * DAY_S, TEST)
    lift.at(2 * DAY_S + 3, NO_TEST)
    lift.wait_until(5 * DAY_S - 1)
    assert lift.said(KIND) == []
    lift.wait_until(5 * DAY_S + 60)
    lift.at(6 * DAY_S, NO_TEST)
    lift.at(7 * DAY_S, TEST)
    assert lift.said(KIND) == [("raised", KIND, 5 * DAY_S), ("cleared", KIND, 7 * DAY_S)]
    raised = lift.found[-1]
    assert seconds(raised.onset_us) == 5 * DAY_S
    assert seconds(raised.values["last_test_us"]) == 2 * DAY_S


def test_a_lift_that_never_told_a_test_is_asked_for_none_unless_its_interval_is_set():
    asked, spared = Lift(test_interval_d=1), Lift()
    for lift in (asked, spared):
        lift.at(0, car=0)
        lift.wait_until(30 * DAY_S)
    assert asked.said(KIND) == [("raised", KIND, DAY_S)]
    assert asked.found[0].criteria["ever_tested"] is False
    assert asked.found[0].values["last_test_us"] is None
    assert spared.said(KIND) == []


def test_a_press_in_earnest_is_no_test():
    lift = Lift(test_interval_d=1)
    lift.at(0, NO_TEST)
    lift.at(DAY_S / 2, button=1, alarm_test=0)
    lift.wait_until(2 * DAY_S)
    assert lift.raised(KIND) == [DAY_S]


def test_a_test_that_comes_late_refutes_what_a_tick_raised():
    lift = Lift(test_interval_d=1)
    lift.at(0, NO_TEST)
    lift.wait_until(DAY_S + 5)
    lift.at(DAY_S - 1, TEST)
    ends = [t for t in lift.found if t.kind is KIND and t.change is Change.CLEARED]
    assert [t.reason for t in ends] == [ClearReason.LATE_EVIDENCE]
    lift.wait_until(2 * DAY_S)
    assert lift.raised(KIND)[-1] == 2 * DAY_S - 1


def test_the_interval_can_be_longer_than_the_norm():
    lift = Lift(test_interval_d=30)
    lift.at(0, TEST)
    lift.at(3, NO_TEST)
    lift.wait_until(29 * DAY_S)
    assert lift.said(KIND) == []
