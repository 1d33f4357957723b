"""The few MQTT 3.1.1 packets that a publisher needs, packed and read. Pure.

OASIS MQTT 3.1.1: CONNECT 3.1, CONNACK 3.2, PUBLISH 3.3, PUBACK 3.4, PINGREQ 3.12, DISCONNECT 3.14.
"""

from collections.abc import Iterator
from typing import Final

PINGREQ: Final = b"\xc0\x00"
DISCONNECT: Final = b"\xe0\x00"
CONNACK_TYPE: Final = 0x20
PUBACK_TYPE: Final = 0x40

REFUSALS: Final = {
    1: "the broker does not speak MQTT 3.1.1",
    2: "the broker rejects the client id",
    3: "the broker is not available",
    4: "the broker refuses user name or password",
    5: "the broker does not let this account in (no or wrong user name and password)",
}
"""Meaning of the CONNACK return codes."""


class BrokenStreamError(Exception):
    """The peer sent something that is no MQTT."""


def connect(client_id: str, keepalive_s: int, user: str | None, password: str | None) -> bytes:
    """Return CONNECT with a clean session."""
    flags = 0x02 | (0x80 if user is not None else 0) | (0x40 if password is not None else 0)
    body = _text("MQTT") + bytes((4, flags)) + keepalive_s.to_bytes(2, "big") + _text(client_id)
    for credential in (user, password):
        if credential is not None:
            body += _text(credential)
    return b"\x10" + _length(len(body)) + body


def publish(
    topic: bytes, payload: bytes, packet_id: int, *, duplicate: bool, retain: bool = False
) -> bytes:
    """Return PUBLISH with QoS 1."""
    head = 0x32 | (0x08 if duplicate else 0) | (0x01 if retain else 0)
    length = 2 + len(topic) + 2 + len(payload)
    return b"%c%b%b%b%b%b" % (
        head, _length(length), len(topic).to_bytes(2, "big"), topic,
        packet_id.to_bytes(2, "big"), payload,
    )  # fmt: skip


def split(buffer: bytearray) -> Iterator[tuple[int, bytes]]:
    """Take whole packets out of ``buffer``: (first byte without flags, body).

    Raises ``BrokenStreamError`` for a length that no packet can have.
    """
    position = 0
    while len(buffer) - position >= 2:
        length, shift, at = 0, 0, position + 1
        while True:
            if at >= len(buffer):
                del buffer[:position]
                return
            byte = buffer[at]
            length |= (byte & 0x7F) << shift
            at += 1
            if byte < 0x80:
                break
            shift += 7
            if shift > 21:
                raise BrokenStreamError("a packet length of more than four bytes")
        if len(buffer) < at + length:
            break
        yield buffer[position] & 0xF0, bytes(buffer[at : at + length])
        position = at + length
    del buffer[:position]


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def _length(n: int) -> bytes:
    if n < 128:
        return bytes((n,))
    if n < 16_384:
        return bytes((n & 0x7F | 0x80, n >> 7))
    out = bytearray()
    while True:
        n, byte = divmod(n, 128)
        out.append(byte | (0x80 if n else 0))
        if not n:
            return bytes(out)
