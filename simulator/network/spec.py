"""What a network does to frames: drawn at rates, scripted, and how frames are gathered.

``DEFAULT_NETWORK`` has the figures of the field (DOMAIN.md section 6); ``NetworkSpec()`` alters
nothing. What is scripted for a gateway or a terminal replaces what would be drawn for it, so a
script is exact under any rates.
"""

from dataclasses import dataclass
from typing import Final

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US


@dataclass(frozen=True, slots=True)
class Outage:
    """A gateway (index) that is cut off in ``[from_us, to_us)``: it buffers, then flushes."""

    gateway: int
    from_us: int
    to_us: int


@dataclass(frozen=True, slots=True)
class WrongClock:
    """A terminal whose clock tells ``time + offset_us`` in ``[from_us, to_us)``.

    ``to_us`` ``None`` = for ever. Times are whole ms.
    """

    lift: int
    from_us: int
    offset_us: int
    to_us: int | None = None


@dataclass(frozen=True, slots=True)
class Restart:
    """A terminal that starts anew at ``at_us``: its next frame has ``first_seq``."""

    lift: int
    at_us: int
    first_seq: int = 0


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """What the network does. Shares in parts per million.

    Parameters
    ----------
    latency_us, jitter_us
        Every message travels for ``latency_us`` plus a drawn part of ``[0, jitter_us]``.
    duplicate_ppm, reorder_ppm
        Of messages: sent twice; overtaken by later ones.
    reorder_us
        By how much a duplicate or a reordered message is later, at most (exclusive); the service
        waits 2 s.
    broken_ppm
        Of messages: an extra copy that never parses.
    spoiled_ppm
        Of messages: an extra copy of its first frame in which one field has a wrong type or is out
        of range. It comes right after the true one, so what must be stored stays exactly known.
    outages_per_gateway_1000_days, outage_mean_us
        Drawn losses of connection: Poisson, exponentially long.
    flush_speedup
        A backlog is sent in order, this many times faster than it was recorded; frames made
        meanwhile queue behind it.
    skewed_ppm, skew_us
        Of terminals: the clock is off by a constant drawn from ``[-skew_us, skew_us]``.
    clock_losses_per_lift_1000_years, clock_loss_mean_us
        A power loss after which the clock counts from 1970 until it is set over the network.
    clock_steps_per_lift_1000_years, clock_step_mean_us
        The clock is set wrong by ``clock_step_hours`` (inclusive range, either sign).
    restarts_per_gateway_1000_days
        Restarts of a gateway: its lifts count their frames from 0 again.
    frames_per_message
        At most; 1 sends every frame alone.
    linger_us
        Frames of one gateway made within one such slot share a message, sent at its end; 0 = only
        equal instants.
    msgpack
        MessagePack instead of JSON.
    outages, clocks, restarts
        Scripted trouble.
    """

    latency_us: int = 0
    jitter_us: int = 0
    duplicate_ppm: int = 0
    reorder_ppm: int = 0
    reorder_us: int = 1_500_000
    broken_ppm: int = 0
    spoiled_ppm: int = 0
    outages_per_gateway_1000_days: int = 0
    outage_mean_us: int = 10 * MINUTE_US
    flush_speedup: int = 200
    skewed_ppm: int = 0
    skew_us: int = 5 * SECOND_US
    clock_losses_per_lift_1000_years: int = 0
    clock_loss_mean_us: int = 5 * MINUTE_US
    clock_steps_per_lift_1000_years: int = 0
    clock_step_mean_us: int = 6 * HOUR_US
    clock_step_hours: tuple[int, int] = (1, 12)
    restarts_per_gateway_1000_days: int = 0
    frames_per_message: int = 1
    linger_us: int = 0
    msgpack: bool = False
    outages: tuple[Outage, ...] = ()
    clocks: tuple[WrongClock, ...] = ()
    restarts: tuple[Restart, ...] = ()

    def __post_init__(self) -> None:
        """Check what would silently mean something else. Raises ``ValueError``."""
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if isinstance(value, int) and value < 0:
                raise ValueError(f"network: {name} is {value}, must not be negative")
            if name.endswith("_ppm") and value > 1_000_000:
                raise ValueError(f"network: {name} is {value}, at most 1000000 (parts per million)")
        if self.flush_speedup < 2:
            raise ValueError(f"network: flush_speedup is {self.flush_speedup}, must be at least 2")
        if self.frames_per_message < 1:
            raise ValueError("network: frames_per_message is 0, must be at least 1")
        if self.clock_step_hours[0] < 1 or self.clock_step_hours[1] < self.clock_step_hours[0]:
            raise ValueError(
                f"network: clock_step_hours is {self.clock_step_hours}, must be [low, high] from 1"
            )


DEFAULT_NETWORK: Final = NetworkSpec(
    latency_us=30_000,
    jitter_us=120_000,
    duplicate_ppm=10_000,
    reorder_ppm=5_000,
    broken_ppm=1_000,
    outages_per_gateway_1000_days=500,
    skewed_ppm=50_000,
    clock_losses_per_lift_1000_years=1_000,
    clock_steps_per_lift_1000_years=200,
    restarts_per_gateway_1000_days=50,
)
"""As the field shows (DOMAIN.md section 6): 0.5-2 % duplicates, at most 1 % out of order, 0.1 %
broken, offline for 10 min on average, clocks off by seconds to hours at a small share of terminals.
Latency and how often connections, clocks and gateways fail are practice (mobile networks; no
published figure): a loss of connection every other day, a restart every 20 days, a clock lost
once a year and set wrong once in five."""

NOISY_NETWORK: Final = NetworkSpec(duplicate_ppm=10_000, reorder_ppm=5_000, broken_ppm=1_000)
"""Only what happens to single messages in the field: no delay, and no trouble that lasts."""
