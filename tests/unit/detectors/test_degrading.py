"""Slow trends: which signs ordinary life gives, and when they are too many for chance."""

import numpy as np
import pytest

from detectors.trend.wear_signs import ideal_s
from telemetry.findings import Confidence, FindingKind
from tests.unit.detectors.story import Lift, seconds

KIND = FindingKind.DEGRADING
QUICK = {
    "degrading_warm_up_d": 0,
    "degrading_warm_up_signs": 20,
    "degrading_fast_signs": 10,
    "degrading_slow_signs": 500,
}
CLOSED, CLOSING, OPENING, OPEN = 2, 1, 3, 4


class Worked(Lift):
    """A lift that goes up and down one storey after another."""

    def __init__(self, **params):
        super().__init__(**{**QUICK, **params})
        self.now_s = 0.0
        self.floor = 0
        self.coming = []
        self.at(0, car=0, zone=1, floor=0, height_m=0.0, door=CLOSED, mode=1)

    def after(self, step_s, **known):
        self.now_s += step_s
        self.coming.append((self.now_s, known))

    def come(self):
        """Send the frames so far as one batch."""
        if self.coming:
            self.all_at_once(self.coming)
        self.coming = []

    def rides(self, times=1, *, opening_s=2.0, closing_s=3.0, ride_s=6.0, shakes=0.15, off_m=0.0,
              turns=0, mode=1):  # fmt: skip
        """Ride and open the doors; return when the last one ended."""
        for _ in range(times):
            self.floor = 1 - self.floor
            self.after(2, car=1, zone=0, vibration_mps2=shakes, mode=mode)
            self.after(ride_s, car=0, zone=1, floor=self.floor, height_m=3.0 * self.floor + off_m)
            self.after(1, door=OPENING)
            self.after(opening_s, door=OPEN)
            for _ in range(turns):
                self.after(4, door=CLOSING)
                self.after(1, door=OPEN)
            self.after(4, door=CLOSING)
            self.after(closing_s, door=CLOSED)
        self.come()
        return self.now_s

    def told(self):
        return [t for t in self.found if t.kind is KIND]


@pytest.mark.parametrize(
    ("worn", "no"),
    [
        ({"opening_s": 3.0}, 1),
        ({"closing_s": 4.5}, 2),
        ({"turns": 1}, 3),
        ({"off_m": 0.006}, 4),
        ({"shakes": 0.25}, 5),
        ({"ride_s": 8.0}, 6),
    ],
)
def test_each_quantity_is_found_and_named(worn, no):
    lift = Worked()
    well_s = lift.rides(40)
    assert lift.said(KIND) == []
    lift.rides(40, **worn)
    [found] = lift.told()
    assert found.change.name == "RAISED"
    assert found.values["quantity"] == no
    assert found.values["affected"] == 2 ** (no - 1)
    assert seconds(found.onset_us) >= well_s - 30
    assert found.onset_us == found.values["since_us"] < found.t_us
    assert found.confidence is Confidence.PROBABLE
    lift.rides(60)
    assert [c for c, _, _ in lift.said(KIND)] == ["raised", "cleared"]


def test_how_far_is_told():
    lift = Worked()
    lift.rides(60)
    lift.rides(60, opening_s=3.0)
    [found] = lift.told()
    assert found.values["baseline"] == pytest.approx(2.0, abs=0.1)
    assert found.values["ratio"] == pytest.approx(1.25, abs=0.06)
    assert found.criteria["door_opening"] is True
    assert found.criteria["vibration"] is False


def test_another_quantity_joins_by_an_update():
    lift = Worked()
    lift.rides(40)
    lift.rides(30, opening_s=3.0)
    lift.rides(30, opening_s=3.0, shakes=0.3)
    assert [(t.change.name, t.values["quantity"], t.values["affected"]) for t in lift.told()] == [
        ("RAISED", 1, 1),
        ("UPDATED", 5, 17),
    ]


def test_small_changes_and_single_wild_signs_are_ordinary():
    lift = Worked()
    lift.rides(40)
    for _ in range(5):
        lift.rides(8, opening_s=2.2, closing_s=3.3, shakes=0.17, ride_s=6.3, off_m=0.001)
        lift.rides(1, opening_s=25.0, closing_s=30.0, shakes=3.0, ride_s=60.0, off_m=0.05)
    assert lift.said(KIND) == []


FIRST_SIGN_S = 8  # the first ride ends
DAY_S = 86_400


@pytest.mark.parametrize(("sooner_s", "told"), [(0, 1), (1, 0)])
def test_the_warm_up_ends_so_many_days_after_the_first_sign_to_the_second(sooner_s, told):
    lift = Worked(degrading_warm_up_d=1)
    lift.rides(60)
    lift.rides(60, opening_s=4.0)
    assert lift.told() == []
    lift.now_s = FIRST_SIGN_S + DAY_S - sooner_s - (2 + 6 + 1 + 4)  # the doors stand open then
    lift.rides(1, opening_s=4.0)
    assert len(lift.told()) == told


def test_nothing_is_said_before_the_warm_up():
    lift = Worked(degrading_warm_up_d=1)
    lift.rides(60)
    lift.rides(60, opening_s=4.0)
    assert lift.now_s < 86_400
    assert lift.said(KIND) == []


def test_special_modes_give_no_signs():
    lift = Worked()
    lift.rides(40)
    lift.rides(40, opening_s=5.0, ride_s=20.0, mode=2)
    assert lift.said(KIND) == []


def test_doors_that_turn_or_are_held_give_no_times():
    lift = Worked()
    lift.rides(40)
    for _ in range(40):
        lift.after(2, door=OPENING)
        lift.after(9, door=CLOSING)  # never open
        lift.after(9, door=CLOSED)
    lift.come()
    assert lift.said(KIND) == []


def test_what_is_changed_for_good_is_the_new_baseline_at_last():
    lift = Worked(degrading_slow_signs=60)
    lift.rides(40)
    lift.rides(1500, opening_s=3.0)
    assert [c for c, _, _ in lift.said(KIND)] == ["raised", "cleared"]


def test_another_zero_of_heights_is_no_levelling_error():
    lift = Worked()
    lift.rides(40)
    lift.rides(60, off_m=0.5)
    assert lift.said(KIND) == []


def test_an_ideal_ride_is_the_closed_form():
    way_m = np.array([3.0, 30.0])
    assert ideal_s(way_m, 2.0) == pytest.approx([0.8 + (15 + 0.64) ** 0.5, 15 + 2.5 + 0.8])
    assert ideal_s(way_m, float("nan")) == pytest.approx(ideal_s(way_m, 1.75))


@pytest.mark.parametrize(("rated_mps", "from_m"), [(1.0, 2.05), (2.0, 6.6), (4.0, 23.2)])
def test_a_ride_cruises_from_the_way_on_in_which_it_reaches_its_rated_speed(rated_mps, from_m):
    longer_m, shorter_m = from_m * 1.02, from_m * 0.98
    cruising_s = longer_m / rated_mps + rated_mps / 0.8 + 0.8
    assert ideal_s(np.array([longer_m]), rated_mps) == pytest.approx([cruising_s])
    short_s = 0.8 + (5 * shorter_m + 0.64) ** 0.5
    assert ideal_s(np.array([shorter_m]), rated_mps) == pytest.approx([short_s])
