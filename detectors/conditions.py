"""Conditions: detectors whose findings are conditions that hold for a window.

Decides how what a rule judges becomes transitions: each of its windows is followed
(``windows.follow``), and what happened is written down with the evidence that the rule gives when
asked. What the condition is, and what is told, is the rule's.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from detectors.contract import (
    NO_DUE_US,
    Events,
    Field,
    GapPolicy,
    LiftFrames,
    State,
    Stepped,
    written,
)
from detectors.parameters import LiftParams, spread_all
from detectors.segments import Bools, Ints
from detectors.signals import Heard
from detectors.windows import Course, follow, limit_at
from telemetry.findings import Confidence, FindingKind
from telemetry.transitions import Transitions


class Evidence(NamedTuple):
    """Why something happened, at ``k`` elements: named criteria, values, thresholds."""

    criteria: Mapping[str, NDArray[Any]]
    values: Mapping[str, NDArray[Any]]
    thresholds: Mapping[str, NDArray[Any] | float]


Judging: TypeAlias = Callable[[Ints], Evidence]
"""Returns the evidence at the given elements; asked only when something happened."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a detector says about one of its kinds.

    Parameters
    ----------
    kind
        The finding.
    holds
        Its condition, shape (n + m,).
    window_us, bridge_us
        See ``follow``.
    evidence
        What to tell; arrays are of the elements that it is asked for, thresholds may be scalars.
    confidence
        ``Confidence`` at the elements that it is asked for, or of each, or one for all. A clear is
        always certain.
    prefix
        Of the window's fields in the state.
    updates
        Elements at which an active finding has something new to tell.
    anew
        See ``follow``; a rule that gives it has gap policy reset.
    """

    kind: FindingKind
    holds: Bools
    window_us: Ints | int
    bridge_us: Ints | int
    evidence: Judging
    confidence: Callable[[Ints], NDArray[Any]] | NDArray[Any] | int = Confidence.CERTAIN
    prefix: str = ""
    updates: Bools | None = None
    anew: Bools | None = None


class ConditionDetector(ABC):
    """A detector whose findings are conditions with windows.

    What a derived one must say: ``name``, ``kinds``, ``layout``, ``params_type`` and ``judge``.
    """

    name: str
    kinds: tuple[FindingKind, ...]
    layout: tuple[Field, ...]
    params_type: type[LiftParams]
    version: str = "1"
    gap_policy: GapPolicy = GapPolicy.HOLD
    hears_escalators: bool = False

    @abstractmethod
    def judge(
        self, state: State, heard: Heard, params: Any
    ) -> tuple[tuple[Judged, ...], Mapping[str, NDArray[Any]]]:
        """Judge every element; return the kinds, and the new own fields beside the windows'.

        ``params`` are scalars or strips.
        """

    def step(self, state: State, batch: LiftFrames, params: Any) -> Stepped:
        """Advance ``m`` lifts; see ``contract.Detector.step``."""
        heard = batch.escalator if self.hears_escalators else batch.lift
        judged, own = self.judge(state, heard, spread_all(params, batch.segments.row))
        after = dict(own)
        found: list[Transitions] = []
        due_us: Ints | int = NO_DUE_US
        for one in judged:
            course = follow(
                state, heard, one.holds, one.window_us, one.bridge_us, one.prefix, one.updates,
                one.anew,
            )  # fmt: skip
            if not course.state:
                continue
            after |= course.state
            due_us = np.minimum(due_us, course.due_us)
            if len(course.at):
                found.append(_told(self, one, course, heard))
        return Stepped(after, due_us, tuple(found))


def _told(rule: ConditionDetector, judged: Judged, course: Course, heard: Heard) -> Transitions:
    """Write down the events of a window with their evidence."""
    at, sure = course.at, judged.confidence
    events = Events(
        at=at,
        change=course.change,
        t_us=course.t_us,
        onset_us=course.onset_us,
        last_seen_us=heard.seen_us[at],
        kind=judged.kind,
        confidence=sure(at) if callable(sure) else limit_at(sure, at),
        ended_by=course.reason,
        known_us=course.known_us,
    )
    return written(rule, heard.segments, events, *judged.evidence(at))


def tri(holds: Bools, unknown: Bools | bool = False) -> NDArray[np.int8]:
    """Return a criterion as it is told: 1, 0, or -1 where nobody can tell."""
    told = np.asarray(holds, np.bool_).view(np.int8)
    return told.copy() if unknown is False else np.where(unknown, np.int8(-1), told)
