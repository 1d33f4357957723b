"""Thresholds per lift: declared once with range and source, overridden per lift by the registry.

A ``*Params`` dataclass declares each threshold in its field's metadata: its key outside (seconds,
as people write it), its range, its source. This module checks overrides, builds arrays over lifts
and gathers them for a step. It knows no particular threshold.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from operator import attrgetter
from types import MappingProxyType
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


@cache
def thresholds(params_type: type[LiftParams]) -> Mapping[str, tuple[str, Threshold]]:
    """Return field name and threshold by outside key."""
    specs = {f.name: f.metadata[_SPEC] for f in fields(params_type)}
    return MappingProxyType({spec.key: (name, spec) for name, spec in specs.items()})


@cache
def _names(params_type: type[LiftParams]) -> tuple[str, ...]:
    return tuple(f.name for f in fields(params_type))


@cache
def _values_of(params_type: type[LiftParams]) -> Callable[[LiftParams], tuple[Any, ...]]:
    """Return what reads all fields, in the order in which they are given."""
    names = _names(params_type)
    if len(names) > 1:
        return attrgetter(*names)
    return lambda params: tuple(getattr(params, name) for name in names)


def spread_all(params: P, row: NDArray[Any]) -> P:
    """Return params per element of a strip: arrays over lifts by ``row``, scalars as they are."""
    values = _values_of(type(params))(params)
    if np.ndarray not in map(type, values):
        return params
    return type(params)(*(v.take(row) if isinstance(v, np.ndarray) else v for v in values))


def chosen(params_type: type[P], overrides: Mapping[str, Any]) -> P:
    """Return the defaults, changed by ``overrides``.

    Keys of other detectors are passed over; ``check_keys`` finds keys of none. Raises
    ``ParamError`` that names the key.
    """
    values = {
        name: converted(key, spec, overrides[key])
        for key, (name, spec) in thresholds(params_type).items()
        if key in overrides
    }
    return replace(params_type(), **values)


class ParamTable:
    """Parameters of ``n_rows`` lifts: equal sets are held once, and lifts name their set.

    Parameters
    ----------
    params_types
        Those of the detectors, by detector name.
    """

    def __init__(self, params_types: Mapping[str, type[LiftParams]]) -> None:
        self._types = params_types
        self._overrides: list[dict[str, Any]] = []
        self._number: dict[tuple[Any, ...], int] = {}
        self._columns: dict[str, dict[str, NDArray[Any]]] = {}
        self._single: dict[tuple[str, int], LiftParams] = {}
        self._set_of = np.empty(0, "i4")
        self.version = np.empty(0, "i4")
        """Version of the parameters of each row, as told."""
        self._intern({})

    def grow(self, n_rows: int) -> None:
        """Give further rows the defaults."""
        new = np.zeros(n_rows - len(self._set_of), "i4")
        self._set_of = np.concatenate([self._set_of, new])
        self.version = np.concatenate([self.version, new])

    def put(
        self,
        row: int | NDArray[Any],
        overrides: Mapping[str, Any],
        version: int | NDArray[Any],
    ) -> None:
        """Give a row, or several, the defaults, changed by ``overrides``; raises ``ParamError``."""
        self._set_of[row] = self._intern(overrides)
        self.version[row] = version
        if len(self._overrides) > 2 * len(self._set_of) + 64:
            self._forget_unused()

    def of(self, name: str, rows: NDArray[Any]) -> Any:
        """Return a detector's parameters for some rows: scalars where all have the same."""
        return self.at(rows).of(name)

    def at(self, rows: NDArray[Any]) -> "ParamsAt":
        """Return the parameters of some rows."""
        sets = self._set_of[rows]
        first = int(sets[0]) if len(sets) else 0
        return ParamsAt(self, sets, first, bool((sets == first).all()))

    def _intern(self, overrides: Mapping[str, Any]) -> int:
        key = tuple(sorted(overrides.items()))
        if key not in self._number:
            for params_type in self._types.values():
                chosen(params_type, overrides)  # raises before anything changes
            self._number[key] = len(self._overrides)
            self._overrides.append(dict(overrides))
            self._columns.clear()
        return self._number[key]

    def single(self, name: str, number: int) -> LiftParams:
        """Return a detector's parameters of one set."""
        key = name, number
        if key not in self._single:
            self._single[key] = chosen(self._types[name], self._overrides[number])
        return self._single[key]

    def columns_of(self, name: str) -> dict[str, NDArray[Any]]:
        """Return the fields in which the sets of a detector differ, each over all sets."""
        if name not in self._columns:
            sets = [chosen(self._types[name], given) for given in self._overrides]
            made = {}
            for field, spec in thresholds(self._types[name]).values():
                values = np.array([getattr(one, field) for one in sets], spec.dtype)
                made[field] = values
            self._columns[name] = {f: v for f, v in made.items() if (v != v[0]).any()}
        return self._columns[name]

    def _forget_unused(self) -> None:
        used, numbers = np.unique(np.append(self._set_of, 0), return_inverse=True)
        self._overrides = [self._overrides[i] for i in used]
        self._number = {tuple(sorted(o.items())): i for i, o in enumerate(self._overrides)}
        self._set_of = numbers[:-1].astype("i4")
        self._columns.clear()
        self._single.clear()


@dataclass(frozen=True, slots=True)
class ParamsAt:
    """Parameters of some rows: of each its set."""

    table: ParamTable
    sets: NDArray[np.int32]
    first: int
    same: bool

    def of(self, name: str) -> Any:
        """Return those of a detector: scalars where all have the same."""
        one = self.table.single(name, self.first)
        columns = {} if self.same else self.table.columns_of(name)
        if not columns:
            return one
        spread = {field: column.take(self.sets) for field, column in columns.items()}
        names = _names(type(one))
        values = zip(names, _values_of(type(one))(one), strict=True)
        return type(one)(*(spread.get(name, value) for name, value in values))

    def part(self, low: int, high: int) -> "ParamsAt":
        """Return those of a part of the rows."""
        return ParamsAt(self.table, self.sets[low:high], int(self.sets[low]), self.same)


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
