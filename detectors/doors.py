"""When a door counts as having let people out: open, in the unlocking zone, for long enough.

Shared by the detectors that ask for it. A worn door or zone switch shows "open in the zone" for
instants while nobody can get out; so an opening is *believed* once it has lasted
``release_hold_us``. It counts from the instant at which it began.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.segments import Bools, Ints, Timeline
from telemetry.columns import Door

RELEASE_SOURCE: Final = (
    "practice: contact bounce is shorter, the shortest dwell of an office door (2 s) longer"
)


@dataclass(frozen=True, slots=True)
class Openings:
    """Openings of the doors in the zone, per element of a strip.

    Parameters
    ----------
    is_open
        Doors open (4) and zone known true.
    since_us
        When the present opening began; meaningless while not open [µs].
    deadline_us
        When it is believed, if it lasts so long [µs].
    believed
        The opening has been believed by the end of this element.
    begins
        Elements within which an opening comes to be believed.
    """

    is_open: Bools
    since_us: Ints
    deadline_us: Ints
    believed: Bools
    begins: Bools


def openings(
    line: Timeline,
    door: NDArray[np.int8],
    zone: NDArray[np.int8],
    carried_since_us: Ints,
    carried_believed: Bools,
    release_hold_us: Ints,
) -> Openings:
    """Find the openings in held door and zone states (strips).

    ``carried_*``, shape (m,): of the opening that was going on at the head. ``release_hold_us``:
    per element or a scalar.
    """
    seg = line.segments
    is_open = (door == Door.OPEN) & (zone == 1)
    starts = seg.rises(is_open)
    since_us = line.since(starts, carried_since_us)
    deadline_us = since_us + release_hold_us
    carried = np.zeros(len(seg), np.bool_)
    carried[seg.head_at] = carried_believed
    # A tick may have believed the opening; the frames that follow do not take that back.
    already = seg.hold(carried, starts | ~is_open)
    believed = is_open & (already | line.reached(deadline_us))
    begins = believed & ~seg.prior(believed)
    begins[seg.head_at] = believed[seg.head_at] & ~carried_believed
    return Openings(is_open, since_us, deadline_us, believed, begins)
