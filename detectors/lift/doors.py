"""When a door counts as having let people out: open, in the unlocking zone, for long enough.

Shared by the detectors that ask for it. A worn door or zone switch shows "open in the zone" for
instants while nobody can get out; so an opening is *believed* once the doors have been open in the
zone for ``release_hold_us``, counted together as long as the doors stay open (the zone may flicker
meanwhile). It then counts from the instant at which it began, until the doors leave open.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.contract import Field, State
from detectors.segments import NEVER_US, Bools, Ints, Timeline
from telemetry.columns import Door

RELEASE_SOURCE: Final = (
    "practice: contact bounce is shorter, the shortest dwell of an office door (2 s) longer"
)


LONG_US: Final = 2**31 - 1
"""Longer than any ``release_hold_us``, so longer need not be known [µs]: 36 minutes."""
_OPEN: Final = int(Door.OPEN)


@dataclass(frozen=True, slots=True)
class Openings:
    """Openings of the doors in the zone, per element of a strip.

    Parameters
    ----------
    standing
        Doors open (4), wherever.
    is_open
        Doors open and the zone known true.
    since_us
        When the doors, open since then, were first open in the zone; ``NEVER_US`` if not [µs].
    lasted_us
        For how long they have been open in the zone when the element begins, or ``LONG_US`` if
        that is longer [µs].
    deadline_us
        When that is long enough, where ``is_open`` [µs].
    believed
        The opening has been believed by the end of this element.
    begins
        Elements within which an opening comes to be believed.
    """

    standing: Bools
    is_open: Bools
    since_us: Ints
    lasted_us: Ints
    deadline_us: Ints
    believed: Bools
    begins: Bools


OPENING_FIELDS: Final = (
    Field("open_since_us", "i8", NEVER_US),
    Field("open_for_us", "i4", 0),
    Field("opening_believed", "?", False),
)
"""State of a detector that asks for openings."""


def openings(
    state: State,
    line: Timeline,
    door: NDArray[np.int8],
    zone: NDArray[np.int8],
    release_hold_us: Ints,
) -> Openings:
    """Find the openings in held door and zone states (strips).

    ``release_hold_us``: per element or a scalar.
    """
    seg, t_us = line.segments, line.t_us
    standing = door == _OPEN
    is_open = standing & (zone == 1)
    opened = seg.latch(
        seg.headed(is_open, state["open_since_us"] != NEVER_US),
        ~standing,
    )
    starts = is_open & ~seg.prior(opened) & ~seg.is_head
    lasts_us = np.zeros_like(t_us)
    lasts_us[:-1] = t_us[1:] - t_us[:-1]
    lasts_us[seg.last_at] = 0
    lasts_us[~is_open] = 0
    before_us = np.cumsum(lasts_us) - lasts_us
    base_us = before_us.copy()
    base_us[seg.head_at] -= state["open_for_us"]
    lasted_us = before_us - seg.hold(base_us, starts)
    deadline_us = t_us + (release_hold_us - lasted_us)
    # What a tick has believed, frames that follow do not take back.
    enough = is_open & line.reached(deadline_us)
    enough[seg.head_at] |= state["opening_believed"]
    believed = seg.latch(enough, ~standing)
    return Openings(
        standing=standing,
        is_open=is_open,
        since_us=np.where(opened, line.since(starts, state["open_since_us"]), NEVER_US),
        lasted_us=np.where(opened, np.minimum(lasted_us, LONG_US), 0),
        deadline_us=deadline_us,
        believed=believed,
        begins=believed & ~seg.headed(seg.prior(believed), state["opening_believed"]),
    )


def state_after(doors: Openings) -> dict[str, NDArray[np.int64] | Bools]:
    """Return the fields of ``OPENING_FIELDS`` along the strip."""
    return {
        "open_since_us": doors.since_us,
        "open_for_us": doors.lasted_us,
        "opening_believed": doors.believed,
    }
