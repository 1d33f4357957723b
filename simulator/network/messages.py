"""Frames to MQTT messages: gathered by gateway, encoded, some of them followed by a bad copy.

Frames of one gateway that arrive at one instant share messages of at most ``frames_per_message``.
A broken payload is always an extra message right after the right one, and never parses; a spoiled
one repeats a frame with one field that cannot be used: what must be stored stays exactly known.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import pairwise, repeat
from typing import Any, Final, NamedTuple, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from simulator.frames import NO_TIME_US, Frames
from simulator.network.spec import NetworkSpec
from simulator.network.wire import to_wire
from simulator.randomness import Stream, chance, words
from telemetry.topics import frames_topic
from telemetry.wire import WireFrame

_JSON: Final = msgspec.json.Encoder()
_MSGPACK: Final = msgspec.msgpack.Encoder()


class FrameKey(NamedTuple):
    """What tells a sent frame from all others: lift of the fleet, device time, seq."""

    lift: int
    device_time_us: int
    seq: int


class Message(NamedTuple):
    """One MQTT message. ``keys`` are of its usable frames: none if it is bad on purpose."""

    topic: str
    payload: bytes
    due_us: int
    keys: tuple[FrameKey, ...]
    retain: bool = False


class _Bad(NamedTuple):
    """What is bad about the copies of a message, and two random words."""

    broken: bool
    spoiled: bool
    word: int
    other: int


# as ``_make``, without its check of the length: once for each frame
_new_key = cast("Callable[[Iterable[Any]], FrameKey]", partial(tuple.__new__, FrameKey))
_new_message = cast("Callable[[Iterable[Any]], Message]", partial(tuple.__new__, Message))


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
        self._encode = _MSGPACK.encode if spec.msgpack else _JSON.encode
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
        columns = [frames[name].tolist() for name in ("lift", "device_time_us", "seq")]
        keys = list(map(_new_key, zip(*columns, strict=True)))
        if len(cuts) == len(frames):
            payloads = list(map(self._encode, wire))
            groups = [(key,) if key.device_time_us != NO_TIME_US else () for key in keys]
        else:
            edges = list(pairwise([*cuts.tolist(), len(frames)]))
            payloads = [
                self._encode(wire[low] if high == low + 1 else wire[low:high])
                for low, high in edges
            ]
            groups = [
                tuple(key for key in keys[low:high] if key.device_time_us != NO_TIME_US)
                for low, high in edges
            ]
        topics = [self._topics[g] for g in senders.tolist()]
        due_us = frames["arrival_us"][cuts].tolist()
        alike = repeat(False, len(cuts))
        rows = zip(topics, payloads, due_us, groups, alike, strict=True)
        messages = list(map(_new_message, rows))
        # from the end, so that earlier positions stay what they are
        for m, how in reversed(self._bad(senders)):
            copies = self._bad_copies(payloads[m], wire[int(cuts[m])], how)
            messages[m + 1 : m + 1] = [messages[m]._replace(payload=c, keys=()) for c in copies]
        return messages

    def _bad_copies(self, payload: bytes, first: msgspec.Struct, how: _Bad) -> list[bytes]:
        copies: list[bytes] = []
        if how.broken:
            copies.append(_broken(payload, how.word, how.other))
        if how.spoiled:
            frame = _spoiled(msgspec.to_builtins(first), how.word, how.other)
            copies.append(self._encode(frame))
        return copies

    def _bad(self, senders: NDArray[Any]) -> list[tuple[int, _Bad]]:
        """Return the positions of messages with a bad copy, ascending, and what is bad about it."""
        if not (self._spec.broken_ppm or self._spec.spoiled_ppm):
            return []
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
        return [
            (m, _Bad(bool(broken[m]), bool(spoiled[m]), int(w[1][m]), int(w[2][m])))
            for m in hit.tolist()
        ]


def _broken(payload: bytes, where: int, how: int) -> bytes:
    """Return bytes that never parse: 0xc1 is no MessagePack and begins no JSON; nor does a cut."""
    kept = 1 + where % (len(payload) - 1)
    return payload[:kept] if how % 2 else b"\xc1" + payload


def _spoiled(frame: WireFrame, where: int, how: int) -> WireFrame:
    """Return the frame with one field of wrong type or out of range; its key stays whole."""
    fields = [key for key in frame if key not in ("elevator", "seq", "time")] or ["mode"]
    value: Any = {"spoiled": how % 2} if how % 3 else 10**9 + how
    return {**frame, fields[where % len(fields)]: value}
