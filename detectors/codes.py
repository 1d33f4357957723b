"""National codes of a controller, merged with what the frames show of the same fault.

Decides whether a fault holds that sensors and controller tell apart, and how sure that is. What the
sensors say, and for how long it must hold, is the detector's. Neither is ever dropped: both stand
in the evidence (``sensed``, ``code_NN``), so that a disagreement is seen.

| sensed | code told | holds | confidence |
|---|---|---|---|
| yes | yes | yes | certain |
| yes | never | yes | certain |
| yes | no | yes | probable: the controller denies it |
| unknown | yes | yes | probable: nothing else shows it |
| no | yes | yes | possible: the sensors deny it |
| no, unknown | no, never | no | |
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.segments import Bools, Ints
from telemetry.findings import Confidence

CERTAIN, PROBABLE, POSSIBLE = (int(c) for c in Confidence)
_CONFIDENCE: Final = np.array(
    [
        [CERTAIN, POSSIBLE, CERTAIN],  # sensors: no
        [PROBABLE, CERTAIN, CERTAIN],  # yes
        [CERTAIN, PROBABLE, CERTAIN],  # unknown
    ],
    np.int8,
)
"""By what is sensed and by the code, each 0, 1, -1 = last; without meaning where nothing holds."""


@dataclass(frozen=True, slots=True)
class Merged:
    """A fault by sensors and by code, along a strip; each 1, 0 or -1 (unknown), shape (n + m,)."""

    sensed: NDArray[np.int8]
    code: NDArray[np.int8]
    holds: Bools

    def confidence(self, at: Ints) -> NDArray[np.int8]:
        """Return the ``Confidence`` at elements ``at``."""
        return _CONFIDENCE[self.sensed[at], self.code[at]]

    def criteria(self, name: str, at: Ints) -> dict[str, NDArray[np.int8]]:
        """Return the two criteria at elements ``at``; ``name`` is that of the code."""
        return {"sensed": self.sensed[at], name: self.code[at]}


def merged(sensed: NDArray[np.int8], code: NDArray[np.int8]) -> Merged:
    """Merge what is sensed with a code (``Heard.code``), both 1, 0 or -1, shape (n + m,)."""
    return Merged(sensed, code, (sensed == 1) | (code == 1))
