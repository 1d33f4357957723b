"""Detectors that are tried out: named, so that shadow mode and ``hoistway compare`` find them.

A candidate takes the place of the detectors of the same name in the bank; one of another name runs
beside them. Nothing here ever raises an alarm. To try a new version of a rule, add a line, let it
run as a shadow, and move it into ``bank.BANK`` when the differences are what was wanted.
"""

from typing import Final, NamedTuple

from detectors.bank import BANK
from detectors.contract import Detector


class NamedDetectors(NamedTuple):
    """Detectors under one name, and why they are tried."""

    name: str
    why: str
    detectors: tuple[Detector, ...]


CANDIDATES: Final[tuple[NamedDetectors, ...]] = ()
"""Every candidate; empty while none is tried."""


def bank_with(candidate: NamedDetectors) -> tuple[Detector, ...]:
    """Return the bank as it would be with the candidate's detectors."""
    own = {d.name: d for d in candidate.detectors}
    kept = tuple(own.pop(d.name, d) for d in BANK)
    return (*kept, *own.values())
