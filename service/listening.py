"""Since when the service listens: silence of lifts counts only from then on.

Decides from what the source says of itself at each round of the intake. Whoever was not connected,
not caught up, or not running for a while cannot tell a silent terminal from a message that was lost
or is late; so after every such pause each lift gets its whole limit anew. A pause is also a round
that took long, whatever held it up (a database that is down, a process that slept), and any new
connection to the broker, since the gateways are likely to come back one after another.

Invariant: the instant never goes back, and is recorded with every batch (``BatchRow``), so that
recovery comes to what was decided live.
"""

from typing import Final

PAUSE_US: Final = 5_000_000
"""Shorter pauses are none: a burst of messages keeps the source from being caught up [µs]."""


class Listening:
    """The instant, noted round by round.

    Parameters
    ----------
    now_us
        When the service began to listen [µs].
    connections
        How often the source had connected by then.
    """

    def __init__(self, now_us: int, connections: int) -> None:
        self.since_us = now_us
        self._heard_us = now_us - PAUSE_US  # nothing yet: the first round decides
        self._connections = connections

    def note(self, now_us: int, connections: int, *, caught_up: bool) -> int:
        """Note what the source says now; return since when the service listens [µs]."""
        anew = connections != self._connections or now_us - self._heard_us >= PAUSE_US
        if anew:
            self.since_us = max(self.since_us, now_us)
        if caught_up:
            self._heard_us, self._connections = now_us, connections
        return self.since_us
