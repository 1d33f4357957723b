"""One round of intake: messages, what they hold, and who waits for the outcome.

``Work`` is made by the intake, passed through the lanes, and settled when all of them have
committed. It carries everything that conservation needs: every frame counted as received is in it
until it is counted as stored, duplicate or rejected.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ingest.dead_letters import DeadLetter, frame_letter
from ingest.decode import DecodedBatch, decode
from ingest.fleet import Arrivals
from ingest.source import Message
from service.http.parts import SubmitResult

NOBODY_LISTENS_US: Final = 2**62
"""An instant that does not come, and leaves room to add times to it [µs]."""


@dataclass(slots=True)
class Tally:
    """Outcome in frames of a part of the work."""

    stored: int = 0
    duplicate: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    @property
    def settled(self) -> int:
        """Frames that are no longer in flight."""
        return self.stored + self.duplicate + self.rejected.total()

    def add(self, other: "Tally") -> None:
        """Add another part's outcome."""
        self.stored += other.stored
        self.duplicate += other.duplicate
        self.rejected.update(other.rejected)


@dataclass(slots=True)
class Work:
    """Messages that are settled together.

    Parameters
    ----------
    messages
        In receipt order; acknowledged, in that order, when every lane has committed.
    batch
        What they held.
    parts
        Frames by lane.
    until_us
        No message read later arrived before this [µs].
    caught_up
        Whether the source was caught up after the last read.
    submissions
        Positions of messages whose sender waits, with the future to resolve.
    listening_since_us
        Since when we have listened without a pause [µs].
    clock_jumped
        Whether the clock jumped ahead a short time ago: earlier arrivals look older than they are.
    """

    messages: Sequence[Message]
    batch: DecodedBatch
    parts: dict[int, Arrivals]
    until_us: int
    caught_up: bool
    letters: list[DeadLetter] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    submissions: dict[int, asyncio.Future[SubmitResult]] = field(default_factory=dict)
    listening_since_us: int = 0
    clock_jumped: bool = False
    outcome: dict[int, str] = field(default_factory=dict)
    """Decoded frame to ``duplicate`` or reject reason; filled only if somebody waits."""

    @classmethod
    def nothing(cls) -> "Work":
        """Return work in which neither frames come nor time passes."""
        work = cls([], decode(()), {}, 0, caught_up=False)
        work.listening_since_us = NOBODY_LISTENS_US
        return work

    @property
    def is_tick(self) -> bool:
        """Whether nothing came and only time passed."""
        return not self.messages

    @property
    def moves_quiet_lifts(self) -> bool:
        """What the batch row says about ``caught_up``: of a tick, whether it lets time pass."""
        return self.caught_up and not (self.is_tick and self.clock_jumped)

    def tick_after(self) -> "Work":
        """Return the tick that may follow: nothing that comes later arrived before it."""
        tick = Work([], decode(()), {}, self.until_us, self.caught_up)
        tick.listening_since_us = self.listening_since_us
        tick.clock_jumped = self.clock_jumped
        return tick

    def letter(self, frame: int, reason: str, detail: dict | None = None) -> DeadLetter:
        """Make the dead letter of decoded frame ``frame``."""
        columns = self.batch.decoded.columns
        message = self.messages[int(columns["message"][frame])]
        return frame_letter(message, int(columns["index"][frame]), reason, detail)

    def note(self, frame: int, outcome: str) -> None:
        """Remember what became of a frame that was not stored, if a sender waits."""
        if self.submissions:
            self.outcome[frame] = outcome

    def results(self) -> dict[int, SubmitResult]:
        """Return what to answer, by position of the message."""
        columns = self.batch.decoded.columns
        counts = {position: [0, 0] for position in self.submissions}
        rejected: dict[int, list[tuple[int, str]]] = {p: [] for p in self.submissions}
        index = columns["index"].tolist()
        for frame, message in enumerate(columns["message"].tolist()):
            if message not in counts:
                continue
            outcome = self.outcome.get(frame, "stored")
            if outcome == "stored":
                counts[message][0] += 1
            elif outcome == "duplicate":
                counts[message][1] += 1
            else:
                rejected[message].append((index[frame], outcome))
        for reject in self.batch.decoded.rejects:
            if reject.message in rejected:
                rejected[reject.message].append((reject.index, str(reject.reason)))
        return {
            position: SubmitResult(stored, duplicate, sorted(rejected[position]))
            for position, (stored, duplicate) in counts.items()
        }
