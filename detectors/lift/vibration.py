"""A car that shakes more than it may while it rides (振动超标).

Decides from the vibration that a terminal tells, peak to peak. One bump is none: it must shake, and
later be calm, for longer than one sample in one ride. What it leaves to others: slow trends below
the limit, accelerometers that do not work.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.conditions import ConditionDetector, Evidence, Judged, tri
from detectors.contract import Field, State
from detectors.lift.car_motion import kept, motion
from detectors.parameters import US_PER_S, LiftParams, in_seconds, plain
from detectors.segments import NEVER_US, Ints
from detectors.signals import Heard
from detectors.windows import WINDOW_FIELDS, limit_at
from telemetry.findings import FindingKind

_NOTHING, _HIGH, _CALM = np.int8(0), np.int8(1), np.int8(2)
_VERTICAL: Final = "vibration_mps2"
_HORIZONTAL: Final = "vibration_horizontal_mps2"


@dataclass(frozen=True, slots=True)
class VibrationParams(LiftParams):
    """Thresholds, each a scalar or an array over lifts.

    Parameters
    ----------
    vibration_vertical_mps2, vibration_horizontal_mps2
        Vibration above this is too much, peak to peak [m/s²].
    vibration_lasts_us
        For how long all samples of a ride must be so before it shakes, or is calm again [µs].
    """

    vibration_vertical_mps2: Any = field(
        default=0.30, metadata=plain("vibration_vertical_mps2", 0.01, 10, "f4", "GB/T 10058")
    )
    vibration_horizontal_mps2: Any = field(
        default=0.20, metadata=plain("vibration_horizontal_mps2", 0.01, 10, "f4", "GB/T 10058")
    )
    vibration_lasts_us: Any = field(
        default=2 * US_PER_S,
        metadata=in_seconds("vibration_lasts_s", 0, 600, "practice: at least two samples"),
    )


class VibrationDetector(ConditionDetector):
    """The rule of vibration."""

    name = "vibration"
    kinds = (FindingKind.EXCESSIVE_VIBRATION,)
    layout = (
        *WINDOW_FIELDS,
        Field("spell_us", "i8", NEVER_US),  # since when all samples of this ride were alike
        Field("spell", "i1", 0),  # nothing yet in this ride, high, calm
        Field("shakes", "?", False),
    )
    params_type = VibrationParams

    def judge(
        self, state: State, heard: Heard, params: VibrationParams
    ) -> tuple[tuple[Judged, ...], Mapping[str, NDArray[Any]]]:
        """Judge every element; see ``ConditionDetector.judge``."""
        seg, line = heard.segments, heard.line
        vertical, horizontal = heard.held(_VERTICAL), heard.held(_HORIZONTAL)
        rides = motion(heard).moves | (heard.held("car") == 1)
        sample = rides & (heard.told_at(_VERTICAL) | heard.told_at(_HORIZONTAL))
        high = vertical > params.vibration_vertical_mps2
        high |= horizontal > params.vibration_horizontal_mps2
        told = np.where(sample, np.where(high, _HIGH, _CALM), _NOTHING)
        told[seg.head_at] = state["spell"]
        spell = seg.hold(told, sample | (~rides & ~seg.is_head))
        since_us = line.since(seg.changes(spell), state["spell_us"])
        proven = sample & (line.t_us - since_us >= params.vibration_lasts_us)
        shakes = kept(seg, state["shakes"], proven & (spell == _HIGH), proven & (spell == _CALM))

        def evidence(at: Ints) -> Evidence:
            return Evidence(
                {
                    "vertical": tri(
                        vertical[at] > limit_at(params.vibration_vertical_mps2, at),
                        np.isnan(vertical[at]),
                    ),
                    "horizontal": tri(
                        horizontal[at] > limit_at(params.vibration_horizontal_mps2, at),
                        np.isnan(horizontal[at]),
                    ),
                },
                {
                    _VERTICAL: vertical[at],
                    _HORIZONTAL: horizontal[at],
                    "speed_mps": heard.held("speed_mps")[at],
                    "floor": heard.held("floor")[at],
                    "spell_us": since_us[at],
                },
                {
                    "window_us": limit_at(params.vibration_lasts_us, at),
                    "vertical_mps2": limit_at(params.vibration_vertical_mps2, at),
                    "horizontal_mps2": limit_at(params.vibration_horizontal_mps2, at),
                },
            )

        last = seg.last_at
        own = {"spell_us": since_us[last], "spell": spell[last], "shakes": shakes[last]}
        return (Judged(self.kinds[0], shakes, 0, 0, evidence),), own
