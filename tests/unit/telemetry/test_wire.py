"""Wire v1: what is a frame, what becomes unknown, what is rejected, and that nothing raises."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.columns import COLUMN, COLUMNS, quality_keys
from telemetry.wire import (
    RejectReason,
    decode,
    decode_many,
    element,
    encode_json,
    encode_msgpack,
)
from telemetry.wire.encode import wire_frames

EXAMPLE = {
    "elevator": "31103301102014075069", "seq": 4711, "time": "2026-11-22T08:15:30.250Z",
    "mode": 1, "car": 0, "direction": 0, "zone": False, "floor": "12", "door": 2,
    "passenger": True, "speed": 0.0, "power": "mains", "button": False, "codes": ["04"],
}  # fmt: skip
MINIMAL = {"elevator": "a", "seq": 1, "time": 1_700_000_000_000}


@pytest.mark.parametrize("encode", [encode_json, encode_msgpack])
def test_the_example_of_the_design_is_read(encode):
    decoded = decode(encode(EXAMPLE))
    assert decoded.elevators == ["31103301102014075069"]
    assert decoded.floors == ["12"]
    told = {name: values[0] for name, values in decoded.columns.items()}
    assert told["time_us"] == 1_795_335_330_250_000
    assert (told["seq"], told["mode"], told["zone"], told["passenger"]) == (4711, 1, 0, 1)
    assert told["codes"] == 1 << 4
    assert told["quality"] == 0
    assert not decoded.rejects


@pytest.mark.parametrize("encode", [encode_json, encode_msgpack])
def test_object_array_and_envelope_are_the_same(encode):
    for payload in (EXAMPLE, [EXAMPLE], {"v": 1, "frames": [EXAMPLE]}):
        assert decode(encode(payload)).elevators == [EXAMPLE["elevator"]]
    assert decode(encode([])).received == 0
    assert decode(encode({"v": 1, "frames": []})).received == 0


def test_a_missing_key_and_null_are_unknown():
    for frame in (MINIMAL, MINIMAL | {c.key: None for c in COLUMNS}):
        decoded = decode(encode_json(frame))
        assert decoded.floors == [None]
        assert decoded.columns["quality"][0] == 0
        for column in COLUMNS:
            if column.kind != "floor":
                assert not column.is_known(decoded.columns[column.name])[0], column.name


@pytest.mark.parametrize(("told", "known"), [(True, 1), (1, 1), (False, 0), (0, 0)])
def test_zero_one_and_booleans_are_the_same(told, known):
    assert decode(encode_json(MINIMAL | {"zone": told})).columns["zone"][0] == known


def test_passenger_may_be_a_count():
    assert decode(encode_json(MINIMAL | {"passenger": 7})).columns["passenger"][0] == 7


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("mode", 8, "out_of_range"),
        ("mode", "1", "wrong_type"),
        ("mode", True, "wrong_type"),
        ("zone", 2, "out_of_range"),
        ("zone", "yes", "wrong_type"),
        ("speed", "fast", "wrong_type"),
        ("speed", 400, "out_of_range"),
        ("speed", 1e308, "out_of_range"),
        ("passenger", -1, "out_of_range"),
        ("power", "nuclear", "wrong_type"),
        ("floor", "x" * 17, "out_of_range"),
        ("floor", ["12"], "wrong_type"),
        ("codes", "04", "wrong_type"),
        ("codes", ["91"], "out_of_range"),
        ("runs", -5, "out_of_range"),
        ("runs", 2**60, "out_of_range"),
    ],
)
@pytest.mark.parametrize("encode", [encode_json, encode_msgpack])
def test_a_bad_field_becomes_unknown_and_the_frame_stays(key, value, reason, encode):
    decoded = decode(encode([MINIMAL, MINIMAL | {key: value, "door": 2}]))
    assert len(decoded) == 2
    assert quality_keys(int(decoded.columns["quality"][1])) == [key]
    assert decoded.columns["quality"][0] == 0
    assert decoded.columns["door"].tolist() == [-1, 2]
    (flaw,) = decoded.field_rejects
    assert (flaw.index, flaw.key, flaw.reason) == (1, key, reason)
    module = msgspec.json if encode is encode_json else msgspec.msgpack
    assert module.decode(flaw.raw) == value


def test_national_codes_are_kept_beside_unknown_ones():
    decoded = decode(encode_json(MINIMAL | {"codes": ["04", "91", "90"]}))
    assert decoded.columns["codes"][0] == (1 << 4) | (1 << 22)
    assert quality_keys(int(decoded.columns["quality"][0])) == ["codes"]


def test_modes_of_escalators_end_earlier():
    decoded = decode(encode_json([MINIMAL | {"unit": "escalator", "mode": m} for m in (2, 5)]))
    assert decoded.columns["mode"].tolist() == [2, -1]
    assert decoded.columns["unit"].tolist() == [1, 1]
    assert quality_keys(int(decoded.columns["quality"][1])) == ["mode"]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (1, "not_an_object"),
        (None, "not_an_object"),
        ([], "not_an_object"),
        ({}, "bad_elevator"),
        (MINIMAL | {"elevator": ""}, "bad_elevator"),
        (MINIMAL | {"elevator": 5}, "bad_elevator"),
        (MINIMAL | {"elevator": "x" * 65}, "bad_elevator"),
        (MINIMAL | {"seq": -1}, "bad_seq"),
        (MINIMAL | {"seq": 2**63}, "bad_seq"),
        (MINIMAL | {"seq": "1"}, "bad_seq"),
        (MINIMAL | {"seq": True}, "bad_seq"),
        (MINIMAL | {"time": None}, "bad_time"),
        (MINIMAL | {"time": "yesterday"}, "bad_time"),
        (MINIMAL | {"time": "2026-11-22T08:15:30"}, "bad_time"),
        (MINIMAL | {"time": 10**18}, "bad_time"),
    ],
)
def test_only_these_reject_a_frame_and_never_its_neighbours(frame, reason):
    decoded = decode(encode_json([MINIMAL, frame, MINIMAL]))
    assert len(decoded) == 2
    assert decoded.columns["index"].tolist() == [0, 2]
    (reject,) = decoded.rejects
    assert (reject.index, reject.reason) == (1, reason)
    assert reject.raw == encode_json(frame)


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"\x81", b"\xff\xfe", b"[" * 100_000, b'{"elevator":"a"', b"1 2"],
)
def test_a_payload_that_does_not_parse_counts_one(payload):
    decoded = decode(payload)
    assert decoded.received == 1
    (reject,) = decoded.rejects
    assert (reject.index, reject.reason, reject.raw) == (-1, "not_decodable", payload)


def test_a_payload_of_bare_digits_is_refused_at_once():
    decoded = decode(b"[" + b"1," * 500_000 + b"1]")
    assert [r.reason for r in decoded.rejects] == [RejectReason.TOO_MANY_FRAMES]


@pytest.mark.parametrize("version", [0, 2, "1", None, True])
def test_another_version_is_refused(version):
    decoded = decode(encode_json({"v": version, "frames": [MINIMAL]}))
    assert [r.reason for r in decoded.rejects] == [RejectReason.BAD_VERSION]


def test_unknown_keys_are_counted_and_ignored():
    decoded = decode(encode_json([MINIMAL | {"colour": "red"}, MINIMAL]))
    assert len(decoded) == 2
    assert decoded.unknown_keys == {"colour": 1}
    assert decoded.columns["quality"].tolist() == [0, 0]


def test_bare_nan_and_lone_surrogates_spoil_one_field_only():
    good = encode_json(MINIMAL)
    nan = b'{"elevator":"a","seq":2,"time":1,"speed":NaN,"door":2}'
    surrogate = b'{"elevator":"a","seq":3,"time":1,"floor":"\\ud800","door":2}'
    decoded = decode(b"[" + b",".join((good, nan, surrogate)) + b"]")
    assert decoded.columns["seq"].tolist() == [1, 2, 3]
    assert decoded.columns["door"].tolist() == [-1, 2, 2]
    assert [f.key for f in decoded.field_rejects] == ["speed", "floor"]


def test_nan_in_messagepack_is_a_flaw_and_not_silence():
    decoded = decode(encode_msgpack(MINIMAL | {"speed": math.nan}))
    assert quality_keys(int(decoded.columns["quality"][0])) == ["speed"]


def test_a_leap_second_is_the_last_millisecond_of_its_minute():
    (told,) = decode(encode_json(MINIMAL | {"time": "2016-12-31T23:59:60Z"})).columns["time_us"]
    assert told == 1_483_228_799_999_000


def test_offsets_and_fractions_of_time():
    for text in ("2026-11-22T16:15:30.250+08:00", "2026-11-22T08:15:30.250000000Z"):
        (told,) = decode(encode_json(MINIMAL | {"time": text})).columns["time_us"]
        assert told == 1_795_335_330_250_000


@pytest.mark.parametrize("encode", [encode_json, encode_msgpack])
def test_an_element_can_be_cut_out_as_it_came(encode):
    frames = [MINIMAL | {"seq": i} for i in range(3)]
    for payload in (encode(frames), encode({"v": 1, "frames": frames})):
        assert element(payload, 2) == encode(frames[2])
        assert element(payload, -1) == element(payload, 3) == payload
    assert element(encode(frames[0]), 0) == encode(frames[0])


@pytest.mark.parametrize(("payload", "index"), [(b"junk", 3), (b"", 0)])
def test_an_element_of_what_cannot_be_cut_is_the_payload(payload, index):
    assert element(payload, index) == payload


def test_messages_are_told_apart():
    decoded = decode_many([encode_json([MINIMAL] * 2), b"{", encode_msgpack(MINIMAL)])
    assert decoded.columns["message"].tolist() == [0, 0, 2]
    assert decoded.columns["index"].tolist() == [0, 1, 0]
    assert [r.message for r in decoded.rejects] == [1]


def _values(column):
    low, high = int(column.low), min(int(column.high), 2**53)
    match column.kind:
        case "real":
            return st.floats(column.low, column.high, width=32)
        case "codes":
            return st.integers(0, 2**22 - 1)
        case _:
            return st.integers(low, 3 if column.name == "mode" else high)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"seq": st.integers(0, 2**63 - 1), "time_us": st.integers(0, 4 * 10**15)},
            optional={c.name: _values(c) for c in COLUMNS if c.kind != "floor"},
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([encode_json, encode_msgpack]),
)
def test_what_is_encoded_is_decoded_again(frames, encode):
    columns = {
        "seq": np.array([f["seq"] for f in frames], "i8"),
        "time_us": np.array([f["time_us"] // 1000 * 1000 for f in frames], "i8"),
    }
    for name, column in COLUMN.items():
        if column.kind != "floor":
            told = [f.get(name, column.unknown) for f in frames]
            columns[name] = np.array(told, column.dtype)
    payload = encode(wire_frames([f"lift {i}" for i in range(len(frames))], columns))
    decoded = decode(payload)
    assert not decoded.rejects
    assert not decoded.field_rejects
    for name, values in columns.items():
        np.testing.assert_array_equal(decoded.columns[name], values, err_msg=name)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["elevator", "time", "seq", "v", "frames", "door", "codes"]) | st.text(),
        inner, max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@given(JUNK.map(encode_json) | st.binary(max_size=60))
def test_nothing_raises_and_everything_is_accounted_for(payload):
    decoded = decode(payload)
    assert decoded.received == len(decoded) + len(decoded.rejects)
    assert all(len(values) == len(decoded) for values in decoded.columns.values())
    assert set(decoded.columns) == {
        "message", "index", "time_us", "seq", "quality",
        *(c.name for c in COLUMNS if c.kind != "floor"),
    }  # fmt: skip
