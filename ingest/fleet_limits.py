"""Bounds on what gateways can bring into the registry (promise 11), as settings with defaults."""

from dataclasses import dataclass
from typing import Final

MAX_UNCONFIRMED_PER_GATEWAY: Final = 1_000
MAX_FLOOR_LABELS: Final = 256
SILENCE_MOVES_BINDING_US: Final = 60_000_000


@dataclass(frozen=True, slots=True)
class FleetLimits:
    """Limits of the mirror.

    ``unconfirmed_per_gateway`` unknown lifts that one gateway may introduce; ``floor_labels``
    different labels of one lift, at most 256 because the key is one byte; ``binding_moves_us``
    silence of a gateway after which a binding by first use moves [µs].
    """

    unconfirmed_per_gateway: int = MAX_UNCONFIRMED_PER_GATEWAY
    floor_labels: int = MAX_FLOOR_LABELS
    binding_moves_us: int = SILENCE_MOVES_BINDING_US


DEFAULTS: Final = FleetLimits()
