"""Health lowers the confidence of what rests on a faulty sensor, and nothing else."""

from telemetry.findings import Change, Confidence, FindingKind
from tests.unit.detectors.story import BETWEEN, TRAPPED_BETWEEN, Lift

ZONE = FindingKind.ZONE_SWITCH_FAULT
FLAPS_S = 30


def with_flapping_zone(lift):
    for i in range(FLAPS_S):
        lift.at(i, car=0, zone=i % 2, door=2, speed_mps=0.0, passenger=0, mode=1)
    assert len(lift.raised(ZONE)) == 1


def entrapment(lift):
    found = [t for t in lift.found if t.kind is BETWEEN and t.change is Change.RAISED]
    assert len(found) == 1
    return found[0]


def test_an_entrapment_on_a_sound_lift_is_as_sure_as_its_rule():
    lift = Lift()
    lift.at(0, TRAPPED_BETWEEN, car=1, speed_mps=1.0)
    lift.at(1, TRAPPED_BETWEEN)
    lift.wait_until(100)
    assert entrapment(lift).confidence is Confidence.CERTAIN
    assert entrapment(lift).evidence()["suspect"] == []


def test_a_flapping_zone_switch_lowers_it_by_one_class_and_is_named():
    lift = Lift()
    with_flapping_zone(lift)
    lift.at(FLAPS_S, TRAPPED_BETWEEN, car=1, speed_mps=1.0)
    lift.at(FLAPS_S + 1, TRAPPED_BETWEEN)
    lift.wait_until(100)
    assert entrapment(lift).t_us - entrapment(lift).onset_us == 30_000_000
    assert entrapment(lift).confidence is Confidence.PROBABLE
    assert entrapment(lift).evidence()["suspect"] == ["zone"]


def test_health_does_not_lower_health_and_a_clear_stays_certain():
    lift = Lift()
    with_flapping_zone(lift)
    for i in range(60):
        lift.at(FLAPS_S + i * 10, car=0, zone=1, door=2, mode=1)
    own = [t for t in lift.found if t.kind is ZONE]
    assert [t.change for t in own] == [Change.RAISED, Change.CLEARED]
    assert [t.confidence for t in own] == [Confidence.CERTAIN] * 2
    assert all(t.suspect == () for t in own)


def test_when_the_sensor_works_again_confidence_is_back():
    lift = Lift()
    with_flapping_zone(lift)
    for i in range(60):
        lift.at(FLAPS_S + i * 10, car=0, zone=1, door=4, passenger=0, mode=1)
    start_s = FLAPS_S + 600
    lift.at(start_s, TRAPPED_BETWEEN, car=1, speed_mps=1.0)
    lift.at(start_s + 1, TRAPPED_BETWEEN)
    lift.wait_until(start_s + 100)
    assert entrapment(lift).confidence is Confidence.CERTAIN
