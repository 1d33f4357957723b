"""The numbers of the time rules (DESIGN section 5), as settings with their defaults."""

from dataclasses import dataclass
from typing import Final

NOTHING_STORED: Final = -(2**63)
"""Stored head of a lift of which no frame is stored: none of its frames needs a look."""
UNKNOWN_HEAD: Final = 2**63 - 1
"""Stored head of a lift whose newest stored frame is not known: each of its frames needs a look."""
NO_TIME: Final = -(2**63)
"""Time of a head that does not exist yet."""
NEVER: Final = 2**63 - 1
"""A time that does not come."""
NO_SEQ: Final = -1
"""Sequence number of a head that does not exist yet."""


@dataclass(frozen=True, slots=True)
class AssembleParams:
    """Thresholds of clock, order and lag.

    Parameters
    ----------
    believed_past_us, believed_future_us
        A device time from this long before to this long after its arrival is believed [µs].
        The second is also the jump that opens a new clock run.
    reorder_window_us
        How long a frame waits for the ones before it, in arrival time [µs].
    offsets_kept
        Clock runs under which a frame of a (gateway, lift) is looked up.
    gaps_until_unreliable
        Gaps in a row that nothing filled, after which a stream is not held back any more.
    gapless_frames
        Frames without a gap after which earlier gaps are forgotten and holding is on again.
    held_lag_us
        Alarms wait only above this lag [µs], exclusive.
    shrink_us, shrink_within_us
        A lift is catching up while its lag shrank by more than the first within the second [µs];
        a lift without a frame for the second is not catching up any more.
    late_run_frames, late_run_us
        A restarted terminal whose clock was set back as well sends late frames only. So many of
        them in sequence, over so much arrival time [µs], with a lag constant to ``shrink_us``
        and nothing else in between, are taken for the present. Two heartbeats: a lift whose own
        stream goes on would have sent a frame of that meanwhile.
    """

    believed_past_us: int = 400 * 86_400_000_000
    believed_future_us: int = 60_000_000
    reorder_window_us: int = 2_000_000
    offsets_kept: int = 8
    gaps_until_unreliable: int = 8
    gapless_frames: int = 256
    held_lag_us: int = 120_000_000
    shrink_us: int = 5_000_000
    shrink_within_us: int = 10_000_000
    late_run_frames: int = 4
    late_run_us: int = 60_000_000
