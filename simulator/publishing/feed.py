"""Where messages come from: a fleet through its network, known frames, or a cheap steady load.

All answer ``messages_until(t_us)``: what is due before that instant and was not returned yet.
"""

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from simulator.fleet import Fleet
from simulator.frames import Frames
from simulator.network.messages import FrameKey, Message, Messenger
from simulator.network.networked import NetworkedFleet
from simulator.network.spec import NetworkSpec
from telemetry.topics import frames_topic

SECOND_US: Final = 1_000_000

_REST: Final = (
    b'"mode":1,"car":false,"direction":0,"zone":true,"floor":"%d","door":%d,"passenger":%d,'
    b'"speed":0.0,"height":%d.0,"acceleration":0.0,"load":%d.0,"power":"mains",'
    b'"safety_circuit":true,"brake":false,"button":false,"runs":118,"door_cycles":236,'
    b'"distance":4711}'
)
_RIDE: Final = (
    b'"mode":1,"car":true,"direction":1,"zone":false,"floor":"%d","door":2,"passenger":1,'
    b'"speed":1.6,"height":%d.5,"acceleration":0.0,"load":12.5,"power":"mains",'
    b'"safety_circuit":true,"brake":true,"button":false,"runs":118,"door_cycles":236,'
    b'"distance":4711}'
)


class Feed(Protocol):
    """A source of messages; ``frames`` counts what was made, without copies."""

    @property
    def frames(self) -> int:
        """Frames made so far."""
        ...

    @property
    def gateways(self) -> Sequence[str]:
        """Names of the gateways."""
        ...

    def messages_until(self, t_us: int) -> list[Message]:
        """Return the messages due before ``t_us`` that were not returned yet, in order."""
        ...


class FleetFeed:
    """A fleet through its network; ``source`` is what a recording of it would hold."""

    def __init__(self, fleet: Fleet, network: NetworkSpec, seed: int) -> None:
        self.fleet = fleet
        self.source = NetworkedFleet(fleet, network, seed)
        self._messenger = Messenger(
            network, seed, fleet.codes, fleet.labels, fleet.gateways, fleet.gateway_of
        )

    @property
    def frames(self) -> int:
        """Frames that terminals made, without copies."""
        return self.source.made

    @property
    def gateways(self) -> Sequence[str]:
        """Names of the gateways."""
        return self.fleet.gateways

    def messages_until(self, t_us: int) -> list[Message]:
        """Let the fleet live until ``t_us`` and return what reaches the broker by then."""
        return self._messenger.messages(self.source.arrived_until(t_us))

    def rest(self) -> list[Message]:
        """Return what is still under way, as if its time had come."""
        return self._messenger.messages(self.source.rest())


class SteadyLoad:
    """A fixed number of frames a second over a fixed number of lifts, all of them well.

    The lifts of a message tell one frame each, at the same instant; frames follow an innocent
    cycle (stand empty, open, board, ride, arrive, leave), so that no alarm arises as long as a lift
    tells a frame at least every 10 s.

    Parameters
    ----------
    n_lifts
        Rounded up to whole messages.
    frames_per_s
        Over all lifts.
    start_us
        Time of the first frame, whole ms.
    frames_per_message
        Also the lifts of a gateway if more than 1, else four lifts share one.
    code_prefix, gateway_prefix
        Of codes and gateway names.
    """

    def __init__(
        self,
        n_lifts: int,
        frames_per_s: int,
        start_us: int,
        frames_per_message: int = 1,
        code_prefix: str = "LOAD",
        gateway_prefix: str = "load-",
    ) -> None:
        if n_lifts * 1000 < frames_per_s:
            raise ValueError(
                f"{frames_per_s} frames/s need at least {-(-frames_per_s // 1000)} lifts: "
                "a lift tells at most one frame a millisecond"
            )
        per_message = frames_per_message
        self.n_lifts = -(-n_lifts // per_message) * per_message
        self.codes = [f"{code_prefix}{i + 1:06d}" for i in range(self.n_lifts)]
        per_gateway = per_message if per_message > 1 else 4
        self.gateways = [
            f"{gateway_prefix}{g + 1:05d}" for g in range(-(-self.n_lifts // per_gateway))
        ]
        self.frames = 0
        self._rate = frames_per_s
        self._start_us = start_us
        self._per_message = per_message
        self._next = 0
        self._topics = [frames_topic(g) for g in self.gateways]
        self._per_gateway = per_gateway
        self._heads = [b'{"elevator":"%b","seq":' % code.encode() for code in self.codes]
        self._cycle = _innocent_cycle()

    def messages_until(self, t_us: int) -> list[Message]:
        """Return the messages due before ``t_us``."""
        per = self._per_message
        passed_us = max(t_us - self._start_us, 0)
        end = -(-passed_us * self._rate // (per * SECOND_US))
        messages = [self._message(m) for m in range(self._next, end)]
        self._next = max(self._next, end)
        self.frames += len(messages) * per
        return messages

    def _message(self, m: int) -> Message:
        per = self._per_message
        round_, group = divmod(m, self.n_lifts // per)
        due_us = self._start_us + m * per * SECOND_US // self._rate
        time_ms = due_us // 1000
        keys: list[FrameKey] = []
        parts: list[bytes] = []
        for lift in range(group * per, group * per + per):
            tail = self._cycle[(round_ + lift) % len(self._cycle)]
            parts.append(b'%b%d,"time":%d,%b' % (self._heads[lift], round_, time_ms, tail))
            keys.append(FrameKey(lift, time_ms * 1000, round_))
        payload = parts[0] if per == 1 else b"[" + b",".join(parts) + b"]"
        return Message(self._topics[group * per // self._per_gateway], payload, due_us, tuple(keys))


def _innocent_cycle() -> list[bytes]:
    stand = _REST % (1, 2, 0, 0, 0)
    board = [_REST % (1, door, 1, 0, 12) for door in (3, 4, 1)]
    ride = [_RIDE % (floor, 3 * floor) for floor in range(1, 6)]
    leave = [_REST % (6, 3, 1, 18, 12), _REST % (6, 4, 1, 18, 12), _REST % (6, 4, 0, 18, 0),
             _REST % (6, 1, 0, 18, 0)]  # fmt: skip
    return [stand] * 4 + board + ride + leave


class TapeFeed:
    """Frames of one lift that are known already, with their own clock.

    Parameters
    ----------
    frames
        In time order, lift 0; each is sent at its ``arrival_us``.
    code, labels, gateway
        Registration code, floor labels, name of the gateway.
    """

    def __init__(self, frames: Frames, code: str, labels: Sequence[str], gateway: str) -> None:
        self.gateways: Sequence[str] = (gateway,)
        self.frames = 0
        self.start_us = int(frames["arrival_us"][0])
        self.end_us = int(frames["arrival_us"][-1]) + 1
        self._frames = frames
        self._messenger = Messenger(
            NetworkSpec(), 0, [code], [labels], (gateway,), np.zeros(1, "i8")
        )

    def messages_until(self, t_us: int) -> list[Message]:
        """Return the messages due before ``t_us``."""
        end = max(int(np.searchsorted(self._frames["arrival_us"], t_us)), self.frames)
        part = self._frames.take(slice(self.frames, end))
        self.frames = end
        return self._messenger.messages(part)
