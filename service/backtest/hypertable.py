"""Stored frames in slices: shares of the lifts of a span, each over a connection of its own."""

from contextlib import ExitStack
from dataclasses import dataclass, replace

from service.backtest.slices import LIFTS_PER_SLICE, Slice
from service.replay.stored import Span, open_span
from service.settings import DatabaseSettings


@dataclass(frozen=True, slots=True)
class StoredSlices:
    """A span of the hypertable; ``wanted`` = number of slices, 0 = by the number of lifts."""

    settings: DatabaseSettings
    span: Span
    wanted: int = 0

    @property
    def count(self) -> int:
        """Return the number of slices, each of at least one lift."""
        wanted = self.wanted or round(len(self.span.lifts) / LIFTS_PER_SLICE)
        return max(1, min(wanted, len(self.span.lifts)))

    @property
    def start_us(self) -> int:
        """Return the arrival of the first frame [µs]."""
        return self.span.first_arrival_us

    @property
    def end_us(self) -> int:
        """Return the instant before which the last frame arrived [µs]."""
        return self.span.last_arrival_us + 1

    def open(self, k: int) -> Slice:
        """Return share ``k`` of the lifts at its first frame."""
        share = replace(self.span, lifts=self.span.lifts[k :: self.count])
        stack = ExitStack()
        source = stack.enter_context(open_span(self.settings, share))
        return Slice(source, range(len(share.lifts)), str, stack.close, source.versions)
