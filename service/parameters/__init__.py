"""Parameters of the detectors as operators set them: for the fleet, a model, a lift.

``known`` says which there are; ``book`` what is in force for a lift at a version, and why; ``lane``
gives it to the detectors between two batches; ``store`` reads and changes it in the database.
"""

from service.parameters.book import Book, Effective, LiftSettings, lift_overrides
from service.parameters.known import KNOWN, Known, problem_of
from service.parameters.lane import LaneParameters
from service.parameters.store import (
    Changed,
    ParametersRefusedError,
    ParameterStore,
    Wanted,
    record_installation,
    record_lift,
)

__all__ = [
    "KNOWN",
    "Book",
    "Changed",
    "Effective",
    "Known",
    "LaneParameters",
    "LiftSettings",
    "ParameterStore",
    "ParametersRefusedError",
    "Wanted",
    "lift_overrides",
    "problem_of",
    "record_installation",
    "record_lift",
]
