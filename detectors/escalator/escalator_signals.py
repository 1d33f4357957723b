"""What the frames of an escalator or walk say of its steps: running, inspected, how fast.

Shared by the rules of escalators; decides nothing about findings. Every function is told what was
heard of escalators and walks (``LiftFrames.escalator``) and returns strips, shape (n + m,).
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.conditions import ConditionDetector, Judged
from detectors.contract import NO_DUE_US, LiftFrames, State, StateOf, Stepped
from detectors.parameters import US_PER_S, in_seconds, plain, spread_all
from detectors.segments import Bools
from detectors.signals import Heard
from detectors.windows import WINDOW_FIELDS
from telemetry.columns import UNKNOWN, EscalatorMode

MOVING_MPS: Final = 0.05
"""From here on steps move [m/s]; practice, as for lifts."""
_EN_115: Final = "EN 115-1"

BRIDGE: Final = in_seconds("escalator_bridge_s", 0, 3600, "practice: a few frames")
BRIDGE_US: Final = 5 * US_PER_S
"""An absence shorter than this ends no finding about motion [µs], and its declaration."""
STATE_BRIDGE: Final = in_seconds(
    "escalator_state_bridge_s", 0, 3600, "practice: longer than a contact's bounce"
)
STATE_BRIDGE_US: Final = US_PER_S // 2
"""The same of findings that a switch or a code tells: who presses again has pressed twice."""
RATED_SPEED: Final = plain("rated_speed_mps", 0.05, 30, "f8", "registry: the unit's plate")


class EscalatorDetector(ConditionDetector):
    """A finding of escalators and walks: it hears their frames and none of lifts.

    It works on the rows of which such a unit was ever heard, and leaves the others as they are.
    """

    hears_escalators = True

    def step(self, state: State, batch: LiftFrames, params: Any) -> Stepped:
        """Advance ``m`` units; see ``contract.Detector.step``."""
        rows, heard = batch.escalator.alone
        m = len(batch.now_us)
        if len(rows) == m:
            return super().step(state, batch, params)
        if not len(rows):
            return Stepped({}, NO_DUE_US, ())
        own = StateOf(state, rows)
        part = replace(batch, segments=heard.segments, now_us=batch.now_us[rows], escalator=heard)
        stepped = super().step(own, part, spread_all(params, rows))
        due_us = stepped.due_us
        if isinstance(due_us, np.ndarray):
            due_us = np.full(m, NO_DUE_US)
            due_us[rows] = stepped.due_us
        version = np.zeros(m, "i4")  # the bank knows it
        found = tuple(b.at_rows(rows, version) for b in stepped.found)
        return Stepped(own.put_back(stepped.state), due_us, found)


class PlainEscalatorDetector(EscalatorDetector):
    """One that has one kind and, beside its window, no state of its own."""

    layout = WINDOW_FIELDS

    @abstractmethod
    def rule(self, heard: Heard, params: Any) -> Judged:
        """Judge every element."""

    def judge(
        self, state: State, heard: Heard, params: Any
    ) -> tuple[tuple[Judged, ...], Mapping[str, NDArray[Any]]]:
        """See ``ConditionDetector.judge``."""
        del state
        return (self.rule(heard, params),), {}


def runs(heard: Heard) -> Bools:
    """Tell where the steps run: ``car`` says so, or the speed does where ``car`` is unknown."""
    car, speed_mps = heard.held("car"), heard.held("speed_mps")
    return (car == 1) | ((car == UNKNOWN) & (np.abs(speed_mps) >= MOVING_MPS))


def inspected(heard: Heard) -> Bools:
    """Tell where a mechanic is at work: service mode inspection."""
    return heard.says("mode", EscalatorMode.INSPECTION)


def steps_pct(heard: Heard, rated_speed_mps: Any) -> NDArray[np.float64]:
    """Return the speed of the steps [% of nominal]; NaN where speed or plate are unknown."""
    return 100 * np.abs(heard.held("speed_mps").astype(np.float64)) / rated_speed_mps
