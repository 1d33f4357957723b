"""Take PUBLISH packets out of a byte stream before the MQTT client sees them; pack PUBACKs.

The client library spends some 30 µs on a packet, this about 1 µs; it still gets every other packet.
Pure: bytes in, messages out. Invariants: every byte is used once; a message larger than the
limit never lies in memory as a whole; what breaks the protocol is kept as ``fault``, after which
the stream is useless, but what came before it is given out.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

from ingest.source import HEAD_BYTES, NO_TOKEN, Message, Oversize

PUBLISH: Final = 0x30
PUBACK: Final = 0x40
PINGREQ_PACKET: Final = b"\xc0\x00"
DISCONNECT_PACKET: Final = b"\xe0\x00"

TOPIC_CACHE_ENTRIES: Final = 65_536
"""Topics remembered as text; more than any fleet's gateways, then the cache starts anew."""
MAX_HEADER_BYTES: Final = 256 * 1024
"""Where topic and properties of an oversized PUBLISH must end, [B]."""


class ProtocolError(Exception):
    """The broker sent what MQTT does not allow, or what was not asked for."""


def pubacks(packet_ids: Iterable[int]) -> bytes:
    """Return one PUBACK after another, success, in the same shape for MQTT 3.1.1 and 5."""
    return b"".join([b"\x40\x02" + packet_id.to_bytes(2, "big") for packet_id in packet_ids])


class PublishSplitter:
    """Splits the bytes of one connection.

    A token is ``receipt << 16 | packet id``. ``next_receipt`` is the running number that the next
    message with QoS 1 gets; packet ids are used again, receipts never.
    """

    def __init__(self, next_receipt: int, *, mqtt5: bool, max_payload_bytes: int) -> None:
        self.next_receipt = next_receipt
        self._mqtt5 = mqtt5
        self._max_payload_bytes = max_payload_bytes
        self._rest = b""
        self._topics: dict[bytes, str] = {}
        self._skipping: _Skipping | None = None
        self.fault: ProtocolError | None = None

    def feed(self, piece: bytes, received_us: int) -> tuple[list[Message], bytes]:
        """Return the messages that ``piece`` completes, and the bytes of all other packets."""
        messages: list[Message] = []
        others: list[bytes] = []
        try:
            self._split(piece, received_us, messages, others)
        except ProtocolError as error:
            self.fault = error
        return messages, b"".join(others)

    def _split(
        self, piece: bytes, received_us: int, messages: list[Message], others: list[bytes]
    ) -> None:
        if self._skipping is not None:
            piece = self._skip(piece, received_us, messages)
        data = self._rest + piece if self._rest else piece
        position, end = 0, len(data)
        while end - position >= 2:
            length, body = data[position + 1], position + 2
            if length > 127:
                length, body = _long_length(data, position + 1, end)
                if length < 0:
                    break
            stop = body + length
            if stop > end:
                if length > self._max_payload_bytes + HEAD_BYTES:
                    position = self._start_skipping(data, position, body, stop)
                break
            if data[position] & 0xF0 == PUBLISH:
                messages.append(self._publish(data, data[position], body, stop, received_us))
            else:
                others.append(data[position:stop])
            position = stop
        self._rest = data[position:]

    def _publish(self, data: bytes, command: int, body: int, stop: int, now_us: int) -> Message:
        topic, token, start = self._header(data, command, body, stop)
        if start > stop:
            raise ProtocolError("a PUBLISH shorter than its header")
        self.next_receipt += token != NO_TOKEN
        retained = bool(command & 1)
        if stop - start > self._max_payload_bytes:
            digest = hashlib.sha256(memoryview(data)[start:stop]).digest()
            head, over = data[start : min(stop, start + HEAD_BYTES)], Oversize(stop - start, digest)
            return Message(topic, head, now_us, token, retained, over)
        return Message(topic, data[start:stop], now_us, token, retained)

    def _header(self, data: bytes, command: int, body: int, end: int) -> tuple[str, int, int]:
        """Read topic and packet id; return them with the payload's start, > ``end`` if cut off."""
        after = body + 2
        if after > end:
            return "", NO_TOKEN, end + 1
        after += data[body] << 8 | data[body + 1]
        raw = data[body + 2 : after]
        topic = self._topics.get(raw)
        if topic is None:
            topic = self._remember(raw)
        qos = command >> 1 & 3
        token = NO_TOKEN
        if qos:
            if qos > 1:
                raise ProtocolError("a PUBLISH with QoS 2: nothing of the kind was subscribed")
            if after + 2 > end:
                return topic, token, end + 1
            token = self.next_receipt << 16 | data[after] << 8 | data[after + 1]
            after += 2
        if self._mqtt5:
            length, after = _long_length(data, after, end)
            after = end + 1 if length < 0 else after + length
        return topic, token, after

    def _remember(self, raw: bytes) -> str:
        if len(self._topics) >= TOPIC_CACHE_ENTRIES:
            self._topics.clear()
        # Brokers refuse malformed UTF-8; should one pass it on, the decoder calls it a bad topic.
        topic = self._topics[raw] = raw.decode("utf-8", "backslashreplace")
        return topic

    def _start_skipping(self, data: bytes, at: int, body: int, stop: int) -> int:
        """Begin to pass over an oversized packet; return how far ``data`` is used up."""
        if data[at] & 0xF0 != PUBLISH:
            raise ProtocolError("an oversized packet that is no PUBLISH")
        end = len(data)
        topic, token, start = self._header(data, data[at], body, end)
        if start > end:
            if end - body > MAX_HEADER_BYTES:
                raise ProtocolError("a PUBLISH with an oversized header")
            return at
        if stop - start <= self._max_payload_bytes:
            return at
        self.next_receipt += token != NO_TOKEN
        self._skipping = _Skipping(topic, token, bool(data[at] & 1), stop - start)
        self._skipping.take(data[start:])
        return end

    def _skip(self, piece: bytes, received_us: int, messages: list[Message]) -> bytes:
        """Take the oversized payload out of ``piece``; return what follows it."""
        skipping = self._skipping
        assert skipping is not None
        left = piece[skipping.missing :]
        skipping.take(piece[: skipping.missing])
        if skipping.missing == 0:
            # Arrival is the end of it: arrivals never decrease in the order of messages.
            messages.append(skipping.message(received_us))
            self._skipping = None
        return left


class _Skipping:
    """An oversized message of which only head, size and digest are kept."""

    def __init__(self, topic: str, token: int, retained: bool, size: int) -> None:
        self.missing = size
        self._topic, self._token, self._retained = topic, token, retained
        self._size = size
        self._head = bytearray()
        self._hash = hashlib.sha256()

    def take(self, piece: bytes) -> None:
        """Count ``piece`` as a part of the payload."""
        self.missing -= len(piece)
        self._hash.update(piece)
        self._head += piece[: HEAD_BYTES - len(self._head)]

    def message(self, received_us: int) -> Message:
        """Return what is left of the message."""
        over = Oversize(self._size, self._hash.digest())
        head = bytes(self._head)
        return Message(self._topic, head, received_us, self._token, self._retained, over)


def _long_length(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Read a variable byte integer; return it and where it ends, -1 if it is not all there."""
    value = shift = 0
    for position in range(at, min(at + 4, end)):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 128:
            return value, position + 1
        shift += 7
    if end - at >= 4:
        raise ProtocolError("a length of more than four bytes")
    return -1, at
