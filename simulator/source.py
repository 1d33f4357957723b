"""What whoever watches a fleet needs of it: its units, its frames by arrival, its truth.

A simulated fleet behind its network, a recording and a ride log all answer this protocol, so live
publishing, recording, backtest and scoring do not know where frames come from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from simulator.frames import Frames
from simulator.truth import LookAlike, TruthEvent


@dataclass(frozen=True, slots=True)
class RegistryRow:
    """One unit as the registry wants it; names are those of table ``elevators``.

    ``feeder``, the branch of the mains it hangs on, is known to the simulator alone.
    """

    code: str
    sticker: str
    unit: int
    building: str
    address: str
    district: str
    maintainer: str
    use_unit: str
    insurer: str
    policy: str
    model: str
    rated_speed_mps: float | None
    gateway: str
    params: Mapping[str, Any]
    feeder: str = ""


class Source(Protocol):
    """Frames as they reach the broker, with the truth about them."""

    @property
    def start_us(self) -> int:
        """Return the first instant of the run [µs]."""
        ...

    @property
    def labels(self) -> Sequence[Sequence[str]]:
        """Return the floor labels of each unit, by the index that frames have in ``lift``."""
        ...

    def registry(self) -> list[RegistryRow]:
        """Return all units as the registry wants them; the position is the index in ``lift``."""
        ...

    def arrived_until(self, t_us: int) -> Frames:
        """Return the frames that arrive before ``t_us`` and were not returned yet.

        Sorted by (arrival_us, lift, seq); copies made by the network are among them.
        """
        ...

    def truth(self) -> list[TruthEvent]:
        """Return the true events so far, by onset."""
        ...

    def look_alikes(self) -> list[LookAlike]:
        """Return the look-alikes so far, by their beginning."""
        ...
