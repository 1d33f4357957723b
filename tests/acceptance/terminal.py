"""A terminal whose every word a test chooses: frames of one lift, through the real broker."""

from collections.abc import Mapping
from typing import Any

import msgspec

from simulator.network.messages import Message
from simulator.publishing.publish import Publisher
from telemetry.topics import frames_topic

SECOND_US = 1_000_000

RIDES: Mapping[str, Any] = {
    "mode": 1, "car": 1, "direction": 1, "zone": False, "floor": "7", "door": 2,
    "passenger": True, "speed": 1.6, "power": "mains", "button": False,
}  # fmt: skip
"""Somebody rides between landings behind closed doors."""
STUCK: Mapping[str, Any] = {**RIDES, "car": 0, "direction": 0, "speed": 0.0}
"""The car stands between landings, somebody inside."""
SHUT: Mapping[str, Any] = {**STUCK, "zone": True}
"""The car stands at a landing, doors closed, somebody inside."""
OPEN: Mapping[str, Any] = {**SHUT, "door": 4}
"""The doors are open at a landing."""
EMPTY: Mapping[str, Any] = {**SHUT, "passenger": False}
"""An empty car stands at a landing."""


class Terminal:
    """Counts its frames; what it tells and when (event time) is the test's choice."""

    def __init__(self, publisher: Publisher, code: str, gateway: str) -> None:
        self.publisher = publisher
        self.code = code
        self.gateway = gateway
        self.seq = 0
        self.told: list[tuple[int, int]] = []
        """(event time, seq) of all frames"""

    def frame(self, at_us: int, words: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """Make the next frame."""
        self.seq += 1
        self.told.append((at_us, self.seq))
        return {"elevator": self.code, "seq": self.seq, "time": at_us // 1000, **words, **more}

    async def tell(self, at_us: int, words: Mapping[str, Any], **more: Any) -> None:
        """Send one frame."""
        await self.send(self.frame(at_us, words, **more))

    async def send(self, *frames: Mapping[str, Any]) -> None:
        """Send frames in one message."""
        payload = msgspec.json.encode(list(frames))
        message = Message(frames_topic(self.gateway), payload, 0, ())
        await self.publisher.publish([message])

    async def tell_each_second(
        self, from_us: int, to_us: int, words: Mapping[str, Any], **more: Any
    ) -> None:
        """Send frames of event times from ``from_us`` to ``to_us`` inclusive, in one message."""
        times = range(from_us, to_us + 1, SECOND_US)
        await self.send(*[self.frame(t, words, **more) for t in times])
