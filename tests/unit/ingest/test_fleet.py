"""The registry's mirror: rows, bindings, floor keys, limits; adopted after the commit only."""

import numpy as np
import pytest

from ingest.fleet import Fleet, FleetRejectReason, LiftRecord, is_usable_name
from ingest.fleet_limits import MAX_FLOOR_LABELS, MAX_UNCONFIRMED_PER_GATEWAY
from telemetry.columns import COLUMNS, UNKNOWN, quality_keys
from telemetry.wire import Decoded

NOW_US = 1_800_000_000_000_000
SECOND = 1_000_000


def decoded(codes, *, floors=None, message=None, **columns):
    """Frames of one message each unless told otherwise."""
    n = len(codes)
    given = {
        "message": np.arange(n, dtype="i4") if message is None else np.array(message, "i4"),
        "index": np.zeros(n, "i4"),
        "time_us": np.full(n, NOW_US),
        "seq": np.arange(n),
        "quality": np.zeros(n, "i8"),
    }
    for column in COLUMNS:
        if column.name != "floor":
            given[column.name] = np.full(n, columns.get(column.name, column.unknown), column.dtype)
    return Decoded(list(codes), floors or [None] * n, given)


def lift(elevator_id, code, **known):
    return LiftRecord(elevator_id, code, **known)


def fleet_of(*lifts, lanes=1, gateways=((1, "north"), (2, "south"))):
    fleet = Fleet(lanes, listening_since_us=NOW_US)
    fleet.load(gateways, lifts)
    return fleet


def send(fleet, code, gateway_id, at_s=0, adopt=True, **more):
    """Send one frame; returns the reason for which it was refused, if it was."""
    frames = decoded([code], **more)
    routed = fleet.route(frames, np.array([gateway_id]), np.array([NOW_US + at_s * SECOND]))
    if routed.rejects:
        return routed.rejects[0].reason
    resolved = fleet.resolve(routed.parts[0])
    if adopt:
        fleet.adopt(resolved)
    return resolved.rejects[0].reason if resolved.rejects else None


@pytest.mark.parametrize(
    "name", ["", "a" * 65, "a\x00b", "a\nb", "a\x7f", "\ud800", "\u202e", " ", "\u00a0"]
)
def test_codes_that_are_not_printable_are_refused(name):
    assert not is_usable_name(name)
    fleet = fleet_of()
    assert not fleet.wanted(decoded([name]), ["north"])
    assert send(fleet, name, 1) == FleetRejectReason.BAD_ELEVATOR


@pytest.mark.parametrize("name", ["31103301102014075069", "a" * 64, "三号梯 A", "X/1+#%", "é"])
def test_any_printable_characters_identify_a_lift(name):
    assert is_usable_name(name)


def test_what_is_missing_is_named_once():
    fleet = fleet_of(lift(7, "known"))
    wanted = fleet.wanted(decoded(["known", "a", "b", "a"]), ["north", "east", "east", "north"])
    assert wanted.gateways == ["east"]
    assert wanted.lifts == [("a", "east"), ("b", "east")]
    assert not fleet.wanted(decoded(["known"]), ["north"])


def test_a_gateway_that_cannot_be_printed_is_refused():
    fleet = fleet_of(lift(7, "known"))
    assert fleet.wanted(decoded(["known", "new"]), ["\x00", "\x00"]).gateways == []
    assert send(fleet, "known", fleet.gateway_id("\x00")) == FleetRejectReason.BAD_GATEWAY


def test_rows_are_dense_per_lane_and_never_move():
    fleet = fleet_of(*(lift(i, f"l{i}") for i in (10, 11, 13, 12)), lanes=2)
    assert [fleet.elevator_ids(k).tolist() for k in (0, 1)] == [[10, 12], [11, 13]]
    fleet.load(lifts=[lift(14, "l14"), lift(11, "renamed", confirmed=True)])
    assert [fleet.elevator_ids(k).tolist() for k in (0, 1)] == [[10, 12, 14], [11, 13]]
    assert fleet.rows([12, 14, 13]).tolist() == [1, 2, 1]
    assert (fleet.elevator_id("l11"), fleet.elevator_id("renamed")) == (None, 11)
    assert fleet.lift(11).confirmed


def test_frames_are_routed_to_their_lane_in_receipt_order():
    fleet = fleet_of(*(lift(i, f"l{i}") for i in range(10, 14)), lanes=2)
    frames = decoded(["l13", "l10", "?", "l11", "l12", "l10"], message=[0, 0, 0, 1, 1, 1])
    routed = fleet.route(frames, np.array([1, 2]), np.array([NOW_US, NOW_US + 5]))
    assert [r.index for r in routed.rejects] == [2]
    even, odd = routed.parts
    assert (even.lane, even.index.tolist()) == (0, [1, 4, 5])
    assert (odd.lane, odd.index.tolist()) == (1, [0, 3])
    assert even.frames["elevator_id"].tolist() == [10, 12, 10]
    assert even.frames["gateway_id"].tolist() == [1, 2, 2]
    assert even.frames["received_us"].tolist() == [NOW_US, NOW_US + 5, NOW_US + 5]
    assert even.frames["device_time_us"].tolist() == [NOW_US] * 3
    assert even.frames["row"].tolist() == [0, 1, 0]


def test_first_use_binds_after_the_commit_only():
    fleet = fleet_of(lift(7, "a"))
    assert send(fleet, "a", 1, adopt=False) is None
    assert fleet.bound_gateway_id(7) is None
    assert send(fleet, "a", 1) is None
    assert fleet.bound_gateway_id(7) == 1
    assert send(fleet, "a", 2, at_s=1) == FleetRejectReason.FOREIGN_GATEWAY


def test_within_a_batch_the_first_gateway_has_the_lift():
    fleet = fleet_of(lift(7, "a"))
    frames = decoded(["a", "a", "a"])
    routed = fleet.route(frames, np.array([2, 1, 2]), np.full(3, NOW_US))
    resolved = fleet.resolve(routed.parts[0])
    assert resolved.bindings == [(7, 2)]
    assert resolved.index.tolist() == [0, 2]
    assert [(r.index, r.reason) for r in resolved.rejects] == [(1, "foreign_gateway")]


def test_a_first_use_binding_moves_after_sixty_silent_seconds():
    fleet = fleet_of(lift(7, "a"), lift(8, "b"))
    send(fleet, "a", 1, at_s=0)
    assert send(fleet, "a", 2, at_s=59) == FleetRejectReason.FOREIGN_GATEWAY
    send(fleet, "b", 1, at_s=59)  # any frame of the gateway shows that it is there
    assert send(fleet, "a", 2, at_s=118) == FleetRejectReason.FOREIGN_GATEWAY
    fleet.hear(1, NOW_US + 118 * SECOND)  # so does its status
    assert send(fleet, "a", 2, at_s=177) == FleetRejectReason.FOREIGN_GATEWAY
    assert send(fleet, "a", 2, at_s=178) is None
    assert fleet.bound_gateway_id(7) == 2
    assert send(fleet, "a", 1, at_s=179) == FleetRejectReason.FOREIGN_GATEWAY


def test_our_own_absence_is_nobodys_silence():
    fleet = fleet_of(lift(7, "a", gateway_id=1))
    assert send(fleet, "a", 2, at_s=59) == FleetRejectReason.FOREIGN_GATEWAY
    fleet.listen_again(NOW_US + 600 * SECOND)
    assert send(fleet, "a", 2, at_s=650) == FleetRejectReason.FOREIGN_GATEWAY
    assert send(fleet, "a", 2, at_s=660) is None


def test_a_registered_binding_is_moved_by_a_person_only():
    record = lift(7, "a", confirmed=True, gateway_id=1, gateway_registered=True)
    fleet = fleet_of(record)
    assert send(fleet, "a", 2, at_s=9999) == FleetRejectReason.FOREIGN_GATEWAY
    fleet.load(lifts=[lift(7, "a", confirmed=True, gateway_id=2, gateway_registered=True)])
    assert send(fleet, "a", 2, at_s=9999) is None
    assert send(fleet, "a", 1, at_s=9999) == FleetRejectReason.FOREIGN_GATEWAY


def test_a_gateway_has_room_for_so_many_unconfirmed_lifts():
    full = [lift(i, f"l{i}", gateway_id=1) for i in range(1, MAX_UNCONFIRMED_PER_GATEWAY)]
    fleet = fleet_of(*full)
    wanted = fleet.wanted(decoded(["x", "y", "z"]), ["north", "north", "south"])
    assert wanted.lifts == [("x", "north"), ("z", "south")]
    fleet.load(lifts=[lift(5000, "x", gateway_id=1)])
    assert fleet.wanted(decoded(["y"]), ["north"]).lifts == []
    assert send(fleet, "y", 1) == FleetRejectReason.TOO_MANY_UNKNOWN
    fleet.load(lifts=[lift(1, "l1", gateway_id=1, confirmed=True)])
    assert fleet.wanted(decoded(["y"]), ["north"]).lifts == [("y", "north")]


def test_moving_bindings_respects_the_limit_too():
    full = [lift(i, f"l{i}", gateway_id=2) for i in range(MAX_UNCONFIRMED_PER_GATEWAY)]
    fleet = fleet_of(*full, lift(5000, "a", gateway_id=1), lift(5001, "free"))
    assert send(fleet, "a", 2, at_s=100) == FleetRejectReason.TOO_MANY_UNKNOWN
    assert send(fleet, "free", 2, at_s=100) == FleetRejectReason.TOO_MANY_UNKNOWN
    assert send(fleet, "free", 1, at_s=100) is None


def test_the_registered_unit_wins_and_mode_is_read_by_it():
    fleet = fleet_of(lift(7, "esc", unit=1), lift(8, "lift", unit=0), lift(9, "free"))
    frames = decoded(["esc", "lift", "free"], unit=2, mode=5)
    resolved = fleet.resolve(fleet.route(frames, np.ones(3, int), np.full(3, NOW_US)).parts[0])
    assert resolved.frames["unit"].tolist() == [1, 0, 2]
    assert resolved.frames["unit"].dtype == np.int8
    assert resolved.frames["mode"].tolist() == [UNKNOWN, 5, 5]
    assert [quality_keys(q) for q in resolved.frames["quality"].tolist()] == [["mode"], [], []]


def test_floor_labels_get_keys_that_are_kept_after_the_commit():
    fleet = fleet_of(lift(7, "a", gateway_id=1), lift(8, "b", gateway_id=1))
    fleet.load(floors=[(7, 0, "G")])
    frames = decoded(["a", "a", "b", "a", "a"], floors=["G", "B2", "B2", None, "B2"])

    def resolve():
        part = fleet.route(frames, np.ones(5, int), np.full(5, NOW_US)).parts[0]
        return fleet.resolve(part)

    for _ in range(2):  # proposed again as long as it was not adopted
        resolved = resolve()
        assert resolved.frames["floor"].tolist() == [0, 1, 0, UNKNOWN, 1]
        assert resolved.floors == [(7, 1, "B2"), (8, 0, "B2")]
    fleet.adopt(resolved)
    again = resolve()
    assert (again.frames["floor"].tolist(), again.floors) == ([0, 1, 0, UNKNOWN, 1], [])
    assert (fleet.floor_label(7, 1), fleet.floor_label(7, 9)) == ("B2", None)


def test_too_many_and_unprintable_floor_labels_become_unknown_and_are_counted():
    fleet = fleet_of(lift(7, "a", gateway_id=1))
    floors = [f"F{i}" for i in range(MAX_FLOOR_LABELS + 3)] + ["F0"]
    frames = decoded(["a"] * len(floors), floors=floors)
    ones = np.ones(len(floors), int)
    resolved = fleet.resolve(fleet.route(frames, ones, ones * NOW_US).parts[0])
    want = [*range(MAX_FLOOR_LABELS), UNKNOWN, UNKNOWN, UNKNOWN, 0]
    assert resolved.frames["floor"].tolist() == want
    assert (len(resolved.floors), resolved.floors_dropped) == (MAX_FLOOR_LABELS, 3)
    other = fleet_of(lift(7, "a", gateway_id=1))
    frames = decoded(["a", "a"], floors=["\x00", "x" * 17])
    resolved = other.resolve(other.route(frames, np.ones(2, int), np.full(2, NOW_US)).parts[0])
    assert (resolved.floors, resolved.floors_dropped) == ([], 2)


def test_a_refused_frame_brings_no_label():
    fleet = fleet_of(lift(7, "a", gateway_id=1, gateway_registered=True))
    frames = decoded(["a", "a"], floors=["1", "2"])
    resolved = fleet.resolve(fleet.route(frames, np.array([2, 1]), np.full(2, NOW_US)).parts[0])
    assert resolved.floors == [(7, 0, "2")]
    assert resolved.frames["floor"].tolist() == [0]
    assert len(resolved.frames) == len(resolved.index) == 1
