"""Frames to MQTT messages: gathered by gateway, encoded, some of them followed by a bad copy.

Frames of one gateway that arrive at one instant share messages of at most ``frames_per_message``.
A broken payload is always an extra message right after the right one, and never parses; a spoiled
one repeats a frame with one field that cannot be used: what must be stored stays exactly known.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.frames import Frames
from simulator.network.spec import NetworkSpec
from simulator.network.wire import to_wire
from simulator.randomness import Stream, chance, words
from telemetry.topics import frames_topic
from telemetry.wire import WireFrame, encode_json, encode_msgpack


class FrameKey(NamedTuple):
    """What tells a sent frame from all others: lift of the fleet, device time, seq."""

    lift: int
    device_time_us: int
    seq: int


class Message(NamedTuple):
    """One MQTT message. ``keys`` is empty for a payload without frames or bad on purpose."""

    topic: str
    payload: bytes
    due_us: int
    keys: tuple[FrameKey, ...]
    retain: bool = False


class Messenger:
    """Makes the messages of a fleet.

    Parameters
    ----------
    spec
        How frames are gathered, and how often a message is broken or spoiled.
    seed
        Seed of the draws.
    codes, labels
        Registration code and floor labels of each unit.
    gateways
        Names of the gateways.
    gateway_of
        Index of the gateway of each unit, shape (n_units,).
    """

    def __init__(
        self,
        spec: NetworkSpec,
        seed: int,
        codes: Sequence[str],
        labels: Sequence[Sequence[str]],
        gateways: Sequence[str],
        gateway_of: NDArray[Any],
    ) -> None:
        self._spec = spec
        self._seed = seed
        self._codes = codes
        self._labels = labels
        self._topics = [frames_topic(name) for name in gateways]
        self._gateway_of = np.asarray(gateway_of, "i8")
        self._encode = encode_msgpack if spec.msgpack else encode_json
        self._sent = np.zeros(len(gateways), "i8")

    def messages(self, arrived: Frames) -> list[Message]:
        """Return the messages of frames sorted by (arrival_us, lift, seq), in that order."""
        if not len(arrived):
            return []
        arrival_us, gateway = arrived["arrival_us"], self._gateway_of[arrived["lift"]]
        same = arrival_us[1:] == arrival_us[:-1]
        if (same & (gateway[1:] < gateway[:-1])).any():
            order = np.lexsort((gateway, arrival_us))
            arrived, arrival_us, gateway = arrived.take(order), arrival_us[order], gateway[order]
            same = arrival_us[1:] == arrival_us[:-1]
        new = np.r_[True, ~same | (gateway[1:] != gateway[:-1])]
        begins = np.flatnonzero(new)
        within = np.arange(len(arrived)) - np.repeat(begins, np.diff(np.r_[begins, len(arrived)]))
        cuts = np.flatnonzero(new | (within % self._spec.frames_per_message == 0))
        return self._of(arrived, cuts, gateway[cuts])

    def _of(
        self, frames: Frames, cuts: NDArray[np.int64], senders: NDArray[np.int64]
    ) -> list[Message]:
        wire = to_wire(frames, self._codes, self._labels)
        names = ("lift", "device_time_us", "seq")
        columns = [frames[name].tolist() for name in names]
        keys = list(map(FrameKey._make, zip(*columns, strict=True)))
        due_us = frames["arrival_us"][cuts].tolist()
        messages: list[Message] = []
        ends = [*cuts[1:].tolist(), len(frames)]
        bad = self._bad(senders)
        rows = zip(cuts.tolist(), ends, senders.tolist(), due_us, strict=True)
        for m, (low, high, g, at_us) in enumerate(rows):
            payload = self._encode(wire[low] if high == low + 1 else wire[low:high])
            message = Message(self._topics[g], payload, at_us, tuple(keys[low:high]))
            messages.append(message)
            if m in bad:
                payloads = self._bad_copies(payload, wire[low], *bad[m])
                messages += [message._replace(payload=p, keys=()) for p in payloads]
        return messages

    def _bad_copies(self, payload: bytes, first: WireFrame, *w: int) -> list[bytes]:
        copies: list[bytes] = []
        if w[0]:
            copies.append(_broken(payload, w[2], w[3]))
        if w[1]:
            copies.append(self._encode(_spoiled(first, w[2], w[3])))
        return copies

    def _bad(self, senders: NDArray[Any]) -> dict[int, tuple[int, int, int, int]]:
        """Return the messages with a bad copy: whether broken, whether spoiled, two words."""
        if not (self._spec.broken_ppm or self._spec.spoiled_ppm):
            return {}
        order = np.argsort(senders, kind="stable")
        sorted_ = senders[order]
        begins = np.flatnonzero(np.r_[True, sorted_[1:] != sorted_[:-1]])
        counts = np.diff(np.r_[begins, len(sorted_)])
        number = np.empty(len(senders), "i8")
        within = np.arange(len(sorted_)) - np.repeat(begins, counts)
        number[order] = self._sent[sorted_] + within
        self._sent[sorted_[begins]] += counts
        w = words(self._seed, Stream.CHANNEL_MESSAGE, senders, number)
        broken, spoiled = chance(w[0], self._spec.broken_ppm), chance(w[3], self._spec.spoiled_ppm)
        hit = np.flatnonzero(broken | spoiled)
        return {int(m): (int(broken[m]), int(spoiled[m]), int(w[1][m]), int(w[2][m])) for m in hit}


def _broken(payload: bytes, where: int, how: int) -> bytes:
    """Return bytes that never parse: 0xc1 is no MessagePack and begins no JSON; nor does a cut."""
    kept = 1 + where % (len(payload) - 1)
    return payload[:kept] if how % 2 else b"\xc1" + payload


def _spoiled(frame: WireFrame, where: int, how: int) -> WireFrame:
    """Return the frame with one field of wrong type or out of range; its key stays whole."""
    fields = [key for key in frame if key not in ("elevator", "seq", "time")] or ["mode"]
    value: Any = {"spoiled": how % 2} if how % 3 else 10**9 + how
    return {**frame, fields[where % len(fields)]: value}
