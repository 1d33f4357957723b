"""MQTT 3.1.1 packets, byte by byte as the standard has them, and read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.publishing import packets


def test_connect_is_what_the_standard_shows():
    packet = packets.connect("id", 10, "me", "pw")
    assert packet == bytes.fromhex("1016 0004 4d515454 04 c2 000a 0002 6964 0002 6d65 0002 7077")
    assert packets.connect("id", 10, None, None)[9] == 0x02


def test_publish_holds_topic_id_and_payload():
    packet = packets.publish(b"a/b", b"xyz", 258, duplicate=False)
    assert packet == b"\x32\x0a\x00\x03a/b\x01\x02xyz"
    assert packets.publish(b"a/b", b"xyz", 258, duplicate=True)[0] == 0x3A
    assert packets.publish(b"a/b", b"", 1, duplicate=False, retain=True)[0] == 0x33


@given(st.integers(0, 300_000))
def test_lengths_are_read_back(n):
    packet = packets.publish(b"t", bytes(n), 7, duplicate=False)
    buffer = bytearray(packet)
    [(kind, body)] = packets.split(buffer)
    assert kind == 0x30
    assert body == b"\x00\x01t\x00\x07" + bytes(n)
    assert not buffer


@given(st.lists(st.integers(0, 200), max_size=8), st.integers(1, 50))
def test_packets_are_found_however_the_stream_is_cut(sizes, step):
    stream = b"".join(packets.publish(b"t", bytes(n), 1, duplicate=False) for n in sizes)
    buffer, found = bytearray(), 0
    for i in range(0, len(stream), step):
        buffer += stream[i : i + step]
        found += len(list(packets.split(buffer)))
    assert found == len(sizes)
    assert not buffer


def test_a_length_of_five_bytes_is_no_mqtt():
    with pytest.raises(packets.BrokenStreamError):
        list(packets.split(bytearray(b"\x40\xff\xff\xff\xff\x01")))
