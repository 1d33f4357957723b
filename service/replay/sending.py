"""A source as a feed: its frames as messages of the gateways that its registry names."""

from collections.abc import Sequence

import numpy as np

from simulator.network.messages import Message, Messenger
from simulator.network.spec import NetworkSpec
from simulator.source import Source


class SourceFeed:
    """Messages of a source as they are due.

    Frames that arrived at one instant by one gateway share messages. The network is behind them:
    nothing is delayed, copied or broken again.

    Parameters
    ----------
    source
        Where the frames come from.
    frames_per_message
        At most.
    """

    def __init__(self, source: Source, frames_per_message: int = 1) -> None:
        rows = source.registry()
        index = {name: i for i, name in enumerate(dict.fromkeys(row.gateway for row in rows))}
        self.gateways: Sequence[str] = tuple(index)
        self.frames = 0
        self._source = source
        self._messenger = Messenger(
            NetworkSpec(frames_per_message=frames_per_message),
            0,
            [row.code for row in rows],
            source.labels,
            self.gateways,
            np.array([index[row.gateway] for row in rows]),
        )

    def messages_until(self, t_us: int) -> list[Message]:
        """Return the messages due before ``t_us``."""
        frames = self._source.arrived_until(t_us)
        self.frames += len(frames)
        return self._messenger.messages(frames)
