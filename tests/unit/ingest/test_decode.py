"""Messages to columns and dead letters: accounting, identity, statuses, slices."""

import hashlib
import json
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from ingest.dead_letters import FrameReason, frame_letter, storable
from ingest.decode import MAX_LETTERS, DecodedBatch, decode, join, slices
from ingest.source import HEAD_BYTES, Message, Oversize

NOW_US = 1_795_320_000_000_000
TOPIC = "hoistway/v1/gw-1/frames"


def frame(seq: int, **more: object) -> dict[str, object]:
    return {"elevator": "lift-1", "time": 1_795_320_000_000 + seq, "seq": seq, **more}


def message(payload: object, topic: str = TOPIC, received_us: int = NOW_US) -> Message:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Message(topic, raw, received_us)


def check_accounts(batch: DecodedBatch) -> None:
    assert batch.received == len(batch) + batch.rejected
    assert len(batch.decoded.elevators) == len(batch.decoded.columns["seq"]) == len(batch)


def test_frames_keep_message_gateway_and_arrival() -> None:
    batch = decode(
        [
            message([frame(1), frame(2)], received_us=NOW_US + 1),
            message(b"online", "hoistway/v1/gw-2/status"),
            message(frame(3), "hoistway/v1/gw%202/frames", NOW_US + 2),
        ]
    )
    check_accounts(batch)
    assert batch.decoded.columns["message"].tolist() == [0, 0, 2]
    assert batch.decoded.columns["index"].tolist() == [0, 1, 0]
    assert batch.gateways == ["gw-1", "", "gw 2"]
    assert batch.gateway_of_frames() == ["gw-1", "gw-1", "gw 2"]
    assert batch.received_us.tolist() == [NOW_US + 1, NOW_US, NOW_US + 2]
    assert batch.received == 3
    assert not batch.letters
    (status,) = batch.statuses
    assert (status.gateway, status.status, status.received_us) == ("gw-2", "online", NOW_US)


def test_payload_that_does_not_parse_counts_one_and_an_empty_array_none() -> None:
    batch = decode([message(b"{"), message([]), message(b""), message({"v": 2, "frames": []})])
    check_accounts(batch)
    assert (batch.received, batch.rejected, len(batch)) == (3, 3, 0)
    assert dict(batch.rejected_by_reason) == {"not_decodable": 2, "bad_version": 1}
    assert all(letter.index == -1 and letter.cls == "frame" for letter in batch.letters)
    assert batch.letters[0].raw == b"{"


def test_one_bad_frame_costs_its_neighbours_nothing() -> None:
    payload = json.dumps([frame(1), {"elevator": "x"}, 7, frame(2)]).encode()
    batch = decode([message(payload)])
    check_accounts(batch)
    assert batch.decoded.columns["seq"].tolist() == [1, 2]
    bad, number = batch.letters
    assert (bad.index, bad.reason, bad.raw) == (1, "bad_time", b'{"elevator": "x"}')
    assert (number.index, number.reason, number.raw) == (2, "not_an_object", b"7")
    assert bad.sha256 == number.sha256 == hashlib.sha256(payload).digest()
    assert bad.topic == TOPIC
    assert bad.received_us == NOW_US


def test_flawed_field_is_a_letter_outside_the_sum() -> None:
    batch = decode([message(frame(1, door=99, speed="fast"))])
    check_accounts(batch)
    assert (batch.received, batch.rejected) == (1, 0)
    assert dict(batch.flawed_by_reason) == {
        ("door", "out_of_range"): 1,
        ("speed", "wrong_type"): 1,
    }
    assert {(x.cls, x.key, x.raw) for x in batch.letters} == {
        ("field", "door", b"99"),
        ("field", "speed", b'"fast"'),
    }


def test_unknown_keys_are_counted() -> None:
    batch = decode([message(frame(1, colour="red")), message(frame(2, colour="blue"))])
    assert batch.unknown_keys == {"colour": 2}
    assert not batch.letters


@pytest.mark.parametrize(
    "topic",
    [
        "hoistway/v1//frames",
        "hoistway/v2/gw/frames",
        "hoistway/v1/gw/rescue/l1",
        "hoistway/v1/%ff/frames",
        "hoistway/v1/%00/frames",
        "hoistway/v1/a%0ab/status",
        f"hoistway/v1/{'g' * 129}/frames",
        "other",
        "",
    ],
)
def test_message_on_a_bad_topic_is_one_reject(topic: str) -> None:
    batch = decode([message(frame(1), topic), message(frame(2))])
    check_accounts(batch)
    assert (batch.received, batch.rejected, len(batch)) == (2, 1, 1)
    (letter,) = batch.letters
    assert letter.reason == FrameReason.BAD_TOPIC
    assert letter.topic == topic
    assert json.loads(letter.raw) == frame(1)


def test_oversized_payload_keeps_head_size_and_digest() -> None:
    digest = hashlib.sha256(b"whole").digest()
    batch = decode(
        [Message(TOPIC, b"x" * HEAD_BYTES, NOW_US, oversize=Oversize(3_000_000, digest))]
    )
    check_accounts(batch)
    (letter,) = batch.letters
    assert letter.reason == FrameReason.TOO_LARGE
    assert (letter.size, letter.sha256, len(letter.raw)) == (3_000_000, digest, HEAD_BYTES)
    assert batch.received == 1


def test_statuses_count_no_frames() -> None:
    topic = "hoistway/v1/gw/status"
    batch = decode(
        [message(t, topic) for t in (b"online", b" OFFLINE\n", b"", b"gone", b"\xff\x00")]
    )
    check_accounts(batch)
    assert batch.received == 0
    assert [s.status for s in batch.statuses] == ["online", "offline"]
    assert [(x.cls, x.reason, x.key) for x in batch.letters] == [
        ("field", "bad_status", "status")
    ] * 2


def test_thousands_of_rejects_in_one_payload_are_counted_but_not_all_kept() -> None:
    batch = decode([message(b"[" + b"1," * 4_999 + b"1]")])
    check_accounts(batch)
    assert batch.rejected == 5_000
    assert len(batch.letters) == MAX_LETTERS + 1
    last = batch.letters[-1]
    assert (last.reason, last.index, last.detail["all"]) == ("more_rejects", -1, 5_000)


def test_slices_joined_equal_the_whole() -> None:
    messages = [
        message(
            [frame(10 * i + k, door=k) for k in range(i % 12)] if i % 5 else b"junk",
            f"hoistway/v1/gw-{i % 3}/{'status' if i % 7 == 3 else 'frames'}",
            NOW_US + i,
        )
        for i in range(100)
    ]
    whole = decode(messages)
    cut = list(slices(messages, frames=7))
    assert [m for part in cut for m in part] == messages
    joined = join([decode(part) for part in cut])
    assert same(whole, joined)
    check_accounts(joined)
    assert len(cut) > 10


def same(a: DecodedBatch, b: DecodedBatch) -> bool:
    columns = a.decoded.columns
    np.testing.assert_equal(dict(columns), dict(b.decoded.columns))
    assert [columns[n].dtype for n in columns] == [b.decoded.columns[n].dtype for n in columns]
    assert sorted(map(repr, a.letters)) == sorted(map(repr, b.letters))  # by kind in each slice
    plain = ("gateways", "statuses", "received", "rejected_by_reason")
    assert all(getattr(a, name) == getattr(b, name) for name in plain)
    assert a.flawed_by_reason == b.flawed_by_reason
    assert a.received_us.tolist() == b.received_us.tolist()
    decoded = ("elevators", "floors", "rejects", "field_rejects", "unknown_keys")
    return all(getattr(a.decoded, name) == getattr(b.decoded, name) for name in decoded)


@pytest.mark.parametrize("count", [0, 1])
def test_join_of_few_parts(count: int) -> None:
    parts = [decode([message(frame(1))])][:count]
    assert len(join(parts)) == count


@pytest.mark.parametrize("encode", [msgspec.json.encode, msgspec.msgpack.encode])
@pytest.mark.parametrize("envelope", [False, True])
def test_letter_of_a_decoded_frame_holds_its_own_bytes(encode: object, envelope: bool) -> None:
    frames: Sequence[object] = [frame(1), frame(2)]
    payload = encode({"v": 1, "frames": frames} if envelope else frames)  # type: ignore[operator]
    letter = frame_letter(message(payload), 1, "foreign_gateway", {"owner": "gw\x00\ud800"})
    assert letter.raw == encode(frame(2))  # type: ignore[operator]
    assert (letter.index, letter.cls, letter.size) == (1, "frame", len(letter.raw))
    assert letter.detail == {"owner": "gw\\x00\\ud800"}
    assert len(decode([message(letter.raw)])) == 1


def test_storable_text_has_neither_nul_nor_lone_surrogate() -> None:
    assert storable("a\x00b\udfffc 电梯") == "a\\x00b\\udfffc 电梯"
