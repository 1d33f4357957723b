"""Assemble: from decoded frames to frames with times, without doubles, in order. Pure.

Two stages (DESIGN section 5; the readings chosen are in ``docs/adr/0003-time.md``):

- the *key stage* gives event times (``clock``) and settles duplicates (``duplicates``); it runs
  before storing and may ask the table;
- the *order stage* (``order``, ``stream``, ``lag``) says what is stepped, what waits and what is
  late; it reads stored columns only, so recovery repeats it.

No module here reads a clock, opens anything, or changes what it was given.
"""

from ingest.assemble.clock import ClockRunRow
from ingest.assemble.keys import Conflict, KeyPlan, Settled
from ingest.assemble.lane import (
    LaneState,
    absorb,
    adopt,
    advance,
    deaf_us,
    holding,
    lag_us,
    last_seen_us,
    lift_bytes,
    newest_arrival_us,
    plan,
    set_clock_back,
    settle,
    stream_times_us,
    unreliable_rows,
)
from ingest.assemble.order import OrderCounts, Ordered
from ingest.assemble.params import NO_TIME, NOTHING_STORED, UNKNOWN_HEAD, AssembleParams
from ingest.assemble.snapshot import LAYOUT, from_arrays, to_arrays

__all__ = [
    "LAYOUT",
    "NOTHING_STORED",
    "NO_TIME",
    "UNKNOWN_HEAD",
    "AssembleParams",
    "ClockRunRow",
    "Conflict",
    "KeyPlan",
    "LaneState",
    "OrderCounts",
    "Ordered",
    "Settled",
    "absorb",
    "adopt",
    "advance",
    "deaf_us",
    "from_arrays",
    "holding",
    "lag_us",
    "last_seen_us",
    "lift_bytes",
    "newest_arrival_us",
    "plan",
    "set_clock_back",
    "settle",
    "stream_times_us",
    "to_arrays",
    "unreliable_rows",
]
