"""What is in force for a lift at a version, and where each value comes from. Pure.

A lift's value of a key is the first that is set of: the lift's own, its registered rated speed (key
``rated_speed_mps``), its model's, the fleet's, the installation's settings; else the detector's
default. The *version of a lift* is the newest version that set anything for it, its model or all:
what judged a transition of version n is what was in force for that lift at version n.

Invariant: a book that took the changes of all versions up to n, in whatever portions, is the same
as one that took the newest change of every subject up to n. A stored value that the detectors no
longer take (after an upgrade) is left out and named in ``ignored``; it never keeps a lift from
being watched.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from ingest.store.parameters import ParameterChange, Scope
from service.parameters.known import KNOWN, Known, problem_of

RATED_SPEED: Final = "rated_speed_mps"
NOBODY: Final = ""
"""Model of a lift without one."""
Params = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class LiftSettings:
    """What a lift's own registration says about its parameters."""

    model: str = NOBODY
    rated_speed_mps: float | None = None
    params: Params = field(default_factory=dict)
    version: int = 0

    def own(self) -> dict[str, float]:
        """Return the values that come from the lift itself."""
        rated = {} if self.rated_speed_mps is None else {RATED_SPEED: self.rated_speed_mps}
        return {**rated, **self.params}


@dataclass(frozen=True, slots=True)
class Effective:
    """What is in force for some lifts that have the same."""

    elevator_ids: list[int]
    overrides: dict[str, float]
    versions: list[int]


@dataclass(frozen=True, slots=True)
class Touched:
    """Which lifts some changes concern: ``everybody``, or these and those of the models."""

    everybody: bool
    models: frozenset[str]
    elevator_ids: frozenset[int]


@dataclass(frozen=True, slots=True)
class Origin:
    """A value in force, and where it comes from (``registry``: the rated speed)."""

    value: float | None
    comes_from: str
    version: int


_STRANGER: Final = LiftSettings()


class Book:
    """Everything that is set, at one version.

    Parameters
    ----------
    known
        Parameters that there are.
    trial
        Values that are tried out for the whole fleet: before the fleet's, after a model's.
    """

    def __init__(self, known: Mapping[str, Known] = KNOWN, trial: Params = MappingProxyType({})):
        self.version = 0
        self.trial = trial
        self.ignored: dict[str, str] = {}
        """What is set and cannot be used, by "scope subject key", with the reason."""
        self._known = known
        self._all: dict[Scope, tuple[Params, int]] = {}
        self._models: dict[str, tuple[Params, int]] = {}
        self._lifts: dict[int, LiftSettings] = {}

    def take(self, changes: Iterable[ParameterChange]) -> Touched:
        """Take over changes, in order of their versions; return whom they concern."""
        everybody, models, lifts = False, set(), set()
        for change in changes:
            params = self._usable(change)
            self.version = max(self.version, change.version)
            if change.elevator_id is not None:
                after = change.after
                rated = after.get(RATED_SPEED)
                if rated is not None and problem_of(RATED_SPEED, rated, self._known):
                    rated = None  # no detector takes it
                model = after.get("model") or NOBODY
                settings = LiftSettings(model, rated, params, change.version)
                self._lifts[change.elevator_id] = settings
                lifts.add(change.elevator_id)
            elif change.scope is Scope.MODEL:
                self._models[change.subject] = (params, change.version)
                models.add(change.subject)
            else:
                self._all[change.scope] = (params, change.version)
                everybody = True
        return Touched(everybody, frozenset(models), frozenset(lifts))

    def of_models(self, models: frozenset[str]) -> list[int]:
        """Return the lifts that are registered as one of these models."""
        return [i for i, settings in self._lifts.items() if settings.model in models]

    def effective(self, elevator_ids: Sequence[int]) -> list[Effective]:
        """Return what is in force for these lifts; lifts with the same values come together."""
        groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        for elevator_id in elevator_ids:
            s = self._lifts.get(elevator_id, _STRANGER)
            groups[s.model, s.rated_speed_mps, tuple(sorted(s.params.items()))].append(elevator_id)
        return [
            Effective(ids, self.overrides(ids[0]), [self.version_of(i) for i in ids])
            for ids in groups.values()
        ]

    def overrides(self, elevator_id: int) -> dict[str, float]:
        """Return the values that replace defaults for a lift."""
        settings = self._lifts.get(elevator_id, _STRANGER)
        merged: dict[str, float] = {}
        for params, _ in (*self._for_all(), self._model(settings)):
            merged.update(params)
        return {**merged, **settings.own()}

    def version_of(self, elevator_id: int) -> int:
        """Return the newest version that concerns a lift; 0 = nothing was ever set for it."""
        settings = self._lifts.get(elevator_id, _STRANGER)
        versions = (version for _, version in (*self._for_all(), self._model(settings)))
        return max(settings.version, *versions)

    def explained(self, elevator_id: int) -> dict[str, Origin]:
        """Return every parameter with the value in force for a lift and its origin."""
        settings = self._lifts.get(elevator_id, _STRANGER)
        found = {key: Origin(spec.default, "default", 0) for key, spec in self._known.items()}
        layers = [(scope.value, *self._all.get(scope, ({}, 0))) for scope in _FOR_ALL]
        layers.append(("model", *self._model(settings)))
        if settings.rated_speed_mps is not None:
            rated = {RATED_SPEED: settings.rated_speed_mps}
            layers.append(("registry", rated, settings.version))
        layers.append(("lift", settings.params, settings.version))
        for name, params, version in layers:
            found.update({k: Origin(v, name, version) for k, v in params.items()})
        return found

    def _for_all(self) -> list[tuple[Params, int]]:
        return [*(self._all.get(scope, ({}, 0)) for scope in _FOR_ALL), (self.trial, 0)]

    def _model(self, settings: LiftSettings) -> tuple[Params, int]:
        return self._models.get(settings.model, ({}, 0))

    def _usable(self, change: ParameterChange) -> dict[str, float]:
        usable = {}
        for key, value in change.after["params"].items():
            problem = problem_of(key, value, self._known)
            name = " ".join(p for p in (change.scope.value, change.subject, key) if p)
            if problem is None:
                usable[key] = value
                self.ignored.pop(name, None)
            else:
                self.ignored[name] = problem
        return usable


_FOR_ALL: Final = (Scope.INSTALLATION, Scope.FLEET)


def lift_overrides(
    params: Params, rated_speed_mps: float | None, known: Mapping[str, Known] = KNOWN
) -> dict[str, float]:
    """Return what a registration alone sets: its parameters, and its rated speed if one is used."""
    own = LiftSettings(rated_speed_mps=rated_speed_mps, params=params).own()
    if RATED_SPEED not in params and problem_of(RATED_SPEED, own.get(RATED_SPEED), known):
        own.pop(RATED_SPEED, None)
    return own
