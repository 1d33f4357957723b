"""The packet splitter: any cut of the stream gives the same messages; breaches are kept apart."""

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.mqtt_packets import PublishSplitter, pubacks
from ingest.source import HEAD_BYTES, NO_TOKEN, Message
from tests.fakes.raw_mqtt import packet, publish_packet, text

PINGRESP = b"\xd0\x00"
LIMIT = 4_096


def split(pieces: list[bytes], *, mqtt5: bool = False) -> tuple[list[Message], bytes, str | None]:
    splitter = PublishSplitter(1, mqtt5=mqtt5, max_payload_bytes=LIMIT)
    messages: list[Message] = []
    others = b""
    for piece in pieces:
        more, rest = splitter.feed(piece, 7)
        messages += more
        others += rest
    return messages, others, None if splitter.fault is None else str(splitter.fault)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in pairwise(edges)]


packets = st.lists(
    st.one_of(
        st.builds(
            publish_packet,
            st.text(st.characters(codec="utf-8"), max_size=20),
            st.binary(max_size=300),
            st.integers(0, 65_535),
            retain=st.booleans(),
        ),
        st.just(PINGRESP),
        st.just(b"\x40\x02\x12\x34"),
        st.integers(0, 3 * LIMIT).map(lambda n: publish_packet("big", b"b" * n, 9)),
    ),
    max_size=12,
)


@given(packets, st.lists(st.integers(0, 40_000), max_size=30))
def test_every_cut_of_the_stream_gives_the_same(whole: list[bytes], places: list[int]) -> None:
    data = b"".join(whole)
    assert split(cut(data, places)) == split(whole)


@given(packets)
def test_every_packet_comes_out_once(whole: list[bytes]) -> None:
    messages, others, fault = split(whole)
    publishes = [p for p in whole if p[0] & 0xF0 == 0x30]
    assert fault is None
    assert len(messages) == len(publishes)
    assert others == b"".join(p for p in whole if p[0] & 0xF0 != 0x30)
    for message, raw in zip(messages, publishes, strict=True):
        size = len(message.payload) if message.oversize is None else message.oversize.size
        qos1 = raw[0] & 6
        assert raw.endswith(message.payload[-100:])
        assert (message.token != NO_TOKEN) == bool(qos1)
        assert message.retained == bool(raw[0] & 1)
        assert size <= len(raw) - 2 - len(message.topic.encode())
    receipts = [m.token >> 16 for m in messages if m.token]
    assert receipts == list(range(1, len(receipts) + 1))


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_give_messages_or_a_fault(pieces: list[bytes]) -> None:
    split(pieces)


@pytest.mark.parametrize("step", [1, 1_000, 65_536])
def test_oversized_payload_is_never_kept_whole(step: int) -> None:
    payload = bytes(range(251)) * 1_200
    whole = publish_packet("t", payload, 5) + publish_packet("t", b"after", 6)
    (large, after), _, fault = split([whole[i : i + step] for i in range(0, len(whole), step)])
    assert fault is None
    assert large.oversize is not None
    assert large.oversize.size == len(payload)
    assert large.oversize.sha256 == hashlib.sha256(payload).digest()
    assert large.payload == payload[:HEAD_BYTES]
    assert (after.payload, after.token & 0xFFFF) == (b"after", 6)


def test_mqtt_5_properties_are_passed_over() -> None:
    properties = b"\x26" + text("key") + text("v" * 152)
    body = text("t") + b"\x00\x09" + b"\xa0\x01" + properties + b"payload"
    assert len(properties) == 0xA0
    (message,), _, fault = split([packet(0x32, body)], mqtt5=True)
    assert (message.payload, message.token & 0xFFFF, fault) == (b"payload", 9, None)


@pytest.mark.parametrize(
    ("piece", "told"),
    [
        (packet(0x34, text("t") + b"\x00\x01"), "QoS 2"),
        (packet(0x32, text("t")), "shorter"),
        (packet(0x30, b"\x00"), "shorter"),
        (packet(0x30, b"\x00\x09t"), "shorter"),
        (b"\x30\x80\x80\x80\x80\x01", "four bytes"),
        (b"\x90\xff\xff\xff\x7f", "no PUBLISH"),
    ],
)
def test_breach_is_a_fault_and_what_came_before_is_kept(piece: bytes, told: str) -> None:
    messages, others, fault = split([PINGRESP + publish_packet("t", b"good", 1) + piece])
    assert [m.payload for m in messages] == [b"good"]
    assert others == PINGRESP
    assert fault is not None
    assert told in fault


def test_malformed_utf_8_in_a_topic_becomes_text() -> None:
    raw = packet(0x30, b"\x00\x02\xff\xfe" + b"x")
    (message,), _, _ = split([raw])
    assert message.topic == "\\xff\\xfe"


def test_pubacks_are_joined() -> None:
    assert pubacks([1, 0x1234, 65_535]) == b"\x40\x02\x00\x01\x40\x02\x12\x34\x40\x02\xff\xff"
    assert pubacks([]) == b""
