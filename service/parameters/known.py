"""Which parameters the detectors have: key, default, range, source. Pure.

Read from the detectors of the bank, so a new detector's thresholds can be set at once. Several
detectors may declare the same key; they then share its value, and the range is what all of them
take.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from detectors.bank import BANK
from detectors.contract import Detector
from detectors.parameters import thresholds


@dataclass(frozen=True, slots=True)
class Known:
    """What is fixed about a parameter.

    Parameters
    ----------
    key
        Its name, with the unit of all numbers here.
    default
        Value when nobody set another; None = unknown.
    low, high
        Inclusive range.
    whole
        Whether it must be a whole number.
    source
        Where the default comes from.
    detectors
        Names of the rules that use it.
    """

    key: str
    default: float | None
    low: float
    high: float
    whole: bool
    source: str
    detectors: tuple[str, ...]


def known_of(detectors: Sequence[Detector]) -> dict[str, Known]:
    """Return the parameters of these detectors by key, sorted."""
    found: dict[str, Known] = {}
    for detector in detectors:
        defaults = detector.params_type()
        for key, (field, spec) in thresholds(detector.params_type).items():
            default = getattr(defaults, field) / spec.scale
            before = found.get(key)
            whole = spec.scale == 1 and not spec.dtype.startswith("f")
            found[key] = Known(
                key=key,
                default=None if math.isnan(default) else _plain(default),
                low=max(spec.low, before.low if before else -math.inf),
                high=min(spec.high, before.high if before else math.inf),
                whole=whole or (before is not None and before.whole),
                source=spec.source if before is None else before.source,
                detectors=(*(before.detectors if before else ()), detector.name),
            )
    return dict(sorted(found.items()))


def _plain(value: Any) -> float:
    number = float(value)
    return int(number) if number.is_integer() else number


def _nearest(key: str, known: Mapping[str, Known]) -> str:
    near = get_close_matches(key, sorted(known), n=1, cutoff=0.6)
    asks = f"; did you mean {near[0]}?" if near else ";"
    return f"{asks} `hoistway parameters show --all` and GET /v1/parameters list all {len(known)}"


KNOWN: Final[Mapping[str, Known]] = known_of(BANK)
"""Parameters of the detectors that run."""


FACTS: Final = frozenset({"rated_speed_mps", "top_height_m", "bottom_height_m"})
"""Keys that say what a lift is, not how it is judged: nobody's fleet has one plate. One speed for
all would make every faster lift, and every escalator, a safety alarm."""


def problem_of(key: str, value: Any, known: Mapping[str, Known] = KNOWN) -> str | None:
    """Say in a sentence that names the key what is wrong with a value; None = nothing."""
    spec = known.get(key)
    if spec is None:
        return f"{key[:64]} is no parameter{_nearest(key, known)}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{key} must be a number"
    if not spec.low <= value <= spec.high:
        return f"{key} must lie between {spec.low:g} and {spec.high:g}, not {value:g}"
    if spec.whole and value != int(value):
        return f"{key} must be a whole number, not {value:g}"
    return None
