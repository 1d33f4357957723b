"""At which speed a governor has stopped a car, whatever its make; decides no finding."""

from typing import Any, Final

import numpy as np

GOVERNOR_LEAST_MPS: Final = 1.5
"""No governor lets a car run faster than this, or 1.25 v + 0.25 / v if that is more, at a rated
speed of v (EN 81-20, 5.6.2.2.1.1, progressive safety gear)."""


def governor_mps(rated_mps: Any) -> Any:
    """Return the speed at which every governor has acted [m/s]; NaN where none is rated."""
    return np.maximum(1.25 * rated_mps + 0.25 / rated_mps, GOVERNOR_LEAST_MPS)
