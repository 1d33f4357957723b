"""Sequence gaps, told as stories; the windows are those of docs/detectors.md."""

import numpy as np
import pytest

from detectors.health.number_pages import MOST_PER_S
from detectors.health.sequence_gaps import SequenceGapsDetector
from telemetry.columns import Unit
from telemetry.findings import Change, FindingKind
from tests.unit.detectors.story import Lift, us

GAPS = FindingKind.SEQUENCE_GAPS
HOUR_S = 3600


class Numbered(Lift):
    """A lift that tells its number and nothing else of interest, once a second."""

    def __init__(self, **overrides):
        super().__init__(SequenceGapsDetector(), **overrides)

    def tells(self, numbers, start_s=0.0, step_s=1.0, **known):
        """Tell these numbers in one batch; the last one's time is kept."""
        times_s = start_s + step_s * np.arange(len(numbers))
        frames = [{"floor": 3, "seq": n, **known} for n in numbers]
        return self.all_at_once(list(zip(times_s.tolist(), frames, strict=True)))

    def events(self):
        return [(t.change.name.lower(), round((t.t_us - us(0)) / 1e6, 3)) for t in self.found]


def without(numbers, *lost):
    return [n for n in numbers if n not in lost]


def test_complete_numbers_are_no_finding_and_cost_no_state():
    lift = Numbered()
    lift.tells(range(1, 3000))
    assert lift.found == []
    own = lift.bank.records([0])["sequence_gaps"]
    assert (own["missing"], own["before"], own["phase"]) == (0, 0, 0)


def test_a_few_lost_of_a_thousand_are_the_way_of_the_field():
    lift = Numbered()
    lost = set(range(50, 20_000, 100))  # one in a hundred, singly: ten a page
    lift.tells([n for n in range(1, 20_000) if n not in lost])
    assert lift.found == []


def test_the_sixteenth_of_a_page_is_a_finding_at_its_frame():
    lift = Numbered()
    lift.tells(range(1, 100))
    found = lift.tells([*range(115, 200)], 115)  # fifteen: 100 ... 114
    assert found == []
    [raised] = lift.tells([201], 201)  # and 200
    assert (raised.kind, raised.change) == (GAPS, Change.RAISED)
    assert (raised.t_us, raised.onset_us) == (us(201), us(201))
    assert raised.values["missing"] == 16
    assert (raised.values["first_missing"], raised.values["last_missing"]) == (200, 200)


def test_losses_amid_a_stream_are_told_from_those_in_a_silence():
    way = Numbered()
    way.tells(range(1, 100))
    [raised] = way.tells([120], 120)
    assert raised.criteria["amid_a_stream"]
    assert not raised.criteria["in_a_silence"]
    assert (raised.values["first_missing"], raised.values["last_missing"]) == (100, 119)
    cut_off = Numbered()
    cut_off.tells(range(1, 100))
    [raised] = cut_off.tells([500], 499, received_us=us(499 + 600))
    assert raised.criteria["in_a_silence"]
    assert raised.criteria["history_followed"]
    assert raised.values["missing_in_a_silence"] == 400


def test_a_silence_without_missing_numbers_is_none_of_its_business():
    lift = Numbered()
    lift.tells(range(1, 100))
    lift.tells(range(100, 200), 5 * HOUR_S)
    assert lift.found == []


def test_it_ends_when_numbers_were_complete_for_an_hour_at_the_frame_that_began_it():
    lift = Numbered()
    lift.tells(range(1, 100))
    lift.tells([200], 200)
    lift.tells(range(201, 300), 201)
    assert lift.wait_until(201 + HOUR_S - 1) == []
    lift.wait_until(201 + HOUR_S)
    assert lift.events() == [("raised", 200), ("cleared", 201)]


def test_what_was_missing_before_a_calm_hour_is_not_counted_again():
    lift = Numbered()
    lift.tells(without(range(1, 200), *range(100, 120)))
    lift.tells(range(200, 220), 200, 300.0)  # an hour and more in which nothing is missing
    [cleared] = lift.found[1:]
    assert cleared.change is Change.CLEARED
    at_s = 200 + 20 * 300
    assert lift.tells([221], at_s) == []  # a frame that was overtaken: 220 comes too late
    assert lift.tells([230, *range(231, 240)], at_s + 1) == []
    [again] = lift.tells([247], at_s + 60)
    assert (again.change, again.values["missing"]) == (Change.RAISED, 1 + 8 + 7)


def test_gaps_further_apart_than_the_calm_time_are_not_counted_together():
    lift = Numbered(gaps_calm_s=100)
    lift.tells([1, 10], 0)
    lift.tells([11, 20], 100, 1)
    assert [t.values["missing"] for t in lift.found] == [8 + 8]
    far = Numbered(gaps_calm_s=100)
    far.tells([1, 10], 0, 1)
    far.tells([11, 20], 101, 1)
    assert far.found == []


def test_a_gap_clears_nothing():
    lift = Numbered()
    lift.tells(range(1, 100))
    lift.tells([200], 200)
    assert lift.wait_until(50 * HOUR_S) == []  # nothing shows that numbers are complete again


def test_one_in_five_goes_on_as_one_finding_with_an_update_a_page():
    lift = Numbered()
    lift.tells([n for n in range(1, 5000) if n % 5])
    changes = [t.change for t in lift.found]
    assert changes == [Change.RAISED, *[Change.UPDATED] * 4]
    assert lift.found[-1].values["missing_before"] >= 200


def test_an_idle_lift_that_loses_on_stays_found_from_page_to_page():
    lift = Numbered()
    lift.tells([n for n in range(1, 3000) if n % 5], step_s=30)
    assert [t.change for t in lift.found].count(Change.RAISED) == 1
    assert Change.CLEARED not in {t.change for t in lift.found}


@pytest.mark.parametrize("first", [0, 1, 7])
def test_a_restart_has_lost_nothing_and_forgets_what_was_counted(first):
    lift = Numbered()
    lift.tells(range(1, 100))
    lift.tells([110], 110)
    lift.tells([first, first + 1, first + 2], 130)
    lift.tells([first + 10], 150)
    assert lift.found == []


def test_terminals_that_restart_again_and_again_have_lost_nothing():
    lift = Numbered()
    for k in range(50):
        lift.tells([0, 1, 2, 3], 10 * k)
    assert lift.found == []


def test_numbers_that_jump_further_than_a_terminal_counts_are_another_numbering():
    lift = Numbered()
    lift.tells(range(1, 100))
    lift.tells(range(10_000, 10_100), 100)
    lift.tells(range(2**63 - 50, 2**63), 200)
    lift.tells(range(1, 50), 300)
    lift.tells([2**62, 2**40, 2**63 - 1, 1, 2**62 + 5], 400)
    assert lift.found == []


def test_as_many_as_a_terminal_can_number_are_believed():
    believed, jumped = Numbered(), Numbered()
    believed.tells([1])
    assert believed.tells([2 + 2 * MOST_PER_S], 1) != []  # as many missing as two seconds have
    jumped.tells([1])
    assert jumped.tells([3 + 2 * MOST_PER_S], 1) == []


def test_duplicates_change_nothing():
    lift = Numbered()
    lift.tells([n for n in range(1, 100) for _ in range(3)])
    assert lift.found == []


def test_lifts_that_begin_with_any_number_have_lost_nothing():
    lift = Numbered()
    lift.tells(range(4711, 4800))
    assert lift.found == []


def test_a_gap_over_a_page_counts_in_the_page_where_it_ends():
    lift = Numbered()
    lift.tells(range(900, 1015))
    [raised] = lift.tells([1040], 140)
    assert (raised.values["missing"], raised.values["missing_before"]) == (25, 0)
    found = lift.tells([2100], 1300)
    assert (found[-1].values["missing"], found[-1].values["missing_before"]) == (1059, 25)


def test_escalators_are_numbered_too():
    lift = Numbered()
    lift.tells(range(1, 100), unit=Unit.ESCALATOR, car=1)
    [raised] = lift.tells([200], 200, unit=Unit.ESCALATOR, car=1)
    assert raised.last_seen_us == us(200)


def test_frames_that_tell_nothing_but_their_number_count():
    lift = Numbered()
    lift.tells([1, 2])
    lift.tells(range(3, 40), 2, floor=-1)
    assert lift.found == []


def test_the_threshold_can_be_set():
    lift = Numbered(gaps_per_1024=2, gaps_calm_s=60, gaps_silence_s=5)
    lift.tells([1, 2, 3])
    [raised] = lift.tells([6], 9)
    assert raised.criteria["in_a_silence"]
    assert raised.thresholds == {"missing": 2, "silence_us": 5_000_000, "calm_us": 60_000_000}
