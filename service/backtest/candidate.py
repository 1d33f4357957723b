"""A candidate: other parameters, or other detectors, to be judged beside the current ones."""

import importlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from detectors import candidates
from detectors.bank import BANK, check_overrides
from detectors.contract import Detector
from detectors.parameters import ParamError
from service.backtest.engine import Rules
from service.parameters.known import known_of, problem_of

_MEMBERS: Final = ("name", "version", "kinds", "layout", "params_type", "step")


class CandidateError(Exception):
    """A candidate that cannot be used; one line that says why and what would be right."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is tried out, as plain values that another process can be sent.

    Parameters
    ----------
    params
        Parameters of the fleet by override key.
    detectors
        Name in ``detectors.candidates``, or ``module:attribute`` of a tuple of detectors; empty =
        the current ones.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    detectors: str = ""

    def rules(self) -> Rules:
        """Return the rules. Raises ``CandidateError``."""
        detectors = _detectors(self.detectors) if self.detectors else BANK
        _check(self.params, detectors)
        try:
            check_overrides(self.params, detectors)
        except ParamError as error:
            raise CandidateError(str(error)) from error
        return Rules(detectors, dict(self.params))


def read_params(path: Path) -> dict[str, Any]:
    """Read detector parameters of a fleet from a TOML file: keys and numbers, no tables.

    Raises ``CandidateError`` naming the file.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no UTF-8"
        raise CandidateError(f"{path}: {reason}") from error
    except tomllib.TOMLDecodeError as error:
        raise CandidateError(f"{path}: {error}: this is no valid TOML") from error
    try:
        _check(table, BANK)
    except CandidateError as error:
        raise CandidateError(f"{path}: {error}") from error
    return table


def _check(params: Mapping[str, Any], detectors: tuple[Detector, ...]) -> None:
    """Raise ``CandidateError`` that names every wrong key and its remedy."""
    known = known_of(detectors)
    found = (problem_of(key, value, known) for key, value in params.items())
    if problems := [problem for problem in found if problem is not None]:
        raise CandidateError("; ".join(problems))


def registered(name: str) -> tuple[Detector, ...]:
    """Return the bank with a candidate of ``detectors.candidates``. Raises ``CandidateError``."""
    found = {one.name: one for one in candidates.CANDIDATES}
    if name not in found:
        names = ", ".join(sorted(found)) or "none"
        raise CandidateError(f"{name!r}: registered candidates: {names} (detectors/candidates.py)")
    return candidates.bank_with(found[name])


def _detectors(where: str) -> tuple[Detector, ...]:
    module, _, attribute = where.partition(":")
    if not attribute:
        try:
            return registered(where)
        except CandidateError as error:
            remedy = "; or write module:attribute, such as detectors.bank:BANK"
            raise CandidateError(f"{error}{remedy}") from error
    try:
        found = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise CandidateError(f"{where}: {error}") from error
    except AttributeError as error:
        raise CandidateError(f"{where}: {module} has no {attribute!r}") from error
    given = found if isinstance(found, tuple) else (found,)
    for one in given:
        missing = [name for name in _MEMBERS if not hasattr(one, name)]
        if missing:
            raise CandidateError(f"{where}: {one!r} is no detector: it has no {missing[0]}")
    return given
