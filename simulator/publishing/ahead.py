"""``Ahead``: a feed that is made in larger steps than it is sent.

A step of a fleet costs something for every lift, however little is due, so a live run that asks
every 20 ms would spend its time on asking. Made ahead, a command to the fleet (a rescuer) acts up
to ``ahead_us`` later; the demo, which commands, does without.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from simulator.network.messages import Message
from simulator.publishing.feed import Feed

AHEAD_US: Final = 250_000
"""Event time per step of a run in real time: a fleet of 40,000 costs about 6 ms a step."""


class Ahead:
    """A feed made ahead of time, never beyond ``end_us``.

    Parameters
    ----------
    feed
        Where messages come from; their ``due_us`` never decreases.
    end_us
        End of the run: nothing is made beyond.
    ahead_us
        Event time per step.
    """

    def __init__(self, feed: Feed, end_us: int, ahead_us: int) -> None:
        self._feed = feed
        self._end_us = end_us
        self._ahead_us = ahead_us
        self._made_us = 0
        self._held: list[Message] = []
        self._next = 0

    @property
    def frames(self) -> int:
        """Frames made so far, without copies."""
        return self._feed.frames

    @property
    def gateways(self) -> Sequence[str]:
        """Names of the gateways."""
        return self._feed.gateways

    def messages_until(self, t_us: int) -> list[Message]:
        """Return the messages due before ``t_us`` that were not returned yet, in order."""
        taken: list[Message] = []
        if t_us > self._made_us:
            taken = self._held[self._next :]
            self._made_us = min(t_us + self._ahead_us, max(self._end_us, t_us))
            self._held, self._next = self._feed.messages_until(self._made_us), 0
        end = bisect_left(self._held, t_us, lo=self._next, key=lambda m: m.due_us)
        taken += self._held[self._next : end]
        self._next = end
        return taken
