"""Finding kinds: what a detector can find, and what each means for alarms.

One table, read by detectors (kind numbers), alerting (levels, texts, which are never delayed) and
the API (names). Numbers are stored in the database and never reused.
"""

from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final


class FindingKind(IntEnum):
    """Kinds of findings; the number is what the database holds."""

    ENTRAPMENT_BETWEEN_LANDINGS = 1
    ENTRAPMENT_AT_LANDING = 2
    ALARM_BUTTON = 3

    @property
    def slug(self) -> str:
        """Name in messages and URLs, ``entrapment_at_landing``."""
        return self.name.lower()


class Change(IntEnum):
    """What a transition does to its finding."""

    RAISED = 1
    UPDATED = 2
    CLEARED = 3


class ClearReason(IntEnum):
    """Why a finding was cleared."""

    NONE = 0
    DOORS_OPENED = 1
    """The doors stood open in the door zone: whoever was inside is free."""
    CONDITION_ENDED = 2
    """The condition itself is over (button let go)."""
    LATE_EVIDENCE = 3
    """A tick raised it, and a newer frame with an event time before that shows it was not so."""


class Confidence(IntEnum):
    """How sure a finding is, from stated rules."""

    CERTAIN = 0
    PROBABLE = 1
    POSSIBLE = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """What is fixed about a kind.

    ``life_safety``: no grouping, throttle, shelving, mute or delay ever applies.
    ``family``: while one kind of a family is active on a lift, the others only update it.
    ``ends_with_finding``: the alarm is over when the finding clears; otherwise a person ends it.
    """

    kind: FindingKind
    family: str
    life_safety: bool
    ends_with_finding: bool
    zh: str
    en: str


_FINDINGS: Final = (
    Finding(FindingKind.ENTRAPMENT_BETWEEN_LANDINGS, "entrapment", True, True,
            "非平层困人", "Entrapment between landings"),
    Finding(FindingKind.ENTRAPMENT_AT_LANDING, "entrapment", True, True,
            "平层困人", "Entrapment at a landing"),
    Finding(FindingKind.ALARM_BUTTON, "alarm_button", True, False,
            "轿内报警按钮", "Alarm button pressed"),
)  # fmt: skip

FINDINGS: Final = MappingProxyType({f.kind: f for f in _FINDINGS})
