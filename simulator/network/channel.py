"""The network between terminals and the broker, as a separate seeded layer: frames to messages.

In order: wrong device clocks, restarted terminals (new ``seq``), lost connections (buffered, sent
on return), duplicates and reordering (each later by less than ``reorder_us``), frames gathered into
messages, broken payloads. Draws depend on (seed, lift or gateway, number) and messages are cut by
time, so the messages of a fleet do not depend on how its frames were cut into calls.

A broken payload is always an extra message beside the right one, and never parses: what must be
stored stays exactly known.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.frames import Frames
from simulator.randomness import Stream, between, chance, words
from telemetry.topics import frames_topic
from telemetry.wire import WireFrame, encode_json, encode_msgpack

FLUSH_SPEEDUP: Final = 200
"""A backlog is sent this many times faster than it was recorded."""
_DUPLICATE_INDEX: Final = 2**40
"""Draws about the copy of a frame are those of its number plus this."""


class FrameKey(NamedTuple):
    """What tells a sent frame from all others: lift of the fleet, device time, seq."""

    lift: int
    device_time_us: int
    seq: int


class Message(NamedTuple):
    """One MQTT message. ``keys`` is empty for a payload without frames or broken on purpose."""

    topic: str
    payload: bytes
    due_us: int
    keys: tuple[FrameKey, ...]
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Outage:
    """A gateway (index) that is cut off in ``[from_us, to_us)``."""

    gateway: int
    from_us: int
    to_us: int


@dataclass(frozen=True, slots=True)
class WrongClock:
    """A terminal whose clock tells ``time + offset_us`` from ``from_us`` on."""

    lift: int
    from_us: int
    offset_us: int


@dataclass(frozen=True, slots=True)
class Restart:
    """A terminal that starts anew at ``at_us``: its next frame has ``first_seq``."""

    lift: int
    at_us: int
    first_seq: int = 0


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """What the network does. Rates in parts per million.

    Parameters
    ----------
    duplicate_ppm, reorder_ppm
        Of frames.
    reorder_us
        By how much a duplicate or a reordered frame is later, at most (exclusive); the service
        waits 2 s.
    broken_ppm
        Of messages: an extra broken copy.
    frames_per_message
        At most; 1 sends every frame alone.
    linger_us
        Frames of one gateway due within one such slot share a message; 0 = only equal instants.
    msgpack
        MessagePack instead of JSON.
    outages, clocks, restarts
        Scripted trouble.
    """

    duplicate_ppm: int = 0
    reorder_ppm: int = 0
    reorder_us: int = 1_500_000
    broken_ppm: int = 0
    frames_per_message: int = 1
    linger_us: int = 0
    msgpack: bool = False
    outages: tuple[Outage, ...] = ()
    clocks: tuple[WrongClock, ...] = ()
    restarts: tuple[Restart, ...] = ()


FIELD_CHANNEL: Final = ChannelSpec(duplicate_ppm=10_000, reorder_ppm=5_000, broken_ppm=1_000)
"""As the field shows: 0.5-2 % duplicates, up to 1 % out of order, 0.1 % broken."""


class Channel:
    """The network of one fleet.

    Parameters
    ----------
    spec
        What it does.
    seed
        Seed of its draws.
    gateways
        Names of the gateways.
    gateway_of
        Index of the gateway of each unit, shape (n_units,).
    to_wire
        Turns frames into wire objects.
    """

    def __init__(
        self,
        spec: ChannelSpec,
        seed: int,
        gateways: tuple[str, ...],
        gateway_of: NDArray[Any],
        to_wire: Callable[[Frames], list[WireFrame]],
    ) -> None:
        self._spec = spec
        self._seed = seed
        self._topics = [frames_topic(name) for name in gateways]
        self._gateway_of = gateway_of
        self._to_wire = to_wire
        self._encode = encode_msgpack if spec.msgpack else encode_json
        self._pending = Frames.empty()
        self._pending_due = np.empty(0, "i8")
        self._sent = np.zeros(len(gateways), "i8")
        self._base: dict[int, int] = {}

    @property
    def pending(self) -> int:
        """Frames that are still under way."""
        return len(self._pending)

    def messages(self, frames: Frames, until_us: int) -> list[Message]:
        """Take new frames; return the messages that are due before ``until_us``, in that order."""
        sent, due_us = self._travel(self._restarted(frames))
        frames = Frames.concat([self._pending, self._with_clock(sent)])
        due_us = np.concatenate([self._pending_due, due_us])
        slot_us = self._slot(due_us)
        now = slot_us < until_us
        self._pending, self._pending_due = frames.take(~now), due_us[~now]
        frames, due_us, slot_us = frames.take(now), due_us[now], slot_us[now]
        if not len(frames):
            return []
        gateway = self._gateway_of[frames["lift"]]
        order = np.lexsort((frames["seq"], frames["lift"], due_us, gateway, slot_us))
        return self._gather(frames.take(order), gateway[order], slot_us[order])

    def _slot(self, due_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return when the message of a frame is sent: at the end of its slot."""
        linger_us = self._spec.linger_us
        return due_us if not linger_us else (due_us // linger_us + 1) * linger_us

    def _restarted(self, frames: Frames) -> Frames:
        seq = frames["seq"]
        for restart in self._spec.restarts:
            after = (frames["lift"] == restart.lift) & (frames["time_us"] >= restart.at_us)
            if after.any():
                first = int(frames["seq"][after].min())
                base = self._base.setdefault(restart.at_us * 65_536 + restart.lift, first)
                seq = np.where(after, frames["seq"] - base + restart.first_seq, seq)
        return frames.replace(seq=seq) if self._spec.restarts else frames

    def _with_clock(self, frames: Frames) -> Frames:
        told_us = frames["device_time_us"]
        for wrong in self._spec.clocks:
            after = (frames["lift"] == wrong.lift) & (frames["time_us"] >= wrong.from_us)
            told_us = np.where(after, frames["time_us"] + wrong.offset_us, told_us)
        return frames.replace(device_time_us=told_us) if self._spec.clocks else frames

    def _travel(self, frames: Frames) -> tuple[Frames, NDArray[np.int64]]:
        """Return frames, copies included, and when each reaches the broker."""
        spec, n = self._spec, len(frames)
        lift, time_us = frames["lift"], frames["time_us"]
        due_us = self._after_outages(lift, time_us)
        if not n or not (spec.duplicate_ppm or spec.reorder_ppm):
            return frames, due_us
        # a restarted seq repeats, the time of a lift does not
        drawn = words(self._seed, Stream.CHANNEL, lift, time_us // 1000)
        again = words(self._seed, Stream.CHANNEL, lift, time_us // 1000 + _DUPLICATE_INDEX)
        late = chance(drawn[0], spec.reorder_ppm)
        copied = np.flatnonzero(chance(drawn[1], spec.duplicate_ppm))
        copy_due_us = due_us[copied] + between(again[0], 0, spec.reorder_us - 1)[copied]
        due_us = due_us + np.where(late, between(drawn[2], 1, spec.reorder_us - 1), 0)
        joined = Frames.concat([frames, frames.take(copied)])
        return joined, np.concatenate([due_us, copy_due_us])

    def _after_outages(
        self, lift: NDArray[np.int64], time_us: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        due_us = time_us
        for outage in self._spec.outages:
            mine = self._gateway_of[lift] == outage.gateway
            cut_off = mine & (time_us >= outage.from_us) & (time_us < outage.to_us)
            flushed_us = outage.to_us + (time_us - outage.from_us) // FLUSH_SPEEDUP
            due_us = np.where(cut_off, flushed_us, due_us)
        return due_us

    def _gather(
        self, frames: Frames, gateway: NDArray[Any], slot_us: NDArray[np.int64]
    ) -> list[Message]:
        """Cut frames, sorted by slot and gateway, into messages."""
        new = np.r_[True, (slot_us[1:] != slot_us[:-1]) | (gateway[1:] != gateway[:-1])]
        begins = np.flatnonzero(new)
        within = np.arange(len(frames)) - np.repeat(begins, np.diff(np.r_[begins, len(frames)]))
        cuts = np.flatnonzero(new | (within % self._spec.frames_per_message == 0))
        wire = self._to_wire(frames)
        keys = list(
            map(
                FrameKey._make,
                zip(
                    frames["lift"].tolist(), frames["device_time_us"].tolist(),
                    frames["seq"].tolist(), strict=True,
                ),
            )
        )  # fmt: skip
        messages: list[Message] = []
        ends = [*cuts[1:].tolist(), len(frames)]
        senders = gateway[cuts]
        breaks = self._breaks(senders)
        for m, (low, high, g) in enumerate(zip(cuts.tolist(), ends, senders.tolist(), strict=True)):
            alone = high == low + 1
            payload = self._encode(wire[low] if alone else wire[low:high])
            message = Message(self._topics[g], payload, int(slot_us[low]), tuple(keys[low:high]))
            messages.append(message)
            if m in breaks:
                messages.append(message._replace(payload=_broken(payload, *breaks[m]), keys=()))
        return messages

    def _breaks(self, senders: NDArray[Any]) -> dict[int, tuple[int, int]]:
        """Return which of these messages get a broken copy, with two words to break it by."""
        if not self._spec.broken_ppm:
            return {}
        order = np.argsort(senders, kind="stable")
        sorted_ = senders[order]
        begins = np.flatnonzero(np.r_[True, sorted_[1:] != sorted_[:-1]])
        counts = np.diff(np.r_[begins, len(sorted_)])
        number = np.empty(len(senders), "i8")
        within = np.arange(len(sorted_)) - np.repeat(begins, counts)
        number[order] = self._sent[sorted_] + within
        self._sent[sorted_[begins]] += counts
        drawn = words(self._seed, Stream.CHANNEL_MESSAGE, senders, number)
        hit = np.flatnonzero(chance(drawn[0], self._spec.broken_ppm))
        return {int(m): (int(drawn[1][m]), int(drawn[2][m])) for m in hit}


def _broken(payload: bytes, where: int, how: int) -> bytes:
    """Return bytes that never parse: 0xc1 is no MessagePack and begins no JSON; nor does a cut."""
    kept = 1 + where % (len(payload) - 1)
    return payload[:kept] if how % 2 else b"\xc1" + payload
