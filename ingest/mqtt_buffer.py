"""What was received and not read yet: in order, bounded, with hysteresis. Pure.

The buffer never refuses a message; it says ``is_full``, and then the socket is no longer read until
it is half empty. So it exceeds its bounds by one piece of the socket at most.
"""

from collections.abc import Sequence

from ingest.source import Message


class UnreadBuffer:
    """Messages in receipt order. ``size_bytes`` is the size of their payloads."""

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self._max_messages, self._max_bytes = max_messages, max_bytes
        self._messages: list[Message] = []
        self.size_bytes = 0
        self.is_full = False

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, messages: Sequence[Message], size_bytes: int) -> None:
        """Append messages whose payloads have ``size_bytes`` together."""
        self._messages += messages
        self.size_bytes += size_bytes
        self._judge()

    def take(self, max_messages: int, max_bytes: int) -> list[Message]:
        """Remove and return the oldest within the bounds; at least one, if there is any."""
        taken = self._messages
        count = min(len(taken), max(1, max_messages))
        if self.size_bytes > max_bytes:
            count = _within(taken, count, max_bytes)
        self._messages = taken[count:]
        del taken[count:]
        self.size_bytes -= sum([len(message.payload) for message in taken])
        self._judge()
        return taken

    def _judge(self) -> None:
        part = 2 if self.is_full else 1
        self.is_full = (
            len(self._messages) * part >= self._max_messages
            or self.size_bytes * part >= self._max_bytes
        )


def _within(messages: Sequence[Message], count: int, max_bytes: int) -> int:
    """Return how many of the first ``count`` messages fit, at least one."""
    size_bytes = 0
    for position in range(count):
        size_bytes += len(messages[position].payload)
        if size_bytes > max_bytes:
            return max(1, position)
    return count
