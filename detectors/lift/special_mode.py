"""Not in normal service: out of service, inspection, fire, emergency power, seismic.

Decides that a lift is in a special mode, by ``mode`` (0, 2-6) or by the event codes 42-47; code 40,
back to automatic, ends it. One finding lasts through a change of mode, which is told as an update.
Which mode it is stands in the evidence. What a mode means for other rules, these decide.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.codes import merged
from detectors.conditions import ConditionDetector, Evidence, Judged
from detectors.contract import State
from detectors.parameters import US_PER_S, LiftParams, in_seconds
from detectors.segments import Ints
from detectors.signals import Heard
from detectors.windows import WINDOW_FIELDS, limit_at
from telemetry.columns import UNKNOWN, Mode
from telemetry.findings import FindingKind

BACK_TO_AUTOMATIC: Final = 40
CODE_OF_MODE: Final[Mapping[int, int]] = {
    42: Mode.STOPPED,
    43: Mode.INSPECTION,
    44: Mode.FIRE_RECALL,
    45: Mode.FIREFIGHTER,
    46: Mode.EMERGENCY_POWER,
    47: Mode.SEISMIC,
}
"""Event codes and the modes that they say (GB/T 24476)."""
_SPECIAL: Final = np.array([1, 0, 1, 1, 1, 1, 1, UNKNOWN, UNKNOWN], np.int8)
"""By mode; the last is that of a mode never told (-1)."""


@dataclass(frozen=True, slots=True)
class SpecialModeParams(LiftParams):
    """Thresholds, each a scalar or an array over lifts.

    Parameters
    ----------
    special_mode_window_us
        How long it must be in a special mode [µs].
    special_mode_bridge_us
        Absences shorter than this change nothing [µs].
    """

    special_mode_window_us: Any = field(
        default=5 * US_PER_S,
        metadata=in_seconds("special_mode_window_s", 0, 3600, "practice: a switch is turned over"),
    )
    special_mode_bridge_us: Any = field(
        default=5 * US_PER_S,
        metadata=in_seconds("special_mode_bridge_s", 0, 3600, "practice: a switch is turned over"),
    )


class SpecialModeDetector(ConditionDetector):
    """The rule of special modes."""

    name = "special_mode"
    kinds = (FindingKind.SPECIAL_MODE,)
    layout = WINDOW_FIELDS
    params_type = SpecialModeParams

    def judge(
        self, state: State, heard: Heard, params: SpecialModeParams
    ) -> tuple[tuple[Judged, ...], Mapping[str, NDArray[Any]]]:
        """Judge every element; see ``ConditionDetector.judge``."""
        del state
        mode, automatic = heard.held("mode"), heard.code(BACK_TO_AUTOMATIC)
        sensed = np.where(automatic == 1, np.int8(0), _SPECIAL[mode])
        code, by_code = _by_code(heard, automatic)
        fault = merged(sensed, code)

        def evidence(at: Ints) -> Evidence:
            return Evidence(
                {"sensed": sensed[at], "code_42_47": code[at], "code_40": automatic[at]},
                {
                    "mode": mode[at],
                    "mode_by_code": by_code[at],
                    **{name: heard.held(name)[at] for name in ("car", "door", "floor", "power")},
                },
                {"window_us": limit_at(params.special_mode_window_us, at)},
            )

        one = Judged(
            self.kinds[0],
            fault.holds,
            params.special_mode_window_us,
            params.special_mode_bridge_us,
            evidence,
            fault.confidence,
            updates=fault.holds & heard.segments.changes(mode),
        )
        return (one,), {}


def _by_code(
    heard: Heard, automatic: NDArray[np.int8]
) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Return whether an event code says a special mode (1, 0, -1), and which mode."""
    by_code = np.full(len(automatic), np.int8(UNKNOWN))
    for number, mode in CODE_OF_MODE.items():
        active = heard.code(number)
        if (active == 1).any():
            by_code[(active == 1) & (automatic != 1)] = mode
    says = np.where(by_code != UNKNOWN, np.int8(1), np.minimum(automatic, np.int8(0)))
    return says, by_code
