"""Thresholds per lift: declared once with range and source, overridden per lift by the registry.

A ``*Params`` dataclass declares each threshold in its field's metadata: its key outside (seconds,
as people write it), its range, its source. This module checks overrides, builds arrays over lifts
and gathers them for a step. It knows no particular threshold.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

_SPEC: Final = "threshold"
US_PER_S: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class LiftParams:
    """Thresholds of a detector; every field is a scalar or an array over lifts."""


P = TypeVar("P", bound=LiftParams)


class ParamError(ValueError):
    """An override that cannot be used; the text names the key and what would be right."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """What is fixed about a threshold.

    Parameters
    ----------
    key
        Key in the registry's per-lift parameters, with its unit.
    low, high
        Inclusive range of the value, in the key's unit.
    scale
        Factor from the key's unit to the field's, 1e6 for a key in seconds and a field in µs.
    dtype
        Dtype of the array over lifts.
    source
        Where the default comes from.
    """

    key: str
    low: float
    high: float
    scale: float
    dtype: str
    source: str


def in_seconds(key: str, low_s: float, high_s: float, source: str) -> dict[str, Threshold]:
    """Return field metadata of a duration: a key in seconds, a field in µs."""
    return {_SPEC: Threshold(key, low_s, high_s, US_PER_S, "i8", source)}


def plain(key: str, low: float, high: float, dtype: str, source: str) -> dict[str, Threshold]:
    """Return field metadata of a number that is the same outside and inside."""
    return {_SPEC: Threshold(key, low, high, 1, dtype, source)}


def thresholds(params_type: type[LiftParams]) -> dict[str, tuple[str, Threshold]]:
    """Return field name and threshold by outside key."""
    specs = {f.name: f.metadata[_SPEC] for f in fields(params_type)}
    return {spec.key: (name, spec) for name, spec in specs.items()}


def dense(params_type: type[P], n_rows: int) -> P:
    """Return defaults as arrays over ``n_rows`` lifts."""
    specs = thresholds(params_type).values()
    default = params_type()
    return replace(
        default, **{name: np.full(n_rows, getattr(default, name), s.dtype) for name, s in specs}
    )


def grown(params: P, n_rows: int) -> P:
    """Return params over more lifts, the new ones with defaults."""
    fresh = dense(type(params), n_rows)
    for name, _ in thresholds(type(params)).values():
        old = getattr(params, name)
        getattr(fresh, name)[: len(old)] = old
    return fresh


def gathered(params: P, rows: NDArray[Any]) -> P:
    """Return the params of some rows."""
    names = [name for name, _ in thresholds(type(params)).values()]
    return replace(params, **{name: getattr(params, name)[rows] for name in names})


def spread_all(params: P, row: NDArray[Any]) -> P:
    """Return params per element of a strip: arrays over lifts by ``row``, scalars as they are."""
    spread = {}
    for name, _ in thresholds(type(params)).values():
        value = getattr(params, name)
        spread[name] = value[row] if isinstance(value, np.ndarray) else value
    return replace(params, **spread)


def set_overrides(params: LiftParams, row: int, overrides: Mapping[str, Any]) -> None:
    """Give one lift of arrays over lifts the defaults, changed by ``overrides``; in place.

    Keys of other detectors are passed over; ``check_keys`` finds keys of none. Raises
    ``ParamError`` before anything changes.
    """
    default, chosen = type(params)(), {}
    for key, (name, spec) in thresholds(type(params)).items():
        value = getattr(default, name)
        chosen[name] = converted(key, spec, overrides[key]) if key in overrides else value
    for name, value in chosen.items():
        getattr(params, name)[row] = value


def check_keys(overrides: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Raise ``ParamError`` for a key that no detector has."""
    for key in overrides:
        if key not in known:
            raise ParamError(f"{key}: no such detector parameter; there are {sorted(known)}")


def converted(key: str, spec: Threshold, value: Any) -> float | int:
    """Return an override in the field's unit; raises ``ParamError`` that names the key."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ParamError(f"{key}: {value!r} is not a number")
    if not spec.low <= value <= spec.high:
        raise ParamError(f"{key}: {value!r} is not between {spec.low:g} and {spec.high:g}")
    scaled = value * spec.scale
    if spec.dtype.startswith("f"):
        return float(scaled)
    if spec.scale == 1 and scaled != int(scaled):
        raise ParamError(f"{key}: {value!r} is not a whole number")
    return round(scaled)
