"""Escalators and walks whose steps or handrails run at a wrong speed.

Decides overspeed of the steps and deviation of a handrail. Speeds are compared in percent of
nominal: that of the steps is known where both the speed and the plate are; a handrail's is told as
such. Nothing here hears a lift.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.codes import merged
from detectors.conditions import Evidence, Judged, tri
from detectors.escalator.escalator_signals import (
    BRIDGE,
    BRIDGE_US,
    RATED_SPEED,
    PlainEscalatorDetector,
    runs,
    steps_pct,
)
from detectors.parameters import US_PER_S, LiftParams, in_seconds, plain
from detectors.segments import Bools, Ints
from detectors.signals import Heard
from detectors.windows import limit_at
from telemetry.findings import Confidence, FindingKind

_SHOWN = ("mode", "car", "speed_mps", "handrail_left_pct", "handrail_right_pct")
"""Columns among the evidence of both."""


@dataclass(frozen=True, slots=True)
class EscalatorOverspeedParams(LiftParams):
    """Thresholds of overspeed.

    Parameters
    ----------
    most_pct
        Steps may run up to this [% of nominal].
    window_us
        How long they must run faster, unless code 62 says so [µs].
    bridge_us
        An absence shorter than this ends nothing [µs].
    rated_speed_mps
        Nominal speed on the plate [m/s]; NaN = unknown.
    """

    most_pct: Any = field(
        default=110.0,
        metadata=plain("escalator_overspeed_pct", 100, 200, "f8", "practice: 10 % (a vendor's)"),
    )
    window_us: Any = field(
        default=1 * US_PER_S,
        metadata=in_seconds(
            "escalator_overspeed_window_s", 0, 600, "practice: two frames of a second"
        ),
    )
    bridge_us: Any = field(default=BRIDGE_US, metadata=BRIDGE)
    rated_speed_mps: Any = field(default=float("nan"), metadata=RATED_SPEED)


@dataclass(frozen=True, slots=True)
class HandrailParams(LiftParams):
    """Thresholds of a handrail's deviation.

    Parameters
    ----------
    most_pct
        A handrail may differ by this from the steps [% of their speed].
    least_steps_pct
        Slower steps are not judged [% of nominal].
    window_us
        How long it must differ [µs].
    bridge_us
        An absence shorter than this ends nothing while the steps run [µs].
    rest_us
        The same while they stand: nobody can tell then [µs].
    rated_speed_mps
        Nominal speed on the plate [m/s]; NaN = unknown.
    """

    most_pct: Any = field(
        default=15.0,
        metadata=plain("handrail_deviation_pct", 1, 100, "f8", "EN 115-1: 15 %"),
    )
    least_steps_pct: Any = field(
        default=20.0,
        metadata=plain("handrail_least_steps_pct", 1, 100, "f8", "practice: half of creeping"),
    )
    window_us: Any = field(
        default=15 * US_PER_S, metadata=in_seconds("handrail_window_s", 0, 3600, "EN 115-1: 15 s")
    )
    bridge_us: Any = field(
        default=2 * US_PER_S,
        metadata=in_seconds("handrail_bridge_s", 0, 3600, "practice: a frame or two"),
    )
    rest_us: Any = field(
        default=600 * US_PER_S,
        metadata=in_seconds("handrail_rest_s", 0, 86_400, "practice: longer than most rests"),
    )
    rated_speed_mps: Any = field(default=float("nan"), metadata=RATED_SPEED)


class EscalatorOverspeedDetector(PlainEscalatorDetector):
    """Steps run faster than their plate allows; code 62.

    Where their speed is unknown, two handrails that are both too fast say it.
    """

    name = "escalator_overspeed"
    kinds = (FindingKind.ESCALATOR_OVERSPEED,)
    params_type = EscalatorOverspeedParams

    def rule(self, heard: Heard, params: EscalatorOverspeedParams) -> Judged:
        """See ``PlainEscalatorDetector.rule``."""
        pct = steps_pct(heard, params.rated_speed_mps)
        rails_pct = np.minimum(heard.held("handrail_left_pct"), heard.held("handrail_right_pct"))
        by_rails = np.isnan(pct)
        pct = np.where(by_rails, rails_pct, pct)
        code = heard.code(62)
        sensed = tri(pct > params.most_pct, np.isnan(pct))
        found = merged(sensed, code)
        indirect = by_rails & (code != 1)
        window_us = np.where(code == 1, 0, params.window_us)

        def sure(at: Ints) -> NDArray[np.int8]:
            direct = found.confidence(at)
            return np.where(indirect[at], np.maximum(direct, Confidence.PROBABLE), direct)

        def evidence(at: Ints) -> Evidence:
            values = {name: heard.held(name)[at] for name in _SHOWN}
            limits = {
                "window_us": window_us[at],
                "escalator_overspeed_pct": limit_at(params.most_pct, at),
                "rated_speed_mps": limit_at(params.rated_speed_mps, at),
            }
            criteria = found.criteria("code_62", at)
            return Evidence(criteria, values | {"steps_pct": pct[at]}, limits)

        return Judged(self.kinds[0], found.holds, window_us, params.bridge_us, evidence, sure)


class HandrailDetector(PlainEscalatorDetector):
    """A handrail does not go with the steps.

    It is compared with the steps, so that a unit that creeps to save energy is none; with the other
    handrail where the speed of the steps is unknown.
    """

    name = "handrail_deviation"
    kinds = (FindingKind.HANDRAIL_DEVIATION,)
    params_type = HandrailParams

    def rule(self, heard: Heard, params: HandrailParams) -> Judged:
        """See ``PlainEscalatorDetector.rule``."""
        steps = steps_pct(heard, params.rated_speed_mps)
        left = heard.held("handrail_left_pct").astype(np.float64)
        right = heard.held("handrail_right_pct").astype(np.float64)
        against = np.where(np.isnan(steps), np.fmax(left, right), steps)
        judged = runs(heard) & (against >= params.least_steps_pct)
        scale = np.where(judged, against, 1.0)
        off_left, off_right = (100 * np.abs(rail - scale) / scale for rail in (left, right))
        off_pct = np.fmax(off_left, off_right)
        holds = judged & (off_pct > params.most_pct)
        bridge_us = np.where(judged, params.bridge_us, params.rest_us)

        def evidence(at: Ints) -> Evidence:
            values = {name: heard.held(name)[at] for name in _SHOWN}
            values["steps_pct"] = steps[at]
            values["deviation_pct"] = np.where(judged[at], off_pct[at], np.nan)
            most_pct = limit_at(params.most_pct, at)
            criteria = {
                "running": tri(judged[at]),
                "left_deviates": _deviates(off_left[at], most_pct, judged[at]),
                "right_deviates": _deviates(off_right[at], most_pct, judged[at]),
                "steps_known": tri(~np.isnan(steps[at])),
            }
            limits = {
                "window_us": limit_at(params.window_us, at),
                "handrail_deviation_pct": most_pct,
                "rated_speed_mps": limit_at(params.rated_speed_mps, at),
            }
            return Evidence(criteria, values, limits)

        sure = np.where(np.isnan(steps), Confidence.PROBABLE, Confidence.CERTAIN)
        return Judged(self.kinds[0], holds, params.window_us, bridge_us, evidence, sure)


def _deviates(off_pct: NDArray[np.float64], most_pct: Any, judged: Bools) -> NDArray[np.int8]:
    return tri(off_pct > most_pct, ~judged | np.isnan(off_pct))
