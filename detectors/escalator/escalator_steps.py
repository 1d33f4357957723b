"""Escalators and walks whose steps turn back, or of which one is missing.

Decides unintended reversal and the missing step. Both are judged from frame to frame, so each keeps
a little of its own. Nothing here hears a lift.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.codes import merged
from detectors.conditions import Evidence, Judged, tri
from detectors.contract import Field
from detectors.escalator.escalator_signals import (
    BRIDGE,
    BRIDGE_US,
    MOVING_MPS,
    EscalatorDetector,
    inspected,
    runs,
)
from detectors.parameters import US_PER_S, LiftParams, in_seconds, plain
from detectors.segments import NEVER_US, Bools, Ints
from detectors.signals import Heard
from detectors.windows import WINDOW_FIELDS, limit_at
from telemetry.columns import UNKNOWN, Direction
from telemetry.findings import FindingKind

_STEADY: Final = 0.1
"""Speeds that differ by less from frame to frame are the same [share]; practice: wobble is 2 %."""


@dataclass(frozen=True, slots=True)
class ReversalParams(LiftParams):
    """Thresholds of a reversal.

    Parameters
    ----------
    window_us
        How long the steps must run back, unless code 63 says so [µs].
    gap_us
        Directions told further apart may have had a stop between them [µs].
    bridge_us
        An absence shorter than this ends nothing [µs].
    """

    window_us: Any = field(
        default=1 * US_PER_S,
        metadata=in_seconds("reversal_window_s", 0, 60, "practice: two frames of a second"),
    )
    gap_us: Any = field(
        default=6 * US_PER_S,
        metadata=in_seconds("reversal_gap_s", 0, 600, "practice: the slowest cadence, 5 s"),
    )
    bridge_us: Any = field(default=BRIDGE_US, metadata=BRIDGE)


@dataclass(frozen=True, slots=True)
class StepMissingParams(LiftParams):
    """Thresholds of a missing step.

    Parameters
    ----------
    dip_pct
        A frequency below this is a gap that passes [% of the one before].
    steady_us
        How long the steps must have run at one speed [µs].
    apart_us
        Gaps that come sooner after one another are none: the band needs longer for a round [µs].
    round_us
        Gaps that come later after one another are two accidents, and the step is there again [µs].
    """

    dip_pct: Any = field(
        default=75.0,
        metadata=plain("step_dip_pct", 1, 99, "f8", "practice: one step of two in a second"),
    )
    steady_us: Any = field(
        default=3 * US_PER_S, metadata=in_seconds("step_steady_s", 1, 60, "practice")
    )
    apart_us: Any = field(
        default=10 * US_PER_S,
        metadata=in_seconds("step_apart_s", 0, 600, "practice: the shortest band, at 0.75 m/s"),
    )
    round_us: Any = field(
        default=600 * US_PER_S,
        metadata=in_seconds("step_round_s", 1, 86_400, "practice: a long walk, with one gap lost"),
    )


class ReversalDetector(EscalatorDetector):
    """Steps that ran one way run the other, without a stop between; code 63."""

    name = "escalator_reversal"
    kinds = (FindingKind.ESCALATOR_REVERSAL,)
    layout = (
        *WINDOW_FIELDS,
        Field("way_us", "i8", NEVER_US),  # of the last frame that told the direction
        Field("way", "i1", UNKNOWN),  # direction in which this run began
        Field("known", "?", False),  # the direction was told in this run
    )
    params_type = ReversalParams

    def judge(
        self, state: Any, heard: Heard, params: ReversalParams
    ) -> tuple[tuple[Judged, ...], dict[str, NDArray[Any]]]:
        """See ``ConditionDetector.judge``."""
        seg, line = heard.segments, heard.line
        direction, told = heard.held("direction"), heard.told_at("direction")
        stands = _stands(heard)
        apart = stands | inspected(heard)
        way_us = line.since(told, state["way_us"])
        tells = told & ~apart
        known = seg.latch(tells | seg.join(state["known"], False), apart)
        unseen = line.t_us - seg.prior(way_us) > params.gap_us
        begins = tells & (unseen | ~seg.prior(known))
        base = direction.copy()
        base[seg.head_at] = state["way"]
        base = seg.hold(base, begins)
        sensed = tri(known & (direction != base), ~known)
        code = heard.code(63)
        found = merged(sensed, code)
        window_us = np.where(code == 1, 0, params.window_us)

        def evidence(at: Ints) -> Evidence:
            values = {name: heard.held(name)[at] for name in ("mode", "car", "speed_mps")}
            values |= {"direction": direction[at], "direction_before": base[at]}
            criteria = found.criteria("code_63", at) | {"standing": tri(stands[at])}
            return Evidence(criteria, values, {"window_us": window_us[at]})

        one = Judged(
            self.kinds[0], found.holds, window_us, params.bridge_us, evidence, found.confidence
        )
        last = seg.last_at
        return (one,), {"way_us": way_us[last], "way": base[last], "known": known[last]}


def _stands(heard: Heard) -> Bools:
    """Tell where the steps stand, or may: any sign of it counts."""
    slow = np.abs(heard.held("speed_mps")) < MOVING_MPS
    return ~runs(heard) | slow | heard.says("direction", Direction.NONE)


class StepMissingDetector(EscalatorDetector):
    """The counted frequency of the steps dips once a round of the band; code 64."""

    name = "step_missing"
    kinds = (FindingKind.STEP_MISSING,)
    layout = (
        *WINDOW_FIELDS,
        Field("unsteady_us", "i8", NEVER_US),  # when the speed was last another
        Field("dip_us", "i8", NEVER_US),  # of the last gap
        Field("passes", "?", False),  # the last gap was of a missing step
    )
    params_type = StepMissingParams

    def judge(
        self, state: Any, heard: Heard, params: StepMissingParams
    ) -> tuple[tuple[Judged, ...], dict[str, NDArray[Any]]]:
        """See ``ConditionDetector.judge``."""
        seg, line = heard.segments, heard.line
        told = heard.told_at("step_frequency_hz") & heard.told_at("speed_mps")
        unsteady_us = line.since(_unsteady(heard), state["unsteady_us"])
        frequency_hz = heard.held("step_frequency_hz")
        falls = frequency_hz < params.dip_pct / 100 * seg.prior(frequency_hz)
        steady = line.t_us - unsteady_us >= params.steady_us
        dips = told & steady & falls
        dip_us = line.since(dips, state["dip_us"])
        since_us = line.t_us - seg.prior(dip_us)
        again = dips & (since_us >= params.apart_us) & (since_us <= params.round_us)
        passed = (dips & ~again) | (told & (line.t_us > dip_us))
        passes = seg.latch(again | seg.join(state["passes"], False), passed)
        sensed = tri(passes, np.isnan(frequency_hz))
        code, running = heard.code(64), runs(heard)
        found = merged(sensed, code)

        def evidence(at: Ints) -> Evidence:
            values = {name: heard.held(name)[at] for name in ("mode", "car", "speed_mps")}
            values["step_frequency_hz"] = frequency_hz[at]
            criteria = found.criteria("code_64", at) | {"running": tri(running[at])}
            limits = {"window_us": 0, "step_dip_pct": limit_at(params.dip_pct, at)}
            return Evidence(criteria, values, limits)

        one = Judged(self.kinds[0], found.holds, 0, params.round_us, evidence, found.confidence)
        last = seg.last_at
        own = {"unsteady_us": unsteady_us[last], "dip_us": dip_us[last], "passes": passes[last]}
        return (one,), own


def _unsteady(heard: Heard) -> Bools:
    """Mark where the steps do not run, or did not one element before, or at another speed."""
    prior, running = heard.segments.prior, runs(heard)
    speed_mps = np.abs(heard.held("speed_mps"))
    before_mps = prior(speed_mps)
    same = np.abs(speed_mps - before_mps) <= _STEADY * np.maximum(speed_mps, before_mps)
    return ~(running & prior(running) & same)
